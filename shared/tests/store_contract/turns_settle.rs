//! The end of tasks: a success; or a failure and its refund, both or neither.

use shared::store::listing::TaskView;
use shared::store::turns::{Finished, Settled};
use shared::task::{Action, AtTurn, ChannelId, Progress, RowId, Status, Turn};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, earlier, entries, failure, failure_by, given_up, last_event, later, moved, next,
    only, quota, sorted, success, success_at_once, waiting,
};
use crate::world::World;

contract! {
    a_task_that_is_made_keeps_its_price,
    a_task_that_is_made_by_its_submit_is_accepted_and_ends_at_once,
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
    let song = world.polled_song().await;
    let (before, end) = (world.view(&song.id).await, later(100));
    let ended = world.end([success(song.at, "[1]")], end).await;
    assert_eq!(ended, [song.at.row]);

    let story = world.story(&song.id).await;
    let expected = TaskView {
        status: Status::Success,
        progress: Progress::DONE,
        fail_reason: String::new(),
        data: Some("[1]".to_owned()),
        // What was made was in progress, at the latest now.
        start_time: end.seconds(),
        finish_time: end.seconds(),
        updated_at: end.seconds(),
        ..before
    };
    assert_eq!(story.task, expected);
    assert_eq!((&story.unfinished, story.entries.len()), (&None, 1));
    let expected = (end.0, song.at.turn.0, "ended", "SUCCESS");
    assert_eq!(last_event(&story), expected);
    assert_eq!(world.money(&song.payer).await, (0, SONG, SONG));
    assert_eq!(world.used_at(song.channel).await, SONG);
    assert_eq!(ok!(world.store.unfinished()), 0);
}

async fn a_task_that_is_made_by_its_submit_is_accepted_and_ends_at_once(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let (at, id) = world.sending(&payer, channel).await;
    let (failing, _) = world.sending(&payer, channel).await;
    let end = success_at_once(channel, at, r#"[{"id":"c1"}]"#);
    let ends = [end.clone(), failure_by(channel, failing, "no")];
    world.end(ends, later(3)).await;
    assert_eq!(world.end([end], later(9)).await, [], "it ends once");

    let story = world.story(&id).await;
    assert_eq!(story.task.status, Status::Success);
    assert_eq!(story.task.channel_id, channel);
    assert_eq!(story.upstream_id.as_deref(), Some("made-7"));
    assert_eq!((&story.unfinished, story.entries.len()), (&None, 1));
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
    assert_eq!(world.used_at(channel).await, SONG);
    // Whoever uses the clip is sent to the channel that made it.
    let maker = ok!(world.store.maker_of_clip(payer.user, "c1"));
    assert_eq!(maker.map(|maker| maker.channel), Some(channel));
    assert_eq!(ok!(world.store.unfinished()), 0);
}

async fn a_start_that_was_seen_stays(world: &World) {
    let song = world.polled_song().await;
    let news = moved(song.at, Status::InProgress, 30, None);
    let at = world.wait(news, later(5)).await;
    world.end([success(at, "[1]")], later(9)).await;
    let view = world.view(&song.id).await;
    assert_eq!(view.start_time, later(5).seconds());
    assert_eq!(view.finish_time, later(9).seconds());
}

async fn a_task_that_fails_is_refunded_in_the_same_transaction(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer_with(SONG, Some(SONG)).await;
    let song = world.polled(&payer, channel).await;
    let (before, end) = (world.view(&song.id).await, later(100));
    let ended = world.end([failure(song.at, "跑调了")], end).await;
    assert_eq!(ended, [song.at.row]);

    let story = world.story(&song.id).await;
    let expected = TaskView {
        status: Status::Failure,
        progress: Progress::DONE,
        fail_reason: "跑调了".to_owned(),
        data: None,
        start_time: 0,
        finish_time: end.seconds(),
        updated_at: end.seconds(),
        channel_id: channel,
        ..before
    };
    assert_eq!(story.task, expected);
    let expected = [(NOW.0, "charge", -SONG), (end.0, "refund", SONG)];
    assert_eq!(entries(&story), expected);
    let [.., ended, refunded] = story.events.as_slice() else {
        panic!("a short history: {:?}", story.events);
    };
    assert_eq!((ended.at, ended.turn), (end.0, song.at.turn.0));
    assert_eq!(ended.kind, "ended");
    let detail = &ended.detail;
    assert!(
        detail.contains("FAILURE") && detail.contains("跑调了"),
        "{detail}"
    );
    assert_eq!((refunded.kind.as_str(), refunded.at), ("refunded", end.0));

    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
    assert_eq!(world.key(&payer).await.quota.map(i64::from), Some(SONG));
    assert_eq!(world.used_at(channel).await, 0);
    world.stored(&payer).await;
}

async fn a_task_that_fails_before_any_channel_accepted_it_changes_no_channel(world: &World) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    world.accepted(&payer, channel).await;
    let (never, task) = world.stored(&payer).await;
    let (refused, by) = world.sending(&payer, channel).await;
    let ends = [
        failure(never, "no attempt left"),
        failure_by(channel, refused, "bad words"),
    ];
    world.end(ends, NOW).await;

    assert_eq!(world.used_at(channel).await, SONG);
    assert_eq!(world.view(&task).await.channel_id, ChannelId(0));
    let refused_by = world.view(&by).await.channel_id;
    assert_eq!(refused_by, channel, "it was the one that refused");
    assert_eq!(world.money(&payer).await, (2 * SONG, SONG, SONG));
}

