//! Submits: charge, task and ledger in one transaction.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use shared::store::submissions::{Continuable, Continuation, NewTask, Submitted};
use shared::task::{Action, Platform, Status};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, first_turn, new_channel, quota, turn_and_due};
use crate::world::World;

contract! {
    a_submit_charges_and_stores_the_task,
    what_is_stored_is_what_a_worker_reads,
    a_balance_can_be_spent_to_the_last_unit,
    a_user_who_cannot_pay_is_refused_and_nothing_is_taken,
    a_key_that_cannot_pay_is_refused_and_nothing_is_taken_from_the_user_either,
    without_an_enabled_channel_a_submit_is_refused_and_nothing_is_taken,
    a_channel_that_cools_down_still_takes_tasks_on,
    a_continuation_needs_the_one_channel_that_can_serve_it,
    a_task_costs_the_price_of_the_moment_it_was_submitted,
    lyrics_have_a_price_of_their_own,
    what_is_free_is_charged_nothing_and_still_stands_in_the_ledger,
    concurrent_submits_never_spend_more_than_there_is,
    concurrent_submits_never_spend_more_than_their_key_may,
    a_caller_who_goes_away_in_the_middle_leaves_nothing_half_done,
    a_task_can_be_continued_once_an_upstream_accepted_it,
    a_task_that_was_refused_by_a_channel_cannot_be_continued,
    only_the_platform_s_own_channels_count,
}

async fn a_submit_charges_and_stores_the_task(world: &World) {
    world.channel().await;
    let payer = world.payer_with(SONG + 1, Some(SONG + 2)).await;
    let (at, task) = world.stored(&payer).await;

    assert_eq!(world.money(&payer).await, (1, SONG, SONG));
    let story = world.story(&task).await;
    assert_eq!(turn_and_due(&story), Some((0, NOW.0)));
    assert_eq!(story.upstream_id, None);
    let entries: Vec<_> = story
        .entries
        .iter()
        .map(|e| (e.at, e.kind.as_str(), e.amount))
        .collect();
    assert_eq!(entries, [(NOW.0, "charge", -SONG)]);
    let events: Vec<_> = story
        .events
        .iter()
        .map(|e| (e.at, e.turn, e.kind.as_str()))
        .collect();
    assert_eq!(events, [(NOW.0, 0, "stored")]);

    let view = story.task;
    assert_eq!(
        (view.id, view.task_id, view.user_id),
        (at.row, task, payer.user)
    );
    assert_eq!(
        (view.username, view.platform),
        (payer.name, "suno".to_owned())
    );
    assert_eq!((view.action, view.status), (Action::SONG, Status::NotStart));
    assert_eq!(
        (view.quota.get(), view.channel_id.0, view.progress.percent()),
        (SONG, 0, 0)
    );
    assert_eq!(
        (view.fail_reason, view.data, view.input),
        (String::new(), None, "la la la".to_owned())
    );
    let now = NOW.seconds();
    assert_eq!(
        (view.created_at, view.updated_at, view.submit_time),
        (now, now, now)
    );
    assert_eq!((view.start_time, view.finish_time), (0, 0));
}

async fn what_is_stored_is_what_a_worker_reads(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let request = r#"{"prompt":"海\u0000 🎵 'quoted' \"\\","title":"\u2028"}"#;
    let song = NewTask {
        request: request.to_owned(),
        input: "海 🎵 'quoted' \\ ؟".to_owned(),
        pinned: Some(channel),
        ..world.song(&payer)
    };
    let (task, input, deadline) = (song.task_id.clone(), song.input.clone(), song.deadline);
    let at = first_turn(world.store_task(song).await);

    let job = ok!(world.store.submit_job(at)).expect("it is to be submitted");
    assert_eq!(
        (job.at, &job.task_id, job.request.as_str()),
        (at, &task, request)
    );
    assert_eq!((job.platform, job.action), (Platform::SUNO, Action::SONG));
    assert_eq!((job.pinned, job.last_channel), (Some(channel), None));
    assert_eq!(
        (job.attempts, job.intention, job.deadline),
        (0, false, deadline)
    );
    assert_eq!(world.story(&task).await.task.input, input);
}

