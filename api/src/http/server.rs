//! The HTTP or HTTPS server, with a stop that lets running requests finish.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::service::SendService;
use axum_server::tls_rustls::RustlsAcceptor;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::http::tcp::Acceptor;
use crate::http::tls::Tls;

/// The timeouts of connections.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The longest time a client may take to send the head of a request, and the longest time a
    /// connection may idle between two requests. It is longer than clients and proxies keep idle connections: a
    /// request that they send while we close is lost.
    pub head: Duration,
    /// The longest time that sent data may stay unread at the client.
    pub unread: Duration,
    /// The longest time that running requests may take to finish at a stop.
    pub grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // nginx and the load balancers of AWS close after 60 s, Go and reqwest after 90 s.
            head: Duration::from_mins(2),
            unread: Duration::from_mins(1),
            grace: Duration::from_secs(20),
        }
    }
}

/// A listening socket. Connections wait in it until [`Server::serve`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    timeouts: Timeouts,
}

impl Server {
    /// Binds `address`; port 0 takes a free port. With `tls` the server speaks HTTPS.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            tls,
            timeouts: Timeouts::default(),
        })
    }

    /// Replaces the default timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for clients: `http://127.0.0.1:3000`, or `https://…` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready. Then accepts no new connections, and returns when the running
    /// requests are finished or their grace is over.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
        let plain = Acceptor {
            unread: self.timeouts.unread,
        };
        match self.tls.clone() {
            None => self.run(plain, router, stop).await,
            Some(Tls(config)) => {
                let tls = RustlsAcceptor::new(config).acceptor(plain);
                self.run(tls, router, stop).await
            }
        }
    }

    async fn run<A>(
        self,
        acceptor: A,
        router: Router,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        A: Accept<TcpStream, Router> + Clone + Send + Sync + 'static,
        A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
        A::Service: SendService<axum::http::Request<hyper::body::Incoming>> + Send,
        A::Future: Send,
    {
        let handle = Handle::<SocketAddr>::new();
        // HTTP/1 only: to detect HTTP/2, the library reads the first bytes without a timeout.
        let mut server = axum_server::Server::from_listener(self.listener)
            .acceptor(acceptor)
            .handle(handle.clone())
            .http1_only();
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head);
        let mut serving = pin!(server.serve(router.into_make_service()));
        tokio::select! {
            ended = &mut serving => return ended,
            () = stop => {}
        }
        handle.graceful_shutdown(Some(self.timeouts.grace));
        serving.await
    }
}
