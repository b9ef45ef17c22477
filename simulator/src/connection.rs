//! The listener and its connections.
//!
//! This module serves with hyper instead of `axum::serve`, because some faults cut the connection without an answer:
//! hyper closes a connection whose service returns an error.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Uri};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;
use tracing::{debug, warn};

use crate::upstream::Upstream;

/// How long open requests may take once the simulator stops. Requests with a `hang` fault never end.
const GRACE: Duration = Duration::from_millis(500);
/// The pause after a failed accept, which mostly lacks a file descriptor.
const PAUSE: Duration = Duration::from_millis(50);

/// An extension of a response: cut the connection instead of sending the response.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

/// Serves until `stop` changes or its sender is dropped, then lets open requests end for a moment.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    upstream: Arc<Upstream>,
    mut stop: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                upstream.count(|counts| counts.connections += 1);
                connections.spawn(connection(stream, router.clone(), stop.clone()));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        debug!("requests that hang are cut");
    }
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "answers on this connection may be late");
    }
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    let mut connection =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// The address as the routes know it: real servers take a path in any case, and a slash at its end.
fn respelled(uri: &Uri) -> Uri {
    let path = uri.path().to_ascii_lowercase();
    let path = path.strip_suffix('/').unwrap_or(&path);
    let query = uri.query().map(|query| format!("?{query}"));
    let known = format!("{path}{}", query.unwrap_or_default()).parse();
    known.unwrap_or_else(|_| uri.clone())
}

async fn answer(mut router: Router, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let mut request = request.map(Body::new);
    *request.uri_mut() = respelled(request.uri());
    let response: Result<_, Infallible> = router.call(request).await;
    let Ok(response) = response;
    match response.extensions().get::<Cut>() {
        Some(Cut) => Err(io::Error::other("cut on purpose")),
        None => Ok(response),
    }
}