async fn the_channel_that_accepted_a_task_stays_its_channel(world: &World) {
    let song = world.polled_song().await;
    let other = world.channel().await;
    let end = Finished {
        data: Some("[1]".to_owned()),
        ..failure_by(other, song.at, "no")
    };
    world.end([end], NOW).await;
    let view = world.view(&song.id).await;
    assert_eq!(view.channel_id, song.channel);
    assert_eq!(view.data.as_deref(), Some("[1]"));
    assert_eq!(world.used_at(song.channel).await, 0);
}

async fn an_end_without_a_result_keeps_what_there_was(world: &World) {
    for end in [|at| success(at, ""), |at| failure(at, "no")] {
        let song = world.polled_song().await;
        let news = moved(song.at, Status::InProgress, 30, Some("[1]"));
        let at = world.wait(news, NOW).await;
        let end = Finished {
            data: None,
            ..end(at)
        };
        world.end([end], NOW).await;
        assert_eq!(world.data(&song.id).await.as_deref(), Some("[1]"));
    }
}

async fn a_stale_end_changes_nothing(world: &World) {
    let song = world.polled_song().await;
    let before = world.story(&song.id).await;
    let stale = earlier(song.at, 1);
    let ends = [
        failure(stale, "no"),
        failure(next(song.at), "no"),
        success(stale, "[]"),
    ];
    assert_eq!(world.end(ends, NOW).await, []);
    assert_eq!(world.story(&song.id).await, before);
    assert_eq!(world.money(&song.payer).await, (0, SONG, SONG));
}

async fn an_ended_task_never_changes(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let made = world.polled(&payer, channel).await;
    let failed = world.polled(&payer, channel).await;
    let ends = [success(made.at, "[1]"), failure(failed.at, "no")];
    world.end(ends, NOW).await;
    let stories = async || (world.story(&made.id).await, world.story(&failed.id).await);
    let before = stories().await;

    for turn in (0..6).map(Turn) {
        let [made, failed] = [made.at, failed.at].map(|at| AtTurn { turn, ..at });
        let ends = vec![
            failure(made, "no"),
            success(failed, "[2]"),
            failure(failed, "again"),
        ];
        let news = vec![moved(made, Status::Queued, 20, None), waiting(failed)];
        let settled = ok!(world.store.settle(news, ends, later(9)));
        assert_eq!(settled, Settled::default());
    }
    assert_eq!(stories().await, before);
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
}

