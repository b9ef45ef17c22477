//! Users, access tokens, API keys, grants.

use shared::store::accounts::{
    ApiKey, Expiry, Granted, KeyChange, KeyRate, KeySet, Limit, NewKey, NewUser, Role, User,
    UserChange,
};
use shared::store::submissions::Submitted;
use shared::task::{KeyId, Quota, UserId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, later, only, quota, stored};
use crate::world::{Payer, World};

contract! {
    a_user_is_found_by_name_and_by_token,
    what_a_user_begins_with_stands_in_the_ledger,
    a_name_that_is_taken_makes_nothing,
    of_many_who_want_one_name_one_gets_it,
    users_are_listed_by_number,
    a_grant_raises_the_balance_and_stands_in_the_ledger,
    a_grant_to_nobody_gives_nothing,
    a_grant_never_makes_more_than_every_reader_holds_exactly,
    a_refund_finds_room_beside_the_largest_balance,
    concurrent_grants_all_count,
    a_disabled_user_is_still_found_and_says_so,
    a_replaced_token_opens_nothing_any_more,
    a_key_has_a_limit_of_its_own_or_none,
    keys_are_listed_by_number_to_their_user_alone,
    a_key_names_its_holder_enabled_or_not,
    a_key_is_disabled_and_enabled_by_its_number,
    what_a_change_of_a_user_does_not_name_stays,
    what_a_change_of_a_key_does_not_name_stays,
    a_key_s_limit_is_never_set_below_what_was_spent,
    a_key_s_limit_and_concurrent_submits_agree,
}

fn new_user(world: &World, name: &str, balance: i64) -> NewUser {
    NewUser {
        name: name.to_owned(),
        role: Role::User,
        quota: quota(balance),
        token: world.digest(),
    }
}

async fn create(world: &World, name: &str, balance: i64) -> Option<UserId> {
    let user = new_user(world, name, balance);
    ok!(world.store.create_user(user, NOW))
}

async fn assert_ledger(world: &World, entries: i64) {
    let count = "SELECT count(*) FROM ledger";
    assert_eq!(world.database.number(count).await, entries);
}

/// Fails unless the ledger has one grant of this amount.
async fn assert_granted(world: &World, amount: i64) {
    let count = format!("SELECT count(*) FROM ledger WHERE kind = 'grant' AND amount = {amount}");
    assert_eq!(world.database.number(&count).await, 1);
}

async fn a_user_is_found_by_name_and_by_token(world: &World) {
    let new = NewUser {
        role: Role::Admin,
        ..new_user(world, "ada", 7)
    };
    let token = new.token;
    let id = ok!(world.store.create_user(new, NOW)).expect("it is made");

    let expected = User {
        id,
        name: "ada".to_owned(),
        role: Role::Admin,
        enabled: true,
        quota: quota(7),
        used_quota: Quota::ZERO,
        max_tasks: 0,
        max_waiting: 0,
    };
    let by_name = ok!(world.store.user_by_name("ada"));
    assert_eq!(by_name.as_ref(), Some(&expected));
    let by_token = ok!(world.store.user_by_token(token));
    assert_eq!(by_token, Some(expected));

    assert_eq!(ok!(world.store.user_by_name("Ada")), None);
    assert_eq!(ok!(world.store.user_by_token(world.digest())), None);
}

async fn what_a_user_begins_with_stands_in_the_ledger(world: &World) {
    create(world, "ada", 7).await;
    create(world, "bob", 0).await;
    assert_granted(world, 7).await;
    assert_ledger(world, 1).await;
}

async fn a_name_that_is_taken_makes_nothing(world: &World) {
    create(world, "ada", 7).await;
    assert_eq!(create(world, "ada", 9).await, None);
    assert_eq!(only(ok!(world.store.users())).quota, quota(7));
    assert_ledger(world, 1).await;
}

