//! Channels, their cool-downs, and prices.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::{Calls, Failed, NewChannel};
use shared::store::prices::Price;
use shared::task::cool_down::CoolDown;
use shared::task::{Action, ChannelId, Dialect, Platform};

use crate::database::{contract, ok};
use crate::values::{NOW, bad_call, later, new_channel, only, quota};
use crate::world::World;

contract! {
    a_channel_reads_back_whole,
    channels_are_listed_by_number,
    a_channel_s_name_that_is_taken_makes_and_disables_nothing,
    a_real_channel_disables_the_built_in_one,
    a_real_channel_leaves_others_as_they_are,
    a_channel_that_is_put_is_made_if_there_is_none,
    a_channel_that_is_put_again_gets_its_address_and_key_and_is_enabled,
    a_built_in_channel_that_is_put_disables_nothing,
    a_real_channel_put_over_the_built_in_one_serves_and_is_real,
    many_who_put_one_channel_make_one,
    a_channel_is_disabled_and_enabled_by_its_name,
    a_channel_cools_down_longer_each_time_in_a_row,
    failures_during_a_cool_down_are_one_step_of_it,
    failures_all_at_once_are_one_step,
    what_the_upstream_asks_for_counts_and_during_a_cool_down_only_if_later,
    no_upstream_puts_a_channel_to_sleep_for_hours,
    a_channel_that_answers_well_starts_its_cool_downs_anew,
    prices_start_as_the_contract_says,
    a_missing_price_is_its_default_at_the_next_start_and_others_stay,
    a_price_that_is_set_stays,
}

async fn create(world: &World, name: &str) -> Option<ChannelId> {
    ok!(world.store.create_channel(new_channel(name), NOW))
}

fn builtin(name: &str) -> NewChannel {
    NewChannel {
        idempotent: false,
        builtin: true,
        ..new_channel(name)
    }
}

async fn create_builtin(world: &World, name: &str) {
    ok!(world.store.create_channel(builtin(name), NOW));
}

/// Reports a failure of the channel. Returns the end of its cool-down.
async fn trouble(world: &World, id: ChannelId, asked: Option<Duration>, now: Millis) -> Millis {
    ok!(world.store.cool_down(
        id,
        Failed {
            asked,
            ..bad_call(Calls::Submits, CoolDown::Trouble)
        },
        now
    ))
}

/// The names of the enabled channels.
async fn enabled(world: &World) -> Vec<String> {
    let channels = ok!(world.store.channels()).into_iter();
    let enabled = channels.filter(|channel| channel.enabled);
    enabled.map(|channel| channel.name).collect()
}

async fn a_channel_reads_back_whole(world: &World) {
    let new = NewChannel {
        priority: -3,
        weight: 7,
        ..new_channel("a")
    };
    let id = ok!(world.store.create_channel(new, NOW)).expect("it is made");
    let channel = only(ok!(world.store.channels()));
    assert_eq!((channel.id, channel.name.as_str()), (id, "a"));
    assert_eq!(channel.platform, Platform::SUNO);
    assert_eq!(channel.base_url, "http://a.example");
    assert_eq!(channel.key.expose(), "a channel's key");
    assert_eq!((channel.enabled, channel.builtin), (true, false));
    assert_eq!((channel.priority, channel.weight), (-3, 7));
    assert_eq!(channel.used_quota, quota(0));
    assert_eq!((channel.cool_until, channel.cool_count), (Millis(0), 0));
}

