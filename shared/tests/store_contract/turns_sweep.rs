//! The sweep, and looks at tasks that were given up.

use std::collections::BTreeMap;

use shared::clock::Millis;
use shared::store::lines::Route;
use shared::store::turns::Retry;
use shared::task::{Action, AtTurn, Platform, RowId, Status};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, given_up, last_event, later, next, only, retry, sorted, success, turn_and_due,
};
use crate::world::{AtUpstream, World};

contract! {
    the_sweep_returns_overdue_tasks_and_where_to_poll_them,
    an_intention_is_an_orphan_from_the_end_of_its_lease_until_it_is_renewed,
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
    a_stored_task_is_found_in_its_line_alone,
}

async fn the_sweep_returns_overdue_tasks_and_where_to_poll_them(world: &World) {
    let (channel, payer) = world.channel_and_payer(5 * SONG).await;
    world.stored(&payer).await;
    world.sending(&payer, channel).await;
    let (unknown, _) = world.sending(&payer, channel).await;
    let again = Retry {
        may_have_arrived: true,
        ..retry(unknown, true, "no answer")
    };
    let again = ok!(world.store.retry_submit(again, NOW)).expect("it is not stale");
    let accepted = world.accepted(&payer, channel).await.at;
    let ended = world.polled(&payer, channel).await;
    world.end([success(ended.at, "[]")], NOW).await;

    let mut overdue = ok!(world.store.sweep(later(3_600), later(3_700), 100, NOW));
    overdue.sort_by_key(|one| one.at);
    // A task that waits stands in its line, where every look finds it.
    let expected = [(again, None), (accepted, Some(channel))];
    let found: Vec<_> = overdue.iter().map(|one| (one.at, one.poll_at)).collect();
    assert_eq!(sorted(found), sorted(expected.to_vec()));
}

async fn an_intention_is_an_orphan_from_the_end_of_its_lease_until_it_is_renewed(world: &World) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    let (fresh, _) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let accepted = world.accepted(&payer, channel).await.at;
    let orphans = async |seconds| ok!(world.store.orphans(later(seconds), 100));
    assert_eq!(orphans(3_600).await, [sending]);
    assert_eq!(orphans(0).await, []);
    let all = [fresh, sending, accepted];
    ok!(world.store.renew_leases(&all, later(3_600)));
    assert_eq!(orphans(3_600).await, []);
    assert_eq!(orphans(3_601).await, [sending]);
    // To find an orphan changes nothing.
    assert_eq!(orphans(3_601).await, [sending]);
}

async fn what_is_due_just_now_or_later_is_not_overdue(world: &World) {
    let at = world.polled_song().await.at;
    let due = later(5);
    assert_eq!(ok!(world.store.sweep(due, later(9), 100, NOW)), []);
    let overdue = ok!(world.store.sweep(Millis(due.0 + 1), later(9), 100, NOW));
    assert_eq!(only(overdue).at, at);
}

async fn a_swept_task_is_not_overdue_before_its_lease_ends(world: &World) {
    let AtUpstream { at, id: task, .. } = world.polled_song().await;
    let lease = later(60);
    ok!(world.store.sweep(later(30), lease, 100, NOW));
    assert_eq!(ok!(world.store.sweep(lease, later(99), 100, NOW)), []);
    // The turn stays: a message that is under way still counts.
    let expected = Some((at.turn.0, lease.0));
    assert_eq!(turn_and_due(&world.story(&task).await), expected);
    let again = ok!(world.store.sweep(Millis(lease.0 + 1), later(99), 100, NOW));
    assert_eq!(only(again).at, at);
}

async fn a_swept_task_is_noted_in_the_history_once_a_turn(world: &World) {
    let AtUpstream { at, id: task, .. } = world.polled_song().await;
    let sweep = async |now: Millis| {
        only(ok!(world.store.sweep(now, now, 100, now)));
    };
    sweep(later(30)).await;
    sweep(later(60)).await;
    world
        .assert_history(&task, "stored sending accepted swept")
        .await;
    let detail = "overdue for 25 s, published again";
    let expected = (later(30).0, at.turn.0, "swept", detail);
    assert_eq!(last_event(&world.story(&task).await), expected);

    only(ok!(world.store.postpone(&[at], later(61))));
    sweep(later(90)).await;
    world
        .assert_history(&task, "stored sending accepted swept swept")
        .await;
}

async fn a_sweep_takes_so_many_and_what_waited_longest_first(world: &World) {
    let (channel, payer) = world.channel_and_payer(10 * SONG).await;
    let mut stored = BTreeMap::new();
    for seconds in [5, 1, 4, 2, 3] {
        let at = world.accepted(&payer, channel).await.at;
        let postponed = ok!(world.store.postpone(&[at], later(seconds)));
        stored.insert(seconds, only(postponed));
    }
    let stored: Vec<AtTurn> = stored.into_values().collect();
    for two in stored.chunks(2) {
        let overdue = ok!(world.store.sweep(later(60), later(120), 2, NOW));
        let found = overdue.iter().map(|one| one.at).collect();
        assert_eq!(sorted(found), sorted(two.to_vec()));
    }
    assert_eq!(ok!(world.store.sweep(later(60), later(120), 2, NOW)), []);
    assert_eq!(ok!(world.store.sweep(later(600), later(700), 0, NOW)), []);
}

