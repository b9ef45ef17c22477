//! Checks balances and tasks against the ledger, row by row, and against what clients were told. It
//! reads the tables and does not ask the product.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use sqlx::FromRow;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::check::Expected;
use crate::submits::SubmitAnswer;

/// A connection to either database.
#[derive(Debug)]
pub enum Database {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Database {
    /// All rows of a query.
    pub(crate) async fn rows<T>(&mut self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let rows = match self {
            Self::Postgres(connection) => sqlx::query_as(sql).fetch_all(connection).await,
            Self::Sqlite(connection) => sqlx::query_as(sql).fetch_all(connection).await,
        };
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Executes a statement that has no rows.
    pub(crate) async fn execute(&mut self, sql: &'static str) {
        let done = match self {
            Self::Postgres(connection) => sqlx::query(sql).execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::query(sql).execute(connection).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// The rows that have to do with money.
#[derive(Debug, Default)]
pub struct Tables {
    /// Id, name, quota, used quota.
    users: Vec<(i64, String, i64, i64)>,
    /// Id, limit, used quota.
    keys: Vec<(i64, Option<i64>, i64)>,
    /// Id, used quota.
    channels: Vec<(i64, i64)>,
    /// The tasks by their row's id.
    pub tasks: HashMap<i64, Task>,
    entries: Vec<Entry>,
    unfinished: HashSet<i64>,
}

/// A row of `tasks`.
#[derive(Debug)]
pub struct Task {
    public_id: String,
    /// The title; the prompt of lyrics.
    pub title: String,
    user: i64,
    key: i64,
    /// The channel that accepted the task.
    accepted_by: Option<i64>,
    pub status: String,
    price: i64,
    fail_reason: String,
}

/// A row of `ledger`.
#[derive(Debug)]
struct Entry {
    user: i64,
    key: Option<i64>,
    task: Option<i64>,
    kind: String,
    amount: i64,
}

/// Counts and sums for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    users: usize,
    keys: usize,
    channels: usize,
    entries: usize,
    granted: i64,
    pub charged: i64,
    pub refunded: i64,
    /// Tasks by status.
    pub tasks: BTreeMap<String, usize>,
    /// Failed tasks by the first eight words of the reason.
    pub reasons: BTreeMap<String, usize>,
}

impl Sums {
    /// So many tasks succeeded and failed, and there are no others.
    pub fn assert_ended(&self, successes: usize, failures: usize) {
        let expected = [("SUCCESS", successes), ("FAILURE", failures)];
        let expected = expected.into_iter().filter(|(_, count)| *count > 0);
        let expected: BTreeMap<String, usize> = expected
            .map(|(status, count)| (status.to_owned(), count))
            .collect();
        assert_eq!(self.tasks, expected, "{self:?}");
    }
}

impl Tables {
    /// Reads all of them.
    pub async fn read(from: &mut Database) -> Self {
        let tasks = "SELECT id, task_id, user_id, key_id,
                            CASE WHEN upstream_id IS NOT NULL THEN channel_id END,
                            status, quota, fail_reason, request FROM tasks";
        let entries = "SELECT user_id, key_id, task_id, kind, amount FROM ledger";
        let unfinished = from.rows("SELECT id FROM unfinished_tasks").await;
        let (tasks, entries) = (from.rows(tasks).await, from.rows(entries).await);
        Self {
            users: from
                .rows("SELECT id, name, quota, used_quota FROM users")
                .await,
            keys: from
                .rows("SELECT id, quota_limit, used_quota FROM api_keys")
                .await,
            channels: from.rows("SELECT id, used_quota FROM channels").await,
            tasks: tasks.into_iter().map(task).collect(),
            entries: entries.into_iter().map(entry).collect(),
            unfinished: unfinished.into_iter().map(|(id,)| id).collect(),
        }
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        let sum = |kind: &str| -> i64 {
            let of_kind = self.entries.iter().filter(|entry| entry.kind == kind);
            of_kind.map(|entry| entry.amount).sum()
        };
        let (mut tasks, mut reasons) = (BTreeMap::new(), BTreeMap::new());
        for task in self.tasks.values() {
            *tasks.entry(task.status.clone()).or_default() += 1;
            if task.status == "FAILURE" {
                let words: Vec<&str> = task.fail_reason.split_whitespace().take(8).collect();
                *reasons.entry(words.join(" ")).or_default() += 1;
            }
        }
        Sums {
            users: self.users.len(),
            keys: self.keys.len(),
            channels: self.channels.len(),
            entries: self.entries.len(),
            granted: sum("grant"),
            charged: -sum("charge"),
            refunded: sum("refund"),
            tasks,
            reasons,
        }
    }

    /// What does not hold, once all tasks have ended.
    pub fn violations(&self, expected: &Expected) -> Vec<String> {
        let mut found = Vec::new();
        self.balances(&mut found);
        self.each_task(&mut found);
        self.grants(&expected.granted, &mut found);
        self.each_submit(expected, &mut found);
        found
    }

    /// Each balance is the sum of its ledger entries.
    fn balances(&self, found: &mut Vec<String>) {
        let (mut balance, mut used) = (HashMap::new(), HashMap::new());
        let (mut by_key, mut by_channel) = (HashMap::new(), HashMap::new());
        for entry in &self.entries {
            *balance.entry(entry.user).or_default() += entry.amount;
            if entry.kind == "grant" {
                continue;
            }
            *used.entry(entry.user).or_default() -= entry.amount;
            *by_key.entry(entry.key.unwrap_or_default()).or_default() -= entry.amount;
            let task = entry.task.and_then(|task| self.tasks.get(&task));
            if let Some(channel) = task.and_then(|task| task.accepted_by) {
                *by_channel.entry(channel).or_default() -= entry.amount;
            }
        }
        let sum = |sums: &HashMap<i64, i64>, id| sums.get(&id).copied().unwrap_or_default();
        for &(id, ref name, quota, used_quota) in &self.users {
            let (left, spent) = (sum(&balance, id), sum(&used, id));
            if quota != left || used_quota != spent || quota < 0 {
                found.push(format!(
                    "user {name} has {quota} and used {used_quota}; the ledger says {left} and {spent}"
                ));
            }
        }
        for &(id, limit, used) in &self.keys {
            let spent = sum(&by_key, id);
            if used != spent || limit.is_some_and(|limit| used > limit) {
                found.push(format!(
                    "API key {id} used {used} of {limit:?}; the ledger says {spent}"
                ));
            }
        }
        for &(id, used) in &self.channels {
            let spent = sum(&by_channel, id);
            if used != spent {
                found.push(format!("channel {id} used {used}; the ledger says {spent}"));
            }
        }
    }

    /// Each task has ended, was charged once, and was refunded once if it failed.
    fn each_task(&self, found: &mut Vec<String>) {
        let (mut charges_of, mut refunds_of) = (HashMap::new(), HashMap::new());
        for entry in &self.entries {
            let Some(task) = entry.task else { continue };
            let kind = match entry.kind.as_str() {
                "charge" => &mut charges_of,
                _ => &mut refunds_of,
            };
            kind.entry(task).or_insert_with(Vec::new).push(entry);
        }
        for (id, task) in &self.tasks {
            let (name, price, status) = (&task.public_id, task.price, &task.status);
            let fits = |entry: &Entry, amount: i64| {
                entry.amount == amount && entry.user == task.user && entry.key == Some(task.key)
            };
            let charges = charges_of.get(id).map_or(&[][..], Vec::as_slice);
            if charges.len() != 1 || !fits(charges[0], -price) {
                found.push(format!(
                    "task {name} costs {price}; its charges are {charges:?}"
                ));
            }
            let refunds = refunds_of.get(id).map_or(&[][..], Vec::as_slice);
            let failed = status == "FAILURE";
            if refunds.len() != usize::from(failed)
                || refunds.iter().any(|entry| !fits(entry, price))
            {
                found.push(format!(
                    "task {name} is {status}; its refunds are {refunds:?}"
                ));
            }
            if !failed && status != "SUCCESS" {
                found.push(format!("task {name} stays {status}"));
            }
            if self.unfinished.contains(id) {
                found.push(format!("task {name} is still in unfinished_tasks"));
            }
        }
    }

    /// What a user has and used is what the user was granted.
    fn grants(&self, granted: &HashMap<String, i64>, found: &mut Vec<String>) {
        for (_, name, quota, used) in &self.users {
            if let Some(granted) = granted
                .get(name)
                .filter(|granted| quota + used != **granted)
            {
                found.push(format!(
                    "user {name} was granted {granted}, has {quota} and used {used}"
                ));
            }
        }
    }

    /// Each submit is at most one task of its user, the task that every answer named; a submit that
    /// was only refused is no task.
    fn each_submit(&self, expected: &Expected, found: &mut Vec<String>) {
        let mut by_title = HashMap::<&str, Vec<&Task>>::new();
        for task in self.tasks.values() {
            by_title.entry(&task.title).or_default().push(task);
        }
        for submit in &expected.submits {
            let title = &submit.title;
            let stored = by_title.get(title.as_str()).map_or(&[][..], Vec::as_slice);
            if stored.len() > 1 {
                found.push(format!("{title:?} became {} tasks", stored.len()));
            }
            let answered: HashSet<&str> = submit.tasks().collect();
            for id in &answered {
                let is = |task: &&&Task| task.public_id == **id && task.user == submit.user;
                if stored.iter().find(is).is_none() {
                    found.push(format!("{title:?} was answered with {id}, which is lost"));
                }
            }
            if answered.len() > 1 {
                found.push(format!("{title:?} was answered with {answered:?}"));
            }
            let refused = |answer| matches!(answer, &SubmitAnswer::Refused(_));
            if submit.answers.iter().all(refused) && !stored.is_empty() {
                found.push(format!("{title:?} was refused and is stored"));
            }
        }
    }
}

type TaskRow = (
    i64,
    String,
    i64,
    i64,
    Option<i64>,
    String,
    i64,
    String,
    String,
);

fn task(row: TaskRow) -> (i64, Task) {
    let (id, public_id, user, key, accepted_by, status, price, fail_reason, request) = row;
    let request: serde_json::Value = serde_json::from_str(&request).unwrap_or_default();
    // Lyrics may have no title; the simulator identifies them by their prompt, too.
    let title = request["title"].as_str().or(request["prompt"].as_str());
    let task = Task {
        public_id,
        title: title.unwrap_or_default().to_owned(),
        user,
        key,
        accepted_by,
        status,
        price,
        fail_reason,
    };
    (id, task)
}

fn entry(row: (i64, Option<i64>, Option<i64>, String, i64)) -> Entry {
    let (user, key, task, kind, amount) = row;
    Entry {
        user,
        key,
        task,
        kind,
        amount,
    }
}
