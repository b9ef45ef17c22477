//! The audit, and the story of one task.

use std::time::Duration;

use shared::store::story::Backlog;
use shared::task::{ChannelId, TaskId};

use crate::database::{contract, ok};
use crate::values::{NOW, SONG, failure, success};
use crate::world::{Payer, World};

contract! {
    an_audit_counts_what_it_looked_at,
    the_audit_finds_a_balance_that_is_not_its_ledger,
    the_audit_finds_a_balance_without_any_ledger,
    the_audit_finds_a_user_s_used_quota_that_is_not_charges_less_refunds,
    the_audit_finds_a_key_s_used_quota_that_is_not_charges_less_refunds,
    the_audit_finds_a_channel_s_used_quota_that_is_not_charges_less_refunds,
    the_audit_finds_a_task_that_was_not_charged,
    the_audit_finds_a_task_that_was_charged_another_price,
    the_audit_finds_a_task_that_somebody_else_was_charged_for,
    the_audit_finds_a_task_that_another_key_was_charged_for,
    the_audit_finds_a_failure_that_was_not_refunded,
    the_audit_finds_a_failure_that_was_refunded_another_price,
    the_audit_finds_a_refund_of_what_did_not_fail,
    the_audit_finds_an_unfinished_task_that_nobody_will_look_at,
    the_audit_finds_a_finished_task_among_the_unfinished,
    the_audit_finds_an_end_that_was_undone,
    the_audit_finds_a_task_that_is_polled_at_another_s_channel,
    an_audit_beside_the_business_finds_nothing,
    a_story_tells_the_whole_way_of_a_task,
    of_a_task_that_does_not_exist_there_is_no_story,
    unfinished_tasks_are_counted,
    a_backlog_counts_unfinished_tasks_by_what_they_wait_for,
}

async fn breaks(world: &World) -> Vec<String> {
    ok!(world.store.audit()).breaks
}

/// A user with a successful, a failed and an unfinished task.
async fn business(world: &World) -> (Payer, ChannelId, [TaskId; 3]) {
    let channel = world.channel().await;
    let payer = world.payer(10 * SONG).await;
    let made = world.polled(&payer, channel).await;
    let lost = world.polled(&payer, channel).await;
    let running = world.polled(&payer, channel).await;
    let ends = vec![success(made.at, "[]"), failure(lost.at, "no")];
    ok!(world.store.settle(vec![], ends, NOW));
    (payer, channel, [made.task, lost.task, running.task])
}

/// Breaks the tables with `sql`. The audit must report exactly one break, and its text has all `words`.
async fn assert_found(world: &World, sql: &str, words: &[&str]) {
    world.assert_balanced().await;
    world.break_with(sql).await;
    let breaks = breaks(world).await;
    let told = |sentence: &&String| words.iter().all(|word| sentence.contains(word));
    assert_eq!(
        breaks.iter().filter(told).count(),
        1,
        "{words:?} in {breaks:?}"
    );
}

async fn an_audit_counts_what_it_looked_at(world: &World) {
    let audit = ok!(world.store.audit());
    assert_eq!((audit.users, audit.tasks, audit.entries), (0, 0, 0));
    business(world).await;
    world.payer(0).await;
    let audit = ok!(world.store.audit());
    assert_eq!((audit.users, audit.tasks, audit.entries), (2, 3, 5));
    assert_eq!(audit.breaks, Vec::<String>::new());
}

async fn the_audit_finds_a_balance_that_is_not_its_ledger(world: &World) {
    let (payer, ..) = business(world).await;
    let (is, should) = ((8 * SONG + 1).to_string(), (8 * SONG).to_string());
    let words = [&format!("user {}", payer.user), "quota", &is, &should];
    assert_found(world, "UPDATE users SET quota = quota + 1", &words).await;
}

async fn the_audit_finds_a_balance_without_any_ledger(world: &World) {
    let payer = world.payer(0).await;
    let words = [&format!("user {}", payer.user) as &str, "quota is 7", "0"];
    assert_found(world, "UPDATE users SET quota = 7", &words).await;
}

async fn the_audit_finds_a_user_s_used_quota_that_is_not_charges_less_refunds(world: &World) {
    let (payer, ..) = business(world).await;
    let (is, should) = ((2 * SONG - 1).to_string(), (2 * SONG).to_string());
    let words = [&format!("user {}", payer.user), "used_quota", &is, &should];
    assert_found(
        world,
        "UPDATE users SET used_quota = used_quota - 1",
        &words,
    )
    .await;
}

async fn the_audit_finds_a_key_s_used_quota_that_is_not_charges_less_refunds(world: &World) {
    let (payer, ..) = business(world).await;
    let (is, should) = ((2 * SONG + 5).to_string(), (2 * SONG).to_string());
    let words = [&format!("key {}", payer.key), "used_quota", &is, &should];
    assert_found(
        world,
        "UPDATE api_keys SET used_quota = used_quota + 5",
        &words,
    )
    .await;
}

