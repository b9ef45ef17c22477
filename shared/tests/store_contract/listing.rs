//! Tasks as clients see them.

use std::time::Duration;

use shared::store::listing::{Filter, Page};
use shared::store::submissions::NewTask;
use shared::task::{Action, ChannelId, RowId, Status, TaskId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, moved, quota, success};
use crate::world::World;

contract! {
    pages_are_newest_first_and_know_the_total,
    a_page_past_the_end_is_empty_and_knows_the_total,
    where_there_is_nothing_the_total_is_0,
    a_listed_task_is_told_whole,
    each_filter_lets_through_what_it_says,
    the_times_of_a_filter_are_both_inclusive,
    filters_combine,
    a_page_and_its_total_come_from_one_snapshot,
    a_user_finds_their_own_tasks_and_no_others,
    a_thousand_tasks_are_found_at_once,
    a_bad_row_names_its_table_its_column_and_its_number,
    what_ended_shows_how_and_when,
}

async fn list(world: &World, filter: Filter) -> Page {
    ok!(world.store.list(filter, 0, 100))
}

fn rows(page: &Page) -> Vec<RowId> {
    page.items.iter().map(|item| item.id).collect()
}

async fn pages_are_newest_first_and_know_the_total(world: &World) {
    world.channel().await;
    let payer = world.payer(5 * SONG).await;
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.insert(0, world.stored(&payer).await.0.row);
    }
    for (offset, limit, expected) in [(0, 2, 0..2), (2, 2, 2..4), (4, 2, 4..5), (0, 100, 0..5)] {
        let page = ok!(world.store.list(Filter::default(), offset, limit));
        assert_eq!((rows(&page).as_slice(), page.total), (&stored[expected], 5));
    }
}

async fn a_page_past_the_end_is_empty_and_knows_the_total(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG).await;
    world.stored(&payer).await;
    for offset in [1, 100, i64::MAX] {
        let page = ok!(world.store.list(Filter::default(), offset, 20));
        assert_eq!((page.items.len(), page.total), (0, 1));
    }
}

async fn where_there_is_nothing_the_total_is_0(world: &World) {
    assert_eq!(
        list(world, Filter::default()).await,
        Page {
            items: vec![],
            total: 0
        }
    );
}

async fn a_listed_task_is_told_whole(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let seen = NOW.after(Duration::from_secs(10));
    let data = r#"[{"title":"海\u0000 🎵"}]"#;
    let news = moved(held.at, Status::InProgress, 55, Some(data));
    ok!(world.store.settle(vec![news], vec![], seen));

    let page = list(world, Filter::default()).await;
    let item = &page.items[0];
    assert_eq!(
        (item.id, &item.task_id, item.user_id),
        (held.at.row, &held.task, payer.user)
    );
    assert_eq!(
        (item.username.as_str(), item.platform.as_str()),
        (payer.name.as_str(), "suno")
    );
    assert_eq!(
        (item.channel_id, item.quota, item.action),
        (channel, quota(SONG), Action::SONG)
    );
    assert_eq!(
        (item.status, item.progress.percent()),
        (Status::InProgress, 55)
    );
    assert_eq!(
        (item.created_at, item.submit_time),
        (NOW.seconds(), NOW.seconds())
    );
    assert_eq!(
        (item.updated_at, item.start_time, item.finish_time),
        (seen.seconds(), seen.seconds(), 0)
    );
    assert_eq!(
        (item.fail_reason.as_str(), item.input.as_str()),
        ("", "la la la")
    );
    assert_eq!(item.data.as_deref(), Some(data));
    assert_eq!(world.story(&held.task).await.task, *item);
}

/// Three tasks, oldest first: an unfinished song, failed lyrics, and later another user's song.
struct Three {
    running: RowId,
    failed: RowId,
    others: RowId,
    other_task: TaskId,
    one: crate::world::Payer,
    channel: ChannelId,
}

