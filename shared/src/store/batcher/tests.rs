//! Which calls share a batch, and which wait.

use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::*;

const ONE_SLOT: Policy = Policy {
    slots: 1,
    max_items: 100,
    pause: Duration::ZERO,
};
const TWO_SLOTS: Policy = Policy {
    slots: 2,
    ..ONE_SLOT
};
const PAUSE: Duration = Duration::from_millis(100);

/// A number, and the gate at which its batch waits if the number comes first in it.
type Gated = (u32, Arc<Notify>);
type Numbers = Batcher<Gated, (u32, usize)>;

/// Answers each number with itself and the size of its batch, once the gate of its first number opens.
fn numbers(policy: Policy) -> Numbers {
    Batcher::new(policy, |batch: Vec<Gated>| async move {
        batch[0].1.notified().await;
        let size = batch.len();
        batch.into_iter().map(|(n, _)| Ok((n, size))).collect()
    })
}

type Answered = tokio::task::JoinHandle<Result<(u32, usize)>>;

/// Calls with `number` from a task of its own, which has begun when this returns.
async fn call(numbers: &Numbers, key: Option<i64>, number: u32, gate: &Arc<Notify>) -> Answered {
    let (numbers, gate) = (numbers.clone(), Arc::clone(gate));
    let called = tokio::spawn(async move { numbers.call(key, (number, gate)).await });
    tokio::task::yield_now().await;
    called
}

async fn answer(called: Answered) -> (u32, usize) {
    called.await.expect("no panic").expect("an answer")
}

#[tokio::test]
async fn calls_that_arrive_while_a_batch_runs_share_the_next() {
    let (numbers, gate) = (numbers(ONE_SLOT), Arc::default());
    let mut calls = Vec::new();
    for number in 0..5 {
        calls.push(call(&numbers, None, number, &gate).await);
    }
    let mut answers = Vec::new();
    for called in calls {
        gate.notify_one();
        answers.push(answer(called).await);
    }
    assert_eq!(answers, [(0, 1), (1, 4), (2, 4), (3, 4), (4, 4)]);
}

