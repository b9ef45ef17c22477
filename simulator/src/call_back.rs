//! The call by which a vendor says that a task has ended.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, Uri, header},
};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tracing::{debug, warn};

use crate::{id::Id, upstream::Upstream};

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Sends this body to this address once the task has ended. Only `http://` is called, and nothing is tried twice.
pub fn when_it_ends(upstream: &Arc<Upstream>, id: Id, address: &str, body: Value) {
    let Some(address) = called(address) else {
        debug!(task = %id, address, "the simulator calls no such address");
        return;
    };
    let upstream = Arc::clone(upstream);
    tokio::spawn(async move {
        upstream.wait_for_end(id).await;
        match timeout(LONGEST, post(&address, &body)).await {
            Ok(Ok(StatusCode::OK)) => debug!(task = %id, "called"),
            Ok(Ok(status)) => warn!(task = %id, %status, "the call was refused"),
            Ok(Err(error)) => warn!(task = %id, %error, "the call failed"),
            Err(_) => warn!(task = %id, "the call took too long"),
        }
    });
}

/// The address as the simulator calls it.
fn called(address: &str) -> Option<Uri> {
    let address: Uri = address.parse().ok()?;
    let is_plain = address.scheme_str() == Some("http");
    (is_plain && address.host().is_some()).then_some(address)
}

async fn post(address: &Uri, body: &Value) -> io::Result<StatusCode> {
    let host = address.host().unwrap_or_default();
    let port = address.port_u16().unwrap_or(80);
    // An IPv6 address stands in brackets.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await?;
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .map_err(io::Error::other)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answered = async {
        sender
            .send_request(request)
            .await
            .map(|answer| answer.status())
    };
    tokio::select! {
        answered = answered => answered.map_err(io::Error::other),
        ended = connection => Err(io::Error::other(format!("the connection ended: {ended:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_called() {
        let address = "http://127.0.0.1:3000/hooks/3/x?y";
        assert_eq!(called(address).expect("it is called").path(), "/hooks/3/x");
        for address in ["https://callback.invalid/", "/hooks/3/x", "", "http://"] {
            assert_eq!(called(address), None, "{address}");
        }
    }
}
