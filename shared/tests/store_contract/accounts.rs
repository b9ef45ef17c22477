//! Users, access tokens, API keys, grants.

use shared::store::accounts::{Granted, NewUser, Role};
use shared::task::{KeyId, Quota};

use crate::database::contract;
use crate::world::{NOW, SONG, World, failure, only, quota};

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
    let id = world
        .store
        .create_user(new, NOW)
        .await
        .expect("it answers")
        .expect("it is made");

    let by_name = world
        .store
        .user_by_name("ada")
        .await
        .expect("it reads")
        .expect("it is there");
    assert_eq!(
        (by_name.id, by_name.name.as_str(), by_name.role),
        (id, "ada", Role::Admin)
    );
    assert_eq!(
        (by_name.enabled, by_name.quota, by_name.used_quota),
        (true, quota(7), Quota::ZERO)
    );
    let by_token = world.store.user_by_token(token).await.expect("it reads");
    assert_eq!(by_token, Some(by_name));

    assert_eq!(
        world.store.user_by_name("Ada").await.expect("it reads"),
        None
    );
    assert_eq!(
        world
            .store
            .user_by_token(world.digest())
            .await
            .expect("it reads"),
        None
    );
}

async fn what_a_user_begins_with_stands_in_the_ledger(world: &World) {
    world
        .store
        .create_user(new_user(world, "ada", 7), NOW)
        .await
        .expect("it is made");
    world
        .store
        .create_user(new_user(world, "bob", 0), NOW)
        .await
        .expect("it is made");
    let granted = "SELECT count(*) FROM ledger WHERE kind = 'grant' AND amount = 7";
    assert_eq!(world.database.number(granted).await, 1);
    assert_eq!(
        world.database.number("SELECT count(*) FROM ledger").await,
        1
    );
}

async fn a_name_that_is_taken_makes_nothing(world: &World) {
    world
        .store
        .create_user(new_user(world, "ada", 7), NOW)
        .await
        .expect("it is made");
    let second = world
        .store
        .create_user(new_user(world, "ada", 9), NOW)
        .await;
    assert_eq!(second.expect("it answers"), None);
    assert_eq!(
        only(world.store.users().await.expect("it reads")).quota,
        quota(7)
    );
    assert_eq!(
        world.database.number("SELECT count(*) FROM ledger").await,
        1
    );
}

async fn of_many_who_want_one_name_one_gets_it(world: &World) {
    let made = world
        .at_once(8, |_, store| {
            let user = new_user(world, "ada", 7);
            async move { store.create_user(user, NOW).await.expect("it answers") }
        })
        .await;
    assert_eq!(made.iter().flatten().count(), 1, "{made:?}");
}

async fn users_are_listed_by_number(world: &World) {
    for name in ["c", "a", "b"] {
        world
            .store
            .create_user(new_user(world, name, 0), NOW)
            .await
            .expect("it is made");
    }
    let users = world.store.users().await.expect("it reads");
    let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
    assert!(users.is_sorted_by_key(|user| user.id));
}

async fn a_grant_raises_the_balance_and_stands_in_the_ledger(world: &World) {
    let payer = world.payer(7).await;
    let given = world
        .store
        .grant(&payer.name, quota(5), NOW)
        .await
        .expect("it answers");
    assert_eq!(given, Granted::Given(quota(12)));
    assert_eq!(world.money(&payer).await, (12, 0, 0));
    let granted = "SELECT count(*) FROM ledger WHERE kind = 'grant' AND amount = 5";
    assert_eq!(world.database.number(granted).await, 1);
}