async fn a_balance_can_be_spent_to_the_last_unit(world: &World) {
    world.channel().await;
    let payer = world.payer_with(SONG, Some(SONG)).await;
    world.stored(&payer).await;
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(world.key(&payer).await.quota, Some(quota(0)));
}

async fn a_user_who_cannot_pay_is_refused_and_nothing_is_taken(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG - 1).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);
    assert_eq!(world.money(&payer).await, (SONG - 1, 0, 0));
    assert_eq!(ok!(world.store.unfinished()), 0);
}

async fn a_key_that_cannot_pay_is_refused_and_nothing_is_taken_from_the_user_either(world: &World) {
    world.channel().await;
    let payer = world.payer_with(3 * SONG, Some(2 * SONG - 1)).await;
    world.stored(&payer).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);
    assert_eq!(world.money(&payer).await, (2 * SONG, SONG, SONG));
    assert_eq!(ok!(world.store.unfinished()), 1);
}

async fn without_an_enabled_channel_a_submit_is_refused_and_nothing_is_taken(world: &World) {
    let payer = world.payer(SONG).await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);

    let channel = world.channel().await;
    let name = world.channel_now(channel).await.name;
    ok!(world.store.enable_channel(&name, false));
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);
    assert_eq!(world.money(&payer).await, (SONG, 0, 0));
}

async fn a_channel_that_cools_down_still_takes_tasks_on(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let kind = shared::task::cool_down::CoolDown::Trouble;
    ok!(world.store.cool_down(channel, kind, None, NOW));
    world.stored(&payer).await;
}

async fn a_continuation_needs_the_one_channel_that_can_serve_it(world: &World) {
    let payer = world.payer(SONG).await;
    let pinned = world.channel().await;
    world.channel().await;
    let name = world.channel_now(pinned).await.name;
    ok!(world.store.enable_channel(&name, false));
    let song = NewTask {
        pinned: Some(pinned),
        ..world.song(&payer)
    };
    let refused = ok!(world.store.submit(song.clone(), NOW));
    assert_eq!(refused, Submitted::NoChannel);

    ok!(world.store.enable_channel(&name, true));
    world.store_task(song).await;
}

