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

use super::connect::ACQUIRE_TIMEOUT;
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
            match self.take(number, Instant::now() < patient_until) {
                Taken::Batch {
                    about,
                    asked,
                    answers,
                } => {
                    return Some(Batch {
                        asked,
                        answers,
                        place: Place {
                            waiting: Arc::clone(&self.waiting),
                            done: Arc::clone(&self.done),
                            about,
                            _permit: place,
                        },
                    });
                }
                Taken::ByAnother => return None,
                Taken::NotYet => drop(place),
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
    fn take(&self, number: u64, is_patient: bool) -> Taken<Asked, Answer> {
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
        Taken::Batch {
            about,
            asked,
            answers,
        }
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
    Batch {
        about: HashSet<i64>,
        asked: Vec<Asked>,
        answers: Vec<oneshot::Sender<Result<Answer>>>,
    },
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
mod tests {
    use super::*;
    use tokio::sync::Notify;

    type Numbers = Gather<u32, (u32, usize)>;

    /// Answers each number with itself and the size of its batch, once `gate` opens.
    async fn ask(gather: Arc<Numbers>, number: u32, gate: Arc<Notify>) -> Result<(u32, usize)> {
        gather
            .ask(None, number, |all| async move {
                gate.notified().await;
                let size = all.len();
                all.into_iter().map(|number| Ok((number, size))).collect()
            })
            .await
    }

    #[tokio::test]
    async fn what_comes_while_one_is_under_way_goes_together() {
        let (gather, gate) = (Arc::new(Numbers::new(1, 100)), Arc::new(Notify::new()));
        let calls: Vec<_> = (0..5)
            .map(|number| tokio::spawn(ask(Arc::clone(&gather), number, Arc::clone(&gate))))
            .collect();
        let mut answers = Vec::new();
        for call in calls {
            gate.notify_one();
            answers.push(call.await.expect("no panic").expect("it answers"));
        }
        assert_eq!(answers, [(0, 1), (1, 4), (2, 4), (3, 4), (4, 4)]);
    }

    /// The same, about one thing.
    async fn ask_about(
        gather: Arc<Numbers>,
        about: i64,
        gate: Arc<Notify>,
    ) -> Result<(u32, usize)> {
        let answer = |all: Vec<u32>| async move {
            gate.notified().await;
            let size = all.len();
            all.into_iter().map(|number| Ok((number, size))).collect()
        };
        gather.ask(Some(about), 0, answer).await
    }

    #[tokio::test]
    async fn calls_about_the_same_are_never_in_two_batches_at_once_and_hold_up_no_others() {
        let gather = Arc::new(Numbers::new(2, 100));
        let gates = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let call = |about: i64, gate: usize| {
            let (gather, gate) = (Arc::clone(&gather), Arc::clone(&gates[gate]));
            tokio::spawn(ask_about(gather, about, gate))
        };
        let first = call(1, 0);
        tokio::task::yield_now().await;
        // There is a place, and it is not theirs.
        let same: Vec<_> = (0..5).map(|_| call(1, 0)).collect();
        tokio::task::yield_now().await;
        let other = call(2, 1);
        tokio::task::yield_now().await;
        gates[1].notify_one();
        let other = other.await.expect("no panic").expect("it answers");
        assert_eq!(other, (0, 1));
        assert!(same.iter().all(|call| !call.is_finished()));
        gates[0].notify_one();
        let first = first.await.expect("no panic").expect("it answers");
        assert_eq!(first, (0, 1));
        for call in same {
            gates[0].notify_one();
            let answer = call.await.expect("no panic").expect("it answers");
            assert_eq!(answer, (0, 5));
        }
        let waiting = gather.waiting();
        assert!(waiting.calls.is_empty() && waiting.under_way.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_hangs_holds_up_what_is_about_the_same_for_a_moment_only() {
        let gather = Arc::new(Numbers::new(2, 100));
        let hangs = tokio::spawn(ask_about(Arc::clone(&gather), 1, Arc::default()));
        tokio::task::yield_now().await;
        let started = Instant::now();
        let calls = (0..3).map(|_| {
            let gate = Arc::new(Notify::new());
            gate.notify_one();
            tokio::spawn(ask_about(Arc::clone(&gather), 1, gate))
        });
        for call in calls.collect::<Vec<_>>() {
            let answer = call.await.expect("no panic").expect("it answers");
            assert_eq!(answer, (0, 3));
        }
        assert!(started.elapsed() < 2 * PATIENCE && !hangs.is_finished());
    }

    #[tokio::test]
    async fn a_batch_has_its_most() {
        let (gather, gate) = (Arc::new(Numbers::new(1, 2)), Arc::new(Notify::new()));
        let calls: Vec<_> = (0..5)
            .map(|number| tokio::spawn(ask(Arc::clone(&gather), number, Arc::clone(&gate))))
            .collect();
        let mut sizes = Vec::new();
        for call in calls {
            gate.notify_one();
            sizes.push(call.await.expect("no panic").expect("it answers").1);
        }
        assert_eq!(sizes, [1, 2, 2, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_in_time_is_told_that_all_are_busy() {
        let (gather, gate) = (Arc::new(Numbers::new(1, 100)), Arc::new(Notify::new()));
        let held = tokio::spawn(ask(Arc::clone(&gather), 0, Arc::clone(&gate)));
        tokio::task::yield_now().await;
        let busy = ask(Arc::clone(&gather), 1, Arc::clone(&gate)).await;
        assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
        gate.notify_one();
        let answered = held.await.expect("no panic").expect("it answers");
        assert_eq!(answered, (0, 1));
        assert!(gather.waiting().calls.is_empty());
    }

    #[tokio::test]
    async fn who_waits_behind_one_that_found_no_connection_is_told_so_at_once() {
        let (gather, gate) = (Arc::new(Numbers::new(1, 100)), Arc::new(Notify::new()));
        let (first, opened) = (Arc::clone(&gather), Arc::clone(&gate));
        let first = tokio::spawn(async move {
            let busy = |_: Vec<u32>| async move {
                opened.notified().await;
                vec![Err(StoreError::Busy)]
            };
            first.ask(None, 0, busy).await
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn(ask(Arc::clone(&gather), 1, Arc::clone(&gate)));
        tokio::task::yield_now().await;
        gate.notify_one();
        for told in [first.await, second.await] {
            let told = told.expect("no panic");
            assert!(matches!(told, Err(StoreError::Busy)), "{told:?}");
        }
    }

    #[tokio::test]
    async fn of_a_batch_that_dies_each_is_told_so() {
        let gather = Numbers::new(1, 100);
        let died = gather.ask(None, 1, |_| async { panic!("a bug") }).await;
        assert!(matches!(died, Err(StoreError::Died)), "{died:?}");
        let well = gather.ask(None, 2, |_| async { vec![Ok((2, 1))] }).await;
        assert_eq!(well.expect("its place is free again"), (2, 1));
    }
}
