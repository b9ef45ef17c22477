//! What operators do to channels by hand, and what each of them has.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::by_hand::{
    Changed, ChannelChange, Deleted, PollLimit, Speaks, UNTIL_RESUMED,
};
use shared::store::channels::listed::{Health, LastTrouble, ListedChannel};
use shared::store::channels::{Calls, NewChannel};
use shared::store::submissions::{NewTask, Submitted};
use shared::task::cool_down::CoolDown;
use shared::task::{Action, Actions, ChannelId, Dialect};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, bad_call, failure, given_up, later, new_channel, only, success};
use crate::world::World;

/// A dialect of a channel.
const SPOKEN: Dialect = Dialect::new("spoken");

contract! {
    a_channel_reads_back_with_its_limits_and_actions,
    a_change_changes_what_it_names_and_nothing_else,
    a_changed_key_is_a_clean_start_at_the_same_address,
    a_changed_base_url_or_dialect_is_a_clean_start_that_is_not_proven,
    an_equal_base_url_and_key_are_no_clean_start,
    a_rename_to_a_taken_name_changes_nothing,
    a_channel_that_does_not_exist_is_not_changed,
    a_put_channel_of_another_address_is_a_clean_start_too,
    a_paused_channel_counts_for_submits_until_it_is_resumed,
    a_submit_needs_a_channel_that_serves_its_action,
    a_deleted_channel_is_gone_but_its_tasks_and_figures_stay,
    a_channel_that_tasks_need_is_not_deleted,
    late_looks_do_not_hold_up_a_deletion,
    a_deleted_channel_takes_no_submit,
    of_many_who_delete_a_channel_one_does,
    each_channel_is_listed_with_its_tasks,
    the_health_of_a_channel_follows_its_cool_downs,
}

/// The only channel, as it is listed at a moment.
async fn listed(world: &World, now: Millis) -> ListedChannel {
    only(ok!(world.store.listed_channels(now)))
}

async fn change(world: &World, id: ChannelId, change: ChannelChange) -> Changed {
    let name = world.channel_now(id).await.name;
    ok!(world.store.change_channel(&name, change))
}

/// A channel with every sign of trouble, at whose address a submit was accepted.
async fn troubled(world: &World) -> ChannelId {
    let id = world.channel().await;
    ok!(world
        .store
        .cool_down(id, bad_call(Calls::Submits, CoolDown::Refusal), NOW));
    let trouble = "UPDATE channels SET proven = TRUE, poll_cool_until = 5, poll_cool_count = 2,
                   trouble = 'it answered with status 401', trouble_at = 7";
    world.database.execute(trouble).await;
    id
}

/// Whether the channel is proven, and whether anything tells of trouble.
async fn proven_and_troubled(world: &World, id: ChannelId) -> (bool, bool) {
    let channel = world.channel_now(id).await;
    let numbers = [
        channel.cool_until.0,
        channel.poll_cool_until.0,
        channel.trouble_at.0,
    ];
    let is_troubled = numbers.iter().any(|number| *number != 0)
        || channel.cool_count + channel.poll_cool_count > 0
        || !channel.trouble.is_empty();
    (channel.proven, is_troubled)
}

async fn a_channel_reads_back_with_its_limits_and_actions(world: &World) {
    let new = NewChannel {
        max_tasks: 5,
        submits_per_minute: 60,
        polls_per_second: Some(0),
        actions: Actions::only([Action::LYRICS]),
        dialect: Some(SPOKEN),
        ..new_channel("a")
    };
    ok!(world.store.create_channel(new, NOW));
    ok!(world.store.create_channel(new_channel("b"), NOW));
    let channels = ok!(world.store.channels());
    let (limited, free) = (&channels[0], &channels[1]);
    assert_eq!((limited.max_tasks, limited.submits_per_minute), (5, 60));
    assert_eq!(limited.polls_per_second, Some(0));
    assert_eq!(limited.actions, Actions::only([Action::LYRICS]));
    assert_eq!((limited.dialect, free.dialect), (Some(SPOKEN), None));
    assert_eq!((free.max_tasks, free.submits_per_minute), (100_000, 0));
    assert_eq!(free.polls_per_second, None);
    assert_eq!(free.actions, Actions::default());
    assert_eq!((free.paused_until, free.proven), (Millis(0), false));
    assert_eq!((free.trouble.as_str(), free.trouble_at), ("", Millis(0)));
}

