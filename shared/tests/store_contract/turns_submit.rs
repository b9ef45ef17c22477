//! Submitting: the job, the intention, and its outcomes.

use shared::store::listing::TaskView;
use shared::store::turns::{Accepted, Intention, Retry, Sending};
use shared::task::{RowId, Status};

use crate::database::{contract, ok};
use crate::values::{
    NOW, SONG, accepted, failure, first_turn, last_event, later, next, only, progress, retry,
    sorted, turn_and_due,
};
use crate::world::World;

contract! {
    a_task_is_to_be_submitted_at_its_turn_only,
    an_intention_stands_until_its_outcome,
    a_caller_that_lost_the_answer_begins_again,
    of_many_callers_that_begin_one_submit_one_does,
    a_submit_that_did_not_arrive_is_tried_again,
    a_submit_that_may_have_arrived_stays_with_its_channel,
    only_a_standing_intention_is_withdrawn,
    an_accepted_task_is_submitted_and_its_channel_has_its_price,
    many_tasks_of_several_channels_are_accepted_together,
    a_task_is_accepted_once,
    an_accept_that_comes_after_the_end_changes_nothing,
    nothing_to_accept_is_nothing,
    a_task_is_postponed_unless_an_intention_is_recorded,
    a_task_that_ended_can_not_be_postponed_submitted_or_retried,
}

async fn a_task_is_to_be_submitted_at_its_turn_only(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let (at, _) = world.stored(&payer).await;
    assert!(ok!(world.store.submit_job(at)).is_some());
    let accepted = world.accepted(&payer, channel).await.at;
    for (at, why) in [
        (next(at), "another turn"),
        (first_turn(RowId(i64::MAX)), "an unknown task"),
        (accepted, "an accepted task"),
    ] {
        assert!(ok!(world.store.submit_job(at)).is_none(), "{why}");
    }
}

async fn an_intention_stands_until_its_outcome(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let (now, lease) = (later(1), later(181));
    let begin = |at, claim| world.store.begin_submit(at, channel, claim, lease, now);
    let sending = ok!(begin(at, 1)).expect("it is not stale");
    assert_eq!(sending, next(at));

    let job = ok!(world.store.submit_job(sending)).expect("it is there");
    let orphaned = Sending::Orphaned { sent_to: Some(0) };
    assert_eq!((job.at, job.sending), (sending, orphaned));
    assert_eq!(job.last_channel, Some(channel));
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((sending.turn.0, lease.0)));
    assert_eq!(story.task.status, Status::NotStart);
    let (moment, turn, kind, detail) = last_event(&story);
    assert_eq!((moment, turn, kind), (now.0, sending.turn.0, "sending"));
    let name = world.channel_now(channel).await.name;
    assert!(detail.contains(&name), "{detail}");

    for at in [at, sending] {
        assert_eq!(ok!(begin(at, 2)), None, "an intention stands already");
    }
    world.assert_history(&task, "stored sending").await;
}

async fn a_caller_that_lost_the_answer_begins_again(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let begin = |claim| world.store.begin_submit(at, channel, claim, NOW, NOW);
    for _ in 0..2 {
        assert_eq!(ok!(begin(7)), Some(next(at)));
    }
    assert_eq!(ok!(begin(8)), None);
    world.assert_history(&task, "stored sending").await;
}

async fn of_many_callers_that_begin_one_submit_one_does(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let begun = world
        .at_once(8, |caller, store| async move {
            let claim = i64::try_from(caller).expect("it fits");
            ok!(store.begin_submit(at, channel, claim, later(180), NOW))
        })
        .await;
    assert_eq!(begun.into_iter().flatten().collect::<Vec<_>>(), [next(at)]);
    world.assert_history(&task, "stored sending").await;
}

