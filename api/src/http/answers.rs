//! Answers of tasks under way, counted in bytes (`docs/contract.md`, "Making music").
//!
//! An answer is in memory until its client has read the answer, and some clients read slowly. So there is a bound
//! for the bytes of all answers under way, and a smaller bound for those of one user. Rows of the database are in
//! memory before their bytes are counted, so only `READERS` answers of many tasks are read at the same time.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use shared::process::telemetry::Figure;
use shared::task::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{ApiError, Result};

/// The bytes of answers under way.
const BYTES: &str = "task_center_answer_bytes";
/// Counts requests that found no room for their answer, by the bound that was reached.
const REFUSED: &str = "task_center_answers_refused_total";

/// The descriptions of the figures, for `GET /metrics`.
pub const FIGURES: [Figure; 2] = [
    Figure::Gauge(
        BYTES,
        "Bytes of answers that are being made, or that clients have not taken yet.",
    ),
    Figure::Counter(
        REFUSED,
        "Requests that found no room for their answer, by bound (process, user).",
    ),
];

/// Bytes are counted in this unit, so that a semaphore can count them.
const UNIT: usize = 1024;
/// What a request takes before it reads anything: the size of most answers. What it needs beyond that, it takes
/// when the answer is made.
const ENTRY: u32 = units(1024 * 1024);
/// The size of a piece of an answer. A client that takes a piece frees it.
const PIECE: usize = 64 * 1024;
/// hyper takes so much of an answer at once, however slowly the client reads.
const TAKEN_AT_ONCE: usize = 512 * 1024;
/// How many answers of many tasks are read at the same time: more than the database has connections by default.
const READERS: usize = 16;
/// The users whose bounds are kept before those without an answer are forgotten.
const USERS: usize = 1_000;

/// The bounds of answers under way.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most bytes of all answers.
    pub process: usize,
    /// The most bytes of the answers of one user.
    pub user: usize,
    /// How long a request waits for room.
    pub wait: Duration,
    /// A client takes an answer within this time, and a second more for each [`Bounds::per_second`] bytes.
    pub taken_within: Duration,
    /// The slowest that a client may take a large answer, in bytes.
    pub per_second: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            process: 256 * 1024 * 1024,
            user: 64 * 1024 * 1024,
            wait: Duration::from_secs(2),
            taken_within: Duration::from_secs(30),
            per_second: 32 * 1024,
        }
    }
}

/// The answers of the process. Clones share the count.
#[derive(Debug, Clone)]
pub struct Answers {
    bounds: Bounds,
    process: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    users: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

impl Default for Answers {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Answers {
    /// No answer is under way yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            process: Arc::new(Semaphore::new(bounds.process / UNIT)),
            readers: Arc::new(Semaphore::new(READERS)),
            users: Arc::default(),
        }
    }

    /// Room for an answer of one task. Waits a moment for it.
    pub(crate) async fn for_one(&self, user: UserId) -> Result<Room> {
        let user = self.of_user(user);
        let user = self.acquire(user, ENTRY, ApiError::TooManyAnswers).await?;
        let process = self
            .acquire(self.process.clone(), ENTRY, ApiError::Busy)
            .await?;
        Ok(Room {
            bounds: self.bounds,
            held: Held::new(user, process),
            reading: None,
        })
    }

    /// Room for an answer of many tasks, and a turn to read them. Waits a moment for both.
    pub(crate) async fn for_many(&self, user: UserId) -> Result<Room> {
        let mut room = self.for_one(user).await?;
        let turn = self.acquire(self.readers.clone(), 1, ApiError::Busy);
        room.reading = Some(turn.await?);
        Ok(room)
    }

    async fn acquire(
        &self,
        from: Arc<Semaphore>,
        many: u32,
        else_: ApiError,
    ) -> Result<OwnedSemaphorePermit> {
        match timeout(self.bounds.wait, from.acquire_many_owned(many)).await {
            Ok(Ok(permit)) => Ok(permit),
            // No semaphore is ever closed.
            Ok(Err(_)) => Err(ApiError::Internal),
            Err(_) => Err(refused(else_)),
        }
    }

    /// What is left for a user. Whoever has an answer under way keeps it alive.
    fn of_user(&self, user: UserId) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = users.get(&user).and_then(Weak::upgrade) {
            return left;
        }
        if users.len() >= USERS {
            users.retain(|_, left| left.strong_count() > 0);
        }
        let left = Arc::new(Semaphore::new(self.bounds.user / UNIT));
        users.insert(user, Arc::downgrade(&left));
        left
    }
}

/// Counts the refusal.
fn refused(error: ApiError) -> ApiError {
    let bound = match error {
        ApiError::TooManyAnswers => "user",
        _ => "process",
    };
    metrics::counter!(REFUSED, "bound" => bound).increment(1);
    error
}