async fn a_task_costs_the_price_of_the_moment_it_was_submitted(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(10 * SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    for price in ok!(world.store.prices()) {
        let price = shared::store::channels::Price {
            quota: quota(7),
            ..price
        };
        ok!(world.store.set_price(price));
    }
    let (_, cheap) = world.stored(&payer).await;
    assert_eq!(world.story(&cheap).await.task.quota, quota(7));

    let settled = ok!(world.store.settle(vec![], vec![failure(at, "no")], NOW));
    assert_eq!(settled.finished, [at.row]);
    assert_eq!(world.story(&task).await.task.quota, quota(SONG));
    assert_eq!(world.money(&payer).await, (10 * SONG - 7, 7, 7));
}

async fn lyrics_have_a_price_of_their_own(world: &World) {
    world.channel().await;
    let payer = world.payer(5_000).await;
    let lyrics = NewTask {
        action: Action::LYRICS,
        ..world.song(&payer)
    };
    world.store_task(lyrics).await;
    assert_eq!(world.money(&payer).await, (0, 5_000, 5_000));
}

async fn what_is_free_is_charged_nothing_and_still_stands_in_the_ledger(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(0).await;
    for price in ok!(world.store.prices()) {
        let price = shared::store::channels::Price {
            quota: quota(0),
            ..price
        };
        ok!(world.store.set_price(price));
    }
    let (at, task) = world.sending(&payer, channel).await;
    let settled = ok!(world.store.settle(vec![], vec![failure(at, "no")], NOW));
    assert_eq!(settled.finished, [at.row]);
    let entries = world.story(&task).await.entries;
    let entries: Vec<_> = entries
        .iter()
        .map(|e| (e.kind.as_str(), e.amount))
        .collect();
    assert_eq!(entries, [("charge", 0), ("refund", 0)]);
}

async fn concurrent_submits_never_spend_more_than_there_is(world: &World) {
    world.channel().await;
    let payer = world.payer(5 * SONG + SONG / 2).await;
    let answers = world
        .at_once(16, |_, store| {
            let song = world.song(&payer);
            async move { ok!(store.submit(song, NOW)) }
        })
        .await;
    let stored = answers
        .iter()
        .filter(|a| matches!(a, Submitted::Stored(_)))
        .count();
    let refused = answers
        .iter()
        .filter(|a| **a == Submitted::QuotaNotEnough)
        .count();
    assert_eq!((stored, refused), (5, 11), "{answers:?}");
    assert_eq!(world.money(&payer).await, (SONG / 2, 5 * SONG, 5 * SONG));
}

async fn concurrent_submits_never_spend_more_than_their_key_may(world: &World) {
    world.channel().await;
    let payer = world.payer_with(100 * SONG, Some(3 * SONG)).await;
    let answers = world
        .at_once(16, |_, store| {
            let song = world.song(&payer);
            async move { ok!(store.submit(song, NOW)) }
        })
        .await;
    let stored = answers
        .iter()
        .filter(|a| matches!(a, Submitted::Stored(_)))
        .count();
    assert_eq!(stored, 3, "{answers:?}");
    assert_eq!(world.money(&payer).await, (97 * SONG, 3 * SONG, 3 * SONG));
}

async fn a_caller_who_goes_away_in_the_middle_leaves_nothing_half_done(world: &World) {
    world.channel().await;
    let payer = world.payer(100 * SONG).await;
    for polls in 1..=20 {
        let mut submit = pin!(world.store.submit(world.song(&payer), NOW));
        for _ in 0..polls {
            let gone =
                std::future::poll_fn(|context| Poll::Ready(submit.as_mut().poll(context))).await;
            if gone.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // The submit runs to its end without its caller.
    let mut patience = 500;
    while ok!(world.store.unfinished()) < 20 {
        patience -= 1;
        assert!(patience > 0, "a submit that was begun was lost");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.assert_balanced().await;
    assert_eq!(world.money(&payer).await, (80 * SONG, 20 * SONG, 20 * SONG));
    world.stored(&payer).await;
}

async fn a_task_can_be_continued_once_an_upstream_accepted_it(world: &World) {
    let channel = world.channel().await;
    let (payer, stranger) = (world.payer(2 * SONG).await, world.payer(0).await);
    let (_, fresh) = world.stored(&payer).await;
    let held = world.accepted(&payer, channel).await;

    let store = &world.store;
    let upstream_id = held.upstream_id.clone();
    let yes = Continuation::Possible(Continuable {
        channel,
        upstream_id,
    });
    assert_eq!(ok!(store.continuation(payer.user, &held.task)), yes);
    assert_eq!(
        ok!(store.continuation(payer.user, &fresh)),
        Continuation::NeverAccepted
    );
    assert_eq!(
        ok!(store.continuation(stranger.user, &held.task)),
        Continuation::NoTask
    );
    let unknown = world.song(&payer).task_id;
    assert_eq!(
        ok!(store.continuation(payer.user, &unknown)),
        Continuation::NoTask
    );
}

async fn a_task_that_was_refused_by_a_channel_cannot_be_continued(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let (at, task) = world.sending(&payer, channel).await;
    let end = shared::task::End::Failure {
        reason: "bad words".to_owned(),
        channel: Some(channel),
        given_up: false,
    };
    let finished = shared::store::turns::Finished {
        at,
        end,
        data: None,
    };
    ok!(world.store.settle(vec![], vec![finished], NOW));
    let answer = ok!(world.store.continuation(payer.user, &task));
    assert_eq!(answer, Continuation::NeverAccepted);
}

async fn only_the_platform_s_own_channels_count(world: &World) {
    let payer = world.payer(SONG).await;
    ok!(world.store.create_channel(new_channel("c"), NOW));
    world
        .break_with("UPDATE channels SET platform = 'udio'")
        .await;
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::NoChannel);
}