async fn a_submit_that_did_not_arrive_is_tried_again(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let (now, due) = (later(2), later(7));
    let retry = |at, counted, reason| world.store.retry_submit(retry(at, counted, reason), now);
    let again = ok!(retry(at, true, "refused")).expect("it is not stale");
    assert_eq!(again, next(at));

    let job = ok!(world.store.submit_job(again)).expect("it is there");
    assert_eq!((job.sending, job.attempts), (Sending::NotSent, 1));
    assert_eq!(job.last_channel, Some(channel));
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((again.turn.0, due.0)));
    let expected = (now.0, again.turn.0, "not_arrived", "refused");
    assert_eq!(last_event(&story), expected);

    // The task can be sent again, and its attempts add up; a 429 is no attempt.
    let sending = world.begin(again, channel).await;
    let again = ok!(retry(sending, false, "429")).expect("it is not stale");
    let job = ok!(world.store.submit_job(again)).expect("it is there");
    assert_eq!((job.sending, job.attempts), (Sending::NotSent, 1));
}

async fn a_submit_that_may_have_arrived_stays_with_its_channel(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let begin = async |at, claim, sent_to| {
        let intention = Intention {
            at,
            channel,
            sent_to,
            claim,
            deadline: later(1_800),
        };
        let intentions = [intention];
        let begun = world.store.begin_submits(&intentions, later(180), NOW);
        ok!(begun).first().map(|begun| begun.at)
    };
    let job = async |at| ok!(world.store.submit_job(at)).expect("it is to be sent");
    let sending = begin(at, 1, 77).await.expect("it is not stale");
    let orphaned = Sending::Orphaned { sent_to: Some(77) };
    assert_eq!(job(sending).await.sending, orphaned);

    let unknown = Retry {
        may_have_arrived: true,
        ..retry(sending, true, "timed out")
    };
    let again = ok!(world.store.retry_submit(unknown.clone(), later(2)));
    let again = again.expect("it is not stale");
    let found = job(again).await;
    assert_eq!(found.sending, Sending::Again { sent_to: 77 });
    assert_eq!((found.attempts, found.last_channel), (1, Some(channel)));
    let expected = (later(2).0, again.turn.0, "unknown", "timed out");
    assert_eq!(last_event(&world.story(&task).await), expected);
    assert_eq!(ok!(world.store.retry_submit(unknown, NOW)), None);

    // It can wait for its channel, and it keeps what it was sent with until it is sent again.
    let postponed = only(ok!(world.store.postpone(&[again], later(9))));
    assert_eq!(postponed, next(again));
    let found = job(postponed).await.sending;
    assert_eq!(found, Sending::Again { sent_to: 77 });
    let sending = begin(postponed, 2, 78).await.expect("it is not stale");
    assert_eq!(begin(postponed, 3, 78).await, None);
    let orphaned = Sending::Orphaned { sent_to: Some(78) };
    assert_eq!(job(sending).await.sending, orphaned);
    // What surely did not arrive may be sent anywhere.
    let again = ok!(world.store.retry_submit(retry(sending, true, "x"), NOW));
    let found = job(again.expect("it is not stale")).await;
    assert_eq!((found.sending, found.attempts), (Sending::NotSent, 2));
}

async fn only_a_standing_intention_is_withdrawn(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let (fresh, _) = world.stored(&payer).await;
    let song = world.accepted(&payer, channel).await;
    for at in [fresh, next(fresh), song.at] {
        let retry = ok!(world.store.retry_submit(retry(at, true, "refused"), NOW));
        assert_eq!(retry, None, "{at:?}");
    }
    let history = "stored sending accepted";
    world.assert_history(&song.id, history).await;
}

async fn an_accepted_task_is_submitted_and_its_channel_has_its_price(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let (before, now, due) = (world.view(&task).await, later(40), later(45));
    let accepted = Accepted {
        due_at: due,
        ..accepted(at, channel, "up-7")
    };
    let polling = only(ok!(world.store.accept(vec![accepted], now)));
    assert_eq!(polling, next(at));

    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((polling.turn.0, due.0)));
    assert_eq!(story.upstream_id.as_deref(), Some("up-7"));
    let expected = TaskView {
        status: Status::Submitted,
        progress: progress(10),
        channel_id: channel,
        updated_at: now.seconds(),
        start_time: 0,
        ..before
    };
    assert_eq!(story.task, expected);
    let (moment, turn, kind, detail) = last_event(&story);
    assert_eq!((moment, turn, kind), (now.0, polling.turn.0, "accepted"));
    let name = world.channel_now(channel).await.name;
    assert!(
        detail.contains(&name) && detail.contains("up-7"),
        "{detail}"
    );
    assert_eq!(world.used_at(channel).await, SONG);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
}

