//! Channels, their cool-downs, and prices.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::{NewChannel, Price};
use shared::task::cool_down::CoolDown;
use shared::task::{Action, Platform};

use crate::database::{contract, ok};
use crate::values::{NOW, new_channel, only, quota};
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

fn builtin(name: &str) -> NewChannel {
    NewChannel {
        builtin: true,
        ..new_channel(name)
    }
}

async fn a_channel_reads_back_whole(world: &World) {
    let new = NewChannel {
        priority: -3,
        weight: 7,
        ..new_channel("a")
    };
    let id = ok!(world.store.create_channel(new, NOW)).expect("it is made");
    let channel = only(ok!(world.store.channels()));
    assert_eq!(
        (channel.id, channel.name.as_str(), channel.platform),
        (id, "a", Platform::SUNO)
    );
    assert_eq!(
        (channel.base_url.as_str(), channel.key.expose()),
        ("http://a.example", "a channel's key")
    );
    assert_eq!((channel.enabled, channel.builtin), (true, false));
    assert_eq!(
        (channel.priority, channel.weight, channel.used_quota),
        (-3, 7, quota(0))
    );
    assert_eq!((channel.cool_until, channel.cool_count), (Millis(0), 0));
}

async fn channels_are_listed_by_number(world: &World) {
    for name in ["c", "a", "b"] {
        ok!(world.store.create_channel(new_channel(name), NOW));
    }
    let channels = ok!(world.store.channels());
    let names: Vec<_> = channels
        .iter()
        .map(|channel| channel.name.as_str())
        .collect();
    assert_eq!(names, ["c", "a", "b"]);
}

async fn a_channel_s_name_that_is_taken_makes_and_disables_nothing(world: &World) {
    ok!(world.store.create_channel(builtin("simulator"), NOW));
    let taken = ok!(world.store.create_channel(new_channel("simulator"), NOW));
    assert_eq!(taken, None);
    let channel = only(ok!(world.store.channels()));
    assert!(channel.enabled && channel.builtin);
}

async fn a_real_channel_disables_the_built_in_one(world: &World) {
    ok!(world.store.create_channel(builtin("simulator"), NOW));
    ok!(world.store.create_channel(new_channel("real"), NOW));
    let enabled: Vec<_> = ok!(world.store.channels());
    let enabled: Vec<_> = enabled
        .iter()
        .map(|c| (c.name.as_str(), c.enabled))
        .collect();
    assert_eq!(enabled, [("simulator", false), ("real", true)]);
}

async fn a_real_channel_leaves_others_as_they_are(world: &World) {
    for name in ["on", "off"] {
        ok!(world.store.create_channel(new_channel(name), NOW));
    }
    ok!(world.store.enable_channel("off", false));
    ok!(world.store.create_channel(builtin("simulator"), NOW));
    let channels = ok!(world.store.channels());
    let enabled: Vec<_> = channels
        .iter()
        .map(|c| (c.name.as_str(), c.enabled))
        .collect();
    assert_eq!(enabled, [("on", true), ("off", false), ("simulator", true)]);
}

async fn a_channel_that_is_put_is_made_if_there_is_none(world: &World) {
    ok!(world.store.create_channel(builtin("simulator"), NOW));
    let id = ok!(world.store.put_channel(new_channel("default"), NOW));
    let channels = ok!(world.store.channels());
    assert!(!channels[0].enabled, "the built-in one is disabled");
    assert_eq!((channels[1].id, channels[1].enabled), (id, true));
}

async fn a_channel_that_is_put_again_gets_its_address_and_key_and_is_enabled(world: &World) {
    let first = NewChannel {
        priority: 5,
        weight: 6,
        ..new_channel("default")
    };
    let id = ok!(world.store.put_channel(first, NOW));
    ok!(world.store.enable_channel("default", false));
    let kind = CoolDown::Refusal;
    ok!(world.store.cool_down(id, kind, None, NOW));

    let moved = NewChannel {
        base_url: "http://moved.example".to_owned(),
        key: Secret::new("another key"),
        ..new_channel("default")
    };
    assert_eq!(ok!(world.store.put_channel(moved, NOW)), id);
    let channel = only(ok!(world.store.channels()));
    assert_eq!(
        (channel.base_url.as_str(), channel.key.expose()),
        ("http://moved.example", "another key")
    );
    assert_eq!(
        (channel.priority, channel.weight),
        (5, 6),
        "what an operator set stays"
    );
    assert!(channel.enabled);
    assert_eq!(
        channel.cool_until,
        Millis(0),
        "what troubled the old address says nothing of the new"
    );
}

async fn a_built_in_channel_that_is_put_disables_nothing(world: &World) {
    ok!(world.store.create_channel(new_channel("real"), NOW));
    ok!(world.store.put_channel(builtin("simulator"), NOW));
    ok!(world.store.put_channel(builtin("simulator"), NOW));
    let channels = ok!(world.store.channels());
    assert!(channels.iter().all(|channel| channel.enabled));
}

