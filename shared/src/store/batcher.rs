//! Batches concurrent calls, so that many share one statement and one commit.
//!
//! A call runs at once if a slot is free and no batch started just before. Calls that arrive meanwhile share the
//! next batch.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::options::ACQUIRE_TIMEOUT;
use super::{Result, StoreError};

/// How long a call waits for a running batch that has its key. A batch takes some 10 ms, but one whose
/// connection hangs may run for a long time.
const KEY_TIMEOUT: Duration = Duration::from_millis(500);

/// How calls are batched.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How many batches run at once. Two let calls pass a batch whose connection hangs; more make batches
    /// small.
    pub slots: usize,
    /// The largest number of calls in a batch.
    pub max_items: usize,
    /// The shortest time from the start of a batch to the start of the next: calls gather meanwhile. Where a
    /// client waits for the answer, the pause is no longer than a batch takes. A client that sends one request
    /// after the other then does not notice the pause.
    pub pause: Duration,
}

/// Batches concurrent calls. Clones share one queue.
pub struct Batcher<Item, Answer>(Arc<Shared<Item, Answer>>);

struct Shared<Item, Answer> {
    policy: Policy,
    work: Box<Work<Item, Answer>>,
    queue: Mutex<Queue<Item, Answer>>,
}

type Work<Item, Answer> =
    dyn Fn(Vec<Item>) -> BoxFuture<'static, Vec<Result<Answer>>> + Send + Sync;

struct Queue<Item, Answer> {
    calls: VecDeque<Call<Item, Answer>>,
    next_id: u64,
    /// How many batches run.
    running: usize,
    /// The keys of the running batches.
    keys: HashSet<i64>,
    last_start: Option<Instant>,
    /// Whether a task waits for the end of the pause.
    is_pausing: bool,
}

struct Call<Item, Answer> {
    id: u64,
    key: Option<i64>,
    since: Instant,
    item: Item,
    answer: oneshot::Sender<Result<Answer>>,
}

struct Batch<Item, Answer> {
    items: Vec<Item>,
    answers: Vec<oneshot::Sender<Result<Answer>>>,
    keys: HashSet<i64>,
}

impl<Item: Send + 'static, Answer: Send + 'static> Batcher<Item, Answer> {
    /// A batcher that runs `work` for each batch, in a task of its own (see [`super::detach`]). `work`
    /// returns an answer for each item, in their order.
    pub fn new<Done>(
        policy: Policy,
        work: impl Fn(Vec<Item>) -> Done + Send + Sync + 'static,
    ) -> Self
    where
        Done: Future<Output = Vec<Result<Answer>>> + Send + 'static,
    {
        Self(Arc::new(Shared {
            policy,
            work: Box::new(move |items| work(items).boxed()),
            queue: Mutex::new(Queue {
                calls: VecDeque::new(),
                next_id: 0,
                running: 0,
                keys: HashSet::new(),
                last_start: None,
                is_pausing: false,
            }),
        }))
    }

    /// Runs `item` in a batch. Two calls with one `key` would wait for each other's row locks, so they
    /// never run in two batches at once, unless the first batch takes longer than 500 ms.
    ///
    /// If the caller drops the future before its batch starts, the item is not processed; afterwards it
    /// is. Answers [`StoreError::Busy`] if no slot was free for [`ACQUIRE_TIMEOUT`], or at once if the batch
    /// before found no connection; [`StoreError::Died`] if the batch panicked.
    pub async fn call(&self, key: Option<i64>, item: Item) -> Result<Answer> {
        let (sender, mut answer) = oneshot::channel();
        let id = self.0.queue().push(key, item, sender);
        self.0.start_batches();
        for wait in [KEY_TIMEOUT, ACQUIRE_TIMEOUT.saturating_sub(KEY_TIMEOUT)] {
            if let Ok(answer) = timeout(wait, &mut answer).await {
                return answer.unwrap_or(Err(StoreError::Died));
            }
            self.0.start_batches();
        }
        if self.0.queue().remove(id) {
            return Err(StoreError::Busy);
        }
        // The call's batch runs, so its outcome counts.
        answer.await.unwrap_or(Err(StoreError::Died))
    }
}

impl<Item: Send + 'static, Answer: Send + 'static> Shared<Item, Answer> {
    fn queue(&self) -> MutexGuard<'_, Queue<Item, Answer>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every batch that may start now.
    fn start_batches(self: &Arc<Self>) {
        let now = Instant::now();
        let mut queue = self.queue();
        while queue.running < self.policy.slots && !queue.is_pausing && !queue.calls.is_empty() {
            let next_start = queue.last_start.map(|last| last + self.policy.pause);
            if let Some(next_start) = next_start.filter(|next_start| *next_start > now) {
                queue.is_pausing = true;
                let shared = Arc::clone(self);
                tokio::spawn(async move {
                    sleep_until(next_start).await;
                    shared.queue().is_pausing = false;
                    shared.start_batches();
                });
                return;
            }
            let Some(batch) = queue.take_batch(self.policy.max_items, now) else {
                return;
            };
            tokio::spawn(Arc::clone(self).run(batch));
        }
    }

