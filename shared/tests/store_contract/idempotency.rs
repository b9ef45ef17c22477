//! One idempotency key, one task: repeats, concurrent duplicates, and how long a key counts.

use std::time::Duration;

use shared::clock::Millis;
use shared::store::submissions::{IDEMPOTENCY_KEPT, Submitted};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, quota};
use crate::world::World;

contract! {
    the_same_request_again_answers_with_its_first_task_and_charges_nothing,
    an_idempotency_key_with_another_request_is_refused,
    idempotency_keys_of_two_users_are_two,
    a_refused_submit_leaves_its_idempotency_key_unused,
    an_idempotency_key_counts_for_24_hours_and_not_a_millisecond_longer,
    of_concurrent_duplicates_one_is_stored_and_the_others_repeat_it,
    of_concurrent_duplicates_with_an_expired_key_one_is_stored,
    a_duplicate_of_a_refused_submit_gets_no_task,
    old_idempotency_keys_are_forgotten_some_at_a_time,
}

async fn the_same_request_again_answers_with_its_first_task_and_charges_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(SONG).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;

    // The key is checked before anything else: there is no money left, and no channel.
    let name = world.channel_now(channel).await.name;
    ok!(world.store.enable_channel(&name, false));
    let again = world.song_once(&payer, "k", "body");
    let again = ok!(world.store.submit(again, NOW));
    assert_eq!(again, Submitted::Repeated(task));
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(ok!(world.store.unfinished()), 1);
}

async fn an_idempotency_key_with_another_request_is_refused(world: &World) {
    world.channel().await;
    let payer = world.payer(2 * SONG).await;
    world.store_task(world.song_once(&payer, "k", "body")).await;
    let other = world.song_once(&payer, "k", "another body");
    let refused = ok!(world.store.submit(other, NOW));
    assert_eq!(refused, Submitted::KeyReused);
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
}

async fn idempotency_keys_of_two_users_are_two(world: &World) {
    world.channel().await;
    let (one, two) = (world.payer(SONG).await, world.payer(SONG).await);
    world.store_task(world.song_once(&one, "k", "body")).await;
    world.store_task(world.song_once(&two, "k", "body")).await;
}

async fn a_refused_submit_leaves_its_idempotency_key_unused(world: &World) {
    let payer = world.payer(0).await;
    let song = world.song_once(&payer, "k", "body");
    let refused = ok!(world.store.submit(song.clone(), NOW));
    assert_eq!(refused, Submitted::NoChannel);
    world.channel().await;
    let refused = ok!(world.store.submit(song.clone(), NOW));
    assert_eq!(refused, Submitted::QuotaNotEnough);

    ok!(world.store.grant(&payer.name, quota(SONG), NOW));
    world
        .store_task(world.song_once(&payer, "k", "another body"))
        .await;
}

async fn an_idempotency_key_counts_for_24_hours_and_not_a_millisecond_longer(world: &World) {
    world.channel().await;
    let payer = world.payer(2 * SONG).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;
    let end = NOW.after(IDEMPOTENCY_KEPT);

    let again = world.song_once(&payer, "k", "body");
    let again = ok!(world.store.submit(again, Millis(end.0 - 1)));
    assert_eq!(again, Submitted::Repeated(task));
    let anew = world.song_once(&payer, "k", "another body");
    let second = anew.task_id.clone();
    let anew = ok!(world.store.submit(anew, end));
    assert!(matches!(anew, Submitted::Stored(_)));

    // The key is remembered anew.
    let again = world.song_once(&payer, "k", "another body");
    let again = ok!(world.store.submit(again, Millis(end.0 + 1)));
    assert_eq!(again, Submitted::Repeated(second));
}

async fn of_concurrent_duplicates_one_is_stored_and_the_others_repeat_it(world: &World) {
    world.channel().await;
    let payer = world.payer(10 * SONG).await;
    let answers = world
        .at_once(8, |_, store| {
            let song = world.song_once(&payer, "k", "body");
            async move { (song.task_id.clone(), ok!(store.submit(song, NOW))) }
        })
        .await;

    let stored: Vec<_> = answers
        .iter()
        .filter(|(_, a)| matches!(a, Submitted::Stored(_)))
        .collect();
    assert_eq!(stored.len(), 1, "{answers:?}");
    let first = &stored[0].0;
    let repeats = answers
        .iter()
        .filter(|(_, a)| *a == Submitted::Repeated(first.clone()))
        .count();
    assert_eq!(repeats, 7, "{answers:?}");
    assert_eq!(world.money(&payer).await, (9 * SONG, SONG, SONG));
}

async fn of_concurrent_duplicates_with_an_expired_key_one_is_stored(world: &World) {
    world.channel().await;
    let payer = world.payer(10 * SONG).await;
    world.store_task(world.song_once(&payer, "k", "body")).await;
    let later = NOW.after(IDEMPOTENCY_KEPT);
    let answers = world
        .at_once(8, |_, store| {
            let song = world.song_once(&payer, "k", "body");
            async move { ok!(store.submit(song, later)) }
        })
        .await;
    let stored = answers
        .iter()
        .filter(|a| matches!(a, Submitted::Stored(_)))
        .count();
    assert_eq!(stored, 1, "{answers:?}");
    assert_eq!(world.money(&payer).await, (8 * SONG, 2 * SONG, 2 * SONG));
}

async fn a_duplicate_of_a_refused_submit_gets_no_task(world: &World) {
    world.channel().await;
    let payer = world.payer(SONG - 1).await;
    let answers = world
        .at_once(8, |_, store| {
            let song = world.song_once(&payer, "k", "body");
            async move { ok!(store.submit(song, NOW)) }
        })
        .await;
    assert!(
        answers.iter().all(|a| *a == Submitted::QuotaNotEnough),
        "{answers:?}"
    );
}

async fn old_idempotency_keys_are_forgotten_some_at_a_time(world: &World) {
    world.channel().await;
    let payer = world.payer(10 * SONG).await;
    for number in 0..5 {
        let song = world.song_once(&payer, &format!("old-{number}"), "body");
        world.store_task(song).await;
    }
    let later = NOW.after(Duration::from_secs(1));
    let young = world.song_once(&payer, "young", "body");
    ok!(world.store.submit(young, later));

    let forgotten = [2, 2, 2, 2].map(|limit| world.store.forget_idempotency(later, limit));
    let mut counts = Vec::new();
    for forget in forgotten {
        counts.push(forget.await.expect("it forgets"));
    }
    assert_eq!(counts, [2, 2, 1, 0]);
    let again = ok!(world
        .store
        .submit(world.song_once(&payer, "young", "body"), later));
    assert!(matches!(again, Submitted::Repeated(_)));
}
