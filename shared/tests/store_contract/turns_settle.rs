//! The end of tasks: a success; or a failure and its refund, both or neither.

use std::time::Duration;

use shared::store::turns::{Finished, Settled};
use shared::task::{AtTurn, End, RowId, Status, Turn};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, given_up, moved, next, only, success, waiting};
use crate::world::World;

contract! {
    a_task_that_is_made_keeps_its_price,
    a_start_that_was_seen_stays,
    a_task_that_fails_is_refunded_in_the_same_transaction,
    a_task_that_fails_before_any_channel_accepted_it_changes_no_channel,
    the_channel_that_accepted_a_task_stays_its_channel,
    an_end_without_a_result_keeps_what_there_was,
    a_stale_end_changes_nothing,
    an_ended_task_never_changes,
    one_settle_takes_tasks_of_every_kind,
    two_hundred_tasks_settle_in_one_go,
    nothing_to_settle_is_nothing,
    only_tasks_given_up_while_an_upstream_has_them_are_looked_at_again,
}

async fn a_task_that_is_made_keeps_its_price(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let end = NOW.after(Duration::from_secs(100));
    let settled = ok!(world
        .store
        .settle(vec![], vec![success(held.at, "[1]")], end));
    assert_eq!(
        settled,
        Settled {
            waiting: vec![],
            finished: vec![held.at.row]
        }
    );

    let story = world.story(&held.task).await;
    let view = &story.task;
    assert_eq!(
        (view.status, view.progress.percent()),
        (Status::Success, 100)
    );
    assert_eq!(
        (view.fail_reason.as_str(), view.data.as_deref()),
        ("", Some("[1]"))
    );
    assert_eq!(
        (view.finish_time, view.updated_at),
        (end.seconds(), end.seconds())
    );
    assert_eq!(
        view.start_time,
        end.seconds(),
        "what was made was in progress, at the latest now"
    );
    assert_eq!((story.unfinished, story.entries.len()), (None, 1));
    let event = story.events.last().expect("there is a history");
    let said = (
        event.at,
        event.turn,
        event.kind.as_str(),
        event.detail.as_str(),
    );
    assert_eq!(said, (end.0, held.at.turn.0, "ended", "SUCCESS"));
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(world.channel_now(channel).await.used_quota.get(), SONG);
    assert_eq!(ok!(world.store.unfinished()), 0);
}

async fn a_start_that_was_seen_stays(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let (start, end) = (
        NOW.after(Duration::from_secs(5)),
        NOW.after(Duration::from_secs(9)),
    );
    let news = moved(held.at, Status::InProgress, 30, None);
    ok!(world.store.settle(vec![news], vec![], start));
    let made = success(next(held.at), "[1]");
    ok!(world.store.settle(vec![], vec![made], end));
    let view = world.story(&held.task).await.task;
    assert_eq!(
        (view.start_time, view.finish_time),
        (start.seconds(), end.seconds())
    );
}

async fn a_task_that_fails_is_refunded_in_the_same_transaction(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer_with(SONG, Some(SONG)).await;
    let held = world.polled(&payer, channel).await;
    let end = NOW.after(Duration::from_secs(100));
    let settled = ok!(world
        .store
        .settle(vec![], vec![failure(held.at, "跑调了")], end));
    assert_eq!(settled.finished, [held.at.row]);

    let story = world.story(&held.task).await;
    let view = &story.task;
    assert_eq!(
        (view.status, view.progress.percent()),
        (Status::Failure, 100)
    );
    assert_eq!(
        (view.fail_reason.as_str(), view.data.as_deref()),
        ("跑调了", None)
    );
    assert_eq!((view.start_time, view.finish_time), (0, end.seconds()));
    assert_eq!((view.updated_at, view.channel_id), (end.seconds(), channel));
    let entries: Vec<_> = story
        .entries
        .iter()
        .map(|e| (e.at, e.kind.as_str(), e.amount))
        .collect();
    assert_eq!(entries, [(NOW.0, "charge", -SONG), (end.0, "refund", SONG)]);
    let [.., ended, refunded] = story.events.as_slice() else {
        panic!("a short history: {:?}", story.events);
    };
    assert_eq!(
        (ended.kind.as_str(), ended.at, ended.turn),
        ("ended", end.0, held.at.turn.0)
    );
    assert!(
        ended.detail.contains("FAILURE") && ended.detail.contains("跑调了"),
        "{}",
        ended.detail
    );
    assert_eq!((refunded.kind.as_str(), refunded.at), ("refunded", end.0));

    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
    assert_eq!(world.key(&payer).await.quota.map(i64::from), Some(SONG));
    assert_eq!(world.channel_now(channel).await.used_quota.get(), 0);
    world.stored(&payer).await;
}

