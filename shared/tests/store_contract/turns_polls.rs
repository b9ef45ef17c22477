//! Polling: poll jobs, leases, and tasks that stay unfinished.

use std::time::Duration;

use shared::store::listing::{Filter, TaskView};
use shared::store::turns::{Polled, Settled};
use shared::task::{ChannelId, RowId, Status};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, earlier, first_turn, last_event, later, moved, next, only, progress, sorted,
    turn_and_due, waiting,
};
use crate::world::World;

contract! {
    a_poll_job_has_all_that_a_poll_needs_and_reading_it_changes_nothing,
    poll_jobs_are_just_the_tasks_that_the_channel_has_at_that_turn,
    of_many_callers_that_poll_the_same_tasks_one_settles_each_task,
    a_task_with_a_renewed_lease_is_not_overdue_and_keeps_its_turn,
    a_renewal_never_shortens_a_lease_and_touches_no_task_that_waits_or_is_at_another_turn,
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

async fn a_poll_job_has_all_that_a_poll_needs_and_reading_it_changes_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let song = world.accepted(&payer, channel).await;
    let before = world.story(&song.id).await;
    let job = only(ok!(world.store.poll_jobs(channel, &[song.at])));
    assert_eq!((job.at, &job.task_id), (song.at, &song.id));
    assert_eq!(job.upstream_id, song.upstream_id);
    assert_eq!(
        (job.status, job.progress),
        (Status::Submitted, progress(10))
    );
    assert_eq!((job.digest, job.polls, job.missing), (0, 0, 0));
    assert_eq!(job.deadline, NOW.after(Duration::from_mins(30)));
    assert_eq!(world.story(&song.id).await, before);
}

async fn poll_jobs_are_just_the_tasks_that_the_channel_has_at_that_turn(world: &World) {
    let (channel, payer) = world.channel_and_payer(6 * SONG).await;
    let other = world.channel().await;
    let one = world.accepted(&payer, channel).await.at;
    let two = world.accepted(&payer, channel).await.at;
    let elsewhere = world.accepted(&payer, other).await.at;
    let (fresh, _) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let (unknown, stale) = (first_turn(RowId(i64::MAX)), earlier(one, 1));

    let tasks = [unknown, stale, fresh, one, sending, elsewhere, two, one];
    let jobs = ok!(world.store.poll_jobs(channel, &tasks));
    let found = sorted(jobs.iter().map(|job| job.at).collect());
    assert_eq!(found, [one, two]);
    assert!(world.job(other, elsewhere).await.is_some());
    assert!(world.job(ChannelId(i64::MAX), one).await.is_none());
    assert!(ok!(world.store.poll_jobs(channel, &[])).is_empty());
}

async fn of_many_callers_that_poll_the_same_tasks_one_settles_each_task(world: &World) {
    let (channel, payer) = world.channel_and_payer(50 * SONG).await;
    let tasks = world.many_polled(30, &payer, channel).await;
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
                let news = jobs.iter().map(|job| news(job.at)).collect();
                ok!(store.settle(news, vec![], NOW)).waiting
            }
        })
        .await;
    let expected: Vec<_> = tasks.into_iter().map(next).collect();
    assert_eq!(sorted(settled.concat()), expected);
}

async fn a_task_with_a_renewed_lease_is_not_overdue_and_keeps_its_turn(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let song = world.accepted(&payer, channel).await;
    let until = later(60);
    ok!(world.store.renew_leases(&[song.at], until));
    let expected = Some((song.at.turn.0, until.0));
    assert_eq!(turn_and_due(&world.story(&song.id).await), expected);
    assert_eq!(ok!(world.store.sweep(until, until, 10, NOW)), []);
    assert!(world.job(channel, song.at).await.is_some());
}

async fn a_renewal_never_shortens_a_lease_and_touches_no_task_that_waits_or_is_at_another_turn(
    world: &World,
) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    let polled = world.accepted(&payer, channel).await;
    let (sending, second) = world.sending(&payer, channel).await;
    let (stored, third) = world.stored(&payer).await;
    let stories = async || {
        let mut stories = Vec::new();
        for task in [&polled.id, &second, &third] {
            stories.push(world.story(task).await);
        }
        stories
    };
    let before = stories().await;
    ok!(world.store.renew_leases(&[polled.at, sending], NOW));
    let others = [next(polled.at), next(sending), stored];
    ok!(world.store.renew_leases(&others, later(3_600)));
    assert_eq!(stories().await, before);
}