async fn of_many_who_want_one_name_one_gets_it(world: &World) {
    let made = world
        .at_once(8, |_, store| {
            let user = new_user(world, "ada", 7);
            async move { ok!(store.create_user(user, NOW)) }
        })
        .await;
    assert_eq!(made.iter().flatten().count(), 1, "{made:?}");
}

async fn users_are_listed_by_number(world: &World) {
    for name in ["c", "a", "b"] {
        create(world, name, 0).await;
    }
    let users = ok!(world.store.users());
    let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
    assert!(users.is_sorted_by_key(|user| user.id));
}

async fn a_grant_raises_the_balance_and_stands_in_the_ledger(world: &World) {
    let payer = world.payer(7).await;
    let given = ok!(world.store.grant(&payer.name, quota(5), NOW));
    assert_eq!(given, Granted::Given(quota(12)));
    assert_eq!(world.money(&payer).await, (12, 0, 0));
    assert_granted(world, 5).await;
}

async fn a_grant_to_nobody_gives_nothing(world: &World) {
    let given = ok!(world.store.grant("nobody", quota(5), NOW));
    assert_eq!(given, Granted::NoSuchUser);
    assert_ledger(world, 0).await;
}

async fn a_grant_never_makes_more_than_every_reader_holds_exactly(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG).await;
    world.stored(&payer).await;
    let most = Quota::MAX.get() - SONG;
    let grant = |amount| world.store.grant(&payer.name, quota(amount), NOW);

    assert_eq!(ok!(grant(most + 1)), Granted::TooMuch);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(ok!(grant(most)), Granted::Given(quota(most)));
    assert_eq!(ok!(grant(1)), Granted::TooMuch);
    assert_eq!(ok!(grant(Quota::MAX.get())), Granted::TooMuch);
}

async fn a_refund_finds_room_beside_the_largest_balance(world: &World) {
    let most = Quota::MAX.get();
    let (channel, payer) = world.channel_and_payer(most).await;
    let (at, _) = world.sending(&payer, channel).await;
    assert_eq!(world.end([failure(at, "no")], NOW).await, [at.row]);
    assert_eq!(world.money(&payer).await, (most, 0, 0));
}

async fn concurrent_grants_all_count(world: &World) {
    let payer = world.payer(0).await;
    let given = world
        .at_once(8, |_, store| {
            let name = payer.name.clone();
            async move { ok!(store.grant(&name, quota(5), NOW)) }
        })
        .await;
    assert!(given.contains(&Granted::Given(quota(40))), "{given:?}");
    assert_eq!(world.user(&payer).await.quota, quota(40));
}

async fn a_disabled_user_is_still_found_and_says_so(world: &World) {
    let new = new_user(world, "ada", 0);
    let token = new.token;
    ok!(world.store.create_user(new, NOW));

    for enabled in [false, true] {
        assert!(ok!(world.store.enable_user("ada", enabled)));
        let user = ok!(world.store.user_by_token(token)).expect("it is there");
        assert_eq!(user.enabled, enabled);
    }
    assert!(!ok!(world.store.enable_user("nobody", true)));
}

async fn a_replaced_token_opens_nothing_any_more(world: &World) {
    let new = new_user(world, "ada", 0);
    let (old, fresh) = (new.token, world.digest());
    ok!(world.store.create_user(new, NOW));

    assert!(ok!(world.store.replace_token("ada", fresh)));
    assert_eq!(ok!(world.store.user_by_token(old)), None);
    assert!(ok!(world.store.user_by_token(fresh)).is_some());
    let of_nobody = world.store.replace_token("nobody", world.digest());
    assert!(!ok!(of_nobody));
}

async fn a_key_has_a_limit_of_its_own_or_none(world: &World) {
    let (_, free) = world.channel_and_payer(SONG).await;
    let limited = world.payer_with(SONG, Some(SONG + 3)).await;
    for (payer, left) in [(&free, None), (&limited, Some(quota(3)))] {
        world.stored(payer).await;
        let key = world.key(payer).await;
        assert_eq!((key.quota, key.used_quota), (left, quota(SONG)));
        assert_eq!((key.label.as_str(), key.enabled), ("a key", true));
    }
}

