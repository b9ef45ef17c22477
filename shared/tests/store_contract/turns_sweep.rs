//! The sweep, and looks at tasks that were given up.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::clock::Millis;
use shared::task::{RowId, Status, TaskId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, first_turn, given_up, next, only, success, turn_and_due};
use crate::world::{AtUpstream, Payer, World};

contract! {
    the_sweep_returns_overdue_tasks_and_where_to_poll_them,
    what_is_due_just_now_or_later_is_not_overdue,
    a_swept_task_is_not_overdue_before_its_lease_ends,
    a_swept_task_is_noted_in_the_history_once_a_turn,
    a_sweep_takes_so_many_and_what_waited_longest_first,
    many_sweepers_share_the_work,
    a_sweep_beside_the_work_itself_breaks_nothing,
    a_task_given_up_is_looked_at_six_times_five_minutes_apart,
    each_late_task_is_given_to_one_caller,
    a_late_end_is_noted_once_and_money_stays_as_settled,
    a_late_end_is_noted_even_after_the_last_look,
    only_of_a_failure_a_late_end_is_noted,
    a_stored_task_is_found_by_the_sweep_alone,
}

fn later(seconds: u64) -> Millis {
    NOW.after(Duration::from_secs(seconds))
}

async fn the_sweep_returns_overdue_tasks_and_where_to_poll_them(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(4 * SONG).await;
    let (fresh, _) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let held = world.accepted(&payer, channel).await;
    let ended = world.polled(&payer, channel).await;
    ok!(world
        .store
        .settle(vec![], vec![success(ended.at, "[]")], NOW));

    let mut overdue = ok!(world.store.sweep(later(3600), later(3700), 100, NOW));
    overdue.sort_by_key(|one| one.at.row);
    let expected = [(fresh, None), (sending, None), (held.at, Some(channel))];
    let found: Vec<_> = overdue.iter().map(|one| (one.at, one.poll_at)).collect();
    assert_eq!(found, expected);
    let fresh = overdue.iter().find(|one| one.at == fresh);
    assert_eq!(fresh.map(|one| one.due_at), Some(NOW));
}

async fn what_is_due_just_now_or_later_is_not_overdue(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, _) = world.stored(&payer).await;
    assert_eq!(ok!(world.store.sweep(NOW, later(9), 100, NOW)), []);
    let overdue = ok!(world.store.sweep(Millis(NOW.0 + 1), later(9), 100, NOW));
    assert_eq!(only(overdue).at, at);
}

async fn a_swept_task_is_not_overdue_before_its_lease_ends(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let lease = later(60);
    ok!(world.store.sweep(later(30), lease, 100, NOW));
    assert_eq!(ok!(world.store.sweep(lease, later(99), 100, NOW)), []);
    // The turn stays: a message that is under way still counts.
    assert_eq!(
        turn_and_due(&world.story(&task).await),
        Some((at.turn.0, lease.0))
    );
    let again = ok!(world.store.sweep(Millis(lease.0 + 1), later(99), 100, NOW));
    assert_eq!(only(again).at, at);
}

async fn a_swept_task_is_noted_in_the_history_once_a_turn(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let sweep = async |due_before: u64| {
        let lease = later(due_before);
        let (before, now) = (later(due_before), later(due_before));
        let swept = ok!(world.store.sweep(before, lease, 100, now));
        only(swept);
    };
    sweep(30).await;
    sweep(60).await;
    assert_eq!(world.history(&task).await, ["stored", "swept"]);
    let story = world.story(&task).await;
    let find = story.events.last().expect("it is noted");
    assert_eq!((find.at, find.turn), (later(30).0, at.turn.0));
    assert_eq!(find.detail, "overdue for 30 s, published again");

    let begun = world
        .store
        .begin_submit(at, channel, 1, later(61), later(60));
    begun.await.expect("it begins").expect("it is not stale");
    sweep(90).await;
    let expected = ["stored", "swept", "sending", "swept"];
    assert_eq!(world.history(&task).await, expected);
}

async fn a_sweep_takes_so_many_and_what_waited_longest_first(world: &World) {
    world.channel().await;
    let payer = world.payer(10 * SONG).await;
    let mut stored = Vec::new();
    for seconds in [5, 1, 4, 2, 3] {
        let (at, _) = world.stored(&payer).await;
        let postponed = ok!(world.store.postpone(&[at], later(seconds)));
        stored.push((seconds, only(postponed)));
    }
    stored.sort_by_key(|(seconds, _)| *seconds);
    for two in stored.chunks(2) {
        let mut overdue = ok!(world.store.sweep(later(60), later(120), 2, NOW));
        overdue.sort_by_key(|one| stored.iter().position(|(_, at)| *at == one.at));
        let got: Vec<_> = overdue.iter().map(|one| one.at).collect();
        let expected: Vec<_> = two.iter().map(|(_, at)| *at).collect();
        assert_eq!(got, expected);
    }
    assert_eq!(ok!(world.store.sweep(later(60), later(120), 2, NOW)), []);
    assert_eq!(ok!(world.store.sweep(later(600), later(700), 0, NOW)), []);
}

async fn many_sweepers_share_the_work(world: &World) {
    world.channel().await;
    let payer = world.payer(100 * SONG).await;
    let mut stored = Vec::new();
    for _ in 0..40 {
        stored.push(world.stored(&payer).await.0);
    }
    let mut swept = Vec::new();
    // A sweep skips rows that another has locked, so some may get fewer.
    for _ in 0..40 {
        let shares = world
            .at_once(8, |_, store| async move {
                ok!(store.sweep(later(60), later(120), 7, NOW))
            })
            .await;
        assert!(shares.iter().all(|share| share.len() <= 7), "{shares:?}");
        swept.extend(shares.into_iter().flatten().map(|one| one.at));
        if swept.len() >= 40 {
            break;
        }
    }
    swept.sort_by_key(|at| at.row);
    assert_eq!(swept, stored, "each went to one sweeper, once");
}

