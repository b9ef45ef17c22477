//! Calls that come while others are under way go together.
//!
//! What a database does for a statement and a commit it does once for all that go in them. Nobody
//! waits for company: a call that finds a free place starts at once, alone; those that find none wait
//! for one together, and are one batch. Calls about the same thing are not in two batches at once, as
//! one would find it locked by the other; unless the first takes unusually long, for it may hang.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::options::ACQUIRE_TIMEOUT;
use super::{Result, StoreError};

/// How long a call waits for a batch that is about the same: a batch takes some ten milliseconds, and one
/// whose connection hangs may take for ever.
const PATIENCE: Duration = Duration::from_millis(500);

/// Gathers calls into batches.
#[derive(Debug)]
pub(super) struct Gather<Asked, Answer> {
    waiting: Arc<Mutex<Waiting<Asked, Answer>>>,
    places: Arc<Semaphore>,
    /// Told whenever a batch is done.
    done: Arc<Notify>,
    /// The most calls of a batch.
    most: usize,
}

#[derive(Debug)]
struct Waiting<Asked, Answer> {
    calls: VecDeque<Call<Asked, Answer>>,
    next: u64,
    /// What the batches under way are about.
    under_way: HashSet<i64>,
}

#[derive(Debug)]
struct Call<Asked, Answer> {
    number: u64,
    /// `None`: nothing that another call could be about, too.
    about: Option<i64>,
    asked: Asked,
    answer: oneshot::Sender<Result<Answer>>,
}

impl<Asked, Answer> Waiting<Asked, Answer> {
    fn is_under_way(&self, call: &Call<Asked, Answer>) -> bool {
        call.about
            .is_some_and(|about| self.under_way.contains(&about))
    }
}

impl<Asked: Send + 'static, Answer: Send + 'static> Gather<Asked, Answer> {
    /// At most so many batches at once, of so many calls each.
    pub(super) fn new(places: usize, most: usize) -> Self {
        Self {
            waiting: Arc::new(Mutex::new(Waiting {
                calls: VecDeque::new(),
                next: 0,
                under_way: HashSet::new(),
            })),
            places: Arc::new(Semaphore::new(places)),
            done: Arc::default(),
            most,
        }
    }

    /// Has `work` done for `asked`, which is `about` something, and those that wait with it, in a task of
    /// its own (see [`super::detach`]). It answers each, in their order. A call that is dropped before
    /// its turn is not carried out; one whose turn has come is.
    pub(super) async fn ask<Work>(
        &self,
        about: Option<i64>,
        asked: Asked,
        work: impl FnOnce(Vec<Asked>) -> Work,
    ) -> Result<Answer>
    where
        Work: Future<Output = Vec<Result<Answer>>> + Send + 'static,
    {
        let (answer, mut answered) = oneshot::channel();
        let number = self.wait(about, asked, answer);
        tokio::select! {
            biased;
            // Another one's batch took it along.
            answer = &mut answered => return answer.unwrap_or(Err(StoreError::Died)),
            batch = timeout(ACQUIRE_TIMEOUT, self.batch(number)) => match batch {
                Ok(Some(batch)) => {
                    let work = work(batch.asked);
                    tokio::spawn(carry_out(work, batch.answers, batch.place));
                }
                Err(_) if self.give_up(number) => return Err(StoreError::Busy),
                // It is under way: its outcome counts.
                Ok(None) | Err(_) => {}
            },
        }
        answered.await.unwrap_or(Err(StoreError::Died))
    }

