//! Tasks as clients see them.

use std::collections::BTreeSet;

use shared::store::listing::{Filter, Page, TaskView};
use shared::store::submissions::{NewTask, Submitted};
use shared::task::{Action, ChannelId, Progress, RowId, Status, TaskId, UserId};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, failure, failure_by, first_turn, later, moved, progress, quota, sorted, success,
};
use crate::world::World;

contract! {
    pages_are_newest_first_and_know_the_total,
    a_page_past_the_end_is_empty_and_knows_the_total,
    where_there_is_nothing_the_total_is_0,
    a_listed_task_is_told_whole,
    each_filter_lets_through_what_it_says,
    the_times_of_a_filter_are_both_inclusive,
    filters_combine,
    ids_that_nobody_has_find_nothing,
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
    let (_, payer) = world.channel_and_payer(5 * SONG).await;
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
    let (_, payer) = world.channel_and_payer(SONG).await;
    world.stored(&payer).await;
    for offset in [1, 100, i64::MAX] {
        let page = ok!(world.store.list(Filter::default(), offset, 20));
        assert_eq!((page.items.len(), page.total), (0, 1));
    }
}

async fn where_there_is_nothing_the_total_is_0(world: &World) {
    let page = list(world, Filter::default()).await;
    assert_eq!((page.items, page.total), (vec![], 0));
}

async fn a_listed_task_is_told_whole(world: &World) {
    let song = world.polled_song().await;
    let data = r#"[{"title":"海\u0000 🎵"}]"#;
    let news = moved(song.at, Status::InProgress, 55, Some(data));
    world.wait(news, later(10)).await;

    let (stored, seen) = (NOW.seconds(), later(10).seconds());
    let expected = TaskView {
        id: song.at.row,
        task_id: song.id.clone(),
        platform: "suno".to_owned(),
        user_id: song.payer.user,
        channel_id: song.channel,
        username: song.payer.name,
        quota: quota(SONG),
        action: Action::SONG,
        status: Status::InProgress,
        fail_reason: String::new(),
        created_at: stored,
        updated_at: seen,
        submit_time: stored,
        start_time: seen,
        finish_time: 0,
        progress: progress(55),
        input: "la la la".to_owned(),
        data: Some(data.to_owned()),
        truncated: false,
    };
    assert_eq!(list(world, Filter::default()).await.items[0], expected);
    assert_eq!(world.view(&song.id).await, expected);
}

/// Three tasks, oldest first: an unfinished song, failed lyrics, and later another user's song.
struct Three {
    running: RowId,
    failed: RowId,
    others: RowId,
    other_task: TaskId,
    user: UserId,
    channel: ChannelId,
}

async fn three(world: &World) -> Three {
    let (first, one) = world.channel_and_payer(SONG + 5_000).await;
    let (channel, two) = world.channel_and_payer(SONG).await;
    let running = world.accepted(&one, first).await.at.row;

    let lyrics = NewTask {
        action: Action::LYRICS,
        ..world.song(&one)
    };
    let at = first_turn(world.store_task(lyrics).await);
    let at = world.begin(at, channel).await;
    world.end([failure_by(channel, at, "bad words")], NOW).await;

    let song = world.song(&two);
    let other_task = song.task_id.clone();
    let submitted = ok!(world.store.submit(song, later(60)));
    let Submitted::Stored { row: others, .. } = submitted else {
        panic!("not stored: {submitted:?}");
    };
    Three {
        running,
        failed: at.row,
        others,
        other_task,
        user: one.user,
        channel,
    }
}

/// A filter that every task passes, but for what `set` changes.
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
    let all = vec![others, failed, running];
    let platform = |name: &str| by(|f| f.platform = Some(name.to_owned()));
    let task = |id: &str| by(|f| f.task_id = Some(id.to_owned()));
    let channel = |id| by(|f| f.channel_id = Some(id));
    let status = |status| by(|f| f.status = Some(status));
    let action = |action| by(|f| f.action = Some(action));
    let cases = vec![
        (by(|_| {}), all.clone()),
        (by(|f| f.nothing = true), vec![]),
        (by(|f| f.user_id = Some(three.user)), vec![failed, running]),
        (channel(three.channel), vec![failed]),
        (channel(ChannelId(i64::MAX)), vec![]),
        (platform("suno"), all),
        (platform("SUNO"), vec![]),
        (task(&three.other_task.to_string()), vec![others]),
        (task("task_%"), vec![]),
        (task("' OR 1=1 --"), vec![]),
        (status(Status::Submitted), vec![running]),
        (status(Status::Failure), vec![failed]),
        (status(Status::Queued), vec![]),
        (action(Action::SONG), vec![others, running]),
        (action(Action::LYRICS), vec![failed]),
    ];
    assert_lists(world, cases).await;
}

async fn the_times_of_a_filter_are_both_inclusive(world: &World) {
    let three = three(world).await;
    let (first, last) = (NOW.seconds(), NOW.seconds() + 60);
    let later = vec![three.others];
    let earlier = vec![three.failed, three.running];
    let all = [later.clone(), earlier.clone()].concat();
    let from = |moment| by(|f| f.start_timestamp = Some(moment));
    let until = |moment| by(|f| f.end_timestamp = Some(moment));
    let cases = vec![
        (from(first), all.clone()),
        (from(first + 1), later.clone()),
        (from(last), later),
        (from(last + 1), vec![]),
        (until(last), all),
        (until(last - 1), earlier.clone()),
        (until(first), earlier),
        (until(first - 1), vec![]),
    ];
    assert_lists(world, cases).await;
}

