//! Checks the counts that listings are made from against the tasks, one by one.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use crate::ledger_check::Database;

/// Channel (0 without one), platform, action, status.
type Kind = (i64, String, String, String);
/// Scope, level and block of a count, and the kind of its tasks.
type Counted = (i64, i64, i64, Kind);

/// Tasks in a block of each level of scope 0. A user's scope has the first two levels.
const BLOCKS: [i64; 3] = [256, 8_192, 262_144];
/// The level that counts unfinished tasks by their exact status, in one block.
const STATUSES: i64 = 3;

/// A row of `task_changes`: task, user, number, platform, action, channel and status before and after,
/// how many tasks.
type Change = (
    Option<i64>,
    Option<i64>,
    Option<i64>,
    String,
    String,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    i64,
);

struct Task {
    id: i64,
    user: i64,
    seq: i64,
    kind: Kind,
    submitted: i64,
}

/// The counts that are wrong.
pub async fn violations(database: &mut Database) -> Vec<String> {
    // One snapshot: a process folds changes into the counts every second.
    database
        .execute(match database {
            Database::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Database::Sqlite(_) => "BEGIN",
        })
        .await;
    let mut found = Vec::new();
    let tasks = tasks(database, &mut found).await;
    let counted = counted(database, &tasks, &mut found).await;
    database.execute("COMMIT").await;
    let mut expected = BTreeMap::new();
    for task in &tasks {
        for counted in task.counted() {
            *expected.entry(counted).or_default() += 1;
        }
    }
    let count = |counts: &BTreeMap<Counted, i64>, of| counts.get(of).copied().unwrap_or_default();
    for of in expected.keys().chain(counted.keys()) {
        let (there, said) = (count(&expected, of), count(&counted, of));
        if there != said {
            found.push(format!(
                "{of:?}: there are {there} tasks, {said} are counted"
            ));
        }
    }
    found.dedup();
    found
}

/// Reads the tasks. Each user's tasks are numbered from 1 without gaps, and the user's total is right.
async fn tasks(database: &mut Database, found: &mut Vec<String>) -> Vec<Task> {
    let rows = database
        .rows(
            "SELECT id, user_id, user_seq, coalesce(channel_id, 0), platform, action, status,
                    submit_time FROM tasks ORDER BY id",
        )
        .await;
    let task = |row: (i64, i64, i64, i64, String, String, String, i64)| {
        let (id, user, seq, channel, platform, action, status, submitted) = row;
        let kind = (channel, platform, action, status);
        Task {
            id,
            user,
            seq,
            kind,
            submitted,
        }
    };
    let tasks: Vec<Task> = rows.into_iter().map(task).collect();
    let mut totals = BTreeMap::<i64, i64>::new();
    for task in &tasks {
        let total = totals.entry(task.user).or_default();
        *total += 1;
        if task.seq != *total {
            found.push(format!(
                "task {} is number {total} of its user, and has number {}",
                task.id, task.seq
            ));
        }
    }
    let users: Vec<(i64, i64)> = database.rows("SELECT id, tasks FROM users").await;
    for (user, said) in users {
        let there = totals.get(&user).copied().unwrap_or_default();
        if there != said {
            found.push(format!("user {user} has {there} tasks, {said} are counted"));
        }
    }
    tasks
}

/// The folded counts plus the changes since. The tasks of a block were submitted between the times
/// that the block's count names.
async fn counted(
    database: &mut Database,
    tasks: &[Task],
    found: &mut Vec<String>,
) -> BTreeMap<Counted, i64> {
    let (mut counts, mut times) = (BTreeMap::new(), BTreeMap::<_, RangeInclusive<i64>>::new());
    let rows = database
        .rows(
            "SELECT scope, CAST(level AS BIGINT), block, channel_id, platform, action, status, tasks,
                    first_submit, last_submit FROM task_counts",
        )
        .await;
    for row in rows {
        let (scope, level, block, channel, platform, action, status, count, first, last) = row;
        let of: Counted = (scope, level, block, (channel, platform, action, status));
        times.insert(of.clone(), first..=last);
        counts.insert(of, count);
    }
    let changes: Vec<Change> = database
        .rows(
            "SELECT task, user_id, user_seq, platform, action, old_channel, old_status, new_channel,
                    new_status, tasks FROM task_changes",
        )
        .await;
    let mut unfolded = HashSet::new();
    for (task, user, seq, platform, action, old, old_status, new, new_status, count) in changes {
        let of_user = || user.zip(seq).expect("a change of a task names its user");
        let task = task.map(|task| (task, of_user().0, of_user().1));
        unfolded.extend(task.map(|(task, ..)| task));
        for (channel, status, sign) in [(old, old_status, -1), (new, new_status, 1)] {
            let Some(channel) = channel else { continue };
            let status = status.unwrap_or_default();
            let kind = (channel, platform.clone(), action.clone(), status);
            for of in counted_in(task, &kind) {
                *counts.entry(of).or_default() += sign * count;
            }
        }
    }
    for task in tasks.iter().filter(|task| !unfolded.contains(&task.id)) {
        for of in task.counted() {
            let between = times.get(&of);
            if of.1 < STATUSES && between.is_some_and(|times| !times.contains(&task.submitted)) {
                found.push(format!(
                    "{of:?} is of {between:?}, and has task {}",
                    task.id
                ));
            }
        }
    }
    counts
}

impl Task {
    fn counted(&self) -> Vec<Counted> {
        counted_in(Some((self.id, self.user, self.seq)), &self.kind)
    }
}

/// Where a task is counted, given its id, user and number. A change between two unfinished statuses
/// names no task, and concerns one level only.
fn counted_in(task: Option<(i64, i64, i64)>, kind: &Kind) -> Vec<Counted> {
    let (channel, platform, action, status) = kind.clone();
    let ended = status == "SUCCESS" || status == "FAILURE";
    let state = if ended { &status } else { "UNFINISHED" };
    let by_state = (channel, platform, action, state.to_owned());
    let mut all = Vec::new();
    if let Some((id, user, seq)) = task {
        let places = [(0, id, &BLOCKS[..]), (user, seq, &BLOCKS[..2])];
        for (scope, position, blocks) in places {
            for (level, block) in (0..).zip(blocks) {
                all.push((scope, level, position / block, by_state.clone()));
            }
        }
    }
    if !ended {
        all.push((0, STATUSES, 0, kind.clone()));
    }
    all
}
