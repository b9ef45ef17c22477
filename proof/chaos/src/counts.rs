//! The counts that listings are made from, proven against the tasks themselves, one by one.

use std::collections::BTreeMap;

use crate::books::{Source, number, number_or_null, text};

/// What is counted together: scope, level, block, channel, platform, action, status.
type Kind = (i64, i64, i64, i64, String, String, String);

/// Everything that is counted wrong, after whatever died while it was counted.
pub async fn breaks(mut from: Source<'_>) -> Vec<String> {
    let begin = match from {
        Source::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        Source::Sqlite(_) => "BEGIN",
    };
    // One snapshot: somebody folds every second.
    from.rows(begin).await;
    let mut breaks = Vec::new();
    let tasks = tasks(&mut from, &mut breaks).await;
    let counted = counted(&mut from, &tasks, &mut breaks).await;
    from.rows("COMMIT").await;
    let expected = by_kind(&tasks);
    for kind in expected.keys().chain(counted.keys()) {
        let (there, said) = (of(&expected, kind), of(&counted, kind));
        if there != said {
            breaks.push(format!(
                "{kind:?}: there are {there} tasks, {said} are counted"
            ));
        }
    }
    breaks.dedup();
    breaks
}

struct Task {
    id: i64,
    user: i64,
    seq: i64,
    alike: (i64, String, String, String),
    submitted: i64,
}

async fn tasks(from: &mut Source<'_>, breaks: &mut Vec<String>) -> Vec<Task> {
    let rows = from
        .rows(
            "SELECT id, user_id, user_seq, coalesce(channel_id, 0), platform, action, status,
                    submit_time FROM tasks ORDER BY id",
        )
        .await;
    let mut had = BTreeMap::<i64, i64>::new();
    let mut tasks = Vec::new();
    for row in &rows {
        let task = Task {
            id: number(&row[0]),
            user: number(&row[1]),
            seq: number(&row[2]),
            alike: (number(&row[3]), text(&row[4]), text(&row[5]), text(&row[6])),
            submitted: number(&row[7]),
        };
        let seq = had.entry(task.user).or_default();
        *seq += 1;
        if task.seq != *seq {
            breaks.push(format!(
                "task {} is number {} of its user, and is called {}",
                task.id, seq, task.seq
            ));
        }
        tasks.push(task);
    }
    for row in from.rows("SELECT id, tasks FROM users").await {
        let (user, said) = (number(&row[0]), number(&row[1]));
        let there = had.get(&user).copied().unwrap_or_default();
        if there != said {
            breaks.push(format!("user {user} has {there} tasks, {said} are counted"));
        }
    }
    tasks
}

/// Counts and changes, added up. Whatever block a count is of, its tasks were submitted in its times.
async fn counted(
    from: &mut Source<'_>,
    tasks: &[Task],
    breaks: &mut Vec<String>,
) -> BTreeMap<Kind, i64> {
    let mut counted = BTreeMap::new();
    let mut times = BTreeMap::new();
    let rows = from
        .rows(
            "SELECT scope, level, block, channel_id, platform, action, status, tasks, first_submit,
                    last_submit FROM task_counts",
        )
        .await;
    for row in &rows {
        let at = |cell: usize| number(&row[cell]);
        let kind = (
            at(0),
            at(1),
            at(2),
            at(3),
            text(&row[4]),
            text(&row[5]),
            text(&row[6]),
        );
        times.insert(kind.clone(), at(8)..=at(9));
        counted.insert(kind, at(7));
    }
    let changes = from
        .rows(
            "SELECT task, user_id, user_seq, platform, action, old_channel, old_status, new_channel,
                    new_status, tasks FROM task_changes",
        )
        .await;
    let mut unfolded = Vec::new();
    for row in &changes {
        let of_task = number_or_null(&row[0]).map(|task| (task, number(&row[1]), number(&row[2])));
        unfolded.extend(of_task.map(|(task, ..)| task));
        for (channel, status, sign) in [(&row[5], &row[6], -1), (&row[7], &row[8], 1)] {
            let Some(channel) = number_or_null(channel) else {
                continue;
            };
            let alike = (channel, text(&row[3]), text(&row[4]), text(status));
            for kind in kinds(of_task, &alike) {
                *counted.entry(kind).or_default() += sign * number(&row[9]);
            }
        }
    }
    for task in tasks.iter().filter(|task| !unfolded.contains(&task.id)) {
        for kind in kinds(Some((task.id, task.user, task.seq)), &task.alike) {
            let between = times.get(&kind);
            if kind.1 < 3 && between.is_some_and(|times| !times.contains(&task.submitted)) {
                breaks.push(format!(
                    "{kind:?} is of {between:?}, and has task {}",
                    task.id
                ));
            }
        }
    }
    counted
}

fn by_kind(tasks: &[Task]) -> BTreeMap<Kind, i64> {
    let mut expected = BTreeMap::new();
    for task in tasks {
        for kind in kinds(Some((task.id, task.user, task.seq)), &task.alike) {
            *expected.entry(kind).or_default() += 1;
        }
    }
    expected
}

/// Where one task, or where nobody says which, is counted.
fn kinds(task: Option<(i64, i64, i64)>, alike: &(i64, String, String, String)) -> Vec<Kind> {
    let (channel, platform, action, status) = alike.clone();
    let ended = status == "SUCCESS" || status == "FAILURE";
    let state = if ended { &status } else { "UNFINISHED" };
    let kind = |scope, level, block, status: &str| {
        let (platform, action) = (platform.clone(), action.clone());
        (
            scope,
            level,
            block,
            channel,
            platform,
            action,
            status.to_owned(),
        )
    };
    let mut kinds = Vec::new();
    if let Some((id, user, seq)) = task {
        kinds.extend(
            [256, 8_192, 262_144]
                .into_iter()
                .zip(0..)
                .map(|(long, level)| kind(0, level, id / long, state)),
        );
        kinds.extend([
            kind(user, 0, seq / 256, state),
            kind(user, 1, seq / 8_192, state),
        ]);
    }
    if !ended {
        kinds.push(kind(0, 3, 0, &status));
    }
    kinds
}

fn of(counts: &BTreeMap<Kind, i64>, kind: &Kind) -> i64 {
    counts.get(kind).copied().unwrap_or_default()
}