    /// A batch with the call of this number in it, once there is a place for it, and nothing under way
    /// that is about the same or [`PATIENCE`] is over. `None`: another batch has it.
    async fn batch(&self, number: u64) -> Option<Batch<Asked, Answer>> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            // Told from here on.
            done.as_mut().enable();
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            match self.take(number, Instant::now() < patient_until, place) {
                Taken::Batch(batch) => return Some(batch),
                Taken::ByAnother => return None,
                Taken::NotYet => {}
            }
            // Told or not, it looks again.
            let _told = timeout_at(patient_until, done).await;
        }
    }

    fn wait(
        &self,
        about: Option<i64>,
        asked: Asked,
        answer: oneshot::Sender<Result<Answer>>,
    ) -> u64 {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.calls.push_back(Call {
            number,
            about,
            asked,
            answer,
        });
        number
    }

    /// Takes the call of this number, and of those that wait with it as many as may go.
    fn take(
        &self,
        number: u64,
        is_patient: bool,
        permit: OwnedSemaphorePermit,
    ) -> Taken<Asked, Answer> {
        let mut waiting = self.waiting();
        // Nobody waits for the others any more.
        waiting.calls.retain(|call| !call.answer.is_closed());
        let place = waiting.calls.iter().position(|call| call.number == number);
        let Some(own) = place.and_then(|place| waiting.calls.remove(place)) else {
            return Taken::ByAnother;
        };
        if is_patient && waiting.is_under_way(&own) {
            waiting.calls.push_front(own);
            return Taken::NotYet;
        }
        let calls = std::mem::take(&mut waiting.calls);
        let (mut taken, mut left) = (vec![own], VecDeque::new());
        for call in calls {
            let may_go = !is_patient || !waiting.is_under_way(&call);
            if may_go && taken.len() < self.most {
                taken.push(call);
            } else {
                left.push_back(call);
            }
        }
        waiting.calls = left;
        let about: HashSet<i64> = taken.iter().filter_map(|call| call.about).collect();
        waiting.under_way.extend(&about);
        let calls = taken.into_iter().map(|call| (call.asked, call.answer));
        let (asked, answers) = calls.unzip();
        Taken::Batch(Batch {
            asked,
            answers,
            place: Place {
                waiting: Arc::clone(&self.waiting),
                done: Arc::clone(&self.done),
                about,
                _permit: permit,
            },
        })
    }

    /// `false`: it is not waiting any more.
    fn give_up(&self, number: u64) -> bool {
        let mut waiting = self.waiting();
        let before = waiting.calls.len();
        waiting.calls.retain(|call| call.number != number);
        waiting.calls.len() < before
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Asked, Answer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of an attempt to start a batch.
enum Taken<Asked, Answer> {
    Batch(Batch<Asked, Answer>),
    /// The call is not waiting any more.
    ByAnother,
    /// Something under way is about the same.
    NotYet,
}

struct Batch<Asked, Answer> {
    asked: Vec<Asked>,
    answers: Vec<oneshot::Sender<Result<Answer>>>,
    place: Place<Asked, Answer>,
}

/// Where a batch is under way. Dropped, also by a panic, it is free again.
struct Place<Asked, Answer> {
    waiting: Arc<Mutex<Waiting<Asked, Answer>>>,
    done: Arc<Notify>,
    about: HashSet<i64>,
    _permit: OwnedSemaphorePermit,
}

impl<Asked, Answer> Drop for Place<Asked, Answer> {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .under_way
            .retain(|about| !self.about.contains(about));
        drop(waiting);
        self.done.notify_waiters();
    }
}

async fn carry_out<Asked, Answer>(
    work: impl Future<Output = Vec<Result<Answer>>>,
    answers: Vec<oneshot::Sender<Result<Answer>>>,
    place: Place<Asked, Answer>,
) {
    let done = work.await;
    if done.iter().all(is_busy) {
        // Those who came meanwhile would wait for a connection as long again.
        tell_all_busy(&place.waiting);
    }
    drop(place);
    for (answer, done) in answers.into_iter().zip(done) {
        // Who asked may have gone away.
        let _gone = answer.send(done);
    }
}

fn is_busy<Answer>(done: &Result<Answer>) -> bool {
    matches!(done, Err(StoreError::Busy))
}

fn tell_all_busy<Asked, Answer>(waiting: &Mutex<Waiting<Asked, Answer>>) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    for call in waiting.calls.drain(..) {
        let _gone = call.answer.send(Err(StoreError::Busy));
    }
}

/// An error for each of `count` who asked together.
pub(super) fn to_each<Answer>(count: usize, error: StoreError) -> Vec<Result<Answer>> {
    let mut errors: Vec<_> = (1..count).map(|_| Err(error.alike())).collect();
    errors.push(Err(error));
    errors
}

#[cfg(test)]
mod tests;