async fn a_task_that_fails_before_any_channel_accepted_it_changes_no_channel(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(3 * SONG).await;
    world.accepted(&payer, channel).await;
    let (never, task) = world.stored(&payer).await;
    let (refused, by) = world.sending(&payer, channel).await;
    let end = End::Failure {
        reason: "bad words".to_owned(),
        channel: Some(channel),
        given_up: false,
    };
    let ends = vec![
        failure(never, "no attempt left"),
        Finished {
            at: refused,
            end,
            data: None,
        },
    ];
    ok!(world.store.settle(vec![], ends, NOW));

    assert_eq!(world.channel_now(channel).await.used_quota.get(), SONG);
    assert_eq!(world.story(&task).await.task.channel_id.0, 0);
    assert_eq!(
        world.story(&by).await.task.channel_id,
        channel,
        "it was the one that refused"
    );
    assert_eq!(world.money(&payer).await, (2 * SONG, SONG, SONG));
}

async fn the_channel_that_accepted_a_task_stays_its_channel(world: &World) {
    let (channel, other) = (world.channel().await, world.channel().await);
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let end = End::Failure {
        reason: "no".to_owned(),
        channel: Some(other),
        given_up: false,
    };
    let ended = Finished {
        at: held.at,
        end,
        data: Some("[1]".to_owned()),
    };
    ok!(world.store.settle(vec![], vec![ended], NOW));
    let view = world.story(&held.task).await.task;
    assert_eq!(
        (view.channel_id, view.data.as_deref()),
        (channel, Some("[1]"))
    );
    assert_eq!(world.channel_now(channel).await.used_quota.get(), 0);
}

async fn an_end_without_a_result_keeps_what_there_was(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    for made in [true, false] {
        let held = world.polled(&payer, channel).await;
        let news = moved(held.at, Status::InProgress, 30, Some("[1]"));
        let settled = ok!(world.store.settle(vec![news], vec![], NOW));
        let at = only(settled.waiting);
        let end = if made {
            success(at, "")
        } else {
            failure(at, "no")
        };
        let end = Finished { data: None, ..end };
        ok!(world.store.settle(vec![], vec![end], NOW));
        assert_eq!(
            world.story(&held.task).await.task.data.as_deref(),
            Some("[1]")
        );
    }
}

async fn a_stale_end_changes_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let before = world.story(&held.task).await;
    let stale = AtTurn {
        turn: Turn(held.at.turn.0 - 1),
        ..held.at
    };
    let ends = vec![
        failure(stale, "no"),
        failure(next(held.at), "no"),
        success(stale, "[]"),
    ];
    let settled = ok!(world.store.settle(vec![], ends, NOW));
    assert_eq!(settled, Settled::default());
    assert_eq!(world.story(&held.task).await, before);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
}

async fn an_ended_task_never_changes(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (made, lost) = (
        world.polled(&payer, channel).await,
        world.polled(&payer, channel).await,
    );
    let ends = vec![success(made.at, "[1]"), failure(lost.at, "no")];
    ok!(world.store.settle(vec![], ends, NOW));
    let before = (world.story(&made.task).await, world.story(&lost.task).await);

    let later = NOW.after(Duration::from_secs(9));
    for turn in 0..6 {
        let (made, lost) = (
            AtTurn {
                turn: Turn(turn),
                ..made.at
            },
            AtTurn {
                turn: Turn(turn),
                ..lost.at
            },
        );
        let ends = vec![
            failure(made, "no"),
            success(lost, "[2]"),
            failure(lost, "again"),
        ];
        let news = vec![moved(made, Status::Queued, 20, None), waiting(lost)];
        let settled = ok!(world.store.settle(news, ends, later));
        assert_eq!(settled, Settled::default());
    }
    assert_eq!(
        (world.story(&made.task).await, world.story(&lost.task).await),
        before
    );
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
}

