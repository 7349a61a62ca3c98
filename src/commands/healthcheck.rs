//! `kenh healthcheck`: whether a running gateway answers. For images without a shell or curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::fail;

/// The most of an answer that is read: its first line is enough.
const MOST: u64 = 1_024;

/// Asks a running gateway on this machine whether it is alive.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the gateway listens.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// `/healthz` asks whether the process is alive, `/readyz` whether it can take work.
    #[arg(long, default_value = "/healthz")]
    pub path: String,
    /// The longest to wait for each step, milliseconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout_ms: u64,
}

/// Why a gateway is not well.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It does not listen, or does not answer in time.
    #[error("{0} does not answer")]
    Silent(SocketAddr, #[source] io::Error),
    /// It answers something else than 200.
    #[error("{0} answers `{1}`")]
    Unwell(SocketAddr, String),
}

/// Asks once. 0: it answers 200, 1: it does not.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match check(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("the gateway is not well", &error),
    }
}

fn check(args: &Args) -> Result<(), Error> {
    let answer = ask(args).map_err(|error| Error::Silent(args.address, error))?;
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    if is_http && words.next() == Some("200") {
        Ok(())
    } else {
        Err(Error::Unwell(args.address, line.to_owned()))
    }
}

/// HTTP/1.0, so that the answer ends with the connection.
fn ask(args: &Args) -> io::Result<String> {
    let longest = Duration::from_millis(args.timeout_ms);
    let mut stream = TcpStream::connect_timeout(&args.address, longest)?;
    stream.set_read_timeout(Some(longest))?;
    stream.set_write_timeout(Some(longest))?;
    write!(
        stream,
        "GET {} HTTP/1.0\r\nHost: {}\r\n\r\n",
        args.path, args.address
    )?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Answers one request; gives back its first line.
    fn gateway(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            assert!(lines.any(|line| line.is_empty()), "the request never ends");
            (&stream).write_all(answer.as_bytes()).unwrap();
            first
        });
        (address, served)
    }

    fn ask_of(address: SocketAddr) -> Args {
        Args {
            address,
            path: "/healthz".to_owned(),
            timeout_ms: 5_000,
        }
    }

    #[test]
    fn a_gateway_that_answers_200_is_well() {
        let (address, served) = gateway("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        check(&ask_of(address)).unwrap();
        assert_eq!(served.join().unwrap(), "GET /healthz HTTP/1.0");
    }

    #[test]
    fn any_other_answer_is_told() {
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "SSH-2.0-x 200\r\n",
            "",
        ] {
            let (address, served) = gateway(answer);
            let error = check(&ask_of(address)).unwrap_err();
            served.join().unwrap();
            assert!(matches!(error, Error::Unwell(_, _)), "{answer}: {error}");
        }
    }

    #[test]
    fn a_port_where_nobody_listens_is_told() {
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let error = check(&ask_of(address)).unwrap_err();
        assert!(matches!(error, Error::Silent(_, _)), "{error}");
    }
}
