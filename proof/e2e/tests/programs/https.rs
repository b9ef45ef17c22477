//! TLS.

use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process, Signal};
use harness::programs::Program;
use harness::suite::test;
use libtest_mimic::Trial;

use crate::{LIMIT, until};

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "with a certificate it serves HTTPS and nothing else",
            LIMIT,
            serves_https,
        ),
        test(
            "a certificate that is not there stops the start",
            LIMIT,
            no_certificate,
        ),
        test(
            "certificates are read anew when they change and on SIGHUP, and bad ones change nothing",
            LIMIT,
            read_anew,
        ),
    ]
}

/// A certificate with its key, in PEM.
struct Pair {
    cert: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate can be made");
        Self {
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn write(&self, folder: &Folder) {
        write(folder, "cert.pem", &self.cert);
        write(folder, "key.pem", &self.key);
    }

    /// Whether the server at `url` has this certificate, on a new connection.
    async fn is_served(&self, url: &str) -> bool {
        let healthy = self.client().get(format!("{url}/healthz")).send().await;
        healthy.is_ok_and(|answer| answer.status() == 200)
    }

    /// A client that trusts this certificate only.
    fn client(&self) -> reqwest::Client {
        harness::client::http();
        let trusted = reqwest::Certificate::from_pem(self.cert.as_bytes());
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([trusted.expect("it is a certificate")])
            .build()
            .expect("a client can be made")
    }
}

fn write(folder: &Folder, name: &str, text: &str) {
    let written = std::fs::write(folder.path().join(name), text);
    written.expect("the folder takes a file");
}

/// A `task-center` that serves HTTPS with the files of the folder.
async fn center(folder: &Folder) -> (Process, String) {
    let mut process = Launch::new(Program::TaskCenter, folder.path())
        .env("API_BIND", "127.0.0.1:0")
        .env("TLS_CERT", "cert.pem")
        .env("TLS_KEY", "key.pem")
        .start("center");
    let url = process.url().await;
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    (process, url)
}

async fn read_anew() {
    let folder = Folder::new();
    let (first, second, third) = (Pair::new(), Pair::new(), Pair::new());
    first.write(&folder);
    let (process, url) = center(&folder).await;
    assert!(first.is_served(&url).await);
    let kept = first.client();
    let healthz = format!("{url}/healthz");
    assert!(kept.get(&healthz).send().await.is_ok());

    second.write(&folder);
    let by_itself = async || second.is_served(&url).await;
    until("the new certificate is served", by_itself).await;
    assert!(!first.is_served(&url).await);
    // A connection lives on.
    assert!(kept.get(&healthz).send().await.is_ok());

    third.write(&folder);
    process.signal(Signal::HangUp).await;
    let on_signal = async || third.is_served(&url).await;
    until("the new certificate is served", on_signal).await;

    for (name, text, said) in [
        ("key.pem", first.key.as_str(), "key.pem do not serve"),
        ("key.pem", "no key", "key.pem does not read as PEM"),
        (
            "cert.pem",
            "no certificate",
            "cert.pem holds no certificate",
        ),
    ] {
        write(&folder, name, text);
        process.signal(Signal::HangUp).await;
        let is_told = async || {
            let log = process.log();
            let mut errors = log.lines().filter(|line| line.contains("ERROR"));
            errors.any(|line| line.contains(said))
        };
        until("the error is logged", is_told).await;
        assert!(third.is_served(&url).await, "{name}: {text}");
    }
    std::fs::remove_file(folder.path().join("cert.pem")).expect("it is there");
    process.signal(Signal::HangUp).await;
    let is_told = async || process.log().contains("cert.pem cannot be read");
    until("the error is logged", is_told).await;
    assert!(third.is_served(&url).await);
    first.write(&folder);
    until("the mended one is served", async || {
        first.is_served(&url).await
    })
    .await;
    process.stop(LIMIT).await;
}

async fn serves_https() {
    let folder = Folder::new();
    let pair = Pair::new();
    pair.write(&folder);
    let (process, url) = center(&folder).await;
    let client = pair.client();
    let healthy = client.get(format!("{url}/healthz")).send().await;
    assert_eq!(healthy.expect("it answers").status(), 200);
    let stranger = harness::client::http()
        .get(format!("{url}/healthz"))
        .send()
        .await;
    assert!(stranger.is_err(), "nobody vouches for this certificate");
    let plain = url.replace("https://", "http://");
    let plain = client.get(format!("{plain}/healthz")).send().await;
    assert!(plain.is_err(), "it answers without TLS");
    process.stop(LIMIT).await;
}

async fn no_certificate() {
    let folder = Folder::new();
    let launch = Launch::new(Program::TaskCenter, folder.path())
        .env("API_BIND", "127.0.0.1:0")
        .env("TLS_CERT", "missing.pem")
        .env("TLS_KEY", "missing.pem");
    let done = Operator(launch).run(&[]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("TLS_"), "{}", done.stderr);
}