async fn the_audit_finds_a_channel_s_used_quota_that_is_not_charges_less_refunds(world: &World) {
    let (_, channel, _) = business(world).await;
    let (is, should) = ((2 * SONG + 5).to_string(), (2 * SONG).to_string());
    let words = [&format!("channel {channel}"), "used_quota", &is, &should];
    assert_found(
        world,
        "UPDATE channels SET used_quota = used_quota + 5",
        &words,
    )
    .await;
}

async fn the_audit_finds_a_task_that_was_not_charged(world: &World) {
    let (_, _, [made, ..]) = business(world).await;
    let number = world.story(&made).await.task.id;
    let sql = format!("DELETE FROM ledger WHERE task_id = {number}");
    assert_found(world, &sql, &[&format!("task {number}"), "charged"]).await;
}

async fn the_audit_finds_a_task_that_was_charged_another_price(world: &World) {
    let (_, _, [made, ..]) = business(world).await;
    let number = world.story(&made).await.task.id;
    let sql = format!("UPDATE ledger SET amount = amount - 1 WHERE task_id = {number}");
    let (is, should) = ((SONG + 1).to_string(), SONG.to_string());
    assert_found(
        world,
        &sql,
        &[&format!("task {number}"), "charged", &is, &should],
    )
    .await;
}

async fn the_audit_finds_a_task_that_somebody_else_was_charged_for(world: &World) {
    let (_, _, [made, ..]) = business(world).await;
    let (number, other) = (world.story(&made).await.task.id, world.payer(SONG).await);
    let sql = format!(
        "UPDATE ledger SET user_id = {} WHERE task_id = {number}",
        other.user
    );
    let words = [
        &format!("task {number}"),
        "charged",
        &format!("user {}", other.user) as &str,
    ];
    assert_found(world, &sql, &words).await;
}

async fn the_audit_finds_a_task_that_another_key_was_charged_for(world: &World) {
    let (_, _, [made, ..]) = business(world).await;
    let (number, other) = (world.story(&made).await.task.id, world.payer(SONG).await);
    let sql = format!(
        "UPDATE ledger SET key_id = {} WHERE task_id = {number}",
        other.key
    );
    let words = [
        &format!("task {number}"),
        "charged",
        &format!("key {}", other.key) as &str,
    ];
    assert_found(world, &sql, &words).await;
}

async fn the_audit_finds_a_failure_that_was_not_refunded(world: &World) {
    let (_, _, [_, lost, _]) = business(world).await;
    let number = world.story(&lost).await.task.id;
    let sql = "DELETE FROM ledger WHERE kind = 'refund'";
    assert_found(world, sql, &[&format!("task {number}"), "not refunded"]).await;
}

async fn the_audit_finds_a_failure_that_was_refunded_another_price(world: &World) {
    let (_, _, [_, lost, _]) = business(world).await;
    let number = world.story(&lost).await.task.id;
    let sql = "UPDATE ledger SET amount = amount + 1 WHERE kind = 'refund'";
    let (is, should) = ((SONG + 1).to_string(), SONG.to_string());
    assert_found(
        world,
        sql,
        &[&format!("task {number}"), "refunded", &is, &should],
    )
    .await;
}

async fn the_audit_finds_a_refund_of_what_did_not_fail(world: &World) {
    let (payer, _, [made, _, running]) = business(world).await;
    for task in [made, running] {
        let number = world.story(&task).await.task.id;
        let refund = format!(
            "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
             VALUES ({}, {}, {number}, 'refund', 3, 0)",
            payer.user, payer.key
        );
        world.break_with(&refund).await;
        let found = breaks(world).await;
        let told =
            |s: &&String| s.contains(&format!("task {number}:")) && s.contains("3 was refunded");
        assert_eq!(found.iter().filter(told).count(), 1, "{found:?}");
    }
}

async fn the_audit_finds_an_unfinished_task_that_nobody_will_look_at(world: &World) {
    let (_, _, [.., running]) = business(world).await;
    let number = world.story(&running).await.task.id;
    let words = [&format!("task {number}") as &str, "missing", "unfinished"];
    assert_found(world, "DELETE FROM unfinished_tasks", &words).await;
}

async fn the_audit_finds_a_finished_task_among_the_unfinished(world: &World) {
    let (_, _, [made, ..]) = business(world).await;
    let number = world.story(&made).await.task.id;
    let sql = format!(
        "INSERT INTO unfinished_tasks (id, due_at, deadline, stage) VALUES ({number}, 0, 0, 'submit')"
    );
    assert_found(
        world,
        &sql,
        &[&format!("task {number}"), "SUCCESS", "unfinished"],
    )
    .await;
}

