//! What a client sends is read to its end, also where the answer comes before that
//! (`docs/contract.md`, "Callers and credentials").
//!
//! hyper closes a connection whose request was not read. A proxy that keeps connections may have sent its next
//! request by then, and that request would be lost.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use super::exchange::MayGo;

/// The most bytes that are read and dropped: enough for a body that is much too large. Bytes that are dropped
/// cost little; a proxy that streams bodies closes its client's connection without notice if we stop reading.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// The longest time in which they are read.
const MOST_TIME: Duration = Duration::from_secs(5);

/// Reads what the handler left of the body. If more is left, or it comes too slowly, the response says
/// `Connection: close`, so that no client sends another request on this connection. Meanwhile the connection may
/// be closed to make room: a caller without a credential must not hold a place by a body that never comes.
pub async fn drain(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client waits for a word before it sends the body.
    let waits = request.headers().contains_key(header::EXPECT);
    let may_go = request.extensions().get::<MayGo>().cloned();
    let (parts, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body)));
    let request = Request::from_parts(parts, Body::new(body.clone()));
    let mut response = next.run(request).await;
    let gives_up = waits || response.status() == StatusCode::REQUEST_TIMEOUT;
    let is_read = body.lock().is_end_stream() || !gives_up && body.drained(may_go).await;
    if !is_read {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A body that the handler reads first, and this layer after it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads to the end; `false` if the body is too long or too slow, or breaks off.
    async fn drained(&self, may_go: Option<MayGo>) -> bool {
        may_go.as_ref().inspect(|may_go| may_go.begin());
        let read = tokio::time::timeout(MOST_TIME, self.drain()).await;
        may_go.inspect(MayGo::end);
        read.unwrap_or(false)
    }

    async fn drain(&self) -> bool {
        let mut read = 0;
        while let Some(frame) =
            std::future::poll_fn(|context| Pin::new(&mut *self.lock()).poll_frame(context)).await
        {
            let Ok(frame) = frame else { return false };
            read += frame.data_ref().map_or(0, Bytes::len) as u64;
            if read > MOST_BYTES {
                return false;
            }
        }
        true
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
