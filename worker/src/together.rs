//! The same work of many callers as one: whoever comes while others are served, or just after, is
//! served with all who came meanwhile. A caller alone is served at once.
//!
//! A client waits for its submit, so the Store gathers those (`shared/src/store/gather.rs`) without a pause,
//! several batches at once. Nobody waits for a worker: here there is one batch at a time, and a pause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::store::StoreError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// How far apart services begin, at least. Where many come it makes a dozen statements with a flush
/// each into one; a submit takes seconds, and does not mind.
const APART: Duration = Duration::from_millis(100);

/// The most that are served at once.
const MOST: usize = 100;

type Told<O> = Result<Option<O>, StoreError>;
type Waiting<I, O> = (I, oneshot::Sender<Told<O>>);

/// Callers of one kind of work.
pub struct Together<I, O> {
    waiting: Mutex<Vec<Waiting<I, O>>>,
    /// When the last service began.
    serving: tokio::sync::Mutex<Option<Instant>>,
}

impl<I, O> Default for Together<I, O> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            serving: tokio::sync::Mutex::default(),
        }
    }
}

impl<I: Clone, O> Together<I, O> {
    /// Has `input` served by `work`, which is given the inputs of many and returns what came of some.
    /// `is_of` tells which outcome belongs to which input; `None` for an input that has none. Where
    /// `work` fails for good for many, it is asked for each alone: one that cannot be served harms
    /// nobody else.
    pub async fn serve<F>(
        &self,
        input: I,
        is_of: impl Fn(&I, &O) -> bool,
        work: impl Fn(Vec<I>) -> F,
    ) -> Told<O>
    where
        F: Future<Output = Result<Vec<O>, StoreError>>,
    {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push((input, tell));
        loop {
            let mut begun = self.serving.lock().await;
            match told.try_recv() {
                Ok(told) => return told,
                // Who served us went away in the middle.
                Err(oneshot::error::TryRecvError::Closed) => return Err(StoreError::Died),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            if let Some(last) = *begun {
                sleep_until(last + APART).await;
            }
            *begun = Some(Instant::now());
            let batch: Vec<Waiting<I, O>> = {
                let mut waiting = self.waiting();
                let many = waiting.len().min(MOST);
                waiting.drain(..many).collect()
            };
            serve_all(batch, &is_of, &work).await;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting<I, O>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve_all<I: Clone, O, F>(
    batch: Vec<Waiting<I, O>>,
    is_of: &impl Fn(&I, &O) -> bool,
    work: &impl Fn(Vec<I>) -> F,
) where
    F: Future<Output = Result<Vec<O>, StoreError>>,
{
    let inputs = batch.iter().map(|(input, _)| input.clone()).collect();
    match work(inputs).await {
        Ok(outcomes) => tell_all(batch, outcomes, is_of),
        Err(error) if error.is_passing() || batch.len() == 1 => {
            for (_, tell) in batch {
                // Nobody there any more: nothing to tell.
                let _ = tell.send(Err(error.alike()));
            }
        }
        Err(_) => {
            for one in batch {
                let outcome = work(vec![one.0.clone()]).await;
                let outcome = outcome.map(|outcomes| outcomes.into_iter().next());
                let _ = one.1.send(outcome);
            }
        }
    }
}

fn tell_all<I, O>(
    batch: Vec<Waiting<I, O>>,
    mut outcomes: Vec<O>,
    is_of: &impl Fn(&I, &O) -> bool,
) {
    for (input, tell) in batch {
        let found = outcomes.iter().position(|outcome| is_of(&input, outcome));
        let _ = tell.send(Ok(found.map(|found| outcomes.swap_remove(found))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Together<u32, u32>;

    async fn double(numbers: &Numbers, number: u32, sizes: &Mutex<Vec<usize>>) -> Told<u32> {
        let work = |numbers: Vec<u32>| async move {
            tokio::task::yield_now().await;
            sizes.lock().expect("nobody panicked").push(numbers.len());
            if numbers.contains(&13) {
                return Err(StoreError::Died);
            }
            Ok(numbers.iter().map(|number| 2 * number).collect())
        };
        numbers
            .serve(number, |number, double| 2 * number == *double, work)
            .await
    }

    #[tokio::test]
    async fn one_alone_is_served_at_once_and_those_who_come_meanwhile_are_served_together() {
        let (numbers, sizes) = (Numbers::default(), Mutex::default());
        let asked = (0..250).map(|number| double(&numbers, number + 1000, &sizes));
        let mut told = Vec::new();
        for one in futures_util::future::join_all(asked).await {
            told.push(one.expect("it is served").expect("it has an outcome"));
        }
        let expected: Vec<u32> = (0..250).map(|number| 2 * (number + 1000)).collect();
        assert_eq!(told, expected);
        let sizes = sizes.lock().expect("nobody panicked");
        assert_eq!(sizes.iter().sum::<usize>(), 250);
        assert!(sizes.len() <= 4, "{sizes:?}");
    }

    #[tokio::test]
    async fn those_who_come_a_moment_apart_are_served_together() {
        let (numbers, sizes) = (Numbers::default(), Mutex::default());
        let asked = (0..50).map(|number| {
            let (numbers, sizes) = (&numbers, &sizes);
            async move {
                tokio::time::sleep(Duration::from_micros(200 * u64::from(number))).await;
                double(numbers, number + 1000, sizes).await
            }
        });
        futures_util::future::join_all(asked).await;
        let sizes = sizes.lock().expect("nobody panicked");
        assert_eq!(sizes.iter().sum::<usize>(), 50);
        assert!(sizes.len() <= 10, "{sizes:?}");
    }

    #[tokio::test]
    async fn one_that_cannot_be_served_harms_nobody_else() {
        let (numbers, sizes) = (Numbers::default(), Mutex::default());
        let asked = (11..15).map(|number| double(&numbers, number, &sizes));
        let told = futures_util::future::join_all(asked).await;
        let good: Vec<bool> = told.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, true, false, true]);
    }
}
