//! Submitting: the job, the intention, and its outcomes.

use std::time::Duration;

use shared::store::turns::Accepted;
use shared::task::{AtTurn, RowId, Status};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, first_turn, next, only, turn_and_due};
use crate::world::World;

contract! {
    a_task_is_to_be_submitted_at_its_turn_only,
    an_intention_stands_until_its_outcome,
    a_caller_that_lost_the_answer_begins_again,
    of_many_callers_that_begin_one_submit_one_does,
    a_submit_that_did_not_arrive_is_tried_again,
    only_a_standing_intention_is_withdrawn,
    an_accepted_task_is_submitted_and_its_channel_has_its_price,
    many_tasks_of_several_channels_are_accepted_together,
    a_task_is_accepted_once,
    an_accept_that_comes_after_the_end_changes_nothing,
    nothing_to_accept_is_nothing,
    a_task_is_postponed_unless_an_intention_is_recorded,
    a_task_that_ended_can_not_be_postponed_submitted_or_retried,
}

const LEASE: Duration = Duration::from_mins(3);

async fn a_task_is_to_be_submitted_at_its_turn_only(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (at, _) = world.stored(&payer).await;
    assert!(ok!(world.store.submit_job(at)).is_some());
    assert!(ok!(world.store.submit_job(next(at))).is_none());
    let unknown = first_turn(RowId(999));
    assert!(ok!(world.store.submit_job(unknown)).is_none());

    let held = world.accepted(&payer, channel).await;
    let job = ok!(world.store.submit_job(held.at));
    assert!(
        job.is_none(),
        "what was accepted is not to be submitted any more"
    );
}

async fn an_intention_stands_until_its_outcome(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let later = NOW.after(Duration::from_secs(1));
    let lease = later.after(LEASE);
    let begun = ok!(world.store.begin_submit(at, channel, 1, lease, later));
    let sending = begun.expect("it is not stale");
    assert_eq!(sending, next(at));

    let job = ok!(world.store.submit_job(sending)).expect("it is there");
    assert_eq!(
        (job.at, job.intention, job.last_channel),
        (sending, true, Some(channel))
    );
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((sending.turn.0, lease.0)));
    assert_eq!(story.task.status, Status::NotStart);
    let event = story.events.last().expect("there is a history");
    assert_eq!(
        (event.at, event.turn, event.kind.as_str()),
        (later.0, sending.turn.0, "sending")
    );
    let name = world.channel_now(channel).await.name;
    assert!(event.detail.contains(&name), "{}", event.detail);

    for at in [at, sending] {
        let again = ok!(world.store.begin_submit(at, channel, 2, lease, later));
        assert_eq!(again, None, "an intention stands already");
    }
    assert_eq!(world.history(&task).await, ["stored", "sending"]);
}

async fn a_caller_that_lost_the_answer_begins_again(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    for _ in 0..2 {
        let begun = ok!(world.store.begin_submit(at, channel, 7, NOW, NOW));
        assert_eq!(begun, Some(next(at)));
    }
    let another = ok!(world.store.begin_submit(at, channel, 8, NOW, NOW));
    assert_eq!(another, None);
    assert_eq!(world.history(&task).await, ["stored", "sending"]);
}

async fn of_many_callers_that_begin_one_submit_one_does(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let begun = world
        .at_once(8, |caller, store| async move {
            let claim = i64::try_from(caller).expect("it fits");
            ok!(store.begin_submit(at, channel, claim, NOW.after(LEASE), NOW))
        })
        .await;
    assert_eq!(begun.into_iter().flatten().collect::<Vec<_>>(), [next(at)]);
    assert_eq!(world.history(&task).await, ["stored", "sending"]);
}

async fn a_submit_that_did_not_arrive_is_tried_again(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let later = NOW.after(Duration::from_secs(2));
    let due = later.after(Duration::from_secs(5));
    let retry = ok!(world.store.retry_submit(at, true, "refused", due, later));
    let again = retry.expect("it is not stale");
    assert_eq!(again, next(at));

    let job = ok!(world.store.submit_job(again)).expect("it is there");
    assert_eq!(
        (job.intention, job.attempts, job.last_channel),
        (false, 1, Some(channel))
    );
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((again.turn.0, due.0)));
    let event = story.events.last().expect("there is a history");
    let said = (
        event.at,
        event.turn,
        event.kind.as_str(),
        event.detail.as_str(),
    );
    assert_eq!(said, (later.0, again.turn.0, "not_arrived", "refused"));

    // The task can be sent again, and its attempts add up; a 429 is no attempt.
    let begun = ok!(world.store.begin_submit(again, channel, 4, due, later));
    let sending = begun.expect("it is not stale");
    let retry = ok!(world.store.retry_submit(sending, false, "429", due, later));
    let again = retry.expect("it is not stale");
    let job = ok!(world.store.submit_job(again)).expect("it is there");
    assert_eq!((job.intention, job.attempts), (false, 1));
}

async fn only_a_standing_intention_is_withdrawn(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (fresh, _) = world.stored(&payer).await;
    let held = world.accepted(&payer, channel).await;
    for at in [fresh, next(fresh), held.at] {
        let retry = ok!(world.store.retry_submit(at, true, "refused", NOW, NOW));
        assert_eq!(retry, None, "{at:?}");
    }
    assert_eq!(
        world.history(&held.task).await,
        ["stored", "sending", "accepted"]
    );
}