    async fn run(self: Arc<Self>, batch: Batch<Item, Answer>) {
        let work = async { (self.work)(batch.items).await };
        let answers = AssertUnwindSafe(work).catch_unwind().await;
        let answers = answers.unwrap_or_else(|_| {
            tracing::error!("a batch panicked; its transaction is rolled back");
            Vec::new()
        });
        let mut queue = self.queue();
        queue.running -= 1;
        queue.keys.retain(|key| !batch.keys.contains(key));
        let is_busy = |answer: &Result<Answer>| matches!(answer, Err(StoreError::Busy));
        if !answers.is_empty() && answers.iter().all(is_busy) {
            // Waiting calls would find no connection either.
            for call in queue.calls.drain(..) {
                send(call.answer, Err(StoreError::Busy));
            }
        }
        drop(queue);
        self.start_batches();
        // After a panic the senders are dropped unused, and each caller gets `Died`.
        for (sender, answer) in batch.answers.into_iter().zip(answers) {
            send(sender, answer);
        }
    }
}

/// Answers a call. Its caller may be gone.
fn send<Answer>(sender: oneshot::Sender<Result<Answer>>, answer: Result<Answer>) {
    let _gone = sender.send(answer);
}

impl<Item, Answer> Queue<Item, Answer> {
    /// Adds a call, and returns its id.
    fn push(
        &mut self,
        key: Option<i64>,
        item: Item,
        answer: oneshot::Sender<Result<Answer>>,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.calls.push_back(Call {
            id,
            key,
            since: Instant::now(),
            item,
            answer,
        });
        id
    }

    /// Removes a call. `false`: its batch runs, or has run.
    fn remove(&mut self, id: u64) -> bool {
        let before = self.calls.len();
        self.calls.retain(|call| call.id != id);
        self.calls.len() < before
    }

    /// Takes the oldest call that may start, and those that may start with it. Calls whose key is in a
    /// running batch wait; if the oldest has waited too long, none of them waits any more.
    fn take_batch(&mut self, max_items: usize, now: Instant) -> Option<Batch<Item, Answer>> {
        self.calls.retain(|call| !call.answer.is_closed());
        let has_free_key = |call: &Call<_, _>| call.key.is_none_or(|key| !self.keys.contains(&key));
        let is_overdue = |call: &Call<_, _>| now.duration_since(call.since) >= KEY_TIMEOUT;
        let mut calls = self.calls.iter();
        let oldest = calls.find(|call| has_free_key(call) || is_overdue(call))?;
        let ignores_keys = !has_free_key(oldest);
        let mut batch = Batch {
            items: Vec::new(),
            answers: Vec::new(),
            keys: HashSet::new(),
        };
        let mut left = VecDeque::new();
        for call in self.calls.drain(..) {
            if batch.items.len() < max_items && (ignores_keys || has_free_key(&call)) {
                batch.keys.extend(call.key);
                batch.items.push(call.item);
                batch.answers.push(call.answer);
            } else {
                left.push_back(call);
            }
        }
        self.calls = left;
        self.keys.extend(&batch.keys);
        self.running += 1;
        self.last_start = Some(now);
        Some(batch)
    }
}

impl<Item, Answer> Clone for Batcher<Item, Answer> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Item, Answer> fmt::Debug for Batcher<Item, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Batcher").field(&self.0.policy).finish()
    }
}

/// Runs `work` for all items. If `work` fails for good, runs it for each item alone, so that an item that
/// cannot be processed fails alone. `work` answers in the order of the items.
pub async fn all_or_each<Item: Clone, Answer, Done>(
    items: Vec<Item>,
    work: impl Fn(Vec<Item>) -> Done,
) -> Vec<Result<Answer>>
where
    Done: Future<Output = Result<Vec<Answer>>>,
{
    match work(items.clone()).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if error.is_passing() || items.len() == 1 => to_each(items.len(), error),
        Err(_) => {
            let mut answers = Vec::with_capacity(items.len());
            for item in items {
                let answer = work(vec![item]).await;
                answers.push(answer.and_then(|mut one| one.pop().ok_or(StoreError::Died)));
            }
            answers
        }
    }
}

/// The error, once for each of `count` calls.
pub fn to_each<Answer>(count: usize, error: StoreError) -> Vec<Result<Answer>> {
    let mut errors: Vec<_> = (1..count).map(|_| Err(error.alike())).collect();
    errors.push(Err(error));
    errors
}

#[cfg(test)]
mod tests;