async fn a_grant_to_nobody_gives_nothing(world: &World) {
    let given = world
        .store
        .grant("nobody", quota(5), NOW)
        .await
        .expect("it answers");
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

    let given = world.store.grant(&payer.name, quota(most + 1), NOW).await;
    assert_eq!(given.expect("it answers"), Granted::TooMuch);
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    let given = world.store.grant(&payer.name, quota(most), NOW).await;
    assert_eq!(given.expect("it answers"), Granted::Given(quota(most)));
    let given = world.store.grant(&payer.name, quota(1), NOW).await;
    assert_eq!(given.expect("it answers"), Granted::TooMuch);
    let given = world.store.grant(&payer.name, Quota::MAX, NOW).await;
    assert_eq!(given.expect("it answers"), Granted::TooMuch);
}

async fn a_refund_finds_room_beside_the_largest_balance(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(Quota::MAX.get()).await;
    let (at, _) = world.sending(&payer, channel).await;
    let settled = world
        .store
        .settle(vec![], vec![failure(at, "no")], NOW)
        .await;
    assert_eq!(settled.expect("it settles").finished, [at.row]);
    assert_eq!(world.money(&payer).await, (Quota::MAX.get(), 0, 0));
}

async fn concurrent_grants_all_count(world: &World) {
    let payer = world.payer(0).await;
    let given = world
        .at_once(8, |_, store| {
            let name = payer.name.clone();
            async move { store.grant(&name, quota(5), NOW).await.expect("it answers") }
        })
        .await;
    assert!(given.contains(&Granted::Given(quota(40))), "{given:?}");
    assert_eq!(world.user(&payer).await.quota, quota(40));
}

async fn a_disabled_user_is_still_found_and_says_so(world: &World) {
    let new = new_user(world, "ada", 0);
    let token = new.token;
    world.store.create_user(new, NOW).await.expect("it is made");

    assert!(
        world
            .store
            .enable_user("ada", false)
            .await
            .expect("it answers")
    );
    let user = world
        .store
        .user_by_token(token)
        .await
        .expect("it reads")
        .expect("it is there");
    assert!(!user.enabled);
    assert!(
        world
            .store
            .enable_user("ada", true)
            .await
            .expect("it answers")
    );
    let user = world
        .store
        .user_by_token(token)
        .await
        .expect("it reads")
        .expect("it is there");
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
    world.store.create_user(new, NOW).await.expect("it is made");

    assert!(
        world
            .store
            .replace_token("ada", fresh)
            .await
            .expect("it answers")
    );
    assert_eq!(
        world.store.user_by_token(old).await.expect("it reads"),
        None
    );
    assert!(
        world
            .store
            .user_by_token(fresh)
            .await
            .expect("it reads")
            .is_some()
    );
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
    let keys = world.store.keys(payer.user).await.expect("it reads");
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    assert_eq!(ids, [payer.key, second]);
    let keys = world.store.keys(stranger.user).await.expect("it reads");
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
    assert!(world.store.enable_key(id, false).await.expect("it answers"));
    assert!(
        world
            .store
            .enable_user(&payer.name, false)
            .await
            .expect("it answers")
    );

    let holder = world
        .store
        .key_holder(digest)
        .await
        .expect("it reads")
        .expect("it is there");
    assert_eq!(
        (holder.user.id, holder.user.enabled, holder.user.quota),
        (payer.user, false, quota(7))
    );
    assert_eq!(
        (holder.key.id, holder.key.enabled, holder.key.quota),
        (id, false, Some(quota(9)))
    );
    assert!(
        world
            .store
            .key_holder(world.digest())
            .await
            .expect("it reads")
            .is_none()
    );
}

async fn a_key_is_disabled_and_enabled_by_its_number(world: &World) {
    let payer = world.payer(0).await;
    assert!(
        world
            .store
            .enable_key(payer.key, false)
            .await
            .expect("it answers")
    );
    assert!(!world.key(&payer).await.enabled);
    assert!(
        world
            .store
            .enable_key(payer.key, true)
            .await
            .expect("it answers")
    );
    assert!(world.key(&payer).await.enabled);
    assert!(
        !world
            .store
            .enable_key(KeyId(999), true)
            .await
            .expect("it answers")
    );
}
