//! Polling: poll jobs, leases, and tasks that stay unfinished.

use std::time::Duration;

use shared::store::turns::{Polled, Settled};
use shared::task::{AtTurn, ChannelId, Progress, RowId, Status, Turn};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, first_turn, moved, next, only, turn_and_due, waiting};
use crate::world::{AtUpstream, World};

contract! {
    a_poll_job_has_all_that_a_poll_needs_and_reading_it_changes_nothing,
    poll_jobs_are_just_the_tasks_that_the_channel_has_at_that_turn,
    of_many_callers_that_poll_the_same_tasks_one_settles_each_task,
    a_task_with_a_renewed_lease_is_not_overdue_and_keeps_its_turn,
    a_renewal_never_shortens_a_lease_and_touches_just_polled_tasks_at_their_turn,
    a_poll_without_news_writes_the_narrow_row_only,
    news_are_shown_and_noted_in_the_history,
    the_start_time_is_when_a_poll_first_found_the_task_in_progress,
    more_of_a_result_in_the_same_status_is_no_line_of_history,
    a_result_once_shown_is_not_taken_away_by_news_without_one,
    any_text_that_is_a_result_comes_back_as_it_was,
    the_shown_progress_never_falls,
    a_stale_poll_changes_nothing,
    a_task_named_twice_counts_once_and_its_stale_news_not_at_all,
    of_a_task_named_at_several_turns_the_one_it_is_at_counts,
    a_hundred_tasks_are_polled_and_settled_in_one_go,
}

async fn settle_one(world: &World, waiting: Polled, at: u64) -> AtTurn {
    let now = NOW.after(Duration::from_secs(at));
    let settled = ok!(world.store.settle(vec![waiting], vec![], now));
    assert_eq!(settled.finished, []);
    only(settled.waiting)
}

async fn a_poll_job_has_all_that_a_poll_needs_and_reading_it_changes_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.accepted(&payer, channel).await;
    let before = world.story(&held.task).await;
    let jobs = ok!(world.store.poll_jobs(channel, &[held.at]));
    let job = only(jobs);
    assert_eq!((job.at, &job.task_id), (held.at, &held.task));
    assert_eq!(job.upstream_id, held.upstream_id);
    assert_eq!(
        (job.status, job.progress.percent()),
        (Status::Submitted, 10)
    );
    assert_eq!((job.digest, job.polls, job.missing), (0, 0, 0));
    assert_eq!(job.deadline, NOW.after(Duration::from_mins(30)));
    assert_eq!(world.story(&held.task).await, before);
}

async fn poll_jobs_are_just_the_tasks_that_the_channel_has_at_that_turn(world: &World) {
    let (channel, other) = (world.channel().await, world.channel().await);
    let payer = world.payer(6 * SONG).await;
    let (one, two) = (
        world.accepted(&payer, channel).await,
        world.accepted(&payer, channel).await,
    );
    let elsewhere = world.accepted(&payer, other).await;
    let (fresh, _) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let unknown = first_turn(RowId(999));
    let stale = AtTurn {
        turn: Turn(one.at.turn.0 - 1),
        ..one.at
    };

    let asked = [
        unknown,
        stale,
        fresh,
        one.at,
        sending,
        elsewhere.at,
        two.at,
        one.at,
    ];
    let jobs = ok!(world.store.poll_jobs(channel, &asked));
    let mut found: Vec<_> = jobs.iter().map(|job| job.at).collect();
    found.sort_by_key(|at| at.row);
    assert_eq!(found, [one.at, two.at]);
    assert!(world.job(other, elsewhere.at).await.is_some());
    assert!(world.job(ChannelId(999), one.at).await.is_none());
    let none = ok!(world.store.poll_jobs(channel, &[]));
    assert!(none.is_empty());
}

async fn of_many_callers_that_poll_the_same_tasks_one_settles_each_task(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(50 * SONG).await;
    let mut tasks = Vec::new();
    for _ in 0..30 {
        tasks.push(world.accepted(&payer, channel).await.at);
    }
    let settled = world
        .at_once(8, |number, store| {
            let mut tasks = tasks.clone();
            // Each caller has its own order: the callers must not deadlock.
            tasks.rotate_left(number * 4);
            if number % 3 == 0 {
                tasks.reverse();
            }
            async move {
                let jobs = ok!(store.poll_jobs(channel, &tasks));
                let news = |at| moved(at, Status::Queued, 20, Some("[1]"));
                let told = jobs.iter().map(|job| news(job.at)).collect();
                let settled = ok!(store.settle(told, vec![], NOW));
                settled.waiting
            }
        })
        .await;
    let mut written: Vec<_> = settled.concat();
    written.sort_by_key(|at| at.row);
    assert_eq!(
        written,
        tasks.iter().map(|at| next(*at)).collect::<Vec<_>>()
    );
}