async fn the_audit_finds_an_end_that_was_undone(world: &World) {
    let (_, _, [_, lost, _]) = business(world).await;
    let number = world.story(&lost).await.task.id;
    let sql = format!("UPDATE tasks SET status = 'QUEUED', progress = 50 WHERE id = {number}");
    world.break_with(&sql).await;
    let breaks = breaks(world).await;
    assert_eq!(
        breaks.len(),
        2,
        "it is refunded and it is unfinished: {breaks:?}"
    );
    assert!(
        breaks
            .iter()
            .all(|sentence| sentence.contains(&format!("task {number}:")))
    );
}

async fn the_audit_finds_a_task_that_is_polled_at_another_s_channel(world: &World) {
    let (_, _, [.., running]) = business(world).await;
    let (number, other) = (world.story(&running).await.task.id, world.channel().await);
    let sql = format!("UPDATE unfinished_tasks SET channel_id = {other}");
    let words = [
        &format!("task {number}"),
        &format!("channel {other}") as &str,
    ];
    assert_found(world, &sql, &words).await;
}

async fn an_audit_beside_the_business_finds_nothing(world: &World) {
    let channel = world.channel().await;
    let payer = world.payer(100 * SONG).await;
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(world.polled(&payer, channel).await.at);
    }
    let store = world.store.clone();
    let songs: Vec<_> = held.iter().map(|_| world.song(&payer)).collect();
    let working = tokio::spawn(async move {
        for (at, song) in held.into_iter().zip(songs) {
            ok!(store.settle(vec![], vec![failure(at, "no")], NOW));
            ok!(store.submit(song, NOW));
        }
    });
    let mut audits = 0;
    while !working.is_finished() {
        let audit = ok!(world.other.audit());
        assert_eq!(audit.breaks, Vec::<String>::new());
        audits += 1;
    }
    working.await.expect("it works");
    assert!(audits > 1);
}

async fn a_story_tells_the_whole_way_of_a_task(world: &World) {
    let (_, channel, [made, lost, running]) = business(world).await;
    let way = ["stored", "sending", "accepted"];
    assert_eq!(world.history(&made).await, [&way[..], &["ended"]].concat());
    assert_eq!(
        world.history(&lost).await,
        [&way[..], &["ended", "refunded"]].concat()
    );
    assert_eq!(world.history(&running).await, way);

    let story = world.story(&lost).await;
    assert_eq!((story.task.task_id, story.task.channel_id), (lost, channel));
    assert_eq!((story.unfinished, story.entries.len()), (None, 2));
    assert!(story.upstream_id.is_some());
    assert!(
        story
            .events
            .is_sorted_by_key(|event| (event.at, event.turn))
    );
    let story = world.story(&running).await;
    let unfinished = story.unfinished.expect("it is unfinished");
    assert_eq!(unfinished.stage, "poll");
    assert_eq!(unfinished.channel, story.channel);
    assert_eq!(unfinished.deadline, NOW.after(Duration::from_mins(30)).0);
    assert_eq!((unfinished.attempts, unfinished.polls), (0, 0));
    assert_eq!((unfinished.missing, unfinished.pinned_channel), (0, None));
    assert_eq!(story.key, world.story(&made).await.key);
    assert_eq!((story.key_label.as_str(), story.late), ("a key", None));
    assert_eq!(story.request, r#"{"prompt":"la la la"}"#);
}

async fn of_a_task_that_does_not_exist_there_is_no_story(world: &World) {
    let payer = world.payer(0).await;
    let unknown = world.song(&payer).task_id;
    assert_eq!(ok!(world.store.story(&unknown)), None);
}

async fn unfinished_tasks_are_counted(world: &World) {
    assert_eq!(ok!(world.store.unfinished()), 0);
    let (payer, ..) = business(world).await;
    assert_eq!(ok!(world.store.unfinished()), 1);
    world.stored(&payer).await;
    assert_eq!(ok!(world.store.unfinished()), 2);
}

async fn a_backlog_counts_unfinished_tasks_by_what_they_wait_for(world: &World) {
    let backlog = async || ok!(world.store.backlog(NOW));
    assert_eq!(backlog().await, Backlog::default());
    let (payer, channel, _) = business(world).await;
    world.stored(&payer).await;
    world.stored(&payer).await;
    world.sending(&payer, channel).await;
    let expected = Backlog {
        to_submit: 2,
        sending: 1,
        at_upstream: 1,
        overdue: 0,
    };
    assert_eq!(backlog().await, expected);
    let later = ok!(world.store.backlog(NOW.after(Duration::from_millis(1))));
    assert_eq!(later.overdue, 2);
}
