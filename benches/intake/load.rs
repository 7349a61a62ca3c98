//! The senders: keep-alive connections that write requests made beforehand, on a thread and
//! runtime of their own, so that they take as little as possible from what is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::Error;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Answers {
    /// Answered 2xx.
    pub accepted: usize,
    /// Answered otherwise.
    pub refused: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Microseconds of every answer, in rising order.
    pub took_us: Vec<u64>,
}

impl Answers {
    /// Accepted messages in a second.
    pub fn per_second(&self) -> u64 {
        per_second(self.accepted, self.elapsed)
    }

    /// The answer that `percent` of all were at least as fast as, microseconds.
    pub fn percentile(&self, percent: usize) -> u64 {
        percentile(&self.took_us, percent)
    }
}

/// A count over a time, a second.
pub fn per_second(n: usize, elapsed: Duration) -> u64 {
    let n = u128::try_from(n).unwrap_or(u128::MAX);
    u64::try_from(n * 1_000_000 / elapsed.as_micros().max(1)).unwrap_or(u64::MAX)
}

/// A percentile of values in rising order; 0 of none.
pub fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let at = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(at.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// When the requests are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Each connection sends its next request when the last one is answered, until the time is up.
    Closed {
        /// For how long at most.
        longest: Duration,
    },
    /// Request n is due n intervals after the start, answered or not; a late one counts from when
    /// it was due.
    Open {
        /// Between two requests.
        interval: Duration,
    },
}

/// Sends the requests over `connections` connections and waits for the answers.
pub async fn send(
    to: SocketAddr,
    requests: Arc<Vec<Bytes>>,
    connections: usize,
    pace: Pace,
) -> Result<Answers, Error> {
    let (done, answers) = oneshot::channel();
    std::thread::Builder::new()
        .name("senders".to_owned())
        .spawn(move || {
            let result = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .and_then(|runtime| runtime.block_on(run(to, requests, connections, pace)));
            // Nobody waits any more only when the benchmark itself was stopped.
            drop(done.send(result));
        })?;
    Ok(answers.await.map_err(|_| "the senders stopped")??)
}

async fn run(
    to: SocketAddr,
    requests: Arc<Vec<Bytes>>,
    connections: usize,
    pace: Pace,
) -> std::io::Result<Answers> {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let senders: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            tokio::spawn(sender(
                stream,
                Arc::clone(&requests),
                Arc::clone(&next),
                start,
                pace,
            ))
        })
        .collect();
    let mut all = Answers::default();
    for sender in senders {
        let one = sender.await.map_err(std::io::Error::other)??;
        all.accepted += one.accepted;
        all.refused += one.refused;
        all.took_us.extend(one.took_us);
    }
    all.elapsed = start.elapsed();
    all.took_us.sort_unstable();
    Ok(all)
}

async fn sender(
    mut stream: TcpStream,
    requests: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    start: Instant,
    pace: Pace,
) -> std::io::Result<Answers> {
    let mut answers = Answers::default();
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(n) else {
            return Ok(answers);
        };
        let begun = match pace {
            Pace::Closed { longest } => {
                if start.elapsed() >= longest {
                    return Ok(answers);
                }
                Instant::now()
            }
            Pace::Open { interval } => {
                let due = start + interval * u32::try_from(n).unwrap_or(u32::MAX);
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                    // The timer's own slack is not the gateway's.
                    Instant::now()
                } else {
                    due
                }
            }
        };
        stream.write_all(request).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        answers.took_us.push(took);
        if status.starts_with(b"2") {
            answers.accepted += 1;
        } else {
            answers.refused += 1;
        }
    }
}

/// Reads one answer; its status. The gateway always tells the length of what it says.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<[u8; 3]> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let status = buffer
                .get(9..12)
                .and_then(|s| <[u8; 3]>::try_from(s).ok())
                .ok_or(std::io::ErrorKind::InvalidData)?;
            let whole = head + 4 + content_length(&buffer[..head]);
            while buffer.len() < whole {
                if stream.read_buf(buffer).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok(status);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    head.split(|b| *b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
