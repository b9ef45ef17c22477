//! The look that a vendor's call brings forward.

use std::time::Duration;

use shared::hook::Hook;
use shared::store::hooks::EarlyLook;
use shared::store::turns::Polled;
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId, TaskId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, later, next, only, success, turn_and_due, waiting};
use crate::world::{AtUpstream, World};

contract! {
    a_call_makes_the_next_look_due_now_at_a_new_turn,
    calls_that_come_together_bring_forward_one_look,
    a_call_soon_after_another_brings_a_look_two_seconds_later,
    a_look_within_a_second_stays_as_it_is,
    a_call_about_what_the_channel_does_not_make_changes_nothing,
    a_channel_has_the_key_that_its_hooks_are_made_with,
}

async fn call(world: &World, channel: ChannelId, task: &TaskId, seconds: u64) -> Option<EarlyLook> {
    let task = task.clone();
    ok!(world
        .store
        .look_early(Hook { channel, task }, later(seconds)))
}

/// A look that is published without a delay.
fn now(at: AtTurn) -> EarlyLook {
    EarlyLook { at, delay: None }
}

async fn a_call_makes_the_next_look_due_now_at_a_new_turn(world: &World) {
    // It is due in 5 s.
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    assert_eq!(call(world, channel, &id, 2).await, Some(now(next(at))));
    let story = world.story(&id).await;
    assert_eq!(turn_and_due(&story), Some((next(at).turn.0, later(2).0)));
    world
        .assert_history(&id, "stored sending accepted called")
        .await;
    // What waited for the old turn is stale.
    assert!(world.job(channel, at).await.is_none());
    assert!(world.job(channel, next(at)).await.is_some());
    // If nobody hears of the new turn, the sweep finds the task.
    let overdue = ok!(world.store.sweep(later(3), later(60), 100, later(3)));
    assert_eq!(only(overdue).at, next(at));
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
            async move { store.look_early(hook, NOW).await }
        })
        .await;
    let moved = called
        .into_iter()
        .filter_map(|called| called.expect("the Store answers"));
    assert_eq!(moved.collect::<Vec<_>>(), [now(next(at))]);
    world
        .assert_history(&id, "stored sending accepted called")
        .await;
}

async fn a_call_soon_after_another_brings_a_look_two_seconds_later(world: &World) {
    let song = world.polled_song().await;
    let called = call(world, song.channel, &song.id, 0).await;
    let called = called.expect("it is brought forward").at;
    // The look found nothing new; the next one would come in a minute.
    let no_news = Polled {
        due_at: later(60),
        ..waiting(called)
    };
    let no_news = world.wait(no_news, NOW).await;
    let delayed = call(world, song.channel, &song.id, 1).await;
    let delay = Some(Rung::at_least(Duration::from_secs(2)));
    let at = next(no_news);
    assert_eq!(delayed, Some(EarlyLook { at, delay }));
    let due = turn_and_due(&world.story(&song.id).await);
    assert_eq!(due, Some((at.turn.0, later(3).0)));
    for seconds in [1, 2] {
        assert_eq!(call(world, song.channel, &song.id, seconds).await, None);
    }
}

async fn a_look_within_a_second_stays_as_it_is(world: &World) {
    let AtUpstream {
        at, id, channel, ..
    } = world.polled_song().await;
    for seconds in [4, 5, 9] {
        assert_eq!(call(world, channel, &id, seconds).await, None);
    }
    let story = world.story(&id).await;
    assert_eq!(turn_and_due(&story), Some((at.turn.0, later(5).0)));
    world.assert_history(&id, "stored sending accepted").await;
}

async fn a_call_about_what_the_channel_does_not_make_changes_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(3 * SONG).await;
    let other = world.channel().await;
    let (_, waiting) = world.stored(&payer).await;
    let (_, sending) = world.sending(&payer, channel).await;
    let made = world.polled(&payer, channel).await;
    assert_eq!(call(world, other, &made.id, 0).await, None);
    world.end([success(made.at, "[]")], NOW).await;
    let nobodys = "task_00000000000000000000000000000000".parse();
    let nobodys: TaskId = nobodys.expect("it is a task id");
    for task in [&waiting, &sending, &made.id, &nobodys] {
        assert_eq!(call(world, channel, task, 0).await, None);
    }
}

async fn a_channel_has_the_key_that_its_hooks_are_made_with(world: &World) {
    let channel = world.channel().await;
    let key = ok!(world.store.channel_key(channel)).expect("the channel exists");
    assert_eq!(key.expose(), "a channel's key");
    let nobodys = ChannelId(channel.0 + 1_000_000);
    assert!(ok!(world.store.channel_key(nobodys)).is_none());
}