async fn an_accepted_task_is_submitted_and_its_channel_has_its_price(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let later = NOW.after(Duration::from_secs(40));
    let due = later.after(Duration::from_secs(5));
    let accepted = Accepted {
        at,
        channel,
        upstream_id: "up-7".to_owned(),
        due_at: due,
    };
    let polling = only(ok!(world.store.accept(vec![accepted], later)));
    assert_eq!(polling, next(at));

    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((polling.turn.0, due.0)));
    assert_eq!(story.upstream_id.as_deref(), Some("up-7"));
    let view = &story.task;
    assert_eq!(
        (view.status, view.progress.percent(), view.channel_id),
        (Status::Submitted, 10, channel)
    );
    assert_eq!((view.updated_at, view.start_time), (later.seconds(), 0));
    let event = story.events.last().expect("there is a history");
    assert_eq!(
        (event.at, event.turn, event.kind.as_str()),
        (later.0, polling.turn.0, "accepted")
    );
    let name = world.channel_now(channel).await.name;
    assert!(
        event.detail.contains(&name) && event.detail.contains("up-7"),
        "{}",
        event.detail
    );
    assert_eq!(world.channel_now(channel).await.used_quota.get(), SONG);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
}

async fn many_tasks_of_several_channels_are_accepted_together(world: &World) {
    let channels = [world.channel().await, world.channel().await];
    let payer = world.payer(100 * SONG).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let channel = channels[number % 2];
        let (at, _) = world.sending(&payer, channel).await;
        tasks.push(Accepted {
            at,
            channel,
            upstream_id: format!("up-{number}"),
            due_at: NOW,
        });
    }
    let (stale, _) = world.stored(&payer).await;
    let channel = channels[0];
    tasks.push(Accepted {
        at: stale,
        channel,
        upstream_id: "stale".to_owned(),
        due_at: NOW,
    });

    let accepted = ok!(world.store.accept(tasks.clone(), NOW));
    assert_eq!(accepted.len(), 20);
    for channel in channels {
        assert_eq!(world.channel_now(channel).await.used_quota.get(), 10 * SONG);
    }
    let job = world
        .job(channels[1], accepted_at(&accepted, &tasks[1]))
        .await;
    assert_eq!(job.expect("it is there").upstream_id, "up-1");
}

fn accepted_at(accepted: &[AtTurn], task: &Accepted) -> AtTurn {
    let found = accepted.iter().find(|at| at.row == task.at.row);
    *found.expect("it was accepted")
}

async fn a_task_is_accepted_once(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let accepted = world
        .at_once(8, |number, store| {
            let upstream_id = format!("up-{number}");
            let one = Accepted {
                at,
                channel,
                upstream_id,
                due_at: NOW,
            };
            // The task is also named twice in one call.
            async move { ok!(store.accept(vec![one.clone(), one], NOW)) }
        })
        .await;
    assert_eq!(accepted.concat(), [next(at)]);
    assert_eq!(world.channel_now(channel).await.used_quota.get(), SONG);
    assert_eq!(
        world.history(&task).await,
        ["stored", "sending", "accepted"]
    );
}

async fn an_accept_that_comes_after_the_end_changes_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    ok!(world.store.settle(vec![], vec![failure(at, "unsure")], NOW));
    let late = Accepted {
        at,
        channel,
        upstream_id: "up".to_owned(),
        due_at: NOW,
    };
    assert_eq!(ok!(world.store.accept(vec![late], NOW)), []);
    let story = world.story(&task).await;
    assert_eq!(
        (story.task.status, story.upstream_id),
        (Status::Failure, None)
    );
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn nothing_to_accept_is_nothing(world: &World) {
    assert_eq!(ok!(world.store.accept(vec![], NOW)), []);
}

async fn a_task_is_postponed_unless_an_intention_is_recorded(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(4 * SONG).await;
    let (fresh, task) = world.stored(&payer).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let held = world.accepted(&payer, channel).await;
    let due = NOW.after(Duration::from_secs(77));
    let asked = [
        fresh,
        sending,
        held.at,
        next(sending),
        first_turn(RowId(999)),
    ];
    let mut postponed = ok!(world.store.postpone(&asked, due));
    postponed.sort_by_key(|at| at.row);
    assert_eq!(postponed, [next(fresh), next(held.at)]);
    assert_eq!(
        turn_and_due(&world.story(&task).await),
        Some((next(fresh).turn.0, due.0))
    );
    assert_eq!(world.history(&task).await, ["stored"]);

    let again = ok!(world.store.postpone(&asked, due));
    assert_eq!(again, [], "only the turn it is at now counts");
}

async fn a_task_that_ended_can_not_be_postponed_submitted_or_retried(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    ok!(world.store.settle(vec![], vec![failure(at, "no")], NOW));
    for at in [at, next(at)] {
        assert_eq!(ok!(world.store.postpone(&[at], NOW)), []);
        assert!(ok!(world.store.submit_job(at)).is_none());
        let begun = ok!(world.store.begin_submit(at, channel, 5, NOW, NOW));
        assert_eq!(begun, None);
        let retry = ok!(world.store.retry_submit(at, true, "x", NOW, NOW));
        assert_eq!(retry, None);
        assert!(world.job(channel, at).await.is_none());
    }
    assert_eq!(
        world.history(&task).await,
        ["stored", "sending", "ended", "refunded"]
    );
}