async fn three(world: &World) -> Three {
    let (first, channel) = (world.channel().await, world.channel().await);
    let (one, two) = (world.payer(SONG + 5_000).await, world.payer(SONG).await);
    let running = world.accepted(&one, first).await.at.row;

    let lyrics = NewTask {
        action: Action::LYRICS,
        ..world.song(&one)
    };
    let at = crate::values::first_turn(world.store_task(lyrics).await);
    let at = ok!(world.store.begin_submit(at, channel, 1, NOW, NOW));
    let at = at.expect("it is not stale");
    let end = shared::task::End::Failure {
        reason: "bad words".to_owned(),
        channel: Some(channel),
        given_up: false,
    };
    let ended = shared::store::turns::Finished {
        at,
        end,
        data: None,
    };
    ok!(world.store.settle(vec![], vec![ended], NOW));

    let song = world.song(&two);
    let (other_task, later) = (song.task_id.clone(), NOW.after(Duration::from_mins(1)));
    let submitted = ok!(world.store.submit(song, later));
    let shared::store::submissions::Submitted::Stored(others) = submitted else {
        panic!("not stored: {submitted:?}");
    };
    Three {
        running,
        failed: at.row,
        others,
        other_task,
        one,
        channel,
    }
}

/// A filter that every task passes.
fn by(set: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    set(&mut filter);
    filter
}

async fn assert_lists(world: &World, cases: Vec<(Filter, Vec<RowId>)>) {
    for (filter, expected) in cases {
        let page = list(world, filter.clone()).await;
        let total = i64::try_from(expected.len()).expect("it is small");
        assert_eq!((rows(&page), page.total), (expected, total), "{filter:?}");
    }
}

async fn each_filter_lets_through_what_it_says(world: &World) {
    let three = three(world).await;
    let (running, failed, others) = (three.running, three.failed, three.others);
    let cases = vec![
        (by(|_| {}), vec![others, failed, running]),
        (by(|f| f.nothing = true), vec![]),
        (
            by(|f| f.user_id = Some(three.one.user)),
            vec![failed, running],
        ),
        (by(|f| f.channel_id = Some(three.channel)), vec![failed]),
        (by(|f| f.channel_id = Some(ChannelId(999))), vec![]),
        (
            by(|f| f.platform = Some("suno".to_owned())),
            vec![others, failed, running],
        ),
        (by(|f| f.platform = Some("SUNO".to_owned())), vec![]),
        (
            by(|f| f.task_id = Some(three.other_task.to_string())),
            vec![others],
        ),
        (by(|f| f.task_id = Some("task_%".to_owned())), vec![]),
        (by(|f| f.task_id = Some("' OR 1=1 --".to_owned())), vec![]),
        (by(|f| f.status = Some(Status::Submitted)), vec![running]),
        (by(|f| f.status = Some(Status::Failure)), vec![failed]),
        (by(|f| f.status = Some(Status::Queued)), vec![]),
        (by(|f| f.action = Some(Action::SONG)), vec![others, running]),
        (by(|f| f.action = Some(Action::LYRICS)), vec![failed]),
    ];
    assert_lists(world, cases).await;
}

async fn the_times_of_a_filter_are_both_inclusive(world: &World) {
    let Three {
        running,
        failed,
        others,
        ..
    } = three(world).await;
    let (start, end) = (NOW.seconds(), NOW.seconds() + 60);
    let all = || vec![others, failed, running];
    let cases = vec![
        (by(|f| f.start_timestamp = Some(start)), all()),
        (by(|f| f.start_timestamp = Some(start + 1)), vec![others]),
        (by(|f| f.start_timestamp = Some(end)), vec![others]),
        (by(|f| f.start_timestamp = Some(end + 1)), vec![]),
        (by(|f| f.end_timestamp = Some(end)), all()),
        (
            by(|f| f.end_timestamp = Some(end - 1)),
            vec![failed, running],
        ),
        (by(|f| f.end_timestamp = Some(start)), vec![failed, running]),
        (by(|f| f.end_timestamp = Some(start - 1)), vec![]),
    ];
    assert_lists(world, cases).await;
}

async fn filters_combine(world: &World) {
    let Three {
        running,
        failed,
        other_task,
        one,
        channel,
        ..
    } = three(world).await;
    let start = NOW.seconds();
    let every = Filter {
        user_id: Some(one.user),
        channel_id: Some(channel),
        platform: Some("suno".to_owned()),
        status: Some(Status::Failure),
        action: Some(Action::LYRICS),
        start_timestamp: Some(start),
        end_timestamp: Some(start),
        ..Filter::default()
    };
    assert_eq!(rows(&list(world, every.clone()).await), [failed]);
    let none = Filter {
        action: Some(Action::SONG),
        ..every.clone()
    };
    assert_eq!(list(world, none).await.total, 0);
    let none = Filter {
        nothing: true,
        ..every
    };
    assert_eq!(list(world, none).await.total, 0);
    let own_song = Filter {
        user_id: Some(one.user),
        action: Some(Action::SONG),
        ..Filter::default()
    };
    assert_eq!(rows(&list(world, own_song).await), [running]);
    let others = Filter {
        user_id: Some(one.user),
        task_id: Some(other_task.to_string()),
        ..Filter::default()
    };
    assert_eq!(list(world, others).await.total, 0);
}