async fn a_change_changes_what_it_names_and_nothing_else(world: &World) {
    let (id, other) = (world.channel().await, world.channel().await);
    let before = format!("{:?}", world.channel_now(other).await);
    let all = ChannelChange {
        rename: Some("renamed".to_owned()),
        base_url: Some("https://moved.example".to_owned()),
        key: Some(Secret::new("another key")),
        priority: Some(-4),
        weight: Some(8),
        idempotent: Some(true),
        max_tasks: Some(3),
        submits_per_minute: Some(20),
        polls_per_second: Some(PollLimit::PerSecond(7)),
        actions: Some(Actions::only([Action::SONG])),
        speaks: Some(Speaks::Dialect(SPOKEN)),
    };
    assert_eq!(change(world, id, all).await, Changed::Done);
    let seen = || async {
        let channel = world.channel_now(id).await;
        let key = channel.key.expose().to_owned();
        let limits = (channel.max_tasks, channel.submits_per_minute);
        (
            (channel.name, channel.base_url, key),
            (channel.priority, channel.weight, channel.idempotent),
            (
                (limits, channel.dialect),
                channel.polls_per_second,
                channel.actions.stored(),
            ),
        )
    };
    let (named, order, limits) = seen().await;
    let expected = ("renamed", "https://moved.example", "another key");
    assert_eq!((&*named.0, &*named.1, &*named.2), expected);
    assert_eq!(order, (-4, 8, true));
    let expected = ((3, 20), Some(SPOKEN));
    assert_eq!(limits, (expected, Some(7), Some("song".to_owned())));

    let back = ChannelChange {
        polls_per_second: Some(PollLimit::Default),
        actions: Some(Actions::default()),
        speaks: Some(Speaks::Own),
        ..ChannelChange::default()
    };
    assert_eq!(change(world, id, back).await, Changed::Done);
    assert_eq!(seen().await, (named, order, (((3, 20), None), None, None)));
    assert_eq!(format!("{:?}", world.channel_now(other).await), before);
}

async fn a_changed_key_is_a_clean_start_at_the_same_address(world: &World) {
    let id = troubled(world).await;
    let key = ChannelChange {
        key: Some(Secret::new("another key")),
        ..ChannelChange::default()
    };
    assert_eq!(change(world, id, key).await, Changed::Done);
    assert_eq!(proven_and_troubled(world, id).await, (true, false));
}

async fn a_changed_base_url_or_dialect_is_a_clean_start_that_is_not_proven(world: &World) {
    let url = ChannelChange {
        base_url: Some("https://moved.example".to_owned()),
        ..ChannelChange::default()
    };
    let dialect = ChannelChange {
        speaks: Some(Speaks::Dialect(SPOKEN)),
        ..ChannelChange::default()
    };
    for new in [url, dialect] {
        let id = troubled(world).await;
        assert_eq!(change(world, id, new).await, Changed::Done);
        assert_eq!(proven_and_troubled(world, id).await, (false, false));
    }
}

async fn an_equal_base_url_and_key_are_no_clean_start(world: &World) {
    let id = troubled(world).await;
    let now = world.channel_now(id).await;
    let same = ChannelChange {
        base_url: Some(now.base_url),
        speaks: Some(Speaks::Own),
        key: Some(now.key),
        weight: Some(5),
        ..ChannelChange::default()
    };
    assert_eq!(change(world, id, same).await, Changed::Done);
    assert_eq!(proven_and_troubled(world, id).await, (true, true));
}

async fn a_rename_to_a_taken_name_changes_nothing(world: &World) {
    let (id, other) = (world.channel().await, world.channel().await);
    let taken = ChannelChange {
        rename: Some(world.channel_now(other).await.name),
        weight: Some(5),
        ..ChannelChange::default()
    };
    assert_eq!(change(world, id, taken).await, Changed::NameTaken);
    assert_eq!(world.channel_now(id).await.weight, 1);
}

async fn a_channel_that_does_not_exist_is_not_changed(world: &World) {
    let change = ChannelChange::default();
    let changed = ok!(world.store.change_channel("none", change));
    assert_eq!(changed, Changed::NoChannel);
    assert!(!ok!(world.store.pause_channel("none", UNTIL_RESUMED)));
    assert_eq!(ok!(world.store.delete_channel("none")), Deleted::NoChannel);
}