async fn channels_are_listed_by_number(world: &World) {
    for name in ["c", "a", "b"] {
        create(world, name).await;
    }
    let channels = ok!(world.store.channels());
    let names: Vec<_> = channels.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

async fn a_channel_s_name_that_is_taken_makes_and_disables_nothing(world: &World) {
    create_builtin(world, "simulator").await;
    assert_eq!(create(world, "simulator").await, None);
    let channel = only(ok!(world.store.channels()));
    assert!(channel.enabled && channel.builtin);
}

async fn a_real_channel_disables_the_built_in_one(world: &World) {
    create_builtin(world, "simulator").await;
    create(world, "real").await;
    assert_eq!(enabled(world).await, ["real"]);
}

async fn a_real_channel_leaves_others_as_they_are(world: &World) {
    create(world, "on").await;
    create(world, "off").await;
    ok!(world.store.enable_channel("off", false));
    create_builtin(world, "simulator").await;
    assert_eq!(enabled(world).await, ["on", "simulator"]);
}

async fn a_channel_that_is_put_is_made_if_there_is_none(world: &World) {
    create_builtin(world, "simulator").await;
    let id = ok!(world.store.put_channel(new_channel("default"), NOW));
    let channels = ok!(world.store.channels());
    assert!(!channels[0].enabled, "the built-in one is disabled");
    assert_eq!((channels[1].id, channels[1].enabled), (id, true));
}

async fn a_channel_that_is_put_again_gets_its_address_and_key_and_is_enabled(world: &World) {
    let first = NewChannel {
        priority: 5,
        weight: 6,
        dialect: Some(Dialect::new("spoken")),
        ..new_channel("default")
    };
    let id = ok!(world.store.put_channel(first, NOW));
    ok!(world.store.enable_channel("default", false));
    let refusal = CoolDown::Refusal;
    ok!(world
        .store
        .cool_down(id, bad_call(Calls::Submits, refusal), NOW));

    let moved = NewChannel {
        base_url: "http://moved.example".to_owned(),
        key: Secret::new("another key"),
        ..new_channel("default")
    };
    assert_eq!(ok!(world.store.put_channel(moved, NOW)), id);
    let channel = only(ok!(world.store.channels()));
    assert_eq!(channel.base_url, "http://moved.example");
    assert_eq!(channel.key.expose(), "another key");
    let set_by_operator = (channel.priority, channel.weight);
    assert_eq!(set_by_operator, (5, 6));
    assert_eq!(channel.dialect, Some(Dialect::new("spoken")));
    assert!(channel.enabled);
    // What troubled the old address says nothing of the new.
    assert_eq!(channel.cool_until, Millis(0));
}

async fn a_built_in_channel_that_is_put_disables_nothing(world: &World) {
    create(world, "real").await;
    for _ in 0..2 {
        ok!(world.store.put_channel(builtin("simulator"), NOW));
    }
    assert_eq!(enabled(world).await, ["real", "simulator"]);
}

async fn a_real_channel_put_over_the_built_in_one_serves_and_is_real(world: &World) {
    create_builtin(world, "default").await;
    ok!(world.store.put_channel(new_channel("default"), NOW));
    let channel = only(ok!(world.store.channels()));
    assert_eq!((channel.enabled, channel.builtin), (true, false));
}

async fn many_who_put_one_channel_make_one(world: &World) {
    let put = world
        .at_once(8, |_, store| async move {
            ok!(store.put_channel(new_channel("default"), NOW))
        })
        .await;
    let channel = only(ok!(world.store.channels()));
    assert!(put.iter().all(|id| *id == channel.id));
}

async fn a_channel_is_disabled_and_enabled_by_its_name(world: &World) {
    let id = world.channel().await;
    for enabled in [false, true] {
        world.enable(id, enabled).await;
        assert_eq!(world.channel_now(id).await.enabled, enabled);
    }
    assert!(!ok!(world.store.enable_channel("none", true)));
}

async fn a_channel_cools_down_longer_each_time_in_a_row(world: &World) {
    let id = world.channel().await;
    let mut now = NOW;
    for seconds in [1, 2, 4, 8] {
        let end = trouble(world, id, None, now).await;
        assert_eq!(end.since(now), Duration::from_secs(seconds));
        assert_eq!(world.channel_now(id).await.cool_until, end);
        // At its last moment the cool-down is over.
        now = end;
    }
}

async fn failures_during_a_cool_down_are_one_step_of_it(world: &World) {
    let id = world.channel().await;
    let end = trouble(world, id, None, NOW).await;
    let during = Millis(end.0 - 1);
    assert_eq!(trouble(world, id, None, during).await, end);
    assert_eq!(world.channel_now(id).await.cool_count, 1);
}

async fn failures_all_at_once_are_one_step(world: &World) {
    let id = world.channel().await;
    let ends = world
        .at_once(8, |_, store| async move {
            ok!(store.cool_down(id, bad_call(Calls::Submits, CoolDown::Trouble), NOW))
        })
        .await;
    assert_eq!(ends, [later(1); 8]);
    assert_eq!(world.channel_now(id).await.cool_count, 1);
}

async fn what_the_upstream_asks_for_counts_and_during_a_cool_down_only_if_later(world: &World) {
    let id = world.channel().await;
    for (now, seconds, end) in [
        (NOW, 20, later(20)),
        // An earlier end changes nothing.
        (later(5), 10, later(20)),
        (later(5), 16, later(21)),
    ] {
        let asked = Some(Duration::from_secs(seconds));
        assert_eq!(trouble(world, id, asked, now).await, end);
    }
    let channel = world.channel_now(id).await;
    assert_eq!((channel.cool_until, channel.cool_count), (later(21), 1));
}

async fn no_upstream_puts_a_channel_to_sleep_for_hours(world: &World) {
    let id = world.channel().await;
    for now in [NOW, later(60)] {
        let end = trouble(world, id, Some(Duration::from_hours(10)), now).await;
        assert_eq!(end, now.after(Duration::from_mins(5)));
    }
}

async fn a_channel_that_answers_well_starts_its_cool_downs_anew(world: &World) {
    let (id, other) = (world.channel().await, world.channel().await);
    let mut now = NOW;
    for _ in 0..3 {
        now = trouble(world, id, None, now).await;
        trouble(world, other, None, now).await;
    }
    ok!(world.store.warm_up(id, Calls::Submits));
    let until = world.channel_now(id).await.cool_until;
    assert_eq!(until, now, "the one under way goes on");
    let end = trouble(world, id, None, now).await;
    assert_eq!(end.since(now), Duration::from_secs(1));
    let of_other = world.channel_now(other).await.cool_count;
    assert!(of_other > 1, "another's are its own");
}

async fn a_missing_price_is_its_default_at_the_next_start_and_others_stay(world: &World) {
    let song = price(Action::SONG, 7);
    ok!(world.store.set_price(&song));
    let delete = "DELETE FROM prices WHERE action = 'lyrics'";
    world.database.execute(delete).await;
    ok!(world.other.migrate());
    let expected = [price(Action::LYRICS, 5_000), song];
    assert_eq!(ok!(world.store.prices()), expected);
}

async fn prices_start_as_the_contract_says(world: &World) {
    let expected = [price(Action::LYRICS, 5_000), price(Action::SONG, 150_000)];
    assert_eq!(ok!(world.store.prices()), expected);
}

async fn a_price_that_is_set_stays(world: &World) {
    let price = price(Action::LYRICS, 6);
    ok!(world.store.set_price(&price));
    let prices = ok!(world.store.prices());
    assert_eq!(prices.len(), 2);
    assert!(prices.contains(&price));
}

fn price(action: Action, amount: i64) -> Price {
    Price {
        platform: Platform::SUNO,
        action,
        model: None,
        quota: quota(amount),
    }
}