async fn many_sweepers_share_the_work(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let stored = world.many_polled(40, &payer, channel).await;
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
    assert_eq!(sorted(swept), stored, "each went to one sweeper, once");
}

async fn a_sweep_beside_the_work_itself_breaks_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let tasks = world.many_polled(20, &payer, channel).await;
    let done = world
        .at_once(8, |number, store| {
            let ends = tasks.iter().map(|at| success(*at, "[]")).collect();
            async move {
                if number % 2 == 0 {
                    ok!(store.settle(vec![], ends, NOW)).finished.len()
                } else {
                    ok!(store.sweep(later(3_600), later(3_700), 100, NOW));
                    0
                }
            }
        })
        .await;
    assert_eq!(done.into_iter().sum::<usize>(), 20);
}

/// A task that was given up at [`NOW`].
async fn abandoned(world: &World) -> AtUpstream {
    let song = world.polled_song().await;
    world.end([given_up(song.at)], NOW).await;
    song
}

async fn late(world: &World, seconds: u64) -> Vec<RowId> {
    let late = ok!(world.store.late_tasks(later(seconds), 100));
    late.into_iter().map(|task| task.row).collect()
}

async fn a_task_given_up_is_looked_at_six_times_five_minutes_apart(world: &World) {
    let row = abandoned(world).await.at.row;
    assert_eq!(late(world, 59).await, []);
    let mut seconds = 60;
    for _ in 0..6 {
        assert_eq!(late(world, seconds).await, [row], "after {seconds} s");
        assert_eq!(late(world, seconds + 299).await, []);
        seconds += 300;
    }
    for seconds in [seconds, 1_000_000] {
        let late = late(world, seconds).await;
        assert_eq!(late, [], "after its last look it is forgotten");
    }
}

async fn each_late_task_is_given_to_one_caller(world: &World) {
    let mut rows = Vec::new();
    for _ in 0..10 {
        rows.push(abandoned(world).await.at.row);
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
    let song = abandoned(world).await;
    let before = world.story(&song.id).await;
    let row = song.at.row;
    world
        .at_once(8, |_, store| async move {
            ok!(store.note_late(row, Status::Success, Some("[7]"), later(90)));
        })
        .await;
    ok!(world.store.note_late(row, Status::Failure, None, later(99)));

    let story = world.story(&song.id).await;
    assert_eq!(story.task, before.task);
    assert_eq!(story.entries, before.entries);
    assert_eq!(story.events.len(), before.events.len() + 1);
    let (moment, turn, kind, detail) = last_event(&story);
    assert_eq!((moment, kind), (later(90).0, "late"));
    assert!(
        detail.contains("SUCCESS") && detail.contains("[7]"),
        "{detail}"
    );
    assert!(turn >= song.at.turn.0);
    let late = late(world, 10_000).await;
    assert_eq!(late, [], "there is nothing left to look for");
    assert_eq!(world.money(&song.payer).await, (SONG, 0, 0));
}

async fn a_late_end_is_noted_even_after_the_last_look(world: &World) {
    let song = abandoned(world).await;
    for look in 0..6 {
        late(world, 60 + look * 300).await;
    }
    let noted = world
        .store
        .note_late(song.at.row, Status::Failure, None, later(9_000));
    ok!(noted);
    let story = world.story(&song.id).await;
    assert_eq!(last_event(&story).2, "late");
}

async fn only_of_a_failure_a_late_end_is_noted(world: &World) {
    let (running, made) = (world.polled_song().await, world.polled_song().await);
    world.end([success(made.at, "[]")], NOW).await;
    for row in [running.at.row, made.at.row, RowId(i64::MAX)] {
        let noted = world
            .store
            .note_late(row, Status::Success, Some("[7]"), NOW);
        ok!(noted);
    }
    for task in [running.id, made.id] {
        let events = world.story(&task).await.events;
        assert!(events.iter().all(|event| event.kind != "late"));
    }
}

async fn a_stored_task_is_found_in_its_line_alone(world: &World) {
    // As after a crash between commit and publish: there is no message for the task.
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let route = Route {
        platform: Platform::SUNO,
        action: Action::SONG,
        only: None,
    };
    // Other tests have tasks in the same database.
    let lines = ok!(world.other.next_lines(&[route], 10_000, later(10)));
    let line = lines.iter().find(|line| line.user == payer.user);
    let first = line.expect("the task waits").first;
    assert_eq!((first.at, first.avoid), (at, None));
    let job = ok!(world.other.submit_job(first.at)).expect("it is there");
    assert_eq!(job.task_id, task);
    let begun = world
        .other
        .begin_submit(job.at, channel, 1, later(90), later(10));
    assert_eq!(ok!(begun), Some(next(at)));
}
