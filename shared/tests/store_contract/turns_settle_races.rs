//! Several callers that end the same tasks, tasks named twice, and interrupted settles: each task ends once
//! and is refunded once.

use shared::task::Status;

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, changed, earlier, failure, moved, sorted, success};
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
    let song = world.polled_song().await;
    let at = song.at;
    let settled = world
        .at_once(8, |_, store| async move {
            ok!(store.settle(vec![], vec![failure(at, "no")], NOW)).finished_rows()
        })
        .await;
    assert_eq!(settled.concat(), [at.row]);
    assert_eq!(world.money(&song.payer).await, (SONG, 0, 0));
    assert_eq!(world.used_at(song.channel).await, 0);
}

async fn of_two_callers_that_disagree_on_the_end_one_is_right(world: &World) {
    let (channel, payer) = world.channel_and_payer(20 * SONG).await;
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
        assert_eq!(changed(&settled), 1, "{settled:?}");
        world.assert_balanced().await;
    }
}

async fn a_task_named_twice_ends_once(world: &World) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    let one = world.polled(&payer, channel).await;
    let two = world.polled(&payer, channel).await;
    let three = world.polled(&payer, channel).await;
    let stale = earlier(two.at, 1);
    let ends = [
        failure(one.at, "no"),
        failure(one.at, "no"),
        failure(stale, "stale"),
        success(two.at, "[1]"),
        failure(stale, "stale"),
        failure(three.at, "the first reason"),
        success(three.at, "[3]"),
    ];
    let ended = sorted(world.end(ends, NOW).await);
    assert_eq!(ended, [one.at.row, two.at.row, three.at.row]);
    for (task, status, reason) in [
        (&two.id, Status::Success, ""),
        (&three.id, Status::Failure, "the first reason"),
    ] {
        let view = world.view(task).await;
        assert_eq!((view.status, view.fail_reason.as_str()), (status, reason));
    }
    let history = "stored sending accepted ended refunded";
    world.assert_history(&one.id, history).await;
    let history = "stored sending accepted ended";
    world.assert_history(&two.id, history).await;
}

async fn a_task_that_stays_unfinished_and_ends_in_one_call_does_one_of_them(world: &World) {
    let at = world.polled_song().await.at;
    let news = vec![moved(at, Status::InProgress, 30, None)];
    let ends = vec![failure(at, "no")];
    let settled = vec![ok!(world.store.settle(news, ends, NOW))];
    assert_eq!(changed(&settled), 1, "{settled:?}");
}

async fn settles_that_overlap_end_each_task_once_without_a_deadlock(world: &World) {
    let channels = [world.channel().await, world.channel().await];
    let payers = [world.payer(60 * SONG).await, world.payer(60 * SONG).await];
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (payer, channel) = (&payers[number % 2], channels[number / 2 % 2]);
        tasks.push(world.polled(payer, channel).await.at);
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
                let news = news.iter().map(|at| moved(*at, Status::Queued, 20, None));
                let ends = ends.iter().map(|at| failure(*at, "no"));
                ok!(store.settle(news.collect(), ends.collect(), NOW))
            }
        })
        .await;
    assert_eq!(changed(&settled), 40);
}

async fn charges_and_refunds_of_one_user_at_once_all_count(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer_with(40 * SONG, Some(40 * SONG)).await;
    let tasks = world.many_polled(8, &payer, channel).await;
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
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let tasks = world.many_polled(20, &payer, channel).await;
    let settle = |at| world.store.settle(vec![], vec![failure(at, "no")], NOW);
    world.abandon(tasks.into_iter().map(settle), 0).await;
    assert_eq!(world.money(&payer).await, (100 * SONG, 0, 0));
}

async fn a_settle_that_fails_in_the_middle_leaves_nothing_of_itself(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let good = world.polled(&payer, channel).await;
    let bad = world.polled(&payer, channel).await;
    // The task is refunded already: the second refund fails, and everything else in its transaction.
    let already = format!(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ({}, {}, {}, 'refund', {SONG}, 0)",
        payer.user, payer.key, bad.at.row
    );
    world.break_with(&already).await;
    let ends = vec![failure(good.at, "no"), failure(bad.at, "no")];
    let settled = world.store.settle(vec![], ends, NOW).await;
    settled.expect_err("it was refunded before");
    assert_eq!(world.money(&payer).await, (0, 2 * SONG, 2 * SONG));
    assert_eq!(world.view(&good.id).await.status, Status::Submitted);
    assert_eq!(ok!(world.store.unfinished()), 2);
    // The connection still works.
    let ended = world.end([failure(good.at, "no")], NOW).await;
    assert_eq!(ended, [good.at.row]);
}
