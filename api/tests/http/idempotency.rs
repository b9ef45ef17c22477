//! `Idempotency-Key` (contract, section 3).

use std::time::Duration;

use crate::client::{Answer, Ask};
use crate::world::{Person, World};

const BODY: &str = r#"{"prompt":"p"}"#;

fn ask<'a>(world: &'a World, person: &Person, action: &str, key: &str) -> Ask<'a> {
    world
        .post(&format!("/suno/submit/{action}"))
        .key(&person.key)
        .header("idempotency-key", key)
}

async fn submit(world: &World, person: &Person, key: &str) -> Answer {
    ask(world, person, "music", key).json(BODY).send().await
}

#[tokio::test]
async fn the_same_key_twice_is_one_task_and_one_charge() {
    let (world, alice) = World::with_alice().await;
    let first = submit(&world, &alice, "order 17").await.submitted();
    let charged = world.quota_of(&alice).await;
    let again = submit(&world, &alice, "order 17").await.submitted();
    assert_eq!(again, first);
    // Another of the action's names, and another of the user's keys, is still the same request.
    let (key, _) = world.key(alice.id, None).await;
    let other = Person {
        key,
        ..alice.clone()
    };
    let ask = ask(&world, &other, "SONG", "order 17");
    assert_eq!(ask.json(BODY).send().await.submitted(), first);
    assert_eq!(world.quota_of(&alice).await, charged);
    assert_eq!(world.audited_tasks().await, 1);
}

#[tokio::test]
async fn another_key_or_another_user_is_another_task() {
    let (world, alice) = World::with_alice().await;
    let bob = world.user("bob").await;
    let first = submit(&world, &alice, "k").await.submitted();
    assert_ne!(submit(&world, &alice, "K").await.submitted(), first);
    assert_ne!(submit(&world, &bob, "k").await.submitted(), first);
    assert_eq!(world.audited_tasks().await, 3);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_409() {
    let (world, alice) = World::with_alice().await;
    submit(&world, &alice, "k").await.submitted();
    let reused = (409, "idempotency_key_reused".to_owned());
    let other_body = ask(&world, &alice, "music", "k").json(r#"{"prompt": "p"}"#);
    assert_eq!(other_body.send().await.code(), reused);
    let other_action = ask(&world, &alice, "lyrics", "k").json(BODY);
    assert_eq!(other_action.send().await.code(), reused);
    assert_eq!(world.audited_tasks().await, 1);
}

#[tokio::test]
async fn after_24_hours_a_key_is_new_again() {
    let (world, alice) = World::with_alice().await;
    let first = submit(&world, &alice, "k").await.submitted();
    world.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(submit(&world, &alice, "k").await.submitted(), first);
    world.clock.advance(Duration::from_secs(2));
    assert_ne!(submit(&world, &alice, "k").await.submitted(), first);
}

#[tokio::test]
async fn a_repeat_is_answered_though_nothing_could_be_stored_any_more() {
    let (world, alice) = World::with_alice().await;
    let first = submit(&world, &alice, "k").await.submitted();
    let disabled = world.store.enable_channel("main", false).await;
    assert!(disabled.expect("the database works"));
    assert_eq!(submit(&world, &alice, "k").await.submitted(), first);
}

#[tokio::test]
async fn a_refused_submit_does_not_use_its_key_up() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    assert_eq!(submit(&world, &alice, "k").await.status, 503);
    world.channel("main").await;
    submit(&world, &alice, "k").await.submitted();
    assert_eq!(world.audited_tasks().await, 1);
}

#[tokio::test]
async fn concurrent_twins_are_one_task_one_charge_and_one_message() {
    let (world, alice) = World::with_alice().await;
    let twins = (0..16).map(|_| submit(&world, &alice, "k"));
    let answers = futures_util::future::join_all(twins).await;
    let first = answers[0].submitted();
    for answer in &answers {
        assert_eq!(answer.submitted(), first);
    }
    assert_eq!(world.quota_of(&alice).await, 100_000_000 - 150_000);
    assert_eq!(world.audited_tasks().await, 1);
    world.submit_publisher.stop().await;
    let depths = shared::broker::Broker::depths(&*world.broker).await;
    let waiting: u64 = depths.expect("it answers").iter().map(|d| d.messages).sum();
    assert_eq!(waiting, 1);
}

#[tokio::test]
async fn a_key_that_is_not_printable_or_too_long_is_refused() {
    let (world, alice) = World::with_alice().await;
    let too_long = "k".repeat(256);
    for key in ["", "a\tb", "键", too_long.as_str()] {
        let refused = submit(&world, &alice, key).await.code();
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{key:?}");
    }
    let longest = "~".repeat(255);
    submit(&world, &alice, &longest).await.submitted();
}