async fn keys_are_listed_by_number_to_their_user_alone(world: &World) {
    let (payer, stranger) = (world.payer(0).await, world.payer(0).await);
    let second = NewKey::new(payer.user, "b", world.digest());
    let second = ok!(world.store.create_key(second, NOW));
    for (user, expected) in [
        (payer.user, vec![payer.key, second]),
        (stranger.user, vec![stranger.key]),
    ] {
        let keys = ok!(world.store.keys(user)).into_iter();
        assert_eq!(keys.map(|key| key.id).collect::<Vec<_>>(), expected);
    }
}

async fn a_key_names_its_holder_enabled_or_not(world: &World) {
    let payer = world.payer(7).await;
    let digest = world.digest();
    let new = NewKey {
        limit: Some(quota(9)),
        expires_at: Some(later(60)),
        ..NewKey::new(payer.user, "a", digest)
    };
    let key = ok!(world.store.create_key(new, NOW));
    assert!(ok!(world.store.enable_key(key, false)));
    assert!(ok!(world.store.enable_user(&payer.name, false)));

    let holder = ok!(world.store.key_holder(digest)).expect("it is there");
    assert_eq!((holder.user.id, holder.user.enabled), (payer.user, false));
    assert_eq!(holder.user.quota, quota(7));
    assert_eq!((holder.key.id, holder.key.enabled), (key, false));
    assert_eq!(holder.key.quota, Some(quota(9)));
    assert_eq!(holder.key.expires_at, Some(later(60)));
    assert_eq!(world.key(&payer).await.expires_at, None);
    assert!(ok!(world.store.key_holder(world.digest())).is_none());
}

async fn a_key_is_disabled_and_enabled_by_its_number(world: &World) {
    let payer = world.payer(0).await;
    for enabled in [false, true] {
        assert!(ok!(world.store.enable_key(payer.key, enabled)));
        assert_eq!(world.key(&payer).await.enabled, enabled);
    }
    assert!(!ok!(world.store.enable_key(KeyId(i64::MAX), true)));
}

async fn what_a_change_of_a_user_does_not_name_stays(world: &World) {
    let (payer, other) = (world.payer(7).await, world.payer(7).await);
    for (max_tasks, max_waiting, expected) in [
        (Some(3), None, (3, 0)),
        (None, Some(u32::MAX), (3, u32::MAX)),
        (None, None, (3, u32::MAX)),
        (Some(0), Some(1), (0, 1)),
    ] {
        let change = UserChange {
            max_tasks,
            max_waiting,
        };
        let set = ok!(world.store.set_user(&payer.name, change));
        let user = world.user(&payer).await;
        assert_eq!((user.max_tasks, user.max_waiting), expected);
        assert_eq!(set, Some(user));
    }
    let other = world.user(&other).await;
    assert_eq!((other.max_tasks, other.max_waiting), (0, 0));
    let change = UserChange::default();
    assert_eq!(ok!(world.store.set_user("nobody", change)), None);
}

/// Changes the payer's key, which must be possible; returns what it is then.
async fn set_key(world: &World, payer: &Payer, change: KeyChange) -> ApiKey {
    let set = ok!(world.store.set_key(payer.key, change));
    let key = world.key(payer).await;
    assert_eq!(set, KeySet::Done(key.clone()));
    key
}

