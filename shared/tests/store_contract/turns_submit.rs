//! Submitting: the job, the intention, and its outcomes.

use std::time::Duration;

use shared::store::turns::Accepted;
use shared::task::{AtTurn, RowId, Status, Turn};

use crate::database::contract;
use crate::world::{NOW, SONG, World, failure, next, only, turn_and_due};

contract! {
    a_task_is_to_be_submitted_at_its_turn_only,
    an_intention_stands_until_its_outcome,
    a_caller_who_lost_the_answer_begins_again,
    of_many_who_begin_one_submit_one_does,
    a_submit_that_did_not_arrive_is_tried_again,
    only_a_standing_intention_is_withdrawn,
    an_accepted_task_is_submitted_and_its_channel_has_its_price,
    many_tasks_of_several_channels_are_accepted_together,
    a_task_is_accepted_once,
    an_accept_that_comes_after_the_end_changes_nothing,
    nothing_to_accept_is_nothing,
    a_task_is_put_off_unless_an_intention_stands,
    a_task_that_ended_can_not_be_put_off_submitted_or_retried,
}

const LEASE: Duration = Duration::from_mins(3);

async fn a_task_is_to_be_submitted_at_its_turn_only(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (at, _) = world.stored(&payer).await;
    assert!(
        world
            .store
            .submit_job(at)
            .await
            .expect("it reads")
            .is_some()
    );
    assert!(
        world
            .store
            .submit_job(next(at))
            .await
            .expect("it reads")
            .is_none()
    );
    let unknown = AtTurn {
        row: RowId(999),
        turn: Turn::FIRST,
    };
    assert!(
        world
            .store
            .submit_job(unknown)
            .await
            .expect("it reads")
            .is_none()
    );

    let held = world.accepted(&payer, channel).await;
    let job = world.store.submit_job(held.at).await.expect("it reads");
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
    let begun = world
        .store
        .begin_submit(at, channel, 1, lease, later)
        .await
        .expect("it begins");
    let sending = begun.expect("it is not stale");
    assert_eq!(sending, next(at));

    let job = world
        .store
        .submit_job(sending)
        .await
        .expect("it reads")
        .expect("it is there");
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
        let again = world
            .store
            .begin_submit(at, channel, 2, lease, later)
            .await
            .expect("it answers");
        assert_eq!(again, None, "an intention stands already");
    }
    assert_eq!(world.history(&task).await, ["stored", "sending"]);
}

async fn a_caller_who_lost_the_answer_begins_again(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    for _ in 0..2 {
        let begun = world.store.begin_submit(at, channel, 7, NOW, NOW).await;
        assert_eq!(begun.expect("it answers"), Some(next(at)));
    }
    let another = world.store.begin_submit(at, channel, 8, NOW, NOW).await;
    assert_eq!(another.expect("it answers"), None);
    assert_eq!(world.history(&task).await, ["stored", "sending"]);
}

async fn of_many_who_begin_one_submit_one_does(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.stored(&payer).await;
    let begun = world
        .at_once(8, |caller, store| async move {
            let claim = i64::try_from(caller).expect("it fits");
            store
                .begin_submit(at, channel, claim, NOW.after(LEASE), NOW)
                .await
                .expect("it answers")
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
    let retry = world
        .store
        .retry_submit(at, true, "refused", due, later)
        .await;
    let again = retry.expect("it answers").expect("it is not stale");
    assert_eq!(again, next(at));

    let job = world
        .store
        .submit_job(again)
        .await
        .expect("it reads")
        .expect("it is there");
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

    // It can be sent again, and its attempts add up; a 429 is none.
    let begun = world
        .store
        .begin_submit(again, channel, 4, due, later)
        .await
        .expect("it begins");
    let sending = begun.expect("it is not stale");
    let retry = world
        .store
        .retry_submit(sending, false, "429", due, later)
        .await;
    let again = retry.expect("it answers").expect("it is not stale");
    let job = world
        .store
        .submit_job(again)
        .await
        .expect("it reads")
        .expect("it is there");
    assert_eq!((job.intention, job.attempts), (false, 1));
}

async fn only_a_standing_intention_is_withdrawn(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let (fresh, _) = world.stored(&payer).await;
    let held = world.accepted(&payer, channel).await;
    for at in [fresh, next(fresh), held.at] {
        let retry = world
            .store
            .retry_submit(at, true, "refused", NOW, NOW)
            .await;
        assert_eq!(retry.expect("it answers"), None, "{at:?}");
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
    let polling = only(
        world
            .store
            .accept(vec![accepted], later)
            .await
            .expect("it is accepted"),
    );
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

    let accepted = world
        .store
        .accept(tasks.clone(), NOW)
        .await
        .expect("they are accepted");
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
            // Named twice in one call, too.
            async move {
                store
                    .accept(vec![one.clone(), one], NOW)
                    .await
                    .expect("it answers")
            }
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
    world
        .store
        .settle(vec![], vec![failure(at, "unsure")], NOW)
        .await
        .expect("it settles");
    let late = Accepted {
        at,
        channel,
        upstream_id: "up".to_owned(),
        due_at: NOW,
    };
    assert_eq!(
        world
            .store
            .accept(vec![late], NOW)
            .await
            .expect("it answers"),
        []
    );
    let story = world.story(&task).await;
    assert_eq!(
        (story.task.status, story.upstream_id),
        (Status::Failure, None)
    );
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn nothing_to_accept_is_nothing(world: &World) {
    assert_eq!(
        world.store.accept(vec![], NOW).await.expect("it answers"),
        []
    );
}

async fn a_task_is_put_off_unless_an_intention_stands(world: &World) {
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
        AtTurn {
            row: RowId(999),
            turn: Turn::FIRST,
        },
    ];
    let mut postponed = world.store.postpone(&asked, due).await.expect("it answers");
    postponed.sort_by_key(|at| at.row);
    assert_eq!(postponed, [next(fresh), next(held.at)]);
    assert_eq!(
        turn_and_due(&world.story(&task).await),
        Some((next(fresh).turn.0, due.0))
    );
    assert_eq!(world.history(&task).await, ["stored"]);

    let again = world.store.postpone(&asked, due).await.expect("it answers");
    assert_eq!(again, [], "only the turn it is at now counts");
}

async fn a_task_that_ended_can_not_be_put_off_submitted_or_retried(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    world
        .store
        .settle(vec![], vec![failure(at, "no")], NOW)
        .await
        .expect("it settles");
    for at in [at, next(at)] {
        assert_eq!(
            world.store.postpone(&[at], NOW).await.expect("it answers"),
            []
        );
        assert!(
            world
                .store
                .submit_job(at)
                .await
                .expect("it reads")
                .is_none()
        );
        let begun = world.store.begin_submit(at, channel, 5, NOW, NOW).await;
        assert_eq!(begun.expect("it answers"), None);
        let retry = world.store.retry_submit(at, true, "x", NOW, NOW).await;
        assert_eq!(retry.expect("it answers"), None);
        assert!(world.job(channel, at).await.is_none());
    }
    assert_eq!(
        world.history(&task).await,
        ["stored", "sending", "ended", "refunded"]
    );
}
