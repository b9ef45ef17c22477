//! The audit, and the story of one task.

use std::time::Duration;

use shared::store::story::Backlog;
use shared::task::ChannelId;

use crate::database::{EMPTY, contract, ok};
use crate::values::{NOW, SONG, failure, later, only, success};
use crate::world::{AtUpstream, Payer, REQUEST, World};

contract! {
    an_audit_counts_what_it_looked_at,
    the_audit_finds_whatever_is_broken,
    the_audit_finds_a_balance_without_any_ledger,
    the_audit_finds_an_end_that_was_undone,
    an_audit_beside_the_business_finds_nothing,
    a_story_tells_the_whole_way_of_a_task,
    of_a_task_that_does_not_exist_there_is_no_story,
    unfinished_tasks_are_counted,
    a_backlog_counts_unfinished_tasks_by_what_they_wait_for,
}

/// A user with a successful, a failed and an unfinished task.
struct Business {
    payer: Payer,
    channel: ChannelId,
    made: AtUpstream,
    failed: AtUpstream,
    running: AtUpstream,
}

async fn business(world: &World) -> Business {
    let (channel, payer) = world.channel_and_payer(10 * SONG).await;
    let made = world.polled(&payer, channel).await;
    let failed = world.polled(&payer, channel).await;
    let running = world.polled(&payer, channel).await;
    let ends = [success(made.at, "[]"), failure(failed.at, "no")];
    world.end(ends, NOW).await;
    Business {
        payer,
        channel,
        made,
        failed,
        running,
    }
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

/// What breaks the tables, and what one of the breaks that the audit finds must say. Numbers stand for
/// `{user}` and so on.
const BREAKS: [(&str, &str, &[&str]); 15] = [
    (
        "a balance that is not its ledger",
        "UPDATE users SET quota = quota + 1 WHERE id = {user}",
        &["user {user}", "quota", "1200001", "1200000"],
    ),
    (
        "a user's used_quota that is not charges less refunds",
        "UPDATE users SET used_quota = used_quota - 1 WHERE id = {user}",
        &["user {user}", "used_quota", "299999", "300000"],
    ),
    (
        "a key's used_quota that is not charges less refunds",
        "UPDATE api_keys SET used_quota = used_quota + 5 WHERE id = {key}",
        &["key {key}", "used_quota", "300005", "300000"],
    ),
    (
        "a channel's used_quota that is not charges less refunds",
        "UPDATE channels SET used_quota = used_quota + 5 WHERE id = {channel}",
        &["channel {channel}", "used_quota", "300005", "300000"],
    ),
    (
        "a task that was not charged",
        "DELETE FROM ledger WHERE task_id = {made}",
        &["task {made}", "charged"],
    ),
    (
        "a task that was charged another price",
        "UPDATE ledger SET amount = amount - 1 WHERE task_id = {made}",
        &["task {made}", "charged", "150001", "150000"],
    ),
    (
        "a task that another user was charged for",
        "UPDATE ledger SET user_id = {other user} WHERE task_id = {made}",
        &["task {made}", "charged", "user {other user}"],
    ),
    (
        "a task that another key was charged for",
        "UPDATE ledger SET key_id = {other key} WHERE task_id = {made}",
        &["task {made}", "charged", "key {other key}"],
    ),
    (
        "a failure that was not refunded",
        "DELETE FROM ledger WHERE kind = 'refund'",
        &["task {failed}", "not refunded"],
    ),
    (
        "a failure that was refunded another price",
        "UPDATE ledger SET amount = amount + 1 WHERE kind = 'refund'",
        &["task {failed}", "refunded", "150001", "150000"],
    ),
    (
        "a refund of a success",
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ({user}, {key}, {made}, 'refund', 3, 0)",
        &["task {made}:", "3 was refunded"],
    ),
    (
        "a refund of an unfinished task",
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ({user}, {key}, {running}, 'refund', 3, 0)",
        &["task {running}:", "3 was refunded"],
    ),
    (
        "an unfinished task that nobody will look at",
        "DELETE FROM unfinished_tasks",
        &["task {running}", "missing", "unfinished"],
    ),
    (
        "a finished task among the unfinished",
        "INSERT INTO unfinished_tasks (id, due_at, deadline, stage) VALUES ({made}, 0, 0, 'submit')",
        &["task {made}", "SUCCESS", "unfinished"],
    ),
    (
        "a task that is polled at another channel",
        "UPDATE unfinished_tasks SET channel_id = {other channel}",
        &["task {running}", "channel {other channel}"],
    ),
];

async fn the_audit_finds_whatever_is_broken(world: &World) {
    for (what, sql, words) in BREAKS {
        world.database.execute(EMPTY).await;
        let business = business(world).await;
        let (other_channel, other) = world.channel_and_payer(SONG).await;
        world.assert_balanced().await;
        let fill = |text: &str| {
            [
                ("{user}", business.payer.user.0),
                ("{key}", business.payer.key.0),
                ("{channel}", business.channel.0),
                ("{made}", business.made.at.row.0),
                ("{failed}", business.failed.at.row.0),
                ("{running}", business.running.at.row.0),
                ("{other user}", other.user.0),
                ("{other key}", other.key.0),
                ("{other channel}", other_channel.0),
            ]
            .iter()
            .fold(text.to_owned(), |text, (name, number)| {
                text.replace(name, &number.to_string())
            })
        };
        world.break_with(&fill(sql)).await;
        let breaks = ok!(world.store.audit()).breaks;
        let words: Vec<String> = words.iter().map(|word| fill(word)).collect();
        let names_it = |text: &&String| words.iter().all(|word| text.contains(word));
        let found = breaks.iter().filter(names_it).count();
        assert_eq!(found, 1, "{what}: {words:?} in {breaks:?}");
    }
}

async fn the_audit_finds_a_balance_without_any_ledger(world: &World) {
    let payer = world.payer(0).await;
    world.assert_balanced().await;
    world.break_with("UPDATE users SET quota = 7").await;
    let found = only(ok!(world.store.audit()).breaks);
    let user = format!("user {}", payer.user);
    for words in [user.as_str(), "quota is 7", "0"] {
        assert!(found.contains(words), "{words} in {found}");
    }
}

async fn the_audit_finds_an_end_that_was_undone(world: &World) {
    let failed = business(world).await.failed.at.row;
    let sql = format!("UPDATE tasks SET status = 'QUEUED', progress = 50 WHERE id = {failed}");
    world.break_with(&sql).await;
    let breaks = ok!(world.store.audit()).breaks;
    let why = "it is refunded and it is unfinished";
    assert_eq!(breaks.len(), 2, "{why}: {breaks:?}");
    let task = format!("task {failed}:");
    assert!(breaks.iter().all(|text| text.contains(&task)), "{breaks:?}");
}

async fn an_audit_beside_the_business_finds_nothing(world: &World) {
    let (channel, payer) = world.channel_and_payer(100 * SONG).await;
    let tasks = world.many_polled(30, &payer, channel).await;
    let store = world.store.clone();
    let songs: Vec<_> = tasks.iter().map(|_| world.song(&payer)).collect();
    let working = tokio::spawn(async move {
        for (at, song) in tasks.into_iter().zip(songs) {
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
    let Business {
        channel,
        made,
        failed,
        running,
        ..
    } = business(world).await;
    let history = "stored sending accepted";
    world.assert_history(&running.id, history).await;
    let history = "stored sending accepted ended";
    world.assert_history(&made.id, history).await;
    let history = "stored sending accepted ended refunded";
    world.assert_history(&failed.id, history).await;

    let story = world.story(&failed.id).await;
    assert_eq!(story.task.task_id, failed.id);
    assert_eq!(story.task.channel_id, channel);
    assert_eq!((story.unfinished, story.entries.len()), (None, 2));
    assert!(story.upstream_id.is_some());
    let events = story.events.iter().map(|event| (event.at, event.turn));
    assert!(events.is_sorted());
    let story = world.story(&running.id).await;
    let unfinished = story.unfinished.expect("it is unfinished");
    assert_eq!(unfinished.stage, "poll");
    assert_eq!(unfinished.channel, story.channel);
    assert_eq!(unfinished.deadline, NOW.after(Duration::from_mins(30)).0);
    assert_eq!((unfinished.attempts, unfinished.polls), (0, 0));
    assert_eq!((unfinished.missing, unfinished.pinned_channel), (0, None));
    assert_eq!(story.key, world.story(&made.id).await.key);
    assert_eq!((story.key_label.as_str(), story.late), ("a key", None));
    assert_eq!(story.request.as_deref(), Some(REQUEST));
    // The request goes when its task ends; what the user wrote stays.
    for ended in [&made.id, &failed.id] {
        let story = world.story(ended).await;
        assert_eq!(story.request, None);
        assert_eq!(story.task.input, "la la la");
    }
}

async fn of_a_task_that_does_not_exist_there_is_no_story(world: &World) {
    let payer = world.payer(0).await;
    let unknown = world.song(&payer).task_id;
    assert_eq!(ok!(world.store.story(&unknown)), None);
}

async fn unfinished_tasks_are_counted(world: &World) {
    assert_eq!(ok!(world.store.unfinished()), 0);
    let payer = business(world).await.payer;
    assert_eq!(ok!(world.store.unfinished()), 1);
    world.stored(&payer).await;
    assert_eq!(ok!(world.store.unfinished()), 2);
}

async fn a_backlog_counts_unfinished_tasks_by_what_they_wait_for(world: &World) {
    assert_eq!(ok!(world.store.backlog(NOW)), Backlog::default());
    let Business { payer, channel, .. } = business(world).await;
    world.stored(&payer).await;
    world.stored(&payer).await;
    world.sending(&payer, channel).await;
    let expected = Backlog {
        to_submit: 2,
        sending: 1,
        at_upstream: 1,
        overdue: 0,
    };
    assert_eq!(ok!(world.store.backlog(NOW)), expected);
    // What waits in a line is not overdue: the one at its upstream and the one that is being sent are.
    assert_eq!(ok!(world.store.backlog(later(6))).overdue, 1);
    assert_eq!(ok!(world.store.backlog(later(181))).overdue, 2);
}
