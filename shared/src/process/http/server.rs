//! The HTTP or HTTPS server: it accepts connections within its bounds, and its stop lets running requests
//! finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use super::bounds::Bounds;
use super::client::Peer;
use super::connections::{Connections, Slot};
use super::exchange::{Exchange, OnBadHead, UnderWay, Watched};
use super::holding::Holding;
use super::tcp::{self, Connection};
use super::tls::Tls;

/// Counts connections that could not be accepted.
pub(super) const ACCEPT_FAILURES: &str = "task_center_http_accept_failures_total";

/// The largest head of a request, in bytes: request line and headers.
pub const HEAD_BYTES: usize = 16 * 1024;
/// How much of a body or of an answer a connection holds in memory, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// The pause after a connection that could not be accepted, mostly for want of a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two log lines about connections that could not be accepted.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The timeouts of connections.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The longest time a client may take to send the head of a request, and the longest time a
    /// connection may idle between two requests. It is longer than clients and proxies keep idle connections: a
    /// request that they send while we close is lost.
    pub head: Duration,
    /// The longest time of a TLS handshake.
    pub handshake: Duration,
    /// The longest time that sent data may stay unread at the client.
    pub unread: Duration,
    /// The longest time that running requests may take to finish at a stop.
    pub grace: Duration,
    /// The time between two looks at the files of certificate and key.
    pub certificates: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // nginx and the load balancers of AWS close after 60 s, Go and reqwest after 90 s.
            head: Duration::from_mins(2),
            handshake: Duration::from_secs(10),
            unread: Duration::from_mins(1),
            grace: Duration::from_secs(20),
            certificates: Duration::from_secs(2),
        }
    }
}

/// A listening socket. Connections wait in it until [`Server::serve`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    bounds: Bounds,
    timeouts: Timeouts,
    on_bad_head: OnBadHead,
}

/// Where a server is in its life, for its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Requests under way finish; no connection takes another.
    Stopping,
    /// The grace is over.
    Over,
}

impl Server {
    /// Binds `address`; port 0 takes a free port. With `tls` the server speaks HTTPS.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>, bounds: Bounds) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            tls,
            bounds,
            timeouts: Timeouts::default(),
            on_bad_head: Arc::new(plain),
        })
    }

    /// Replaces the default timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Replaces the plain answers to heads that cannot be read.
    #[must_use]
    pub fn on_bad_head(mut self, answer: OnBadHead) -> Self {
        self.on_bad_head = answer;
        self
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The most connections that it holds.
    pub fn most_connections(&self) -> usize {
        self.bounds.total
    }

    /// The URL for clients: `http://127.0.0.1:3000`, or `https://…` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready. Then accepts no new connections, and returns when the running
    /// requests are finished or their grace is over.
    pub async fn serve(
        self,
        router: Router,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Infallible> {
        let Self {
            listener,
            tls,
            bounds,
            timeouts,
            on_bad_head,
            ..
        } = self;
        // Dropped with this future.
        let mut following = JoinSet::new();
        if let Some(tls) = tls.clone() {
            following.spawn(tls.follow(timeouts.certificates));
        }
        let phase = watch::Sender::new(Phase::Serving);
        let connections = Connections::new(bounds);
        let serving = Serving {
            router,
            tls,
            timeouts,
            on_bad_head,
            phase: phase.subscribe(),
        };
        tokio::select! {
            () = stop => {}
            () = accept(&listener, &connections, &serving) => {}
        }
        // From here on connections are refused.
        drop(listener);
        drop(serving);
        phase.send_replace(Phase::Stopping);
        if timeout(timeouts.grace, phase.closed()).await.is_err() {
            phase.send_replace(Phase::Over);
            phase.closed().await;
        }
        Ok(())
    }
}

/// The answer to a head that cannot be read, where nobody gives another.
fn plain(status: StatusCode, _: &[u8]) -> Response<String> {
    let mut answer = Response::new(format!("{status}\n"));
    *answer.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, text);
    answer
}

/// Accepts connections for ever, and serves each in a task of its own.
async fn accept(listener: &TcpListener, connections: &Connections, serving: &Serving) {
    counter!(ACCEPT_FAILURES).increment(0);
    let mut last_line: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((socket, client)) => {
                if let Some(slot) = connections.admit(client.ip()).await {
                    let peer = Peer(client.ip());
                    tokio::spawn(serving.clone().connection(socket, peer, slot));
                }
            }
            // The client went away again.
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                counter!(ACCEPT_FAILURES).increment(1);
                if last_line.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
                    last_line = Some(Instant::now());
                    let open = connections.count();
                    tracing::error!(%error, open, "a connection could not be accepted");
                }
                connections.close_longest_idle();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What serves a connection.
#[derive(Clone)]
struct Serving {
    router: Router,
    tls: Option<Tls>,
    timeouts: Timeouts,
    on_bad_head: OnBadHead,
    phase: watch::Receiver<Phase>,
}

impl Serving {
    async fn connection(self, socket: TcpStream, peer: Peer, slot: Slot) {
        if let Err(error) = tcp::configure(&socket, self.timeouts.unread) {
            tracing::debug!(%error, "the client is gone");
            return;
        }
        let slot = Arc::new(slot);
        let connection = Connection::new(socket, slot.clone());
        let Some(tls) = &self.tls else {
            return self.requests(connection, peer, slot).await;
        };
        let handshake = TlsAcceptor::from(tls.config()).accept(connection);
        let accepted = tokio::select! {
            () = slot.closing() => return,
            accepted = timeout(self.timeouts.handshake, handshake) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => self.requests(stream, peer, slot).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake in time"),
        }
    }

    async fn requests<S>(mut self, stream: S, peer: Peer, slot: Arc<Slot>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let exchange = Exchange::new(slot.clone());
        let watched = Watched {
            stream,
            exchange: exchange.clone(),
            on_bad_head: self.on_bad_head.clone(),
            unsent: Vec::new(),
        };
        let router = self.router.clone();
        let service =
            service_fn(move |request| answer(router.clone(), exchange.clone(), peer, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(watched), service);
        let mut connection = pin!(connection);
        let mut phase = *self.phase.borrow();
        if phase != Phase::Serving {
            connection.as_mut().graceful_shutdown();
        }
        loop {
            tokio::select! {
                biased;
                () = slot.closing() => return,
                changed = self.phase.changed() => {
                    let now = *self.phase.borrow();
                    if changed.is_err() || now == Phase::Over {
                        return;
                    }
                    if phase == Phase::Serving {
                        connection.as_mut().graceful_shutdown();
                    }
                    phase = now;
                }
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
            }
        }
    }
}

async fn answer(
    mut router: Router,
    exchange: Exchange,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<Holding<UnderWay>>, Infallible> {
    let under_way = exchange.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(exchange.may_go());
    request.extensions_mut().insert(peer);
    let response = router.call(request).await?;
    Ok(Holding::answer(response, under_way))
}