const fn units(bytes: usize) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "no answer has 4 TiB")]
    let units = bytes.div_ceil(UNIT) as u32;
    units
}

/// Bytes that are counted until they are dropped.
#[derive(Debug)]
struct Held {
    user: OwnedSemaphorePermit,
    process: OwnedSemaphorePermit,
}

impl Held {
    fn new(user: OwnedSemaphorePermit, process: OwnedSemaphorePermit) -> Self {
        let held = Self { user, process };
        metrics::gauge!(BYTES).increment(held.bytes());
        held
    }

    #[allow(clippy::cast_precision_loss, reason = "no answer has 2^53 bytes")]
    fn bytes(&self) -> f64 {
        (self.process.num_permits() * UNIT) as f64
    }

    /// Takes more.
    fn grow(&mut self, units: u32) -> Result<()> {
        let more = |permit: &OwnedSemaphorePermit| {
            Arc::clone(permit.semaphore()).try_acquire_many_owned(units)
        };
        let user = more(&self.user).map_err(|_| refused(ApiError::TooManyAnswers))?;
        let process = more(&self.process).map_err(|_| refused(ApiError::Busy))?;
        self.user.merge(user);
        self.process.merge(process);
        metrics::gauge!(BYTES).increment(f64::from(units) * 1024.0);
        Ok(())
    }

    /// Takes a part away, which counts by itself. `None`: there is not so much.
    fn split(&mut self, units: u32) -> Option<Self> {
        let units = units as usize;
        let (user, process) = (self.user.split(units)?, self.process.split(units)?);
        Some(Self { user, process })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        metrics::gauge!(BYTES).decrement(self.bytes());
    }
}

/// Room for one answer.
#[derive(Debug)]
pub(crate) struct Room {
    bounds: Bounds,
    held: Held,
    /// The turn to read many tasks, until they are written.
    reading: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// The answer 200 with this JSON. An error if there is no room for it.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Response> {
        let mut pieces = Pieces::default();
        if let Err(error) = serde_json::to_writer(&mut pieces, body) {
            tracing::error!(%error, "an answer could not be written as JSON");
            return Err(ApiError::Internal);
        }
        self.reading = None;
        let wanted = pieces.0.iter().map(|piece| units(piece.capacity())).sum();
        if let Some(more) = u32::checked_sub(wanted, units_of(&self.held)) {
            self.held.grow(more)?;
        }
        let mut counted = VecDeque::with_capacity(pieces.0.len());
        for bytes in pieces.0 {
            let held = self.held.split(units(bytes.capacity()));
            let held = held.ok_or(ApiError::Internal)?;
            counted.push_back(Bytes::from_owner(Piece { bytes, _held: held }));
        }
        let mut response = Response::new(Body::new(Answer::new(counted, self.bounds)));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }
}

fn units_of(held: &Held) -> u32 {
    u32::try_from(held.process.num_permits()).unwrap_or(u32::MAX)
}

/// A text in pieces of the same size, so that a long one is never copied while it grows.
#[derive(Default)]
struct Pieces(Vec<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.last_mut() {
            Some(last) if last.len() < PIECE => {
                let taken = bytes.len().min(PIECE - last.len());
                last.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            last => {
                // Most answers are one short piece.
                let size = last.map_or(1024, |_| PIECE);
                self.0.push(Vec::with_capacity(size));
                self.write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A piece of an answer, counted until the client has taken it.
struct Piece {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer that frees each piece when the client has taken it, and the rest when the client is too slow.
struct Answer {
    pieces: Arc<Mutex<VecDeque<Bytes>>>,
    /// The bytes that are not taken yet.
    left: u64,
    /// Drops the pieces of a client that is too slow.
    deadline: Option<tokio::task::AbortHandle>,
}

impl Answer {
    fn new(pieces: VecDeque<Bytes>, bounds: Bounds) -> Self {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let pieces = Arc::new(Mutex::new(pieces));
        let deadline = (bytes > TAKEN_AT_ONCE).then(|| {
            let seconds = bytes / bounds.per_second.max(1);
            let within = bounds.taken_within + Duration::from_secs(seconds as u64);
            let pieces = Arc::downgrade(&pieces);
            let dropped = async move {
                tokio::time::sleep(within).await;
                if let Some(pieces) = pieces.upgrade() {
                    pieces
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clear();
                }
            };
            tokio::spawn(dropped).abort_handle()
        });
        Self {
            pieces,
            left: bytes as u64,
            deadline,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(deadline) = &self.deadline {
            deadline.abort();
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = pieces.pop_front();
        drop(pieces);
        Poll::Ready(Some(match piece {
            Some(piece) => {
                self.left -= piece.len() as u64;
                Ok(Frame::data(piece))
            }
            None => Err(io::ErrorKind::TimedOut.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
