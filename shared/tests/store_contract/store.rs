//! The Store as a whole: migrations, health, closing.

use shared::store::accounts::{NewUser, Role};
use shared::store::prices::Price;
use shared::store::submissions::{NewTask, Submitted};
use shared::store::{Plans, Store, StoreError};
use shared::task::{Action, KeyId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, quota};
use crate::world::{Payer, World};

contract! {
    tables_that_are_up_to_date_stay_as_they_are,
    many_programs_that_start_at_once_make_the_tables_once,
    programs_of_the_version_before_go_on_while_any_action_is_allowed,
    a_database_that_answers_says_so,
    a_closed_store_says_that_it_cannot_be_reached_and_keeps_what_it_has,
    a_closing_store_waits_for_work_under_way,
    a_database_that_is_ahead_of_the_program_is_refused,
}

async fn tables_that_are_up_to_date_stay_as_they_are(world: &World) {
    let payer = world.payer(7).await;
    ok!(world.store.migrate());
    ok!(world.other.migrate());
    assert_eq!(world.money(&payer).await, (7, 0, 0));
}

/// A Store on the same database, as in a third process.
async fn third(world: &World) -> Store {
    let opened = Store::open(&world.database.url(), 4, Plans::Kept).await;
    opened.expect("the database opens")
}

async fn many_programs_that_start_at_once_make_the_tables_once(world: &World) {
    let fresh = world.database.sibling().await;
    let url = fresh.url();
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = Store::open(&url, 2, Plans::Kept).await;
                let store = store.expect("the database opens");
                ok!(store.migrate());
                ok!(store.prices());
                store.close().await;
            })
        })
        .collect();
    for one in starting {
        one.await.expect("it starts");
    }
    fresh.remove().await;
}

/// A user whose API key was made by a program that knows no keys that expire.
async fn payer_of_the_version_before(world: &World, balance: i64) -> Payer {
    let name = world.name("user");
    let user = NewUser {
        name: name.clone(),
        role: Role::User,
        quota: quota(balance),
        token: world.digest(),
    };
    let user = ok!(world.store.create_user(user, NOW)).expect("the name is new");
    let key = "INSERT INTO api_keys (user_id, label, digest, created_at)
               SELECT id, 'a key', token_digest, 0 FROM users";
    world.database.execute(key).await;
    let key = world.database.number("SELECT id FROM api_keys").await;
    Payer {
        user,
        name,
        key: KeyId(key),
    }
}

/// Migration 5: the database does not know the actions any more.
async fn programs_of_the_version_before_go_on_while_any_action_is_allowed(world: &World) {
    let database = world.database.sibling().await;
    database.migrate_without(5).await;
    let world = World::without_migration(database).await;
    let payer = payer_of_the_version_before(&world, 3 * SONG).await;
    world.channel().await;
    let (_, before) = world.stored(&payer).await;
    let changes = "SELECT count(*) FROM task_changes";
    assert_eq!(world.database.number(changes).await, 1);

    ok!(world.other.migrate());

    // The program that was there before.
    let (_, after) = world.stored(&payer).await;
    assert_eq!(world.database.number(changes).await, 2);
    for task in [before, after] {
        assert_eq!(world.story(&task).await.task.action, Action::SONG);
    }
    // The program that came.
    let video: Action = "video".parse().expect("it is a name");
    let task = NewTask {
        action: video,
        ..world.song(&payer)
    };
    let name = task.task_id.clone();
    let serve = "UPDATE channels SET actions = 'song,video'";
    world.database.execute(serve).await;
    ok!(world.other.set_price(&Price {
        platform: task.platform,
        action: video,
        model: None,
        quota: quota(SONG),
    }));
    let stored = world.other.submit(task, NOW).await;
    assert!(matches!(stored, Ok(Submitted::Stored { .. })), "{stored:?}");
    assert_eq!(world.story(&name).await.task.action, video);
    // The other constraints stand.
    let wrong = "UPDATE tasks SET progress = 100";
    let refused = world.database.try_to_execute(wrong).await;
    assert!(refused.is_err());
    assert_eq!(world.key(&payer).await.expires_at, None);
    world.assert_balanced().await;
    world.close().await.remove().await;
}

async fn a_database_that_answers_says_so(world: &World) {
    ok!(world.store.ping());
}

async fn a_closed_store_says_that_it_cannot_be_reached_and_keeps_what_it_has(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG).await;
    world.stored(&payer).await;
    let third = third(world).await;
    third.close().await;
    let submitted = third.submit(world.song(&payer), NOW).await;
    for error in [third.ping().await.err(), submitted.err()] {
        let error = error.expect("it is closed");
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(error.is_passing());
    }
    assert_eq!(ok!(world.store.unfinished()), 1);
}

async fn a_closing_store_waits_for_work_under_way(world: &World) {
    let (_, payer) = world.channel_and_payer(50 * SONG).await;
    let third = third(world).await;
    let working: Vec<_> = (0..10)
        .map(|_| {
            let (store, song) = (third.clone(), world.song(&payer));
            tokio::spawn(async move { store.submit(song, NOW).await })
        })
        .collect();
    tokio::task::yield_now().await;
    third.close().await;
    let mut stored = 0;
    for one in working {
        match one.await.expect("it does not panic") {
            Ok(_) => stored += 1,
            Err(error) => assert!(error.is_passing(), "{error:?}"),
        }
    }
    assert_eq!(ok!(world.store.unfinished()), stored);
}

async fn a_database_that_is_ahead_of_the_program_is_refused(world: &World) {
    let later = "INSERT INTO _sqlx_migrations
                     (version, description, installed_on, success, checksum, execution_time)
                 VALUES (9999, 'from the future', CURRENT_TIMESTAMP, TRUE, 'x', 0)";
    world.break_with(later).await;
    let error = world.store.migrate().await.expect_err("it is ahead");
    assert!(matches!(error, StoreError::Migration(_)), "{error:?}");
}