#[tokio::test]
async fn calls_with_one_key_are_never_in_two_batches_at_once_and_others_pass() {
    let numbers = numbers(TWO_SLOTS);
    let (gate, other_gate) = (Arc::default(), Arc::default());
    let first = call(&numbers, Some(1), 0, &gate).await;
    let mut same = Vec::new();
    for _ in 0..5 {
        same.push(call(&numbers, Some(1), 0, &gate).await);
    }
    let other = call(&numbers, Some(2), 0, &other_gate).await;
    other_gate.notify_one();
    assert_eq!(answer(other).await, (0, 1));
    assert!(same.iter().all(|call| !call.is_finished()));
    gate.notify_one();
    assert_eq!(answer(first).await, (0, 1));
    for called in same {
        gate.notify_one();
        assert_eq!(answer(called).await, (0, 5));
    }
    let queue = numbers.0.queue();
    assert!(queue.calls.is_empty() && queue.keys.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_hangs_delays_calls_with_its_key_for_a_moment_only() {
    let numbers = numbers(TWO_SLOTS);
    let hangs = call(&numbers, Some(1), 0, &Arc::default()).await;
    let started = Instant::now();
    let mut calls = Vec::new();
    for _ in 0..3 {
        let gate = Arc::new(Notify::new());
        gate.notify_one();
        calls.push(call(&numbers, Some(1), 0, &gate).await);
    }
    for called in calls {
        assert_eq!(answer(called).await, (0, 3));
    }
    assert!(started.elapsed() < 2 * KEY_TIMEOUT && !hangs.is_finished());
}

#[tokio::test]
async fn a_batch_has_a_largest_size() {
    let numbers = numbers(Policy {
        max_items: 2,
        ..ONE_SLOT
    });
    let gate = Arc::default();
    let mut calls = Vec::new();
    for number in 0..5 {
        calls.push(call(&numbers, None, number, &gate).await);
    }
    let mut sizes = Vec::new();
    for called in calls {
        gate.notify_one();
        sizes.push(answer(called).await.1);
    }
    assert_eq!(sizes, [1, 2, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_no_slot_in_time_is_refused_as_busy() {
    let (numbers, gate) = (numbers(ONE_SLOT), Arc::default());
    let running = call(&numbers, None, 0, &gate).await;
    let busy = numbers.call(None, (1, Arc::clone(&gate))).await;
    assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
    gate.notify_one();
    assert_eq!(answer(running).await, (0, 1));
    assert!(numbers.0.queue().calls.is_empty());
}

#[tokio::test]
async fn calls_behind_a_batch_that_found_no_connection_are_refused_at_once() {
    let gate: Arc<Notify> = Arc::default();
    let opened = Arc::clone(&gate);
    let busy: Numbers = Batcher::new(ONE_SLOT, move |batch: Vec<Gated>| {
        let opened = Arc::clone(&opened);
        async move {
            opened.notified().await;
            to_each(batch.len(), StoreError::Busy)
        }
    });
    let first = call(&busy, None, 0, &gate).await;
    let second = call(&busy, None, 1, &gate).await;
    gate.notify_one();
    for called in [first.await, second.await] {
        let refused = called.expect("no panic");
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    }
}

#[tokio::test]
async fn each_call_of_a_batch_that_panics_is_told_so_and_the_slot_is_free_again() {
    let odd_panics = Batcher::new(ONE_SLOT, |batch: Vec<u32>| async move {
        assert!(batch[0].is_multiple_of(2), "a bug");
        batch.into_iter().map(|number| Ok((number, 1))).collect()
    });
    let died = odd_panics.call(None, 1).await;
    assert!(matches!(died, Err(StoreError::Died)), "{died:?}");
    let well = odd_panics.call(None, 2).await;
    assert_eq!(well.expect("the slot is free"), (2, 1));
}

#[tokio::test]
async fn an_item_whose_caller_is_gone_before_its_batch_starts_is_not_processed() {
    let (numbers, gate) = (numbers(ONE_SLOT), Arc::default());
    let first = call(&numbers, None, 0, &gate).await;
    let gone = call(&numbers, None, 1, &gate).await;
    let third = call(&numbers, None, 2, &gate).await;
    gone.abort();
    assert!(gone.await.is_err());
    gate.notify_one();
    assert_eq!(answer(first).await, (0, 1));
    gate.notify_one();
    assert_eq!(answer(third).await, (2, 1));
}

/// Doubles numbers, 13 apart, in batches a pause apart, and keeps the sizes of the batches.
fn doubles() -> (Batcher<u32, u32>, Arc<AsyncMutex<Vec<usize>>>) {
    let sizes: Arc<AsyncMutex<Vec<usize>>> = Arc::default();
    let kept = Arc::clone(&sizes);
    let policy = Policy {
        pause: PAUSE,
        ..ONE_SLOT
    };
    let batcher = Batcher::new(policy, move |batch: Vec<u32>| {
        let sizes = Arc::clone(&kept);
        async move {
            all_or_each(batch, async |batch| {
                sizes.lock().await.push(batch.len());
                if batch.contains(&13) {
                    return Err(StoreError::Died);
                }
                Ok(batch.iter().map(|number| 2 * number).collect())
            })
            .await
        }
    });
    (batcher, sizes)
}

#[tokio::test]
async fn a_call_alone_runs_at_once_and_those_that_arrive_meanwhile_share_batches() {
    let (doubles, sizes) = doubles();
    let calls = (1000..1250).map(|number| doubles.call(None, number));
    let mut answers = Vec::new();
    for answer in futures_util::future::join_all(calls).await {
        answers.push(answer.expect("an answer"));
    }
    let expected: Vec<u32> = (1000..1250).map(|number| 2 * number).collect();
    assert_eq!(answers, expected);
    let sizes = sizes.lock().await;
    assert_eq!(sizes.iter().sum::<usize>(), 250);
    assert!(sizes.len() <= 4, "{sizes:?}");
}

#[tokio::test]
async fn calls_that_arrive_a_moment_apart_share_a_batch_after_the_pause() {
    let (doubles, sizes) = doubles();
    let calls = (1000..1050).map(|number| {
        let doubles = &doubles;
        async move {
            tokio::time::sleep(Duration::from_micros(200 * u64::from(number - 1000))).await;
            doubles.call(None, number).await
        }
    });
    futures_util::future::join_all(calls).await;
    let sizes = sizes.lock().await;
    assert_eq!(sizes.iter().sum::<usize>(), 50);
    assert!(sizes.len() <= 10, "{sizes:?}");
}

#[tokio::test]
async fn an_item_that_cannot_be_processed_fails_alone() {
    let (doubles, _) = doubles();
    let calls = (11..15).map(|number| doubles.call(None, number));
    let answers = futures_util::future::join_all(calls).await;
    let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false, true]);
}
