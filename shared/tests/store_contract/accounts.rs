//! Users, access tokens, API keys, grants.

use shared::store::accounts::{Granted, NewUser, Role};
use shared::task::{KeyId, Quota};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, only, quota};
use crate::world::World;

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
}

fn new_user(world: &World, name: &str, balance: i64) -> NewUser {
    NewUser {
        name: name.to_owned(),
        role: Role::User,
        quota: quota(balance),
        token: world.digest(),
    }
}

async fn a_user_is_found_by_name_and_by_token(world: &World) {
    let new = NewUser {
        role: Role::Admin,
        ..new_user(world, "ada", 7)
    };
    let token = new.token;
    let id = ok!(world.store.create_user(new, NOW)).expect("it is made");

    let by_name = ok!(world.store.user_by_name("ada")).expect("it is there");
    assert_eq!(
        (by_name.id, by_name.name.as_str(), by_name.role),
        (id, "ada", Role::Admin)
    );
    assert_eq!(
        (by_name.enabled, by_name.quota, by_name.used_quota),
        (true, quota(7), Quota::ZERO)
    );
    let by_token = ok!(world.store.user_by_token(token));
    assert_eq!(by_token, Some(by_name));

    assert_eq!(ok!(world.store.user_by_name("Ada")), None);
    assert_eq!(ok!(world.store.user_by_token(world.digest())), None);
}

async fn what_a_user_begins_with_stands_in_the_ledger(world: &World) {
    ok!(world.store.create_user(new_user(world, "ada", 7), NOW));
    ok!(world.store.create_user(new_user(world, "bob", 0), NOW));
    let granted = "SELECT count(*) FROM ledger WHERE kind = 'grant' AND amount = 7";
    assert_eq!(world.database.number(granted).await, 1);
    assert_eq!(
        world.database.number("SELECT count(*) FROM ledger").await,
        1
    );
}

async fn a_name_that_is_taken_makes_nothing(world: &World) {
    ok!(world.store.create_user(new_user(world, "ada", 7), NOW));
    let second = ok!(world.store.create_user(new_user(world, "ada", 9), NOW));
    assert_eq!(second, None);
    assert_eq!(only(ok!(world.store.users())).quota, quota(7));
    assert_eq!(
        world.database.number("SELECT count(*) FROM ledger").await,
        1
    );
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
        ok!(world.store.create_user(new_user(world, name, 0), NOW));
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
    let granted = "SELECT count(*) FROM ledger WHERE kind = 'grant' AND amount = 5";
    assert_eq!(world.database.number(granted).await, 1);
}

async fn a_grant_to_nobody_gives_nothing(world: &World) {
    let given = ok!(world.store.grant("nobody", quota(5), NOW));
    assert_eq!(given, Granted::NoSuchUser);
    assert_eq!(
        world.database.number("SELECT count(*) FROM ledger").await,
        0
    );
}

async fn a_grant_never_makes_more_than_every_reader_holds_exactly(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG).await;
    world.stored(&payer).await;
    let most = Quota::MAX.get() - SONG;

    let given = ok!(world.store.grant(&payer.name, quota(most + 1), NOW));
    assert_eq!(given, Granted::TooMuch);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    let given = ok!(world.store.grant(&payer.name, quota(most), NOW));
    assert_eq!(given, Granted::Given(quota(most)));
    let given = ok!(world.store.grant(&payer.name, quota(1), NOW));
    assert_eq!(given, Granted::TooMuch);
    let given = ok!(world.store.grant(&payer.name, Quota::MAX, NOW));
    assert_eq!(given, Granted::TooMuch);
}

async fn a_refund_finds_room_beside_the_largest_balance(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(Quota::MAX.get()).await;
    let (at, _) = world.sending(&payer, channel).await;
    let settled = ok!(world.store.settle(vec![], vec![failure(at, "no")], NOW));
    assert_eq!(settled.finished, [at.row]);
    assert_eq!(world.money(&payer).await, (Quota::MAX.get(), 0, 0));
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

    assert!(ok!(world.store.enable_user("ada", false)));
    let user = ok!(world.store.user_by_token(token)).expect("it is there");
    assert!(!user.enabled);
    assert!(ok!(world.store.enable_user("ada", true)));
    let user = ok!(world.store.user_by_token(token)).expect("it is there");
    assert!(user.enabled);
    assert!(
        !world
            .store
            .enable_user("nobody", true)
            .await
            .expect("it answers")
    );
}

async fn a_replaced_token_opens_nothing_any_more(world: &World) {
    let new = new_user(world, "ada", 0);
    let (old, fresh) = (new.token, world.digest());
    ok!(world.store.create_user(new, NOW));

    assert!(ok!(world.store.replace_token("ada", fresh)));
    assert_eq!(ok!(world.store.user_by_token(old)), None);
    assert!(ok!(world.store.user_by_token(fresh)).is_some());
    assert!(
        !world
            .store
            .replace_token("nobody", world.digest())
            .await
            .expect("it answers")
    );
}

async fn a_key_has_a_limit_of_its_own_or_none(world: &World) {
    world.channel().await;
    let free = world.payer(SONG).await;
    let bound = world.payer_with(SONG, Some(SONG + 3)).await;
    world.stored(&free).await;
    world.stored(&bound).await;

    let (free, bound) = (world.key(&free).await, world.key(&bound).await);
    assert_eq!((free.quota, free.used_quota), (None, quota(SONG)));
    assert_eq!(
        (bound.quota, bound.used_quota),
        (Some(quota(3)), quota(SONG))
    );
    assert_eq!((bound.label.as_str(), bound.enabled), ("a key", true));
}

async fn keys_are_listed_by_number_to_their_user_alone(world: &World) {
    let (payer, stranger) = (world.payer(0).await, world.payer(0).await);
    let second = world
        .store
        .create_key(payer.user, "b", world.digest(), None, NOW)
        .await;
    let second = second.expect("it is made");
    let keys = ok!(world.store.keys(payer.user));
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, [payer.key, second]);
    let keys = ok!(world.store.keys(stranger.user));
    assert_eq!(only(keys).id, stranger.key);
}

async fn a_key_names_its_holder_enabled_or_not(world: &World) {
    let payer = world.payer(7).await;
    let digest = world.digest();
    let id = world
        .store
        .create_key(payer.user, "a", digest, Some(quota(9)), NOW)
        .await;
    let id = id.expect("it is made");
    assert!(ok!(world.store.enable_key(id, false)));
    assert!(ok!(world.store.enable_user(&payer.name, false)));

    let holder = ok!(world.store.key_holder(digest)).expect("it is there");
    assert_eq!(
        (holder.user.id, holder.user.enabled, holder.user.quota),
        (payer.user, false, quota(7))
    );
    assert_eq!(
        (holder.key.id, holder.key.enabled, holder.key.quota),
        (id, false, Some(quota(9)))
    );
    assert!(ok!(world.store.key_holder(world.digest())).is_none());
}

async fn a_key_is_disabled_and_enabled_by_its_number(world: &World) {
    let payer = world.payer(0).await;
    assert!(ok!(world.store.enable_key(payer.key, false)));
    assert!(!world.key(&payer).await.enabled);
    assert!(ok!(world.store.enable_key(payer.key, true)));
    assert!(world.key(&payer).await.enabled);
    assert!(
        !world
            .store
            .enable_key(KeyId(999), true)
            .await
            .expect("it answers")
    );
}