async fn a_real_channel_put_over_the_built_in_one_serves_and_is_real(world: &World) {
    ok!(world.store.create_channel(builtin("default"), NOW));
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
    let name = world.channel_now(id).await.name;
    assert!(ok!(world.store.enable_channel(&name, false)));
    assert!(!world.channel_now(id).await.enabled);
    assert!(ok!(world.store.enable_channel(&name, true)));
    assert!(world.channel_now(id).await.enabled);
    assert!(
        !world
            .store
            .enable_channel("none", true)
            .await
            .expect("it answers")
    );
}

async fn a_channel_cools_down_longer_each_time_in_a_row(world: &World) {
    let id = world.channel().await;
    let mut now = NOW;
    for seconds in [1, 2, 4, 8] {
        let end = world
            .store
            .cool_down(id, CoolDown::Trouble, None, now)
            .await;
        let end = end.expect("it cools");
        assert_eq!(end.since(now), Duration::from_secs(seconds));
        assert_eq!(world.channel_now(id).await.cool_until, end);
        // At its last moment the cool-down is over.
        now = end;
    }
}

async fn failures_during_a_cool_down_are_one_step_of_it(world: &World) {
    let id = world.channel().await;
    let first = ok!(world.store.cool_down(id, CoolDown::Trouble, None, NOW));
    let during = Millis(first.0 - 1);
    let again = ok!(world.store.cool_down(id, CoolDown::Trouble, None, during));
    assert_eq!(again, first);
    assert_eq!(world.channel_now(id).await.cool_count, 1);
}

async fn failures_all_at_once_are_one_step(world: &World) {
    let id = world.channel().await;
    let ends = world
        .at_once(8, |_, store| async move {
            ok!(store.cool_down(id, CoolDown::Trouble, None, NOW))
        })
        .await;
    assert!(
        ends.iter()
            .all(|end| *end == NOW.after(Duration::from_secs(1))),
        "{ends:?}"
    );
    assert_eq!(world.channel_now(id).await.cool_count, 1);
}

async fn what_the_upstream_asks_for_counts_and_during_a_cool_down_only_if_later(world: &World) {
    let id = world.channel().await;
    let ask = |seconds, now: Millis| {
        world.store.cool_down(
            id,
            CoolDown::Trouble,
            Some(Duration::from_secs(seconds)),
            now,
        )
    };
    let end = ask(20, NOW).await.expect("it cools");
    assert_eq!(end, NOW.after(Duration::from_secs(20)));

    let during = NOW.after(Duration::from_secs(5));
    assert_eq!(
        ask(10, during).await.expect("it answers"),
        end,
        "an earlier end changes nothing"
    );
    let later = ask(16, during).await.expect("it answers");
    assert_eq!(later, during.after(Duration::from_secs(16)));
    let channel = world.channel_now(id).await;
    assert_eq!((channel.cool_until, channel.cool_count), (later, 1));
}

async fn no_upstream_puts_a_channel_to_sleep_for_hours(world: &World) {
    let id = world.channel().await;
    let ask = Some(Duration::from_hours(10));
    let end = ok!(world.store.cool_down(id, CoolDown::Trouble, ask, NOW));
    assert_eq!(end, NOW.after(Duration::from_mins(5)));
    let during = NOW.after(Duration::from_mins(1));
    let end = ok!(world.store.cool_down(id, CoolDown::Trouble, ask, during));
    assert_eq!(end, during.after(Duration::from_mins(5)));
}

async fn a_channel_that_answers_well_starts_its_cool_downs_anew(world: &World) {
    let (id, other) = (world.channel().await, world.channel().await);
    let mut now = NOW;
    for _ in 0..3 {
        now = ok!(world.store.cool_down(id, CoolDown::Trouble, None, now));
        ok!(world.store.cool_down(other, CoolDown::Trouble, None, now));
    }
    ok!(world.store.warm_up(id));
    assert_eq!(
        world.channel_now(id).await.cool_until,
        now,
        "the one under way goes on"
    );
    let end = ok!(world.store.cool_down(id, CoolDown::Trouble, None, now));
    assert_eq!(end.since(now), Duration::from_secs(1));
    assert!(
        world.channel_now(other).await.cool_count > 1,
        "another's are its own"
    );
}

async fn a_missing_price_is_its_default_at_the_next_start_and_others_stay(world: &World) {
    let mut price = ok!(world.store.prices())[0];
    price.quota = quota(7);
    ok!(world.store.set_price(price));
    let default = ok!(world.store.prices())[1];
    let delete = "DELETE FROM prices WHERE action = 'lyrics'";
    world.database.execute(delete).await;
    ok!(world.other.migrate());
    assert_eq!(ok!(world.store.prices()), [price, default]);
}

async fn prices_start_as_the_contract_says(world: &World) {
    let prices = ok!(world.store.prices());
    let prices: Vec<_> = prices
        .iter()
        .map(|p| (p.platform, p.action, p.quota.get()))
        .collect();
    let suno = Platform::SUNO;
    assert_eq!(
        prices,
        [(suno, Action::SONG, 150_000), (suno, Action::LYRICS, 5_000)]
    );
}

async fn a_price_that_is_set_stays(world: &World) {
    let price = Price {
        platform: Platform::SUNO,
        action: Action::LYRICS,
        quota: quota(6),
    };
    ok!(world.store.set_price(price));
    let prices = ok!(world.store.prices());
    assert_eq!(prices.len(), 2);
    assert!(prices.contains(&price));
}