async fn a_task_with_a_renewed_lease_is_not_overdue_and_keeps_its_turn(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.accepted(&payer, channel).await;
    let until = NOW.after(Duration::from_mins(1));
    ok!(world.store.renew_poll_leases(&[held.at], until));
    assert_eq!(
        turn_and_due(&world.story(&held.task).await),
        Some((held.at.turn.0, until.0))
    );
    let swept = ok!(world.store.sweep(until, until, 10, NOW));
    assert_eq!(swept, []);
    assert!(world.job(channel, held.at).await.is_some());
}

async fn a_renewal_never_shortens_a_lease_and_touches_just_polled_tasks_at_their_turn(
    world: &World,
) {
    let channel = world.channel().await;
    let payer = world.payer(3 * SONG).await;
    let polled = world.accepted(&payer, channel).await;
    let (sending, other) = world.sending(&payer, channel).await;
    let (stored, third) = world.stored(&payer).await;
    let mut before = Vec::new();
    for task in [&polled.task, &other, &third] {
        before.push(world.story(task).await);
    }
    let hold = async |at: &[AtTurn], until| {
        ok!(world.store.renew_poll_leases(at, until));
    };
    let later = NOW.after(Duration::from_hours(1));
    hold(&[polled.at], NOW).await;
    hold(&[next(polled.at), sending, stored], later).await;
    for (task, before) in [&polled.task, &other, &third].into_iter().zip(before) {
        assert_eq!(world.story(task).await, before);
    }
}

async fn a_poll_without_news_writes_the_narrow_row_only(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let before = world.story(&held.task).await;
    let due = NOW.after(Duration::from_secs(12));
    let wait = Polled {
        due_at: due,
        polls: 3,
        missing: 2,
        ..waiting(held.at)
    };
    let at = settle_one(world, wait, 9).await;
    assert_eq!(at, next(held.at));

    let after = world.story(&held.task).await;
    assert_eq!(turn_and_due(&after), Some((at.turn.0, due.0)));
    assert_eq!((after.task, after.events), (before.task, before.events));
    let job = world.job(channel, at).await.expect("it is there");
    assert_eq!((job.polls, job.missing, job.digest), (3, 2, 0));
}

async fn news_are_shown_and_noted_in_the_history(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = settle_one(world, moved(held.at, Status::Queued, 20, None), 9).await;

    let story = world.story(&held.task).await;
    let (view, now) = (&story.task, NOW.after(Duration::from_secs(9)));
    assert_eq!((view.status, view.progress.percent()), (Status::Queued, 20));
    assert_eq!(
        (view.updated_at, view.start_time, view.data.as_deref()),
        (now.seconds(), 0, None)
    );
    let event = story.events.last().expect("there is a history");
    let said = (
        event.at,
        event.turn,
        event.kind.as_str(),
        event.detail.as_str(),
    );
    assert_eq!(said, (now.0, at.turn.0, "status", "QUEUED"));
    let job = world.job(channel, at).await.expect("it is there");
    assert_eq!(
        (job.status, job.progress, job.digest),
        (view.status, view.progress, 21)
    );
}

async fn the_start_time_is_when_a_poll_first_found_the_task_in_progress(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let start = |story: shared::store::story::Story| story.task.start_time - NOW.seconds();
    let at = settle_one(world, moved(held.at, Status::InProgress, 30, None), 10).await;
    assert_eq!(start(world.story(&held.task).await), 10);
    settle_one(world, moved(at, Status::InProgress, 40, Some("[]")), 20).await;
    let story = world.story(&held.task).await;
    assert_eq!(story.task.updated_at - NOW.seconds(), 20);
    assert_eq!(start(story), 10);
}

async fn more_of_a_result_in_the_same_status_is_no_line_of_history(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = settle_one(world, moved(held.at, Status::InProgress, 30, None), 1).await;
    settle_one(world, moved(at, Status::InProgress, 40, Some("[1]")), 2).await;
    let history = world.history(&held.task).await;
    assert_eq!(history, ["stored", "sending", "accepted", "status"]);
    assert_eq!(
        world.story(&held.task).await.task.data.as_deref(),
        Some("[1]")
    );
}

async fn a_result_once_shown_is_not_taken_away_by_news_without_one(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = settle_one(world, moved(held.at, Status::Queued, 20, Some("[1]")), 1).await;
    let at = settle_one(world, moved(at, Status::InProgress, 30, None), 2).await;
    settle_one(world, waiting(at), 3).await;
    assert_eq!(
        world.story(&held.task).await.task.data.as_deref(),
        Some("[1]")
    );
}

