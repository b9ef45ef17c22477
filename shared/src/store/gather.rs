//! Calls that come while others are under way go together.
//!
//! What a database does for a statement and a commit it does once for all that go in them. Nobody
//! waits for company: a call that finds a free place starts at once, alone; those that find none wait
//! for one together, and are one batch.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::connect::ACQUIRE_TIMEOUT;
use super::{Result, StoreError};

/// Gathers calls into batches.
#[derive(Debug)]
pub(super) struct Gather<Asked, Answer> {
    waiting: Arc<Mutex<Waiting<Asked, Answer>>>,
    places: Arc<Semaphore>,
    /// The most calls of a batch.
    most: usize,
}

#[derive(Debug)]
struct Waiting<Asked, Answer> {
    calls: VecDeque<Call<Asked, Answer>>,
    next: u64,
}

#[derive(Debug)]
struct Call<Asked, Answer> {
    number: u64,
    asked: Asked,
    answer: oneshot::Sender<Result<Answer>>,
}

impl<Asked: Send + 'static, Answer: Send + 'static> Gather<Asked, Answer> {
    /// At most so many batches at once, of so many calls each.
    pub(super) fn new(places: usize, most: usize) -> Self {
        Self {
            waiting: Arc::new(Mutex::new(Waiting {
                calls: VecDeque::new(),
                next: 0,
            })),
            places: Arc::new(Semaphore::new(places)),
            most,
        }
    }

    /// Has `work` done for `asked` and those that wait with it, in a task of its own (see
    /// [`super::detach`]). It answers each, in their order. A call that is dropped before its turn
    /// is not carried out; one whose turn has come is.
    pub(super) async fn ask<Work>(
        &self,
        asked: Asked,
        work: impl FnOnce(Vec<Asked>) -> Work,
    ) -> Result<Answer>
    where
        Work: Future<Output = Vec<Result<Answer>>> + Send + 'static,
    {
        let (answer, mut answered) = oneshot::channel();
        let number = self.wait(asked, answer);
        let place = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.places).acquire_owned());
        tokio::select! {
            biased;
            // Another one's batch took it along.
            answer = &mut answered => return answer.unwrap_or(Err(StoreError::Died)),
            place = place => match place {
                Ok(place) => {
                    let (all, answers) = self.take();
                    if !all.is_empty() {
                        let (work, waiting) = (work(all), Arc::clone(&self.waiting));
                        tokio::spawn(async move {
                            let done = work.await;
                            if done.iter().all(is_busy) {
                                // Those who came meanwhile would wait for a connection as long again.
                                tell_all_busy(&waiting);
                            }
                            drop(place);
                            for (answer, done) in answers.into_iter().zip(done) {
                                // Who asked may have gone away.
                                let _gone = answer.send(done);
                            }
                        });
                    }
                }
                Err(_) if self.give_up(number) => return Err(StoreError::Busy),
                // It is under way: its outcome counts.
                Err(_) => {}
            },
        }
        answered.await.unwrap_or(Err(StoreError::Died))
    }

    fn wait(&self, asked: Asked, answer: oneshot::Sender<Result<Answer>>) -> u64 {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.calls.push_back(Call {
            number,
            asked,
            answer,
        });
        number
    }

    fn take(&self) -> (Vec<Asked>, Vec<oneshot::Sender<Result<Answer>>>) {
        let mut waiting = self.waiting();
        // Nobody waits for these any more.
        waiting.calls.retain(|call| !call.answer.is_closed());
        let count = waiting.calls.len().min(self.most);
        let calls = waiting.calls.drain(..count);
        calls.map(|call| (call.asked, call.answer)).unzip()
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
            .ask(number, |all| async move {
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
            first.ask(0, busy).await
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
        let died = gather.ask(1, |_| async { panic!("a bug") }).await;
        assert!(matches!(died, Err(StoreError::Died)), "{died:?}");
        let well = gather.ask(2, |_| async { vec![Ok((2, 1))] }).await;
        assert_eq!(well.expect("its place is free again"), (2, 1));
    }
}