async fn many_tasks_of_several_channels_are_accepted_together(world: &World) {
    let channels = [world.channel().await, world.channel().await];
    let payer = world.payer(100 * SONG).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let channel = channels[number % 2];
        let (at, _) = world.sending(&payer, channel).await;
        tasks.push(accepted(at, channel, &format!("up-{number}")));
    }
    let (stale, _) = world.stored(&payer).await;
    tasks.push(accepted(stale, channels[0], "stale"));

    let second = next(tasks[1].at);
    let accepted = ok!(world.store.accept(tasks, NOW));
    assert_eq!(accepted.len(), 20);
    for channel in channels {
        assert_eq!(world.used_at(channel).await, 10 * SONG);
    }
    assert!(accepted.contains(&second));
    let job = world.job(channels[1], second).await;
    assert_eq!(job.expect("it is there").upstream_id, "up-1");
}

async fn a_task_is_accepted_once(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let accepted = world
        .at_once(8, |number, store| {
            let one = accepted(at, channel, &format!("up-{number}"));
            // The task is also named twice in one call.
            async move { ok!(store.accept(vec![one.clone(), one], NOW)) }
        })
        .await;
    assert_eq!(accepted.concat(), [next(at)]);
    assert_eq!(world.used_at(channel).await, SONG);
    world.assert_history(&task, "stored sending accepted").await;
}

async fn an_accept_that_comes_after_the_end_changes_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    world.end([failure(at, "unsure")], NOW).await;
    let late = vec![accepted(at, channel, "up")];
    assert_eq!(ok!(world.store.accept(late, NOW)), []);
    let story = world.story(&task).await;
    assert_eq!(story.task.status, Status::Failure);
    assert_eq!(story.upstream_id, None);
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn nothing_to_accept_is_nothing(world: &World) {
    assert_eq!(ok!(world.store.accept(vec![], NOW)), []);
}

async fn a_task_is_postponed_unless_an_intention_is_recorded(world: &World) {
    let (channel, payer) = world.channel_and_payer(4 * SONG).await;
    let (fresh, task) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let accepted = world.accepted(&payer, channel).await.at;
    let (unknown, due) = (first_turn(RowId(i64::MAX)), later(77));
    let tasks = [fresh, sending, accepted, next(sending), unknown];
    let postponed = ok!(world.store.postpone(&tasks, due));
    assert_eq!(sorted(postponed), [next(fresh), next(accepted)]);
    let expected = Some((next(fresh).turn.0, due.0));
    assert_eq!(turn_and_due(&world.story(&task).await), expected);
    world.assert_history(&task, "stored").await;

    let again = ok!(world.store.postpone(&tasks, due));
    assert_eq!(again, [], "only the turn it is at now counts");
}

async fn a_task_that_ended_can_not_be_postponed_submitted_or_retried(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    world.end([failure(at, "no")], NOW).await;
    for at in [at, next(at)] {
        assert_eq!(ok!(world.store.postpone(&[at], NOW)), []);
        assert!(ok!(world.store.submit_job(at)).is_none());
        let begun = ok!(world.store.begin_submit(at, channel, 5, NOW, NOW));
        assert_eq!(begun, None);
        let retry = ok!(world.store.retry_submit(retry(at, true, "x"), NOW));
        assert_eq!(retry, None);
        assert!(world.job(channel, at).await.is_none());
    }
    let history = "stored sending ended refunded";
    world.assert_history(&task, history).await;
}
