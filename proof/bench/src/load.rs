//! HTTP clients that use little processor time, as they run on the machine that is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use harness::spread::percentile;
use shared::random::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests, and how they are sent.
#[derive(Debug, Clone)]
pub struct Load {
    pub address: SocketAddr,
    /// The requests as they go over the wire; a client sends any of them next.
    pub requests: Arc<[Vec<u8>]>,
    /// How many clients send at once, each on its own kept connection.
    pub clients: usize,
    pub lasts: Duration,
}

/// The answers, all with status 200.
#[derive(Debug, Default)]
pub struct Answers {
    /// The time until the last answer, s.
    pub seconds: f64,
    /// The time of each answer, ms, sorted.
    pub milliseconds: Vec<f64>,
}

impl Answers {
    pub fn count(&self) -> usize {
        self.milliseconds.len()
    }

    pub fn a_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let count = self.count() as f64;
        count / self.seconds
    }

    /// The time that a `share` (0 to 1) of the answers did not exceed, ms.
    pub fn percentile(&self, share: f64) -> f64 {
        percentile(&self.milliseconds, share)
    }
}

/// A GET with a user's access token.
pub fn get(path: &str, token: &str, user: impl std::fmt::Display) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         New-Api-User: {user}\r\n\r\n"
    )
    .into_bytes()
}

/// The address in a URL. Panics if the URL is not `http://<address>`.
pub fn address(url: &str) -> SocketAddr {
    let address = url.strip_prefix("http://").map(str::parse);
    let Some(Ok(address)) = address else {
        panic!("{url} is no address");
    };
    address
}

impl Load {
    /// Sends the requests. Panics if a connection breaks or an answer is not 200.
    pub async fn run(&self) -> Answers {
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            clients.spawn(client(self.clone(), number, started + self.lasts));
        }
        let mut milliseconds = clients.join_all().await.concat();
        milliseconds.sort_by(f64::total_cmp);
        Answers {
            seconds: started.elapsed().as_secs_f64(),
            milliseconds,
        }
    }
}

async fn client(load: Load, number: usize, until: Instant) -> Vec<f64> {
    let random = Random::seeded(number as u64);
    let stream = TcpStream::connect(load.address).await;
    let mut stream = stream.expect("the server listens");
    stream.set_nodelay(true).expect("it is a socket");
    let mut milliseconds = Vec::new();
    let mut buffer = Vec::new();
    loop {
        let sent = Instant::now();
        // One request at least, also where to connect took all the time.
        if sent >= until && !milliseconds.is_empty() {
            return milliseconds;
        }
        let which = random.below(load.requests.len() as u64);
        let request = &load.requests[usize::try_from(which).unwrap_or_default()];
        stream.write_all(request).await.expect("the server reads");
        let status = answer(&mut stream, &mut buffer).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&buffer));
        milliseconds.push(sent.elapsed().as_secs_f64() * 1e3);
    }
}

/// Reads one answer into `buffer`, and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]);
        let length = text.lines().find_map(content_length);
        let length = length.expect("an answer has a length");
        if buffer.len() >= head + 4 + length {
            let status = text.split(' ').nth(1).map(str::parse);
            return status.and_then(Result::ok).expect("an answer has a status");
        }
    }
}

fn content_length(line: &str) -> Option<usize> {
    let (name, value) = line.split_once(':')?;
    let ours = name.eq_ignore_ascii_case("content-length");
    ours.then(|| value.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each request on each connection with 200, in two pieces.
    async fn serve(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    for piece in ["HTTP/1.1 200 OK\r\nContent-", "Length: 2\r\n\r\nhi"] {
                        stream.write_all(piece.as_bytes()).await.expect("it reads");
                        stream.flush().await.expect("it reads");
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn every_answer_is_timed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(serve(listener));
        let load = Load {
            address,
            requests: Arc::new([b"GET / HTTP/1.1\r\n\r\n".to_vec()]),
            clients: 3,
            lasts: Duration::from_millis(50),
        };
        let answers = load.run().await;
        assert!(answers.count() >= 3);
        assert!(answers.percentile(0.5) <= answers.percentile(0.99));
    }
}
