//! The client against real sockets on loopback: small servers that answer by script and keep
//! what they were asked.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::limits::{Gate, Limits, Outcome, Permit};
use super::*;
use crate::clock::SystemClock;

/// What a server does once it has read a request.
#[derive(Debug, Clone, Copy)]
enum Reply {
    /// Writes this and closes.
    Close(&'static [u8]),
    /// Writes this and keeps the connection open without another word.
    Stall(&'static [u8]),
    /// Writes this and reads the next request on the same connection, which it answers by
    /// closing.
    CloseOnSecond(&'static [u8]),
}

struct Server {
    address: SocketAddr,
    seen: Receiver<String>,
}

impl Server {
    fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            // Stalled connections stay open for as long as the server lives.
            let mut stalled = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A closed channel means that the test is over.
                if sender.send(read_request(&mut stream)).is_err() {
                    return;
                }
                match reply {
                    Reply::Close(answer) => {
                        stream.write_all(answer).unwrap();
                        stream.shutdown(Shutdown::Both).unwrap();
                    }
                    Reply::Stall(answer) => {
                        stream.write_all(answer).unwrap();
                        stalled.push(stream);
                    }
                    Reply::CloseOnSecond(answer) => {
                        stream.write_all(answer).unwrap();
                        if sender.send(read_request(&mut stream)).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Self { address, seen }
    }

    fn url(&self, host: &str) -> String {
        let port = self.address.port();
        format!("http://{host}:{port}/orders?sign=SECRET&access_token=SECRET")
    }

    fn requests(&self) -> Vec<String> {
        self.seen.try_iter().collect()
    }
}

/// One request, head and body; empty if the other side only connected.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .next()
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: r-1\r\n\r\nok";

fn client() -> Client {
    Client::new(&Policy::default()).unwrap()
}

fn post(url: &str) -> http::Request<Bytes> {
    http::Request::post(url)
        .header("authorization", "Bearer SECRET")
        .body(Bytes::from_static(b"SECRET body"))
        .unwrap()
}

fn internal() -> SendOptions {
    SendOptions {
        internal: true,
        ..SendOptions::default()
    }
}

fn quick() -> SendOptions {
    SendOptions {
        timeout: Duration::from_millis(150),
        ..internal()
    }
}

/// Sends to a server that answers with `reply` and checks that no error shows a secret.
async fn fails(reply: Reply, options: &SendOptions) -> SendError {
    let server = Server::start(reply);
    let error = client()
        .send(post(&server.url("127.0.0.1")), options)
        .await
        .unwrap_err();
    assert_eq!(server.requests().len(), 1, "sent once");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("SECRET"), "{shown}");
    error
}

#[tokio::test]
async fn a_request_arrives_as_it_is_and_the_answer_comes_back_whole() {
    let server = Server::start(Reply::Close(OK));
    let answer = client()
        .send(post(&server.url("127.0.0.1")), &internal())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-request-id"], "r-1");
    assert_eq!(answer.body().as_ref(), b"ok");
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /orders?sign=SECRET&access_token=SECRET HTTP/1.1\r\n"));
    assert!(request.ends_with("\r\n\r\nSECRET body"));
    assert!(request.contains(concat!("user-agent: kenh/", env!("CARGO_PKG_VERSION"))));
    assert!(request.contains("authorization: Bearer SECRET"));
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let server = Server::start(Reply::Close(
        b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbusy",
    ));
    let answer = client()
        .send(post(&server.url("127.0.0.1")), &internal())
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(Reply::Close(
        b"HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
    ));
    let answer = client()
        .send(post(&server.url("127.0.0.1")), &internal())
        .await
        .unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn our_own_network_is_closed_to_public_calls_however_it_is_spelled() {
    let server = Server::start(Reply::Close(OK));
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let error = client()
            .send(post(&server.url(host)), &SendOptions::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error, SendError::NotSent(NotSent::AddressRefused { .. })),
            "{host}: {error:?}"
        );
        assert!(error.is_permanent());
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_internal_call_reaches_our_own_network() {
    for host in ["127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"] {
        let server = Server::start(Reply::Close(OK));
        let answer = client().send(post(&server.url(host)), &internal()).await;
        assert_eq!(answer.unwrap().status(), 200, "{host}");
    }
}

#[tokio::test]
async fn an_internal_call_does_not_reach_metadata_services() {
    for url in [
        "http://169.254.169.254/latest/",
        "http://0.0.0.0/",
        "http://[fe80::1]/",
    ] {
        let error = client().send(post(url), &internal()).await.unwrap_err();
        assert_eq!(error.label(), "address_refused", "{url}");
    }
}

#[tokio::test]
async fn a_public_call_does_not_use_a_connection_of_an_internal_one() {
    let server = Server::start(Reply::Stall(OK));
    let client = client();
    let url = server.url("localhost");
    client.send(post(&url), &internal()).await.unwrap();
    let error = client
        .send(post(&url), &SendOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.label(), "address_refused");
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/?sign=SECRET");
    let error = client().send(post(&url), &internal()).await.unwrap_err();
    let expected = NotSent::Connect {
        host: "127.0.0.1".to_owned(),
        kind: io::ErrorKind::ConnectionRefused,
    };
    assert_eq!(error, expected.into());
    assert!(error.is_not_sent() && !error.is_permanent());
}

#[tokio::test]
async fn a_name_that_does_not_exist_was_not_sent() {
    let url = "http://no-such-partner.invalid/?sign=SECRET";
    let error = client().send(post(url), &internal()).await.unwrap_err();
    assert_eq!(error.label(), "dns");
    assert!(error.is_not_sent());
}

#[tokio::test]
async fn a_failed_handshake_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/?sign=SECRET", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 No TLS\r\n\r\n").unwrap();
        read_request(&mut stream);
    });
    let error = client().send(post(&url), &internal()).await.unwrap_err();
    let expected = NotSent::Tls {
        host: "127.0.0.1".to_owned(),
    };
    assert_eq!(error, expected.into());
}

