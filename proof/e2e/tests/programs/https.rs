//! TLS.

use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::Launch;
use harness::programs::Program;
use harness::suite::test;
use libtest_mimic::Trial;

use crate::LIMIT;

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
    ]
}

async fn serves_https() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate can be made");
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&cert, made.cert.pem()).expect("the folder takes a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the folder takes a file");
    let mut process = Launch::new(Program::TaskCenter, folder.path())
        .env("API_BIND", "127.0.0.1:0")
        .env("TLS_CERT", cert.display().to_string())
        .env("TLS_KEY", key.display().to_string())
        .start("center");
    let url = process.url().await;
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    harness::client::http();
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes());
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted.expect("it is a certificate")])
        .build()
        .expect("a client can be made");
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