async fn what_a_change_of_a_key_does_not_name_stays(world: &World) {
    let (payer, other) = (world.payer(7).await, world.payer(7).await);
    let digest = world.digest();
    let nothing = KeyChange::default();
    let mut expected = world.key(&payer).await;
    assert_eq!((expected.max_tasks, expected.rate), (0, None));
    for (change, apply) in [
        (
            KeyChange {
                limit: Some(Limit::At(quota(9))),
                ..nothing
            },
            (|key| key.quota = Some(quota(9))) as fn(&mut ApiKey),
        ),
        (
            KeyChange {
                expires: Some(Expiry::At(later(60))),
                ..nothing
            },
            |key| key.expires_at = Some(later(60)),
        ),
        (
            KeyChange {
                max_tasks: Some(4),
                ..nothing
            },
            |key| key.max_tasks = 4,
        ),
        (
            KeyChange {
                rate: Some(KeyRate::ASecond(0)),
                ..nothing
            },
            |key| key.rate = Some(0),
        ),
        (nothing, |_| {}),
        (
            KeyChange {
                limit: Some(Limit::None),
                expires: Some(Expiry::Never),
                ..nothing
            },
            |key| (key.quota, key.expires_at) = (None, None),
        ),
        (
            KeyChange {
                rate: Some(KeyRate::Default),
                max_tasks: Some(0),
                ..nothing
            },
            |key| (key.rate, key.max_tasks) = (None, 0),
        ),
    ] {
        apply(&mut expected);
        assert_eq!(set_key(world, &payer, change).await, expected);
    }
    // What is set is what a request with the key finds.
    let key = ok!(world
        .store
        .create_key(NewKey::new(payer.user, "b", digest), NOW));
    let change = KeyChange {
        max_tasks: Some(2),
        rate: Some(KeyRate::ASecond(7)),
        ..nothing
    };
    ok!(world.store.set_key(key, change));
    let limits = UserChange {
        max_tasks: Some(5),
        max_waiting: Some(6),
    };
    ok!(world.store.set_user(&payer.name, limits));
    let holder = ok!(world.store.key_holder(digest)).expect("it is there");
    assert_eq!((holder.key.max_tasks, holder.key.rate), (2, Some(7)));
    assert_eq!((holder.user.max_tasks, holder.user.max_waiting), (5, 6));

    assert_eq!(world.key(&other).await.rate, None);
    let of_nobody = ok!(world.store.set_key(KeyId(i64::MAX), change));
    assert_eq!(of_nobody, KeySet::NoSuchKey);
}

async fn a_key_s_limit_is_never_set_below_what_was_spent(world: &World) {
    let (_, payer) = world.channel_and_payer(10 * SONG).await;
    world.stored(&payer).await;
    let limit = |amount| KeyChange {
        limit: Some(Limit::At(quota(amount))),
        rate: Some(KeyRate::ASecond(3)),
        ..KeyChange::default()
    };
    let refused = ok!(world.store.set_key(payer.key, limit(SONG - 1)));
    assert_eq!(refused, KeySet::LimitBelowUsed(quota(SONG)));
    let key = world.key(&payer).await;
    assert_eq!((key.quota, key.rate), (None, None));

    assert_eq!(
        set_key(world, &payer, limit(SONG)).await.quota,
        Some(quota(0))
    );
    let refused = ok!(world.store.submit(world.song(&payer), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);
    let key = set_key(world, &payer, limit(2 * SONG)).await;
    assert_eq!(
        (key.quota, key.used_quota),
        (Some(quota(SONG)), quota(SONG))
    );
    world.stored(&payer).await;
}

async fn a_key_s_limit_and_concurrent_submits_agree(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    let limit = KeyChange {
        limit: Some(Limit::At(quota(4 * SONG))),
        ..KeyChange::default()
    };
    let key = payer.key;
    let setting = world.at_once(4, |_, store| async move { ok!(store.set_key(key, limit)) });
    let submitting = world.submit_at_once(12, || world.song(&payer), NOW);
    let (set, submitted) = tokio::join!(setting, submitting);
    let spent = i64::try_from(stored(&submitted)).expect("it is a small number") * SONG;
    let key = world.key(&payer).await;
    assert_eq!(key.used_quota, quota(spent));
    let is_set = set.iter().any(|set| matches!(set, KeySet::Done(_)));
    let left = is_set.then(|| quota(4 * SONG - spent));
    assert_eq!(key.quota, left, "{set:?}");
}