async fn ids_that_nobody_has_find_nothing(world: &World) {
    three(world).await;
    // Once folded, everybody's tasks are counted under the user 0, and those without a channel under the
    // channel 0.
    ok!(world.store.fold(1_000));
    let others: [fn(&mut Filter); 6] = [
        |_| {},
        |f| f.status = Some(Status::Failure),
        |f| f.status = Some(Status::Submitted),
        |f| f.action = Some(Action::SONG),
        |f| f.platform = Some("suno".to_owned()),
        |f| f.start_timestamp = Some(NOW.seconds()),
    ];
    for id in [0, -1, i64::MIN, i64::MAX] {
        for set in others {
            let user = by(|f| {
                set(f);
                f.user_id = Some(UserId(id));
            });
            let channel = by(|f| {
                set(f);
                f.channel_id = Some(ChannelId(id));
            });
            assert_lists(world, vec![(user, vec![]), (channel, vec![])]).await;
        }
    }
}

async fn filters_combine(world: &World) {
    let three = three(world).await;
    let every = Filter {
        user_id: Some(three.user),
        channel_id: Some(three.channel),
        platform: Some("suno".to_owned()),
        status: Some(Status::Failure),
        action: Some(Action::LYRICS),
        start_timestamp: Some(NOW.seconds()),
        end_timestamp: Some(NOW.seconds()),
        ..Filter::default()
    };
    let of_another_action = Filter {
        action: Some(Action::SONG),
        ..every.clone()
    };
    let nothing = Filter {
        nothing: true,
        ..every.clone()
    };
    let own_song = Filter {
        user_id: Some(three.user),
        action: Some(Action::SONG),
        ..Filter::default()
    };
    let anothers = Filter {
        user_id: Some(three.user),
        task_id: Some(three.other_task.to_string()),
        ..Filter::default()
    };
    let cases = vec![
        (every, vec![three.failed]),
        (of_another_action, vec![]),
        (nothing, vec![]),
        (own_song, vec![three.running]),
        (anothers, vec![]),
    ];
    assert_lists(world, cases).await;
}

async fn a_page_and_its_total_come_from_one_snapshot(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    let store = world.store.clone();
    let songs: Vec<_> = (0..60).map(|_| world.song(&payer)).collect();
    let writing = tokio::spawn(async move {
        for song in songs {
            ok!(store.submit(song, NOW));
        }
    });
    let mut different = BTreeSet::new();
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
    let (_, one) = world.channel_and_payer(2 * SONG).await;
    let two = world.payer(SONG).await;
    let (_, first) = world.stored(&one).await;
    let (_, second) = world.stored(&one).await;
    let (at, theirs) = world.stored(&two).await;
    let unknown = world.song(&one).task_id;

    let wanted = [&first, &second, &first, &theirs, &unknown].map(TaskId::clone);
    let found = ok!(world.store.find(one.user, &wanted)).into_iter();
    let found = sorted(found.map(|task| task.task_id).collect());
    assert_eq!(found, sorted(vec![first, second]));
    let found = ok!(world.store.find(two.user, &[theirs]));
    assert_eq!(found[0].id, at.row);
    assert_eq!(ok!(world.store.find(one.user, &[])), []);
}

async fn a_thousand_tasks_are_found_at_once(world: &World) {
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
    let (_, own) = world.stored(&payer).await;
    let mut wanted: Vec<_> = (0..999).map(|_| world.song(&payer).task_id).collect();
    wanted.push(own.clone());
    let found = ok!(world.store.find(payer.user, &wanted));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].task_id, own);
}

async fn a_bad_row_names_its_table_its_column_and_its_number(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG).await;
    let (at, _) = world.stored(&payer).await;
    let sql = "UPDATE tasks SET task_id = 'nonsense'";
    world.break_with(sql).await;
    let listed = world.store.list(Filter::default(), 0, 20).await;
    let error = listed.expect_err("the row is bad").to_string();
    let row = at.row;
    let expected = format!("bad row: tasks.task_id of row {row} holds \"nonsense\"");
    assert_eq!(error, expected);
}

async fn what_ended_shows_how_and_when(world: &World) {
    let (made, failed) = (world.polled_song().await, world.polled_song().await);
    let ends = [success(made.at, "[1]"), failure(failed.at, "跑调了")];
    world.end(ends, later(90)).await;

    let page = list(world, Filter::default()).await;
    for (view, status, data, reason) in [
        (&page.items[0], Status::Failure, None, "跑调了"),
        (&page.items[1], Status::Success, Some("[1]"), ""),
    ] {
        assert_eq!((view.status, view.progress), (status, Progress::DONE));
        assert_eq!(view.finish_time, later(90).seconds());
        assert_eq!(view.data.as_deref(), data);
        assert_eq!(view.fail_reason, reason);
    }
}
