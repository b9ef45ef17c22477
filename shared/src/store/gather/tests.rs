//! Who goes with whom, and who waits.

use super::*;
use tokio::sync::Notify;

type Numbers = Gather<u32, (u32, usize)>;

/// Answers each number with itself and the size of its batch, once `gate` opens.
async fn ask(gather: Arc<Numbers>, number: u32, gate: Arc<Notify>) -> Result<(u32, usize)> {
    ask_about(gather, None, number, gate).await
}

/// The same, about something.
async fn ask_about(
    gather: Arc<Numbers>,
    about: Option<i64>,
    number: u32,
    gate: Arc<Notify>,
) -> Result<(u32, usize)> {
    let answer = |all: Vec<u32>| async move {
        gate.notified().await;
        let size = all.len();
        all.into_iter().map(|number| Ok((number, size))).collect()
    };
    gather.ask(about, number, answer).await
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
async fn calls_about_the_same_are_never_in_two_batches_at_once_and_hold_up_no_others() {
    let gather = Arc::new(Numbers::new(2, 100));
    let gates = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let call = |about: i64, gate: usize| {
        let (gather, gate) = (Arc::clone(&gather), Arc::clone(&gates[gate]));
        tokio::spawn(ask_about(gather, Some(about), 0, gate))
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
    let hangs = tokio::spawn(ask_about(Arc::clone(&gather), Some(1), 0, Arc::default()));
    tokio::task::yield_now().await;
    let started = Instant::now();
    let calls = (0..3).map(|_| {
        let gate = Arc::new(Notify::new());
        gate.notify_one();
        tokio::spawn(ask_about(Arc::clone(&gather), Some(1), 0, gate))
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