async fn one_settle_takes_tasks_of_every_kind(world: &World) {
    let (channel, payer) = world.channel_and_payer(10 * SONG).await;
    let (other, second) = world.channel_and_payer(10 * SONG).await;
    let quiet = world.polled(&payer, channel).await;
    let news = world.polled(&second, other).await;
    let made = world.polled(&payer, other).await;
    let failed = [
        world.polled(&payer, channel).await,
        world.polled(&second, other).await,
    ];
    let (unsure, _) = world.sending(&payer, channel).await;
    let (unsent, _) = world.stored(&second).await;
    let stale = world.polled(&payer, channel).await;
    let unknown = AtTurn {
        row: RowId(i64::MAX),
        turn: Turn(3),
    };

    let settled = ok!(world.store.settle(
        vec![
            waiting(quiet.at),
            moved(news.at, Status::InProgress, 31, Some("[31]")),
            waiting(next(stale.at)),
            moved(unknown, Status::Queued, 20, None),
        ],
        vec![
            failure(unknown, "unknown"),
            success(made.at, "[1]"),
            failure(failed[0].at, "a"),
            failure(failed[1].at, "b"),
            failure(unsure, "unsure"),
            failure(unsent, "unsent"),
            failure(next(stale.at), "stale"),
        ],
        NOW
    ));
    let expected = [next(quiet.at), next(news.at)];
    let ended = [made.at, failed[0].at, failed[1].at, unsure, unsent];
    assert_eq!(sorted(settled.finished_rows()), ended.map(|at| at.row));
    for ended in &settled.finished {
        assert_eq!((ended.action, ended.price), (Action::SONG, quota(SONG)));
        assert_eq!(ended.submitted, NOW.seconds());
        let has_channel = ![unsure.row, unsent.row].contains(&ended.row);
        assert_eq!(ended.channel.is_some(), has_channel, "{ended:?}");
    }
    assert_eq!(sorted(settled.waiting), expected);

    assert_eq!(world.money(&payer).await, (7 * SONG, 3 * SONG, 3 * SONG));
    assert_eq!(world.money(&second).await, (9 * SONG, SONG, SONG));
    assert_eq!(world.used_at(channel).await, 2 * SONG);
    assert_eq!(world.used_at(other).await, 2 * SONG);
    for (song, reason) in failed.iter().zip(["a", "b"]) {
        assert_eq!(world.view(&song.id).await.fail_reason, reason);
    }
    assert_eq!(world.data(&news.id).await.as_deref(), Some("[31]"));
    assert_eq!(ok!(world.store.unfinished()), 3);
}

async fn two_hundred_tasks_settle_in_one_go(world: &World) {
    let (channel, payer) = world.channel_and_payer(300 * SONG).await;
    let (mut news, mut ends) = (Vec::new(), Vec::new());
    let tasks = world.many_polled(200, &payer, channel).await;
    for (number, at) in tasks.into_iter().enumerate() {
        match number % 4 {
            0 => news.push(waiting(at)),
            1 => news.push(moved(at, Status::InProgress, 50, Some("[1]"))),
            2 => ends.push(success(at, "[1]")),
            _ => ends.push(failure(at, "no")),
        }
    }
    let settled = ok!(world.store.settle(news, ends, NOW));
    assert_eq!((settled.waiting.len(), settled.finished.len()), (100, 100));
    let half = 150 * SONG;
    assert_eq!(world.money(&payer).await, (half, half, half));
    assert_eq!(world.used_at(channel).await, half);
}

async fn nothing_to_settle_is_nothing(world: &World) {
    let settled = ok!(world.store.settle(vec![], vec![], NOW));
    assert_eq!(settled, Settled::default());
}

async fn only_tasks_given_up_while_an_upstream_has_them_are_looked_at_again(world: &World) {
    let (channel, payer) = world.channel_and_payer(4 * SONG).await;
    let song = world.polled(&payer, channel).await;
    let failed = world.polled(&payer, channel).await;
    let (unsent, _) = world.stored(&payer).await;
    let (unsure, _) = world.sending(&payer, channel).await;
    let ends = [
        given_up(song.at),
        failure(failed.at, "no"),
        given_up(unsent),
        given_up(unsure),
    ];
    world.end(ends, NOW).await;
    let late = only(ok!(world.store.late_tasks(later(3_600), 100)));
    assert_eq!((late.row, late.channel), (song.at.row, channel));
    assert_eq!(late.upstream_id, song.upstream_id);
    assert_eq!(world.money(&payer).await, (4 * SONG, 0, 0));
}
