//! Several callers that end the same tasks, tasks named twice, and interrupted settles: each task ends once
//! and is refunded once.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use shared::task::{AtTurn, Status, Turn};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, moved, success};
use crate::world::World;

contract! {
    of_many_callers_that_end_one_task_one_does_and_the_task_is_refunded_once,
    of_two_callers_that_disagree_on_the_end_one_is_right,
    a_task_named_twice_ends_once,
    a_task_that_stays_unfinished_and_ends_in_one_call_does_one_of_them,
    settles_that_overlap_end_each_task_once_without_a_deadlock,
    charges_and_refunds_of_one_user_at_once_all_count,
    a_settle_whose_caller_goes_away_is_written_completely_or_not_at_all,
    a_settle_that_fails_in_the_middle_leaves_nothing_of_itself,
}

async fn of_many_callers_that_end_one_task_one_does_and_the_task_is_refunded_once(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = held.at;
    let settled = world
        .at_once(8, |_, store| async move {
            ok!(store.settle(vec![], vec![failure(at, "no")], NOW))
        })
        .await;
    let finished: Vec<_> = settled
        .into_iter()
        .flat_map(|settled| settled.finished)
        .collect();
    assert_eq!(finished, [at.row]);
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
    assert_eq!(world.channel_now(channel).await.used_quota.get(), 0);
}

async fn of_two_callers_that_disagree_on_the_end_one_is_right(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(20 * SONG).await;
    for _ in 0..10 {
        let at = world.polled(&payer, channel).await.at;
        let settled = world
            .at_once(3, |number, store| async move {
                let (waiting, finished) = match number {
                    0 => (vec![], vec![success(at, "[1]")]),
                    1 => (vec![], vec![failure(at, "no")]),
                    _ => (vec![moved(at, Status::Queued, 20, None)], vec![]),
                };
                ok!(store.settle(waiting, finished, NOW))
            })
            .await;
        let changed: usize = settled
            .iter()
            .map(|s| s.waiting.len() + s.finished.len())
            .sum();
        assert_eq!(changed, 1, "{settled:?}");
        world.assert_balanced().await;
    }
}

async fn a_task_named_twice_ends_once(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(3 * SONG).await;
    let (one, two) = (
        world.polled(&payer, channel).await,
        world.polled(&payer, channel).await,
    );
    let three = world.polled(&payer, channel).await;
    let stale = |at: AtTurn| AtTurn {
        turn: Turn(at.turn.0 - 1),
        ..at
    };
    let ends = vec![
        failure(one.at, "no"),
        failure(one.at, "no"),
        failure(stale(two.at), "stale"),
        success(two.at, "[1]"),
        failure(stale(two.at), "stale"),
        failure(three.at, "the first word"),
        success(three.at, "[3]"),
    ];
    let mut settled = ok!(world.store.settle(vec![], ends, NOW));
    settled.finished.sort();
    assert_eq!(settled.finished, [one.at.row, two.at.row, three.at.row]);
    let view = world.story(&two.task).await.task;
    assert_eq!(
        (view.status, view.fail_reason.as_str()),
        (Status::Success, "")
    );
    let view = world.story(&three.task).await.task;
    assert_eq!(
        (view.status, view.fail_reason.as_str()),
        (Status::Failure, "the first word")
    );
    let history = world.history(&one.task).await;
    assert_eq!(
        history,
        ["stored", "sending", "accepted", "ended", "refunded"]
    );
    assert_eq!(
        world.history(&two.task).await,
        ["stored", "sending", "accepted", "ended"]
    );
}

async fn a_task_that_stays_unfinished_and_ends_in_one_call_does_one_of_them(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let news = moved(held.at, Status::InProgress, 30, None);
    let settled = world
        .store
        .settle(vec![news], vec![failure(held.at, "no")], NOW)
        .await;
    let settled = settled.expect("it settles");
    assert_eq!(
        settled.waiting.len() + settled.finished.len(),
        1,
        "{settled:?}"
    );
}

async fn settles_that_overlap_end_each_task_once_without_a_deadlock(world: &World) {
    let channels = [world.channel().await, world.channel().await];
    let payers = [world.payer(60 * SONG).await, world.payer(60 * SONG).await];
    let mut tasks = Vec::new();
    for number in 0..40 {
        tasks.push(
            world
                .polled(&payers[number % 2], channels[number / 2 % 2])
                .await
                .at,
        );
    }
    let settled = world
        .at_once(8, |number, store| {
            let mut tasks = tasks.clone();
            tasks.rotate_left(number * 5);
            if number % 3 == 0 {
                tasks.reverse();
            }
            async move {
                let (ends, news) = tasks.split_at(20);
                let ends = ends.iter().map(|at| failure(*at, "no")).collect();
                let news = news
                    .iter()
                    .map(|at| moved(*at, Status::Queued, 20, None))
                    .collect();
                ok!(store.settle(news, ends, NOW))
            }
        })
        .await;
    let changed: usize = settled
        .iter()
        .map(|s| s.waiting.len() + s.finished.len())
        .sum();
    assert_eq!(changed, 40);
}

async fn charges_and_refunds_of_one_user_at_once_all_count(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer_with(40 * SONG, Some(40 * SONG)).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        tasks.push(world.polled(&payer, channel).await.at);
    }
    world
        .at_once(16, |number, store| {
            let (song, at) = (world.song(&payer), tasks[number / 2]);
            async move {
                if number % 2 == 0 {
                    ok!(store.submit(song, NOW));
                } else {
                    ok!(store.settle(vec![], vec![failure(at, "no")], NOW));
                }
            }
        })
        .await;
    assert_eq!(world.money(&payer).await, (32 * SONG, 8 * SONG, 8 * SONG));
}

async fn a_settle_whose_caller_goes_away_is_written_completely_or_not_at_all(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(100 * SONG).await;
    let mut tasks = Vec::new();
    for polls in 1..=20 {
        let at = world.polled(&payer, channel).await.at;
        tasks.push(at);
        let mut settle = pin!(world.store.settle(vec![], vec![failure(at, "no")], NOW));
        for _ in 0..polls {
            let gone =
                std::future::poll_fn(|context| Poll::Ready(settle.as_mut().poll(context))).await;
            if gone.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut patience = 500;
    while ok!(world.store.unfinished()) > 0 {
        patience -= 1;
        assert!(patience > 0, "a settle that was begun was lost");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.money(&payer).await, (100 * SONG, 0, 0));
}

async fn a_settle_that_fails_in_the_middle_leaves_nothing_of_itself(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (good, bad) = (
        world.polled(&payer, channel).await,
        world.polled(&payer, channel).await,
    );
    // The task is refunded already: the second refund fails, and everything else in its transaction.
    let already = format!(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ({}, {}, {}, 'refund', {SONG}, 0)",
        payer.user, payer.key, bad.at.row
    );
    world.break_with(&already).await;
    let ends = vec![failure(good.at, "no"), failure(bad.at, "no")];
    world
        .store
        .settle(vec![], ends, NOW)
        .await
        .expect_err("it was refunded before");
    assert_eq!(world.money(&payer).await, (0, 2 * SONG, 2 * SONG));
    assert_eq!(world.story(&good.task).await.task.status, Status::Submitted);
    assert_eq!(ok!(world.store.unfinished()), 2);
    // The connection still works.
    let settled = ok!(world
        .store
        .settle(vec![], vec![failure(good.at, "no")], NOW));
    assert_eq!(settled.finished, [good.at.row]);
}
