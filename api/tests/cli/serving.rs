//! `api serve` as a process, with a real `RabbitMQ`: start, output, signals, end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::operator::{Ended, Operator};

/// A running server. It is killed when this is dropped.
struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

impl Operator {
    /// `api serve` on a free port, with queues of its own.
    fn serving(&self) -> Command {
        let broker = std::env::var("AMQP_URL").unwrap_or_else(|_| {
            panic!("AMQP_URL is not set; run scripts/test, which starts a RabbitMQ of its own")
        });
        let folder = self.folder.file_name().and_then(|name| name.to_str());
        let mut serve = self.program("serve");
        serve
            .env("AMQP_URL", broker)
            .env("QUEUE_PREFIX", folder.expect("the folder has a plain name"))
            .env("API_BIND", "127.0.0.1:0")
            .env("LOG_FORMAT", "json");
        serve
    }
}

impl Server {
    /// Starts the server and waits until it serves.
    fn start(serve: &mut Command) -> Self {
        let piped = serve.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = piped.spawn().expect("it runs");
        let mut line = String::new();
        let out = process.stdout.take().expect("its stdout is ours");
        BufReader::new(out).read_line(&mut line).expect("it prints");
        let Some(url) = line.trim_end().strip_prefix("listening on ") else {
            let ended = process.wait_with_output().expect("it ended");
            panic!("{line:?} {}", String::from_utf8_lossy(&ended.stderr));
        };
        let log = process.stderr.take().expect("its stderr is ours");
        Self {
            url: url.to_owned(),
            log: BufReader::new(log),
            process,
        }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("it is HTTP")
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).expect("it takes connections")
    }

    fn get(&self, path: &str) -> String {
        let (address, mut stream) = (self.address(), self.connect());
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits until the log has `text`.
    fn wait_for(&mut self, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            let read = self.log.read_line(&mut seen).expect("it logs UTF-8");
            assert_ne!(read, 0, "it ended without {text:?}:\n{seen}");
        }
    }

    /// Sends a signal and waits for the end. Returns the exit code and the rest of the log.
    fn ended_by(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("it logs UTF-8");
        (self.process.wait().expect("it ends").code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if the server has ended, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_says_where_it_listens_serves_and_ends_with_0_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let operator = Operator::new();
        let server = Server::start(&mut operator.serving());
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
        let ready = server.get("/readyz");
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        let figures = server.get("/metrics");
        let described = "# HELP task_center_http_requests_total ";
        assert!(figures.contains(described), "{figures}");
        let (code, log) = server.ended_by(signal);
        assert_eq!(code, Some(0), "{log}");
        let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
        let messages: Vec<String> = lines
            .map(|line| line.expect("a log line is JSON")["message"].to_string())
            .collect();
        assert!(
            messages.iter().any(|m| m.contains("stopping")),
            "{messages:?}"
        );
        assert_eq!(operator.json("audit")["balanced"], true);
    }
}

#[test]
fn a_second_signal_ends_it_at_once_though_a_request_is_under_way() {
    let operator = Operator::new();
    operator.says("user create --name a");
    let key = operator.json("key create --user a --label b");
    let key = key["key"].as_str().expect("the key is printed");
    let mut server = Server::start(&mut operator.serving());
    let mut slow = server.connect();
    let head = format!(
        "POST /suno/submit/music HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).expect("it listens");
    // That it asks for the body is the proof that the request is under way.
    let mut first = [0; 12];
    slow.read_exact(&mut first).expect("it answers");
    assert_eq!(&first, b"HTTP/1.1 100");
    server.signal("TERM");
    server.wait_for("stopping");
    let (code, log) = server.ended_by("TERM");
    assert_eq!(code, Some(143), "{log}");
    assert!(log.contains("exiting at once"), "{log}");
}

#[test]
fn the_upstream_of_the_environment_is_the_channel_default() {
    let operator = Operator::new();
    let mut serve = operator.serving();
    serve
        .env("SUNO_BASE_URL", "https://u.example/")
        .env("SUNO_API_KEY", "hunter2");
    let (code, log) = Server::start(&mut serve).ended_by("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let channels = operator.json("channel list");
    assert_eq!(channels[0]["name"], "default");
    assert_eq!(channels[0]["base_url"], "https://u.example");
}

#[test]
fn a_public_address_without_tls_is_warned_of() {
    let operator = Operator::new();
    let mut serve = operator.serving();
    let (_, log) = Server::start(serve.env("API_BIND", "0.0.0.0:0")).ended_by("TERM");
    assert!(log.contains("API_BIND is public"), "{log}");
}

#[test]
fn an_address_that_is_taken_is_a_reason_that_names_its_variable() {
    let operator = Operator::new();
    let taken = TcpListener::bind("127.0.0.1:0").and_then(|held| Ok((held.local_addr()?, held)));
    let (address, _held) = taken.expect("a port is free");
    let mut serve = operator.serving();
    let reason = Ended::of(serve.env("API_BIND", address.to_string())).refusal();
    let expected = format!("API_BIND: cannot listen on {address}: ");
    assert!(reason.contains(&expected), "{reason}");
}

#[test]
fn a_broker_that_is_not_there_is_a_reason_that_names_its_variable() {
    let operator = Operator::new();
    let url = "amqp://operator:hunter2@127.0.0.1:1/%2f";
    let reason = Ended::of(operator.program("").env("AMQP_URL", url)).refusal();
    let expected = "AMQP_URL: the broker cannot be reached";
    assert!(reason.contains(expected), "{reason}");
    assert!(!reason.contains("hunter2"), "{reason}");
}
