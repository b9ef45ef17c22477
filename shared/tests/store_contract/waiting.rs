//! How many tasks of a user may wait to be sent.

use shared::store::accounts::UserChange;
use shared::store::submissions::Submitted;

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, retry, stored};
use crate::world::{Payer, World};

contract! {
    a_submit_above_max_waiting_is_refused_and_nothing_is_taken,
    a_task_that_is_sent_or_has_ended_waits_no_more_and_one_that_comes_back_does,
    a_repeat_is_answered_although_too_many_wait,
    concurrent_submits_never_wait_in_greater_number_than_they_may,
    a_limit_of_one_user_is_no_other_s,
}

async fn set_max_waiting(world: &World, payer: &Payer, most: u32) {
    let change = UserChange {
        max_waiting: Some(most),
        ..UserChange::default()
    };
    assert!(ok!(world.store.set_user(&payer.name, change)).is_some());
}

async fn is_refused(world: &World, payer: &Payer) -> bool {
    let unfinished = ok!(world.store.unfinished());
    let money = world.money(payer).await;
    let answer = ok!(world.store.submit(world.song(payer), NOW));
    if answer == Submitted::TooManyWaiting {
        assert_eq!(world.money(payer).await, money);
        assert_eq!(ok!(world.store.unfinished()), unfinished);
        return true;
    }
    assert!(matches!(answer, Submitted::Stored { .. }), "{answer:?}");
    false
}

async fn a_submit_above_max_waiting_is_refused_and_nothing_is_taken(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    set_max_waiting(world, &payer, 2).await;
    for expected in [false, false, true, true] {
        assert_eq!(is_refused(world, &payer).await, expected);
    }
    // Below what waits already; more; none.
    for (most, expected) in [(1, true), (3, false), (3, true), (0, false), (0, false)] {
        set_max_waiting(world, &payer, most).await;
        assert_eq!(is_refused(world, &payer).await, expected, "{most}");
    }
}

async fn a_task_that_is_sent_or_has_ended_waits_no_more_and_one_that_comes_back_does(
    world: &World,
) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    set_max_waiting(world, &payer, 1).await;
    let (first, _) = world.sending(&payer, channel).await;
    let (second, _) = world.stored(&payer).await;
    assert!(is_refused(world, &payer).await);
    assert_eq!(world.end([failure(second, "no")], NOW).await, [second.row]);
    assert!(!is_refused(world, &payer).await);
    set_max_waiting(world, &payer, 2).await;
    // It was not sent after all.
    let again = ok!(world.store.retry_submit(retry(first, true, "refused"), NOW));
    assert!(again.is_some(), "it is not stale");
    assert!(is_refused(world, &payer).await);
}

async fn a_repeat_is_answered_although_too_many_wait(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    set_max_waiting(world, &payer, 1).await;
    let first = world.song_once(&payer, "k", "body");
    let task = first.task_id.clone();
    world.store_task(first).await;
    assert!(is_refused(world, &payer).await);
    for (body, expected) in [
        ("body", Submitted::Repeated(task)),
        ("other", Submitted::KeyReused),
    ] {
        let again = ok!(world.store.submit(world.song_once(&payer, "k", body), NOW));
        assert_eq!(again, expected);
    }
    // A refused submit leaves its key unused.
    let refused = || world.store.submit(world.song_once(&payer, "l", "x"), NOW);
    assert_eq!(ok!(refused()), Submitted::TooManyWaiting);
    set_max_waiting(world, &payer, 2).await;
    assert!(matches!(ok!(refused()), Submitted::Stored { .. }));
}

async fn concurrent_submits_never_wait_in_greater_number_than_they_may(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    set_max_waiting(world, &payer, 5).await;
    let answers = world.submit_at_once(32, || world.song(&payer), NOW).await;
    let refused = |answer: &&Submitted| **answer == Submitted::TooManyWaiting;
    let refused = answers.iter().filter(refused).count();
    assert_eq!((stored(&answers), refused), (5, 27), "{answers:?}");
    assert_eq!(world.money(&payer).await, (95 * SONG, 5 * SONG, 5 * SONG));
}

async fn a_limit_of_one_user_is_no_other_s(world: &World) {
    let (_, payer) = world.channel_and_payer(100 * SONG).await;
    let other = world.payer(100 * SONG).await;
    set_max_waiting(world, &payer, 1).await;
    for _ in 0..3 {
        assert!(!is_refused(world, &other).await);
    }
    assert!(!is_refused(world, &payer).await);
    assert!(is_refused(world, &payer).await);
    assert!(!is_refused(world, &other).await);
}
