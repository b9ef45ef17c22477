//! The server under test on a real socket, and clients that write bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use harness::folder::Folder;
use shared::config::{Networks, TlsFiles};
use shared::process::http::{Bounds, Server, Timeouts};
use shared::process::lifecycle::Stop;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A free port.
pub const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A request.
pub const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A running server.
pub struct Serving {
    pub address: SocketAddr,
    pub stop: Stop,
    pub ended: JoinHandle<Result<(), Infallible>>,
}

impl Serving {
    /// Connects and sends `bytes`.
    pub async fn send(&self, bytes: &str) -> TcpStream {
        let client = TcpStream::connect(self.address).await;
        let mut client = client.expect("it connects");
        let sent = client.write_all(bytes.as_bytes()).await;
        sent.expect("it is sent");
        client
    }

    /// The answer to `bytes` on a connection of its own, up to the end of the connection.
    pub async fn answer(&self, bytes: &str) -> String {
        let mut client = self.send(bytes).await;
        rest(&mut client).await
    }

    /// Waits for the end of a stop.
    pub async fn end(self) {
        let Ok(()) = self.ended.await.expect("it did not panic");
    }
}

pub async fn serve(router: Router, timeouts: Timeouts) -> Serving {
    serve_within(router, timeouts, bounds()).await
}

pub fn bounds() -> Bounds {
    Bounds::with_total(1_000, Networks::default())
}

pub async fn serve_within(router: Router, timeouts: Timeouts, bounds: Bounds) -> Serving {
    let server = Server::bind(LOOPBACK, None, bounds).await;
    let server = server.expect("a port is free").timeouts(timeouts);
    let (address, stop) = (server.address(), Stop::new());
    assert_eq!(server.url(), format!("http://{address}"));
    let stopping = stop.clone();
    let ended = tokio::spawn(async move { server.serve(router, stopping.requested()).await });
    Serving {
        address,
        stop,
        ended,
    }
}

pub fn impatient() -> Timeouts {
    Timeouts {
        head: Duration::from_millis(300),
        unread: Duration::from_millis(500),
        grace: Duration::from_secs(5),
        ..Timeouts::default()
    }
}

/// What still comes on a connection, up to its end.
pub async fn rest(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut bytes));
    // A reset is an end, too.
    let _ = read.await.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A certificate for `localhost`, with its key.
pub struct SelfSigned {
    pub files: TlsFiles,
    pem: String,
    _folder: Folder,
}

impl SelfSigned {
    pub fn new() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let signed = signed.expect("it is signed");
        let folder = Folder::new();
        let files = TlsFiles {
            cert: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        let pem = signed.cert.pem();
        std::fs::write(&files.cert, &pem).expect("it can be written");
        let key = signed.signing_key.serialize_pem();
        std::fs::write(&files.key, key).expect("it can be written");
        Self {
            files,
            pem,
            _folder: folder,
        }
    }

    /// The answer of a server at `address` that has this certificate.
    pub async fn healthz(&self, address: SocketAddr) -> reqwest::Response {
        // An error means that a provider is installed already: just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).expect("it is PEM");
        let client = reqwest::Client::builder()
            .tls_certs_only([root])
            .resolve("localhost", address)
            .build()
            .expect("the client is built");
        let url = format!("https://localhost:{}/healthz", address.port());
        client.get(url).send().await.expect("it answers")
    }
}