async fn a_poll_without_news_writes_the_narrow_row_only(world: &World) {
    let song = world.polled_song().await;
    let before = world.story(&song.id).await;
    let poll = Polled {
        due_at: later(12),
        polls: 3,
        missing: 2,
        ..waiting(song.at)
    };
    let at = world.wait(poll, later(9)).await;
    assert_eq!(at, next(song.at));

    let after = world.story(&song.id).await;
    assert_eq!(turn_and_due(&after), Some((at.turn.0, later(12).0)));
    assert_eq!((after.task, after.events), (before.task, before.events));
    let job = world.job(song.channel, at).await.expect("it is there");
    assert_eq!((job.polls, job.missing, job.digest), (3, 2, 0));
}

async fn news_are_shown_and_noted_in_the_history(world: &World) {
    let song = world.polled_song().await;
    let before = world.view(&song.id).await;
    let news = moved(song.at, Status::Queued, 20, None);
    let at = world.wait(news, later(9)).await;

    let story = world.story(&song.id).await;
    let expected = TaskView {
        status: Status::Queued,
        progress: progress(20),
        updated_at: later(9).seconds(),
        start_time: 0,
        data: None,
        ..before
    };
    assert_eq!(story.task, expected);
    let expected = (later(9).0, at.turn.0, "status", "QUEUED");
    assert_eq!(last_event(&story), expected);
    let job = world.job(song.channel, at).await.expect("it is there");
    assert_eq!((job.status, job.digest), (Status::Queued, 21));
    assert_eq!(job.progress, progress(20));
}

async fn the_start_time_is_when_a_poll_first_found_the_task_in_progress(world: &World) {
    let song = world.polled_song().await;
    let mut at = song.at;
    for (seconds, percent, data) in [(10, 30, None), (20, 40, Some("[]"))] {
        let news = moved(at, Status::InProgress, percent, data);
        at = world.wait(news, later(seconds)).await;
        let view = world.view(&song.id).await;
        assert_eq!(view.updated_at, later(seconds).seconds());
        assert_eq!(view.start_time, later(10).seconds());
    }
}

async fn more_of_a_result_in_the_same_status_is_no_line_of_history(world: &World) {
    let song = world.polled_song().await;
    let news = moved(song.at, Status::InProgress, 30, None);
    let at = world.wait(news, later(1)).await;
    let news = moved(at, Status::InProgress, 40, Some("[1]"));
    world.wait(news, later(2)).await;
    let history = "stored sending accepted status";
    world.assert_history(&song.id, history).await;
    assert_eq!(world.data(&song.id).await.as_deref(), Some("[1]"));
}

async fn a_result_once_shown_is_not_taken_away_by_news_without_one(world: &World) {
    let song = world.polled_song().await;
    let news = moved(song.at, Status::Queued, 20, Some("[1]"));
    let at = world.wait(news, later(1)).await;
    let news = moved(at, Status::InProgress, 30, None);
    let at = world.wait(news, later(2)).await;
    world.wait(waiting(at), later(3)).await;
    assert_eq!(world.data(&song.id).await.as_deref(), Some("[1]"));
}

