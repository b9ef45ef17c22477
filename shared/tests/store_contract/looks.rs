//! What polls go by: how long tasks take, and how many fetches a second a channel gets.

use std::collections::HashMap;
use std::time::Duration;

use shared::store::looks::Learnt;
use shared::task::looks::bound::CallBound;
use shared::task::looks::durations::Durations;
use shared::task::{Action, ChannelId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, accepted, later, only};
use crate::world::World;

contract! {
    how_long_tasks_take_is_learnt_by_all_workers_together,
    what_is_learnt_of_one_channel_or_action_says_nothing_of_another,
    calls_are_reserved_once_over_all_workers,
    a_lowered_bound_holds_for_all_workers,
    a_poll_knows_when_its_task_was_accepted,
}

/// Tasks that took so many seconds each.
fn took(channel: ChannelId, action: Action, seconds: &[u64]) -> Learnt {
    let one = |seconds: &u64| {
        let mut one = Durations::default();
        one.count(Duration::from_secs(*seconds), true, NOW);
        one
    };
    let all = seconds.iter().fold(Durations::default(), |all, seconds| {
        all.and(&one(seconds), NOW)
    });
    HashMap::from([((channel, action), all)])
}

async fn how_long_tasks_take_is_learnt_by_all_workers_together(world: &World) {
    let channel = world.channel().await;
    assert!(ok!(world.store.durations()).is_empty());
    let (first, second) = (
        took(channel, Action::SONG, &[60, 70]),
        took(channel, Action::SONG, &[200]),
    );
    ok!(world.store.add_durations(first.clone(), NOW));
    ok!(world.other.add_durations(second.clone(), NOW));
    let key = (channel, Action::SONG);
    let all = first[&key].and(&second[&key], NOW);
    assert_eq!(ok!(world.store.durations()), HashMap::from([(key, all)]));
}

async fn what_is_learnt_of_one_channel_or_action_says_nothing_of_another(world: &World) {
    let (one, other) = (world.channel().await, world.channel().await);
    let mut seen = took(one, Action::SONG, &[60]);
    seen.extend(took(one, Action::LYRICS, &[9]));
    seen.extend(took(other, Action::SONG, &[120]));
    ok!(world.store.add_durations(seen.clone(), NOW));
    assert_eq!(ok!(world.other.durations()), seen);
}

async fn calls_are_reserved_once_over_all_workers(world: &World) {
    let channel = world.channel().await;
    let reserved = world
        .at_once(8, |_, store| async move {
            ok!(store.reserve_calls(channel, 5, 3, NOW))
        })
        .await;
    let mut moments = reserved.concat();
    moments.sort_unstable();
    assert_eq!(moments.len(), 24);
    assert_eq!(moments[0], NOW);
    // Five a second, and a little less.
    let between = moments.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(
        between.clone().all(|between| between == 206),
        "{:?}",
        between.collect::<Vec<_>>()
    );
}

async fn a_lowered_bound_holds_for_all_workers(world: &World) {
    let channel = world.channel().await;
    ok!(world.store.lower_calls(channel, 5, NOW));
    let bound = async |now| {
        let bounds = ok!(world.other.call_bounds());
        let bound = bounds.get(&channel).copied().unwrap_or_default();
        CallBound::in_force(bound, 5, now)
    };
    assert_eq!(bound(NOW).await, 4_250);
    let reserved = ok!(world.other.reserve_calls(channel, 5, 9, NOW));
    assert_eq!(reserved.len(), 4);
    assert_eq!(bound(later(600)).await, 5_000);
}

async fn a_poll_knows_when_its_task_was_accepted(world: &World) {
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let (sending, _) = world.sending(&payer, channel).await;
    let accepted = accepted(sending, channel, "u-1");
    let at = only(ok!(world.store.accept(vec![accepted], later(7))));
    let job = world.job(channel, at).await.expect("it is there");
    assert_eq!(
        (job.accepted_at, job.action),
        (Some(later(7)), Action::SONG)
    );
    let hour = Duration::from_hours(1);
    assert_eq!(job.age(hour, later(19)), Duration::from_secs(12));
    // As a program of the version before left it.
    world
        .database
        .execute("UPDATE unfinished_tasks SET accepted_at = NULL")
        .await;
    let job = world.job(channel, at).await.expect("it is there");
    let half = job.deadline.before(hour / 2);
    assert_eq!(job.age(hour, half), hour / 2);
}