async fn any_text_that_is_a_result_comes_back_as_it_was(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let long = format!(r#"["{}"]"#, "音".repeat(300_000));
    let mut at = held.at;
    for data in [
        r#"[{"a":"\u0000"}]"#,
        r#"{"x": 1.0e400, "y":"\ud83d\ude00 😀 \" ' \\ $1 ? \u2028"}"#,
        "[ ]",
        &long,
    ] {
        at = settle_one(world, moved(at, Status::InProgress, 30, Some(data)), 1).await;
        assert_eq!(
            world.story(&held.task).await.task.data.as_deref(),
            Some(data)
        );
        let page = ok!(world
            .store
            .list(shared::store::listing::Filter::default(), 0, 1));
        assert_eq!(page.items[0].data.as_deref(), Some(data));
    }
}

async fn the_shown_progress_never_falls(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = settle_one(world, moved(held.at, Status::InProgress, 60, None), 1).await;
    settle_one(world, moved(at, Status::InProgress, 40, None), 2).await;
    assert_eq!(
        world.story(&held.task).await.task.progress,
        Progress::from_percent(60).expect("it is one")
    );
}

async fn a_stale_poll_changes_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let at = settle_one(world, moved(held.at, Status::Queued, 20, None), 1).await;
    let before = world.story(&held.task).await;
    let stale = vec![
        moved(held.at, Status::InProgress, 50, Some("[9]")),
        moved(next(at), Status::InProgress, 50, Some("[9]")),
    ];
    let settled = ok!(world.store.settle(stale, vec![], NOW));
    assert_eq!(settled, Settled::default());
    assert_eq!(world.story(&held.task).await, before);
}

async fn a_task_named_twice_counts_once_and_its_stale_news_not_at_all(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let held = world.polled(&payer, channel).await;
    let stale = AtTurn {
        turn: Turn(held.at.turn.0 - 1),
        ..held.at
    };
    let both = vec![
        moved(stale, Status::InProgress, 77, Some("[9]")),
        moved(held.at, Status::Queued, 20, Some("[1]")),
        moved(stale, Status::InProgress, 88, Some("[9]")),
    ];
    let settled = ok!(world.store.settle(both, vec![], NOW));
    assert_eq!(only(settled.waiting), next(held.at));
    let view = world.story(&held.task).await.task;
    assert_eq!(
        (view.status, view.progress.percent(), view.data.as_deref()),
        (Status::Queued, 20, Some("[1]"))
    );
    let again = vec![moved(next(held.at), Status::InProgress, 30, None); 2];
    let settled = ok!(world.store.settle(again, vec![], NOW));
    assert_eq!(only(settled.waiting), next(next(held.at)));
    let history = world.history(&held.task).await;
    assert_eq!(
        history,
        ["stored", "sending", "accepted", "status", "status"]
    );
}

async fn of_a_task_named_at_several_turns_the_one_it_is_at_counts(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let at = world.accepted(&payer, channel).await.at;
    let (store, later) = (&world.store, NOW.after(Duration::from_mins(1)));
    let jobs = ok!(store.poll_jobs(channel, &[at, next(at)]));
    assert_eq!(only(jobs).at, at);
    let postponed = ok!(store.postpone(&[at, next(at)], later));
    let at = only(postponed);
    let both = vec![waiting(at), waiting(next(at))];
    let settled = ok!(store.settle(both, vec![], NOW));
    assert_eq!(settled.waiting, [next(at)]);
}

async fn a_hundred_tasks_are_polled_and_settled_in_one_go(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(200 * SONG).await;
    let mut tasks: Vec<AtUpstream> = Vec::new();
    for _ in 0..100 {
        tasks.push(world.accepted(&payer, channel).await);
    }
    let asked: Vec<_> = tasks.iter().map(|task| task.at).collect();
    let jobs = ok!(world.store.poll_jobs(channel, &asked));
    assert_eq!(jobs.len(), 100);
    let news = jobs
        .iter()
        .map(|job| {
            let upstream = format!(r#"["{}"]"#, job.upstream_id);
            if job.at.row.0 % 2 == 0 {
                moved(
                    job.at,
                    Status::InProgress,
                    30 + job.at.row.0 % 60,
                    Some(&upstream),
                )
            } else {
                waiting(job.at)
            }
        })
        .collect();
    let settled = ok!(world.store.settle(news, vec![], NOW));
    assert_eq!(settled.waiting.len(), 100);
    for task in &tasks {
        let view = world.story(&task.task).await.task;
        if view.id.0 % 2 == 0 {
            assert_eq!(i64::from(view.progress.percent()), 30 + view.id.0 % 60);
            assert_eq!(view.data, Some(format!(r#"["{}"]"#, task.upstream_id)));
        } else {
            assert_eq!((view.status, view.data), (Status::Submitted, None));
        }
    }
}