#[tokio::test]
async fn a_connection_that_takes_too_long_was_not_sent() {
    // The system accepts the connection, but nobody answers the handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/?sign=SECRET", silent.local_addr().unwrap());
    let impatient = Client::new(&Policy {
        connect_timeout: Duration::from_millis(100),
        ..Policy::default()
    })
    .unwrap();
    let error = impatient.send(post(&url), &internal()).await.unwrap_err();
    assert_eq!(error.label(), "connect_timeout");
    assert!(error.is_not_sent());
}

#[tokio::test]
async fn a_request_without_an_address_was_not_sent() {
    for url in ["/orders", "ftp://partner.example/x"] {
        let error = client().send(post(url), &internal()).await.unwrap_err();
        assert_eq!(error, NotSent::Invalid.into(), "{url}");
    }
}

#[tokio::test]
async fn a_time_out_after_sending_leaves_the_outcome_unknown() {
    let error = fails(Reply::Stall(b""), &quick()).await;
    assert_eq!((error.label(), error.status()), ("timed_out", None));
    assert!(!error.is_not_sent());
}

#[tokio::test]
async fn a_time_out_in_the_middle_of_an_answer_keeps_its_status() {
    let half = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"number\":";
    let error = fails(Reply::Stall(half), &quick()).await;
    assert_eq!((error.label(), error.status()), ("timed_out", Some(201)));
}