async fn a_put_channel_of_another_address_is_a_clean_start_too(world: &World) {
    let id = troubled(world).await;
    let before = world.channel_now(id).await;
    let put = |url: &str, key: &str| NewChannel {
        base_url: url.to_owned(),
        key: Secret::new(key),
        ..new_channel(&before.name)
    };
    let same = put(&before.base_url, before.key.expose());
    ok!(world.store.put_channel(same, NOW));
    assert_eq!(proven_and_troubled(world, id).await, (true, true));
    ok!(world
        .store
        .put_channel(put(&before.base_url, "another key"), NOW));
    assert_eq!(proven_and_troubled(world, id).await, (true, false));
    ok!(world
        .store
        .put_channel(put("https://moved.example", "another key"), NOW));
    assert_eq!(proven_and_troubled(world, id).await, (false, false));
}

async fn a_paused_channel_counts_for_submits_until_it_is_resumed(world: &World) {
    let (id, payer) = world.channel_and_payer(2 * SONG).await;
    let name = world.channel_now(id).await.name;
    assert!(ok!(world.store.pause_channel(&name, UNTIL_RESUMED)));
    assert_eq!(world.channel_now(id).await.paused_until, UNTIL_RESUMED);
    let paused = listed(world, NOW.after(Duration::from_hours(24 * 365))).await;
    assert!(paused.is_paused_until_resumed() && paused.channel.enabled);
    world.stored(&payer).await;
    assert!(ok!(world.store.pause_channel(&name, later(60))));
    assert_eq!(listed(world, later(59)).await.paused_until, Some(later(60)));
    assert_eq!(listed(world, later(60)).await.paused_until, None);
    assert!(ok!(world.store.pause_channel(&name, Millis(0))));
    assert_eq!(listed(world, NOW).await.paused_until, None);
}

async fn a_submit_needs_a_channel_that_serves_its_action(world: &World) {
    let payer = world.payer(10 * SONG).await;
    let id = world.channel().await;
    let serve = async |actions: &str| {
        let actions = Some(actions.parse().expect("they are names"));
        let change_to = ChannelChange {
            actions,
            ..ChannelChange::default()
        };
        assert_eq!(change(world, id, change_to).await, Changed::Done);
    };
    let is_taken = async |action: Action, pinned: Option<ChannelId>| {
        let task = NewTask {
            action,
            pinned,
            ..world.song(&payer)
        };
        match ok!(world.store.submit(task, NOW)) {
            Submitted::Stored { .. } => true,
            Submitted::NoChannel => false,
            other => panic!("{other:?}"),
        }
    };
    assert!(is_taken(Action::SONG, None).await && is_taken(Action::LYRICS, None).await);
    for (actions, song, lyrics) in [
        ("lyrics", false, true),
        ("song", true, false),
        ("stems,lyrics,song", true, true),
        // Parts of a name are no names.
        ("son,songs,_ong,a-lyrics", false, false),
    ] {
        serve(actions).await;
        for pinned in [None, Some(id)] {
            assert_eq!(is_taken(Action::SONG, pinned).await, song, "{actions}");
            assert_eq!(is_taken(Action::LYRICS, pinned).await, lyrics, "{actions}");
        }
    }
    world.channel().await;
    assert!(is_taken(Action::SONG, None).await, "another serves it");
    assert!(!is_taken(Action::SONG, Some(id)).await);
}

async fn a_deleted_channel_is_gone_but_its_tasks_and_figures_stay(world: &World) {
    let (id, payer) = world.channel_and_payer(2 * SONG).await;
    let name = world.channel_now(id).await.name;
    let song = world.polled(&payer, id).await;
    world.end([success(song.at, "[]")], NOW).await;
    assert_eq!(ok!(world.store.delete_channel(&name)), Deleted::Done);

    assert!(ok!(world.store.channels()).is_empty());
    assert!(ok!(world.store.listed_channels(NOW)).is_empty());
    assert!(!ok!(world.store.enable_channel(&name, true)));
    assert!(!ok!(world.store.pause_channel(&name, NOW)));
    let changed = ok!(world.store.change_channel(&name, ChannelChange::default()));
    assert_eq!(changed, Changed::NoChannel);
    assert_eq!(ok!(world.store.delete_channel(&name)), Deleted::NoChannel);
    let story = world.story(&song.id).await;
    assert_eq!(story.task.channel_id, id);
    assert_eq!(story.channel, Some(format!("{name} (deleted {id})")));
    world.assert_balanced().await;

    let again = ok!(world.store.create_channel(new_channel(&name), NOW));
    assert!(again.is_some_and(|again| again != id), "its name is free");
    assert_eq!(ok!(world.store.delete_channel(&name)), Deleted::Done);
}

