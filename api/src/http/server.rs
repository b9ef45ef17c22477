//! The socket: HTTP or HTTPS, and a stop that lets requests finish.

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

/// How patient we are.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a client may take to send the head of a request; also how long a connection may
    /// idle between two.
    pub head: Duration,
    /// How long an answer may stay unread at the client.
    pub unread: Duration,
    /// How long requests under way may take to finish once we stop.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            unread: Duration::from_mins(1),
            grace: Duration::from_secs(20),
        }
    }
}

/// A socket that listens. Connections wait in it until [`Server::serve`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    patience: Patience,
}

impl Server {
    /// Binds `address`; port 0 takes a free one. With `tls` it speaks HTTPS.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            tls,
            patience: Patience::default(),
        })
    }

    /// Changes how patient it is.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it: `http://127.0.0.1:3000`, or `https://…` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready; then takes no new connections, and returns when the requests
    /// under way are answered or their grace is over.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
        let plain = Acceptor {
            unread: self.patience.unread,
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
        // HTTP/1 only: telling it from HTTP/2 would read first bytes without any timeout.
        let mut server = axum_server::Server::from_listener(self.listener)
            .acceptor(acceptor)
            .handle(handle.clone())
            .http1_only();
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.head);
        let mut serving = pin!(server.serve(router.into_make_service()));
        tokio::select! {
            ended = &mut serving => return ended,
            () = stop => {}
        }
        handle.graceful_shutdown(Some(self.patience.grace));
        serving.await
    }
}