#[tokio::test]
async fn a_half_written_answer_leaves_the_outcome_unknown() {
    for half in [
        &b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"number\":"[..],
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"num\r\n",
    ] {
        let error = fails(Reply::Close(half), &internal()).await;
        assert_eq!((error.label(), error.status()), ("truncated", Some(201)));
        assert!(!error.is_not_sent());
    }
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_leaves_the_outcome_unknown() {
    for start in [&b""[..], b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\ncontent-"] {
        let error = fails(Reply::Close(start), &internal()).await;
        assert_eq!(error.label(), "reset");
        assert!(!error.is_not_sent());
    }
}

#[tokio::test]
async fn a_reused_connection_that_closes_is_not_tried_again() {
    let server = Server::start(Reply::CloseOnSecond(OK));
    let client = client();
    let url = server.url("127.0.0.1");
    client.send(post(&url), &internal()).await.unwrap();
    let error = client.send(post(&url), &internal()).await.unwrap_err();
    assert_eq!(error.label(), "reset");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let limit = SendOptions {
        max_response_bytes: 1000,
        ..internal()
    };
    // Neither server ever finishes, so only a reader that stops early returns.
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
    let error = fails(Reply::Stall(announced), &limit).await;
    assert_eq!((error.label(), error.status()), ("too_large", Some(200)));

    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let streamed = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let error = fails(Reply::Stall(streamed.leak().as_bytes()), &limit).await;
    assert_eq!(error.label(), "too_large");
}

#[tokio::test]
async fn an_answer_as_long_as_the_limit_is_read() {
    let server = Server::start(Reply::Close(OK));
    let limit = SendOptions {
        max_response_bytes: 2,
        ..internal()
    };
    let answer = client().send(post(&server.url("127.0.0.1")), &limit).await;
    assert_eq!(answer.unwrap().body().as_ref(), b"ok");
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_too_long() {
    use base64::Engine as _;
    // 100,000 zero bytes, in gzip.
    let packed = base64::prelude::BASE64_STANDARD
        .decode("H4sIAAAAAAACA+3BMQEAAADCoPVPbQ0PoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIBXA32VEdSghgEA")
        .unwrap();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    answer.extend_from_slice(&packed);
    let answer: &'static [u8] = answer.leak();
    let limit = SendOptions {
        max_response_bytes: 99_999,
        ..internal()
    };
    let error = fails(Reply::Close(answer), &limit).await;
    assert_eq!(error.label(), "too_large");

    let server = Server::start(Reply::Close(answer));
    let unpacked = client()
        .send(post(&server.url("127.0.0.1")), &internal())
        .await
        .unwrap();
    assert_eq!(unpacked.body().len(), 100_000);
}

#[tokio::test]
async fn a_stalled_target_does_not_keep_another_waiting() {
    let stalled = Server::start(Reply::Stall(b""));
    let healthy = Server::start(Reply::Close(OK));
    let limits = Limits {
        rate: None,
        concurrency: NonZeroU32::new(4).unwrap(),
        breaker: None,
    };
    let clock = SystemClock::shared();
    let (one, two) = (Gate::new(limits, clock.clone()), Gate::new(limits, clock));
    let client = client();
    let options = SendOptions {
        timeout: Duration::from_secs(600),
        ..internal()
    };
    let mut calls = Vec::new();
    while let Ok(permit) = one.permit() {
        let (client, options) = (client.clone(), options.clone());
        let request = post(&stalled.url("127.0.0.1"));
        calls.push(tokio::spawn(async move {
            let _permit: Permit = permit;
            client.send(request, &options).await
        }));
    }
    assert_eq!((calls.len(), one.free_slots()), (4, 0));

    let started = Instant::now();
    let permit = two.permit().unwrap();
    let answer = client.send(post(&healthy.url("127.0.0.1")), &options).await;
    permit.report(Outcome::Good);
    assert_eq!(answer.unwrap().status(), 200);
    assert!(started.elapsed() < options.timeout);
    assert!(calls.iter().all(|call| !call.is_finished()));
    for call in calls {
        call.abort();
    }
}

#[test]
fn what_workers_share_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Client>();
    shared::<Gates>();
    shared::<Permit>();
    shared::<crate::crypto::KeyRing>();
    shared::<crate::telemetry::Metrics>();
    shared::<crate::shutdown::Shutdown>();
}