async fn one_settle_takes_tasks_of_every_kind(world: &World) {
    let (channel, other) = (world.channel().await, world.channel().await);
    let (payer, second) = (world.payer(10 * SONG).await, world.payer(10 * SONG).await);
    let quiet = world.polled(&payer, channel).await;
    let news = world.polled(&second, other).await;
    let made = world.polled(&payer, other).await;
    let lost = [
        world.polled(&payer, channel).await,
        world.polled(&second, other).await,
    ];
    let (unsure, _) = world.sending(&payer, channel).await;
    let (unsent, _) = world.stored(&second).await;
    let stale = world.polled(&payer, channel).await;
    let unknown = AtTurn {
        row: RowId(999),
        turn: Turn(3),
    };

    let mut settled = ok!(world.store.settle(
        vec![
            waiting(quiet.at),
            moved(news.at, Status::InProgress, 31, Some("[31]")),
            waiting(next(stale.at)),
            moved(unknown, Status::Queued, 20, None),
        ],
        vec![
            failure(unknown, "unknown"),
            success(made.at, "[1]"),
            failure(lost[0].at, "a"),
            failure(lost[1].at, "b"),
            failure(unsure, "unsure"),
            failure(unsent, "unsent"),
            failure(next(stale.at), "stale"),
        ],
        NOW
    ));
    settled.waiting.sort_by_key(|at| at.row);
    settled.finished.sort();
    assert_eq!(settled.waiting, [next(quiet.at), next(news.at)]);
    let ended = [made.at, lost[0].at, lost[1].at, unsure, unsent].map(|at| at.row);
    assert_eq!(settled.finished, ended);

    assert_eq!(world.money(&payer).await, (7 * SONG, 3 * SONG, 3 * SONG));
    assert_eq!(world.money(&second).await, (9 * SONG, SONG, SONG));
    assert_eq!(world.channel_now(channel).await.used_quota.get(), 2 * SONG);
    assert_eq!(world.channel_now(other).await.used_quota.get(), 2 * SONG);
    assert_eq!(world.story(&lost[0].task).await.task.fail_reason, "a");
    assert_eq!(world.story(&lost[1].task).await.task.fail_reason, "b");
    assert_eq!(
        world.story(&news.task).await.task.data.as_deref(),
        Some("[31]")
    );
    assert_eq!(ok!(world.store.unfinished()), 3);
}

async fn two_hundred_tasks_settle_in_one_go(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(300 * SONG).await;
    let (mut news, mut ends) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let at = world.polled(&payer, channel).await.at;
        match number % 4 {
            0 => news.push(waiting(at)),
            1 => news.push(moved(at, Status::InProgress, 50, Some("[1]"))),
            2 => ends.push(success(at, "[1]")),
            _ => ends.push(failure(at, "no")),
        }
    }
    let settled = ok!(world.store.settle(news, ends, NOW));
    assert_eq!((settled.waiting.len(), settled.finished.len()), (100, 100));
    assert_eq!(
        world.money(&payer).await,
        (150 * SONG, 150 * SONG, 150 * SONG)
    );
    assert_eq!(
        world.channel_now(channel).await.used_quota.get(),
        150 * SONG
    );
}

async fn nothing_to_settle_is_nothing(world: &World) {
    let settled = ok!(world.store.settle(vec![], vec![], NOW));
    assert_eq!(settled, Settled::default());
}

async fn only_tasks_given_up_while_an_upstream_has_them_are_looked_at_again(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(4 * SONG).await;
    let held = world.polled(&payer, channel).await;
    let failed = world.polled(&payer, channel).await;
    let (unsent, _) = world.stored(&payer).await;
    let (unsure, _) = world.sending(&payer, channel).await;
    let ends = vec![
        given_up(held.at),
        failure(failed.at, "no"),
        given_up(unsent),
        given_up(unsure),
    ];
    ok!(world.store.settle(vec![], ends, NOW));
    let late = world
        .store
        .late_tasks(NOW.after(Duration::from_hours(1)), 100)
        .await;
    let late = only(late.expect("it reads"));
    assert_eq!(
        (late.row, late.channel, late.upstream_id),
        (held.at.row, channel, held.upstream_id)
    );
    assert_eq!(world.money(&payer).await, (4 * SONG, 0, 0));
}
