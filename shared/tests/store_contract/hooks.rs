//! The look that a vendor's call brings forward.

use shared::hook::Hook;
use shared::store::hooks::EarlyLook;
use shared::task::{ChannelId, TaskId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, later, only, success, turn_and_due};
use crate::world::{AtUpstream, World};

contract! {
    a_call_makes_the_next_look_due_now_at_the_same_turn,
    calls_that_come_together_bring_forward_one_look,
    a_look_that_is_under_way_can_be_settled_after_a_call,
    what_was_swept_can_still_be_read_after_a_call,
    a_look_within_a_second_and_a_submit_under_way_stay_as_they_are,
    a_call_about_what_the_channel_does_not_make_changes_nothing,
    a_channel_has_the_key_that_its_hooks_are_made_with,
}

async fn call(world: &World, channel: ChannelId, task: &TaskId, seconds: u64) -> EarlyLook {
    let task = task.clone();
    ok!(world
        .store
        .look_early(&Hook { channel, task }, later(seconds)))
}

async fn a_call_makes_the_next_look_due_now_at_the_same_turn(world: &World) {
    // It is due in 5 s.
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    assert_eq!(call(world, channel, &id, 2).await, EarlyLook::Due(at));
    let story = world.story(&id).await;
    assert_eq!(turn_and_due(&story), Some((at.turn.0, later(2).0)));
    world
        .assert_history(&id, "stored sending accepted called")
        .await;
    assert!(world.job(channel, at).await.is_some());
    // If its message is lost, the sweep finds the task.
    let overdue = ok!(world.store.sweep(later(3), later(60), 100, later(3)));
    assert_eq!(only(overdue).at, at);
    // A call at the same turn moves the task again, and is noted once.
    assert_eq!(call(world, channel, &id, 4).await, EarlyLook::Due(at));
    world
        .assert_history(&id, "stored sending accepted called swept")
        .await;
}

async fn calls_that_come_together_bring_forward_one_look(world: &World) {
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    let hook = Hook {
        channel,
        task: id.clone(),
    };
    let called = world
        .at_once(8, |_, store| {
            let hook = hook.clone();
            async move { store.look_early(&hook, NOW).await }
        })
        .await;
    let called = called
        .into_iter()
        .map(|called| called.expect("the Store answers"));
    let (due, others): (Vec<_>, Vec<_>) = called.partition(|look| *look == EarlyLook::Due(at));
    assert_eq!(due.len(), 1);
    assert!(others.iter().all(|look| *look == EarlyLook::UnderWay));
    world
        .assert_history(&id, "stored sending accepted called")
        .await;
}

async fn a_look_that_is_under_way_can_be_settled_after_a_call(world: &World) {
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    // The fetch takes long, and so does the next one, and its vendor calls all the time.
    for seconds in [0, 2, 4] {
        ok!(world.store.renew_leases(&[at], later(seconds + 75)));
        assert_eq!(call(world, channel, &id, seconds).await, EarlyLook::Due(at));
    }
    let ended = world.end([success(at, "[]")], later(6)).await;
    assert_eq!(ended, [at.row]);
}

async fn what_was_swept_can_still_be_read_after_a_call(world: &World) {
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    assert_eq!(
        only(ok!(world.store.sweep(later(9), later(60), 100, later(9)))).at,
        at
    );
    assert_eq!(call(world, channel, &id, 10).await, EarlyLook::Due(at));
    assert!(world.job(channel, at).await.is_some());
}

async fn a_look_within_a_second_and_a_submit_under_way_stay_as_they_are(world: &World) {
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    for seconds in [4, 5, 9] {
        assert_eq!(
            call(world, channel, &id, seconds).await,
            EarlyLook::UnderWay
        );
    }
    let story = world.story(&id).await;
    assert_eq!(turn_and_due(&story), Some((at.turn.0, later(5).0)));
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (_, sending) = world.sending(&payer, channel).await;
    assert_eq!(call(world, channel, &sending, 0).await, EarlyLook::UnderWay);
    world.assert_history(&sending, "stored sending").await;
}

async fn a_call_about_what_the_channel_does_not_make_changes_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(2 * SONG).await;
    let other = world.channel().await;
    let (_, waiting) = world.stored(&payer).await;
    let made = world.polled(&payer, channel).await;
    assert_eq!(call(world, other, &made.id, 0).await, EarlyLook::Nothing);
    world.end([success(made.at, "[]")], NOW).await;
    let nobodys = "task_00000000000000000000000000000000".parse();
    let nobodys: TaskId = nobodys.expect("it is a task id");
    for task in [&waiting, &made.id, &nobodys] {
        assert_eq!(call(world, channel, task, 0).await, EarlyLook::Nothing);
    }
}

async fn a_channel_has_the_key_that_its_hooks_are_made_with(world: &World) {
    let channel = world.channel().await;
    let key = ok!(world.store.channel_key(channel)).expect("the channel exists");
    assert_eq!(key.expose(), "a channel's key");
    let nobodys = ChannelId(channel.0 + 1_000_000);
    assert!(ok!(world.store.channel_key(nobodys)).is_none());
}
