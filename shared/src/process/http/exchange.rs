//! Whether a request is under way on a connection, and the answers to heads that cannot be read.
//!
//! hyper answers a head that it cannot read by itself, with a status and nothing else: 400, or 431 if the head
//! is too large. [`Watched`] puts the answer of [`OnBadHead`] in its place.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Slot;

/// Makes the answer to a head that cannot be read: from the status, and the first bytes of the head, which
/// may tell the path.
pub type OnBadHead = Arc<dyn Fn(StatusCode, &[u8]) -> Response<String> + Send + Sync>;

/// How many bytes of a head are remembered.
const START: usize = 32;

/// What goes on on a connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    slot: Arc<Slot>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// A request is under way, until its answer is sent.
    is_busy: bool,
    /// The answer is whole, but maybe not sent.
    is_answered: bool,
    /// The first bytes since the last answer.
    start: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins. Once what this returns is dropped, its answer is whole.
    pub(super) fn begin(&self) -> UnderWay {
        *self.state() = State {
            is_busy: true,
            ..State::default()
        };
        self.slot.busy();
        UnderWay(self.clone())
    }

    /// For the extensions of a request.
    pub(super) fn may_go(&self) -> MayGo {
        MayGo(self.slot.clone())
    }

    /// Everything that was written is sent.
    fn flushed(&self) {
        let mut state = self.state();
        if state.is_busy && state.is_answered {
            *state = State::default();
            drop(state);
            self.slot.idle();
        }
    }

    fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if !state.is_busy && state.start.len() < START {
            let room = START - state.start.len();
            state.start.extend(bytes.iter().take(room));
        }
    }
}

/// A request that is under way. Its answer holds this until it is whole.
#[derive(Debug)]
pub(super) struct UnderWay(Exchange);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().is_answered = true;
    }
}

/// In the extensions of each request: tells when its connection may be closed to make room, although the
/// request is under way.
#[derive(Debug, Clone)]
pub(super) struct MayGo(Arc<Slot>);

impl MayGo {
    /// From here on the connection may be closed: it waits for its client only.
    pub(super) fn begin(&self) {
        self.0.idle();
    }

    /// From here on it may not. Not called by a drop: who drops the request may be closing the connection.
    pub(super) fn end(&self) {
        self.0.busy();
    }
}

/// A connection as hyper reads and writes it.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) exchange: Exchange,
    pub(super) on_bad_head: OnBadHead,
    /// What is left of an answer of ours.
    pub(super) unsent: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// hyper writes before a request is under way only if it could not read the head. What it writes then is
    /// one piece, and is replaced.
    fn replaced(&mut self, piece: &[u8]) -> bool {
        let state = self.exchange.state();
        if state.is_busy {
            return false;
        }
        let status = piece
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| StatusCode::from_bytes(digits).ok());
        let answer = (self.on_bad_head)(status.unwrap_or(StatusCode::BAD_REQUEST), &state.start);
        drop(state);
        self.unsent = written(answer, &date_of(piece));
        true
    }

    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The line of the date in an answer of hyper's, with its end.
fn date_of(answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer);
    let mut lines = answer.split_inclusive('\n');
    let date = lines.find(|line| line.starts_with("date: "));
    date.unwrap_or_default().to_owned()
}

/// An answer as it goes over the wire. The connection ends after it.
fn written(answer: Response<String>, date: &str) -> Vec<u8> {
    let (parts, body) = answer.into_parts();
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let length = body.len();
    let end = format!("{date}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(read) = buffer.filled().get(before..) {
            self.exchange.read(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(context))?;
        if self.replaced(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(context))?;
        let first = slices.first().map_or(&[][..], |slice| slice);
        if self.replaced(first) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.exchange.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