async fn a_sweep_beside_the_work_itself_breaks_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(100 * SONG).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(world.polled(&payer, channel).await.at);
    }
    let done = world
        .at_once(8, |number, store| {
            let held = held.clone();
            async move {
                if number % 2 == 0 {
                    let ends = held.into_iter().map(|at| success(at, "[]")).collect();
                    ok!(store.settle(vec![], ends, NOW)).finished.len()
                } else {
                    ok!(store.sweep(later(3600), later(3700), 100, NOW));
                    0
                }
            }
        })
        .await;
    assert_eq!(done.into_iter().sum::<usize>(), 20);
}

/// A task that was given up at [`NOW`].
async fn abandoned(world: &World, payer: &Payer) -> AtUpstream {
    let channel = world.channel().await;
    let held = world.polled(payer, channel).await;
    ok!(world.store.settle(vec![], vec![given_up(held.at)], NOW));
    held
}

async fn late(world: &World, seconds: u64) -> Vec<RowId> {
    let late = ok!(world.store.late_tasks(later(seconds), 100));
    late.into_iter().map(|task| task.row).collect()
}

async fn a_task_given_up_is_looked_at_six_times_five_minutes_apart(world: &World) {
    let payer = world.payer(SONG).await;
    let row = abandoned(world, &payer).await.at.row;
    assert_eq!(late(world, 59).await, []);
    let mut seconds = 60;
    for _ in 0..6 {
        assert_eq!(late(world, seconds).await, [row], "after {seconds} s");
        assert_eq!(late(world, seconds + 299).await, []);
        seconds += 300;
    }
    assert_eq!(
        late(world, seconds).await,
        [],
        "after its last look it is forgotten"
    );
    assert_eq!(late(world, 1_000_000).await, []);
}

async fn each_late_task_is_given_to_one_caller(world: &World) {
    let payer = world.payer(20 * SONG).await;
    let mut rows = Vec::new();
    for _ in 0..10 {
        rows.push(abandoned(world, &payer).await.at.row);
    }
    let mut given: BTreeMap<RowId, usize> = BTreeMap::new();
    for _ in 0..10 {
        let shares = world
            .at_once(
                6,
                |_, store| async move { ok!(store.late_tasks(later(60), 3)) },
            )
            .await;
        assert!(shares.iter().all(|share| share.len() <= 3), "{shares:?}");
        for task in shares.into_iter().flatten() {
            *given.entry(task.row).or_default() += 1;
        }
        if given.len() == 10 {
            break;
        }
    }
    assert_eq!(given, rows.into_iter().map(|row| (row, 1)).collect());
}

async fn a_late_end_is_noted_once_and_money_stays_as_settled(world: &World) {
    let payer = world.payer(SONG).await;
    let held = abandoned(world, &payer).await;
    let before = world.story(&held.task).await;
    let row = held.at.row;
    world
        .at_once(8, |_, store| async move {
            ok!(store.note_late(row, Status::Success, Some("[7]"), later(90)));
        })
        .await;
    ok!(world.store.note_late(row, Status::Failure, None, later(99)));

    let story = world.story(&held.task).await;
    assert_eq!(
        (&story.task, &story.entries),
        (&before.task, &before.entries)
    );
    assert_eq!(story.events.len(), before.events.len() + 1);
    let event = story.events.last().expect("there is a history");
    assert_eq!((event.at, event.kind.as_str()), (later(90).0, "late"));
    assert!(
        event.detail.contains("SUCCESS") && event.detail.contains("[7]"),
        "{}",
        event.detail
    );
    assert!(event.turn >= held.at.turn.0);
    assert_eq!(
        late(world, 10_000).await,
        [],
        "there is nothing left to look for"
    );
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn a_late_end_is_noted_even_after_the_last_look(world: &World) {
    let payer = world.payer(SONG).await;
    let held = abandoned(world, &payer).await;
    for look in 0..6 {
        late(world, 60 + look * 300).await;
    }
    let row = held.at.row;
    ok!(world
        .store
        .note_late(row, Status::Failure, None, later(9_000)));
    assert_eq!(
        world.history(&held.task).await.last().map(String::as_str),
        Some("late")
    );
}

async fn only_of_a_failure_a_late_end_is_noted(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let running = world.polled(&payer, channel).await;
    let made = world.polled(&payer, channel).await;
    ok!(world
        .store
        .settle(vec![], vec![success(made.at, "[]")], NOW));
    for row in [running.at.row, made.at.row, RowId(999)] {
        ok!(world
            .store
            .note_late(row, Status::Success, Some("[7]"), NOW));
    }
    let noted = |history: Vec<String>| history.contains(&"late".to_owned());
    assert!(!noted(world.history(&running.task).await));
    assert!(!noted(world.history(&made.task).await));
}

async fn a_stored_task_is_found_by_the_sweep_alone(world: &World) {
    // As after a crash between commit and publish: there is no message for the task.
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let song = world.song(&payer);
    let task: TaskId = song.task_id.clone();
    let at = first_turn(world.store_task(song).await);
    let overdue = only(ok!(world.other.sweep(later(10), later(60), 10, NOW)));
    assert_eq!((overdue.at, overdue.poll_at), (at, None));
    let job = ok!(world.other.submit_job(overdue.at)).expect("it is there");
    assert_eq!(job.task_id, task);
    let begun = ok!(world
        .other
        .begin_submit(job.at, channel, 1, later(90), later(10)));
    assert_eq!(begun, Some(next(at)));
}
