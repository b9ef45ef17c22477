//! One idempotency key, one task: repeats, concurrent duplicates, and how long a key counts.

use shared::clock::Millis;
use shared::store::submissions::{IDEMPOTENCY_KEPT, Submitted};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, later, quota, stored};
use crate::world::World;

contract! {
    the_same_request_again_answers_with_its_first_task_and_charges_nothing,
    what_a_key_was_used_for_can_be_asked_beforehand,
    a_request_of_the_same_meaning_is_the_same,
    a_key_of_the_version_before_counts_by_its_bytes,
    a_key_that_the_version_before_used_again_does_not_count_by_its_former_meaning,
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
    let (channel, payer) = world.channel_and_payer(SONG).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;

    // The key is checked before anything else: there is no money left, and no channel.
    world.enable(channel, false).await;
    let again = world.song_once(&payer, "k", "body");
    let again = ok!(world.store.submit(again, NOW));
    assert_eq!(again, Submitted::Repeated(task));
    assert_eq!(world.money(&payer).await, (0, SONG, SONG));
    assert_eq!(ok!(world.store.unfinished()), 1);
}

async fn what_a_key_was_used_for_can_be_asked_beforehand(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG).await;
    let before = async |key: &str, body: &str, now: Millis| {
        let song = world.song_once(&payer, key, body);
        let used = song.idempotency.expect("it has a key");
        ok!(world.store.submitted_before(song.user, &used, now))
    };
    assert_eq!(before("k", "body", NOW).await, None);
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;
    assert_eq!(before("other", "body", NOW).await, None);
    let repeated = Some(Submitted::Repeated(task));
    assert_eq!(before("k", "body", NOW).await, repeated);
    assert_eq!(before("k", " body", NOW).await, repeated);
    assert_eq!(
        before("k", "another", NOW).await,
        Some(Submitted::KeyReused)
    );
    assert_eq!(before("k", "body", NOW.after(IDEMPOTENCY_KEPT)).await, None);
}

async fn a_request_of_the_same_meaning_is_the_same(world: &World) {
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;
    for body in [" body", "body\n"] {
        let again = ok!(world.store.submit(world.song_once(&payer, "k", body), NOW));
        assert_eq!(again, Submitted::Repeated(task.clone()), "{body:?}");
    }

    // Without a meaning the bytes alone count.
    let mut song = world.song_once(&payer, "k", " body");
    let idempotency = song.idempotency.as_mut().expect("it has a key");
    idempotency.meaning = None;
    assert_eq!(ok!(world.store.submit(song, NOW)), Submitted::KeyReused);
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
}

async fn a_key_of_the_version_before_counts_by_its_bytes(world: &World) {
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;
    let as_before = "UPDATE idempotency_keys SET meaning = NULL";
    world.database.execute(as_before).await;

    let again = ok!(world
        .store
        .submit(world.song_once(&payer, "k", "body"), NOW));
    assert_eq!(again, Submitted::Repeated(task));
    let spaced = ok!(world
        .store
        .submit(world.song_once(&payer, "k", " body"), NOW));
    assert_eq!(spaced, Submitted::KeyReused);
    assert_eq!(world.money(&payer).await, (SONG, SONG, SONG));
}

/// The version before writes `request` over an expired key and does not know `meaning`.
async fn a_key_that_the_version_before_used_again_does_not_count_by_its_former_meaning(
    world: &World,
) {
    let (_, payer) = world.channel_and_payer(3 * SONG).await;
    world.store_task(world.song_once(&payer, "k", "body")).await;
    world
        .store_task(world.song_once(&payer, "other", "another body"))
        .await;
    let anew = "UPDATE idempotency_keys
                SET request = (SELECT o.request FROM idempotency_keys o WHERE o.key = 'other')
                WHERE key = 'k'";
    world.database.execute(anew).await;

    for body in ["body", " body"] {
        let former = ok!(world.store.submit(world.song_once(&payer, "k", body), NOW));
        assert_eq!(former, Submitted::KeyReused, "{body:?}");
    }
    let again = world.song_once(&payer, "k", "another body");
    let again = ok!(world.store.submit(again, NOW));
    assert!(matches!(again, Submitted::Repeated(_)));
}

async fn an_idempotency_key_with_another_request_is_refused(world: &World) {
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
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
    let (_, payer) = world.channel_and_payer(2 * SONG).await;
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
    assert!(matches!(anew, Submitted::Stored { .. }));

    // The key is remembered anew.
    let again = world.song_once(&payer, "k", "another body");
    let again = ok!(world.store.submit(again, Millis(end.0 + 1)));
    assert_eq!(again, Submitted::Repeated(second));
}

async fn of_concurrent_duplicates_one_is_stored_and_the_others_repeat_it(world: &World) {
    let (_, payer) = world.channel_and_payer(10 * SONG).await;
    let answers = world
        .at_once(8, |_, store| {
            let song = world.song_once(&payer, "k", "body");
            async move { (song.task_id.clone(), ok!(store.submit(song, NOW))) }
        })
        .await;

    let (names, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    assert_eq!(stored(&answers), 1, "{answers:?}");
    let is_stored = |answer: &Submitted| matches!(answer, Submitted::Stored { .. });
    let first = answers.iter().position(is_stored).expect("one is stored");
    let repeated = Submitted::Repeated(names[first].clone());
    let repeats = answers.iter().filter(|answer| **answer == repeated);
    assert_eq!(repeats.count(), 7, "{answers:?}");
    assert_eq!(world.money(&payer).await, (9 * SONG, SONG, SONG));
}

async fn of_concurrent_duplicates_with_an_expired_key_one_is_stored(world: &World) {
    let (_, payer) = world.channel_and_payer(10 * SONG).await;
    world.store_task(world.song_once(&payer, "k", "body")).await;
    let expired = NOW.after(IDEMPOTENCY_KEPT);
    let song = || world.song_once(&payer, "k", "body");
    let answers = world.submit_at_once(8, song, expired).await;
    assert_eq!(stored(&answers), 1, "{answers:?}");
    assert_eq!(world.money(&payer).await, (8 * SONG, 2 * SONG, 2 * SONG));
}

async fn a_duplicate_of_a_refused_submit_gets_no_task(world: &World) {
    let (_, payer) = world.channel_and_payer(SONG - 1).await;
    let song = || world.song_once(&payer, "k", "body");
    let answers = world.submit_at_once(8, song, NOW).await;
    assert_eq!(answers, vec![Submitted::QuotaNotEnough; 8]);
}

async fn old_idempotency_keys_are_forgotten_some_at_a_time(world: &World) {
    let (_, payer) = world.channel_and_payer(10 * SONG).await;
    for number in 0..5 {
        let song = world.song_once(&payer, &format!("old-{number}"), "body");
        world.store_task(song).await;
    }
    let young = || world.song_once(&payer, "young", "body");
    ok!(world.store.submit(young(), later(1)));

    for expected in [2, 2, 1, 0] {
        let forgotten = ok!(world.store.forget_idempotency(later(1), 2));
        assert_eq!(forgotten, expected);
    }
    let again = ok!(world.store.submit(young(), later(1)));
    assert!(matches!(again, Submitted::Repeated(_)));
}
