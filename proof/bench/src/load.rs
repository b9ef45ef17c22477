//! Clients that cost little: the machine that they load is the one they run on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::random::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use harness::spread::percentile;

/// What is asked, by how many, for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Whom.
    pub address: SocketAddr,
    /// The requests, whole as they go over the wire; each time any of them.
    pub requests: Arc<[Vec<u8>]>,
    /// How many ask at once, each on one connection that it keeps.
    pub clients: usize,
    /// For how long.
    pub lasts: Duration,
}

/// What was answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// How many said 200.
    pub good: usize,
    /// Those that said anything else, and one of them.
    pub bad: usize,
    /// What one of the others said.
    pub complaint: Option<String>,
    /// How long it took until the last was answered, in seconds.
    pub seconds: f64,
    /// How long each good one took, in milliseconds, the quickest first.
    pub milliseconds: Vec<f64>,
}

impl Answers {
    /// Good ones a second.
    pub fn a_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let good = self.good as f64;
        good / self.seconds
    }

    /// What so large a share of the good ones did not take longer than, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        percentile(&self.milliseconds, share)
    }

    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.complaint = self.complaint.take().or(other.complaint);
        self.milliseconds.extend(other.milliseconds);
    }
}

/// A request with a JSON body.
pub fn post(path: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A request with an access token.
pub fn get(path: &str, token: &str, user: impl std::fmt::Display) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         New-Api-User: {user}\r\n\r\n"
    )
    .into_bytes()
}

/// Where a URL points, as a socket knows it. Panics if it is not `http://<address>`.
pub fn address(url: &str) -> SocketAddr {
    let address = url.strip_prefix("http://").map(str::parse);
    let Some(Ok(address)) = address else {
        panic!("{url} is no address");
    };
    address
}

impl Load {
    /// Asks. Panics if a connection breaks.
    pub async fn run(&self) -> Answers {
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            clients.spawn(client(self.clone(), number, started + self.lasts));
        }
        let mut all = Answers::default();
        for answers in clients.join_all().await {
            all.add(answers);
        }
        all.seconds = started.elapsed().as_secs_f64();
        all.milliseconds.sort_by(f64::total_cmp);
        all
    }
}

async fn client(load: Load, number: usize, until: Instant) -> Answers {
    let chance = Random::seeded(number as u64);
    let stream = TcpStream::connect(load.address).await;
    let mut stream = stream.expect("it listens");
    stream.set_nodelay(true).expect("it is a socket");
    let mut answers = Answers::default();
    let mut buffer = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return answers;
        }
        let which = chance.below(load.requests.len() as u64);
        let request = &load.requests[usize::try_from(which).unwrap_or_default()];
        stream.write_all(request).await.expect("it takes a request");
        let status = answer(&mut stream, &mut buffer).await;
        if status == 200 {
            answers.good += 1;
            let took = asked.elapsed().as_secs_f64() * 1e3;
            answers.milliseconds.push(took);
        } else {
            answers.bad += 1;
            answers.complaint = Some(String::from_utf8_lossy(&buffer).into_owned());
        }
    }
}

/// Reads one answer into `buffer`, and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("it answers");
        assert!(read > 0, "it hung up");
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]);
        let length = text.lines().find_map(content_length);
        let length = length.expect("it says how long its answer is");
        if buffer.len() >= head + 4 + length {
            let status = text.split(' ').nth(1).map(str::parse);
            return status.and_then(Result::ok).expect("it has a status");
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
    async fn echo(listener: TcpListener) {
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
    async fn every_answer_is_counted_and_timed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(echo(listener));
        let load = Load {
            address,
            requests: Arc::new([post("/", "key", "{}")]),
            clients: 3,
            lasts: Duration::from_millis(50),
        };
        let answers = load.run().await;
        assert!(answers.good >= 3);
        assert_eq!(answers.bad, 0);
        assert_eq!(answers.milliseconds.len(), answers.good);
        assert!(answers.percentile(0.5) <= answers.percentile(0.99));
    }
}