async fn a_channel_that_tasks_need_is_not_deleted(world: &World) {
    let (id, payer) = world.channel_and_payer(10 * SONG).await;
    let other = world.channel().await;
    let name = world.channel_now(id).await.name;
    let delete = async || ok!(world.store.delete_channel(&name));
    // One that waits and may go elsewhere, and those of another channel, hold up nothing.
    world.stored(&payer).await;
    world.sending(&payer, other).await;
    let (sending, _) = world.sending(&payer, id).await;
    let accepted = world.accepted(&payer, id).await;
    let pinned = NewTask {
        pinned: Some(id),
        ..world.song(&payer)
    };
    let pinned = world.store_task(pinned).await;
    let needed = |under_way, waiting| Deleted::Needed { under_way, waiting };
    assert_eq!(delete().await, needed(2, 1));
    world.end([failure(sending, "no")], NOW).await;
    assert_eq!(delete().await, needed(1, 1));
    assert!(world.job(id, accepted.at).await.is_some());
    world.end([success(accepted.at, "[]")], NOW).await;
    assert_eq!(delete().await, needed(0, 1));
    assert!(world.channel_now(id).await.enabled, "nothing was changed");
    world
        .end([failure(crate::values::first_turn(pinned), "no")], NOW)
        .await;
    assert_eq!(delete().await, Deleted::Done);
}

async fn late_looks_do_not_hold_up_a_deletion(world: &World) {
    let song = world.polled_song().await;
    world.end([given_up(song.at)], NOW).await;
    assert!(world.story(&song.id).await.late.is_some());
    let name = world.channel_now(song.channel).await.name;
    assert_eq!(ok!(world.store.delete_channel(&name)), Deleted::Done);
}

async fn a_deleted_channel_takes_no_submit(world: &World) {
    let (id, payer) = world.channel_and_payer(2 * SONG).await;
    let name = world.channel_now(id).await.name;
    assert_eq!(ok!(world.store.delete_channel(&name)), Deleted::Done);
    for pinned in [None, Some(id)] {
        let song = NewTask {
            pinned,
            ..world.song(&payer)
        };
        assert_eq!(ok!(world.store.submit(song, NOW)), Submitted::NoChannel);
    }
}

async fn of_many_who_delete_a_channel_one_does(world: &World) {
    let name = world.channel_now(world.channel().await).await.name;
    let delete = |_, store: shared::store::Store| {
        let name = name.clone();
        async move { ok!(store.delete_channel(&name)) }
    };
    let deleted = world.at_once(8, delete).await;
    let done = deleted.iter().filter(|one| **one == Deleted::Done);
    assert_eq!(done.count(), 1, "{deleted:?}");
}

async fn each_channel_is_listed_with_its_tasks(world: &World) {
    let (id, payer) = world.channel_and_payer(10 * SONG).await;
    let limited = ChannelChange {
        max_tasks: Some(4),
        ..ChannelChange::default()
    };
    assert_eq!(change(world, id, limited).await, Changed::Done);
    world.stored(&payer).await;
    world.sending(&payer, id).await;
    world.accepted(&payer, id).await;
    for _ in 0..3 {
        let pinned = NewTask {
            pinned: Some(id),
            ..world.song(&payer)
        };
        world.store_task(pinned).await;
    }
    let other = world.channel().await;
    let channels = ok!(world.store.listed_channels(NOW));
    let numbers = |listed: &ListedChannel| {
        let of = (listed.running, listed.waiting, listed.limit);
        (listed.channel.id, of)
    };
    let found: Vec<_> = channels.iter().map(numbers).collect();
    assert_eq!(
        found,
        [(id, (2, 3, Some(4))), (other, (0, 0, Some(100_000)))]
    );
}

async fn the_health_of_a_channel_follows_its_cool_downs(world: &World) {
    let id = world.channel().await;
    let health = async |seconds| listed(world, later(seconds)).await.health;
    assert_eq!(health(0).await, Health::Closed);
    assert_eq!(listed(world, NOW).await.last_trouble, None);
    ok!(world
        .store
        .cool_down(id, bad_call(Calls::Submits, CoolDown::Refusal), NOW));
    assert_eq!(
        (health(9).await, health(10).await),
        (Health::Open, Health::HalfOpen)
    );
    ok!(world.store.warm_up(id, Calls::Submits));
    assert_eq!(health(10).await, Health::Closed);
    let trouble = "UPDATE channels SET trouble = 'it answered with status 401', trouble_at = 7";
    world.database.execute(trouble).await;
    let expected = LastTrouble {
        what: "it answered with status 401".to_owned(),
        at: 7,
    };
    assert_eq!(listed(world, NOW).await.last_trouble, Some(expected));
}