async fn a_page_and_its_total_come_from_one_snapshot(world: &World) {
    world.channel().await;
    let payer = world.payer(100 * SONG).await;
    let (store, task) = (world.store.clone(), world.song(&payer));
    let songs: Vec<_> = (0..60)
        .map(|_| NewTask {
            task_id: world.song(&payer).task_id,
            ..task.clone()
        })
        .collect();
    let writing = tokio::spawn(async move {
        for song in songs {
            ok!(store.submit(song, NOW));
        }
    });
    let mut different = std::collections::BTreeSet::new();
    while !writing.is_finished() {
        let page = ok!(world.other.list(Filter::default(), 0, 100));
        assert_eq!(i64::try_from(page.items.len()), Ok(page.total));
        different.insert(page.total);
    }
    writing.await.expect("it submits");
    assert!(different.len() > 1, "nothing was written while it was read");
    assert_eq!(list(world, Filter::default()).await.total, 60);
}

async fn a_user_finds_their_own_tasks_and_no_others(world: &World) {
    world.channel().await;
    let (one, two) = (world.payer(2 * SONG).await, world.payer(SONG).await);
    let (a, b) = (world.stored(&one).await, world.stored(&one).await);
    let theirs = world.stored(&two).await;
    let unknown = world.song(&one).task_id;

    let wanted = [
        a.1.clone(),
        b.1.clone(),
        a.1.clone(),
        theirs.1.clone(),
        unknown,
    ];
    let found = ok!(world.store.find(one.user, &wanted));
    let mut found: Vec<_> = found.into_iter().map(|task| task.task_id).collect();
    found.sort();
    let mut own = vec![a.1, b.1];
    own.sort();
    assert_eq!(found, own);
    let found = ok!(world.store.find(two.user, &[theirs.1]));
    assert_eq!(found[0].id, theirs.0.row);
    assert_eq!(ok!(world.store.find(one.user, &[])), []);
}

async fn a_thousand_tasks_are_found_at_once(world: &World) {
    world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (_, own) = world.stored(&payer).await;
    let mut wanted: Vec<_> = (0..999).map(|_| world.song(&payer).task_id).collect();
    wanted.push(own.clone());
    let found = ok!(world.store.find(payer.user, &wanted));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].task_id, own);
}

async fn a_bad_row_names_its_table_its_column_and_its_number(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, _) = world.stored(&payer).await;
    world
        .break_with("UPDATE tasks SET task_id = 'nonsense'")
        .await;
    let error = world
        .store
        .list(Filter::default(), 0, 20)
        .await
        .expect_err("the row is bad");
    let said = error.to_string();
    assert_eq!(
        said,
        format!(
            "bad row: tasks.task_id of row {} holds \"nonsense\"",
            at.row
        )
    );
}

async fn what_ended_shows_how_and_when(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (made, lost) = (
        world.polled(&payer, channel).await,
        world.polled(&payer, channel).await,
    );
    let end = NOW.after(Duration::from_secs(90));
    let finished = vec![success(made.at, "[1]"), failure(lost.at, "跑调了")];
    ok!(world.store.settle(vec![], finished, end));

    let page = list(world, Filter::default()).await;
    let (lost, made) = (&page.items[0], &page.items[1]);
    assert_eq!(
        (made.status, made.progress.percent(), made.finish_time),
        (Status::Success, 100, end.seconds())
    );
    assert_eq!(
        (made.data.as_deref(), made.fail_reason.as_str()),
        (Some("[1]"), "")
    );
    assert_eq!(
        (lost.status, lost.progress.percent(), lost.finish_time),
        (Status::Failure, 100, end.seconds())
    );
    assert_eq!(
        (lost.data.as_deref(), lost.fail_reason.as_str()),
        (None, "跑调了")
    );
}