async fn any_text_that_is_a_result_comes_back_as_it_was(world: &World) {
    let song = world.polled_song().await;
    let long = format!(r#"["{}"]"#, "音".repeat(300_000));
    let mut at = song.at;
    for data in [
        r#"[{"a":"\u0000"}]"#,
        r#"{"x": 1.0e400, "y":"\ud83d\ude00 😀 \" ' \\ $1 ? \u2028"}"#,
        "[ ]",
        &long,
    ] {
        let news = moved(at, Status::InProgress, 30, Some(data));
        at = world.wait(news, later(1)).await;
        assert_eq!(world.data(&song.id).await.as_deref(), Some(data));
        let page = ok!(world.store.list(Filter::default(), 0, 1));
        assert_eq!(page.items[0].data.as_deref(), Some(data));
    }
}

async fn the_shown_progress_never_falls(world: &World) {
    let song = world.polled_song().await;
    let news = moved(song.at, Status::InProgress, 60, None);
    let at = world.wait(news, later(1)).await;
    let news = moved(at, Status::InProgress, 40, None);
    world.wait(news, later(2)).await;
    assert_eq!(world.view(&song.id).await.progress, progress(60));
}

async fn a_stale_poll_changes_nothing(world: &World) {
    let song = world.polled_song().await;
    let news = moved(song.at, Status::Queued, 20, None);
    let at = world.wait(news, later(1)).await;
    let before = world.story(&song.id).await;
    let news = |at| moved(at, Status::InProgress, 50, Some("[9]"));
    let stale = vec![news(song.at), news(next(at))];
    let settled = ok!(world.store.settle(stale, vec![], NOW));
    assert_eq!(settled, Settled::default());
    assert_eq!(world.story(&song.id).await, before);
}

async fn a_task_named_twice_counts_once_and_its_stale_news_not_at_all(world: &World) {
    let song = world.polled_song().await;
    let stale = earlier(song.at, 1);
    let news = vec![
        moved(stale, Status::InProgress, 77, Some("[9]")),
        moved(song.at, Status::Queued, 20, Some("[1]")),
        moved(stale, Status::InProgress, 88, Some("[9]")),
    ];
    let settled = ok!(world.store.settle(news, vec![], NOW));
    assert_eq!(only(settled.waiting), next(song.at));
    let view = world.view(&song.id).await;
    assert_eq!((view.status, view.progress), (Status::Queued, progress(20)));
    assert_eq!(view.data.as_deref(), Some("[1]"));
    let again = vec![moved(next(song.at), Status::InProgress, 30, None); 2];
    let settled = ok!(world.store.settle(again, vec![], NOW));
    assert_eq!(only(settled.waiting), next(next(song.at)));
    let history = "stored sending accepted status status";
    world.assert_history(&song.id, history).await;
}

async fn of_a_task_named_at_several_turns_the_one_it_is_at_counts(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let at = world.accepted(&payer, channel).await.at;
    let jobs = ok!(world.store.poll_jobs(channel, &[at, next(at)]));
    assert_eq!(only(jobs).at, at);
    let postponed = ok!(world.store.postpone(&[at, next(at)], later(60)));
    let at = only(postponed);
    let both = vec![waiting(at), waiting(next(at))];
    let settled = ok!(world.store.settle(both, vec![], NOW));
    assert_eq!(settled.waiting, [next(at)]);
}

async fn a_hundred_tasks_are_polled_and_settled_in_one_go(world: &World) {
    let (channel, payer) = world.channel_and_payer(200 * SONG).await;
    let mut songs = Vec::new();
    for _ in 0..100 {
        songs.push(world.accepted(&payer, channel).await);
    }
    let tasks: Vec<_> = songs.iter().map(|song| song.at).collect();
    let jobs = ok!(world.store.poll_jobs(channel, &tasks));
    assert_eq!(jobs.len(), 100);
    let percent = |row: RowId| 30 + row.0 % 60;
    let result = |upstream_id: &str| format!(r#"["{upstream_id}"]"#);
    let news = jobs.iter().map(|job| {
        if job.at.row.0 % 2 == 0 {
            let data = result(&job.upstream_id);
            let percent = percent(job.at.row);
            moved(job.at, Status::InProgress, percent, Some(&data))
        } else {
            waiting(job.at)
        }
    });
    let settled = ok!(world.store.settle(news.collect(), vec![], NOW));
    assert_eq!(settled.waiting.len(), 100);
    for song in &songs {
        let view = world.view(&song.id).await;
        if view.id.0 % 2 == 0 {
            assert_eq!(view.progress, progress(percent(view.id)));
            assert_eq!(view.data, Some(result(&song.upstream_id)));
        } else {
            assert_eq!((view.status, view.data), (Status::Submitted, None));
        }
    }
}
