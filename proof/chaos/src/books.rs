//! The books, proven from the tables and from what clients and upstreams saw; not from what the
//! product says of itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use crate::record::{Answered, Asked};

/// A database to read the books from.
#[derive(Debug)]
pub enum Source<'a> {
    /// `PostgreSQL`.
    Postgres(&'a mut PgConnection),
    /// `SQLite`.
    Sqlite(&'a mut SqliteConnection),
}

/// What the tables hold.
#[derive(Debug, Default)]
pub struct Books {
    users: Vec<User>,
    keys: Vec<Key>,
    channels: Vec<(i64, i64)>,
    /// The tasks, by row.
    pub tasks: HashMap<i64, Task>,
    entries: Vec<Entry>,
    unfinished: HashSet<i64>,
}

#[derive(Debug)]
struct User {
    id: i64,
    name: String,
    quota: i64,
    used: i64,
}

#[derive(Debug)]
struct Key {
    id: i64,
    limit: Option<i64>,
    used: i64,
}

/// A cell of a table as a text; `None` is NULL.
#[derive(Debug)]
pub(crate) struct Cell(Option<String>);

/// A task as the table has it.
#[derive(Debug)]
pub struct Task {
    /// The id that clients know.
    pub task_id: String,
    /// The title it was asked for by; the prompt, if it is lyrics.
    pub title: String,
    /// Whose it is.
    pub user: i64,
    key: i64,
    channel: Option<i64>,
    accepted: bool,
    /// Its state.
    pub status: String,
    price: i64,
    /// Why it failed, if it did.
    pub fail_reason: String,
}

#[derive(Debug)]
struct Entry {
    user: i64,
    key: Option<i64>,
    task: Option<i64>,
    kind: String,
    amount: i64,
}

/// The sums of the books, for a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Users, API keys and channels.
    pub users: usize,
    /// API keys.
    pub keys: usize,
    /// Channels.
    pub channels: usize,
    /// Entries of the ledger.
    pub entries: usize,
    /// Quota that was granted, charged and given back.
    pub granted: i64,
    /// Quota that was charged.
    pub charged: i64,
    /// Quota that was given back.
    pub refunded: i64,
    /// Tasks, by status.
    pub tasks: BTreeMap<String, usize>,
    /// Failed tasks, by the first words of the reason.
    pub reasons: BTreeMap<String, usize>,
}

impl Books {
    /// Reads all of it.
    pub async fn read(mut from: Source<'_>) -> Self {
        let users = from
            .rows("SELECT id, name, quota, used_quota FROM users")
            .await;
        let keys = from
            .rows("SELECT id, quota_limit, used_quota FROM api_keys")
            .await;
        let channels = from.rows("SELECT id, used_quota FROM channels").await;
        let tasks = from
            .rows(
                "SELECT id, task_id, user_id, key_id, channel_id, upstream_id, status, quota,
                        fail_reason, request FROM tasks",
            )
            .await;
        let entries = from
            .rows("SELECT user_id, key_id, task_id, kind, amount FROM ledger")
            .await;
        let unfinished = from.rows("SELECT id FROM unfinished_tasks").await;
        Self {
            users: users
                .iter()
                .map(|row| User {
                    id: number(&row[0]),
                    name: text(&row[1]),
                    quota: number(&row[2]),
                    used: number(&row[3]),
                })
                .collect(),
            keys: keys
                .iter()
                .map(|row| Key {
                    id: number(&row[0]),
                    limit: number_or_null(&row[1]),
                    used: number(&row[2]),
                })
                .collect(),
            channels: channels
                .iter()
                .map(|row| (number(&row[0]), number(&row[1])))
                .collect(),
            tasks: tasks
                .iter()
                .map(|row| (number(&row[0]), task(row)))
                .collect(),
            entries: entries
                .iter()
                .map(|row| Entry {
                    user: number(&row[0]),
                    key: number_or_null(&row[1]),
                    task: number_or_null(&row[2]),
                    kind: text(&row[3]),
                    amount: number(&row[4]),
                })
                .collect(),
            unfinished: unfinished.iter().map(|row| number(&row[0])).collect(),
        }
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        let sum = |kind: &str| {
            let of_kind = self.entries.iter().filter(|entry| entry.kind == kind);
            of_kind.map(|entry| entry.amount).sum::<i64>()
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

    /// Everything in the tables that is not as it must be when all is settled.
    pub fn breaks(&self) -> Vec<String> {
        let mut breaks = Vec::new();
        self.balances(&mut breaks);
        self.each_task(&mut breaks);
        breaks
    }

    fn balances(&self, breaks: &mut Vec<String>) {
        let (mut balance, mut used) = (HashMap::<i64, i64>::new(), HashMap::<i64, i64>::new());
        let (mut by_key, mut by_channel) = (HashMap::<i64, i64>::new(), HashMap::<i64, i64>::new());
        for entry in &self.entries {
            *balance.entry(entry.user).or_default() += entry.amount;
            if entry.kind == "grant" {
                continue;
            }
            *used.entry(entry.user).or_default() -= entry.amount;
            *by_key.entry(entry.key.unwrap_or_default()).or_default() -= entry.amount;
            let task = entry.task.and_then(|task| self.tasks.get(&task));
            if let Some(channel) = task
                .filter(|task| task.accepted)
                .and_then(|task| task.channel)
            {
                *by_channel.entry(channel).or_default() -= entry.amount;
            }
        }
        let sum = |sums: &HashMap<i64, i64>, id| sums.get(&id).copied().unwrap_or_default();
        for user in &self.users {
            let (quota, spent) = (sum(&balance, user.id), sum(&used, user.id));
            if user.quota != quota || user.used != spent || user.quota < 0 {
                breaks.push(format!(
                    "user {}: has {} and used {}, the ledger says {quota} and {spent}",
                    user.name, user.quota, user.used
                ));
            }
        }
        for key in &self.keys {
            let spent = sum(&by_key, key.id);
            if key.used != spent || key.limit.is_some_and(|limit| key.used > limit) {
                breaks.push(format!(
                    "API key {}: used {} of {:?}, the ledger says {spent}",
                    key.id, key.used, key.limit
                ));
            }
        }
        for &(id, used) in &self.channels {
            let spent = sum(&by_channel, id);
            if used != spent {
                breaks.push(format!(
                    "channel {id}: used {used}, the ledger says {spent}"
                ));
            }
        }
    }

    fn each_task(&self, breaks: &mut Vec<String>) {
        let mut charges = HashMap::<i64, Vec<&Entry>>::new();
        let mut refunds = HashMap::<i64, Vec<&Entry>>::new();
        for entry in &self.entries {
            let Some(task) = entry.task else { continue };
            let kind = match entry.kind.as_str() {
                "charge" => &mut charges,
                _ => &mut refunds,
            };
            kind.entry(task).or_default().push(entry);
        }
        for (id, task) in &self.tasks {
            let name = &task.task_id;
            let fits = |entry: &Entry, amount: i64| {
                entry.amount == amount && entry.user == task.user && entry.key == Some(task.key)
            };
            let taken = charges.get(id).map_or(&[][..], Vec::as_slice);
            if taken.len() != 1 || !fits(taken[0], -task.price) {
                breaks.push(format!(
                    "task {name}: its price is {}, charged was {taken:?}",
                    task.price
                ));
            }
            let given_back = refunds.get(id).map_or(&[][..], Vec::as_slice);
            let failed = task.status == "FAILURE";
            if given_back.len() != usize::from(failed)
                || given_back.iter().any(|entry| !fits(entry, task.price))
            {
                breaks.push(format!(
                    "task {name}: it is {}, given back was {given_back:?}",
                    task.status
                ));
            }
            if !failed && task.status != "SUCCESS" {
                breaks.push(format!("task {name}: it is {} for ever", task.status));
            }
            if self.unfinished.contains(id) {
                breaks.push(format!("task {name}: it still stands among the unfinished"));
            }
        }
    }

    /// What clients were told against what is there. `granted`: by user, what operators gave.
    pub fn breaks_of(&self, asked: &[Asked], granted: &HashMap<String, i64>) -> Vec<String> {
        let mut breaks = Vec::new();
        for user in &self.users {
            let given = granted.get(&user.name).copied();
            if let Some(given) = given.filter(|given| user.quota + user.used != *given) {
                breaks.push(format!(
                    "user {}: was granted {given}, has {} and used {}",
                    user.name, user.quota, user.used
                ));
            }
        }
        let mut by_title = HashMap::<&str, Vec<&Task>>::new();
        for task in self.tasks.values() {
            by_title.entry(&task.title).or_default().push(task);
        }
        for asked in asked {
            let there = by_title
                .get(asked.title.as_str())
                .map_or(&[][..], Vec::as_slice);
            if there.len() > 1 {
                breaks.push(format!("{:?} became {} tasks", asked.title, there.len()));
            }
            let told: HashSet<&str> = asked.tasks().collect();
            for id in &told {
                if !there
                    .iter()
                    .any(|task| task.task_id == **id && task.user == asked.user)
                {
                    breaks.push(format!(
                        "{:?} was answered with {id}, which is lost",
                        asked.title
                    ));
                }
            }
            if told.len() > 1 {
                breaks.push(format!("{:?} was answered with {told:?}", asked.title));
            }
            let refused_only = asked
                .answers
                .iter()
                .all(|answer| matches!(answer, Answered::Refused(_)));
            if refused_only && !there.is_empty() {
                breaks.push(format!("{:?} was refused, and is there", asked.title));
            }
        }
        breaks
    }
}

fn task(row: &[Cell]) -> Task {
    let request: serde_json::Value = serde_json::from_str(&text(&row[9])).unwrap_or_default();
    // What marks a request for the simulator, too; lyrics have no title.
    let title = request["title"].as_str().or(request["prompt"].as_str());
    Task {
        task_id: text(&row[1]),
        title: title.unwrap_or_default().to_owned(),
        user: number(&row[2]),
        key: number(&row[3]),
        channel: number_or_null(&row[4]),
        accepted: row[5].0.is_some(),
        status: text(&row[6]),
        price: number(&row[7]),
        fail_reason: text(&row[8]),
    }
}

pub(crate) fn text(cell: &Cell) -> String {
    cell.0.clone().unwrap_or_default()
}

pub(crate) fn number(cell: &Cell) -> i64 {
    number_or_null(cell).expect("an id or an amount is a number")
}

pub(crate) fn number_or_null(cell: &Cell) -> Option<i64> {
    cell.0.as_ref().and_then(|cell| cell.parse().ok())
}

impl Source<'_> {
    /// All rows, each cell as a text.
    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<Vec<Cell>> {
        match self {
            Self::Postgres(connection) => {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .fetch_all(&mut **connection)
                    .await;
                rows.expect("the database reads")
                    .iter()
                    .map(postgres_cells)
                    .collect()
            }
            Self::Sqlite(connection) => {
                let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .fetch_all(&mut **connection)
                    .await;
                rows.expect("the database reads")
                    .iter()
                    .map(sqlite_cells)
                    .collect()
            }
        }
    }
}

/// Over the simple protocol everything is a text.
fn postgres_cells(row: &PgRow) -> Vec<Cell> {
    let cell = |at| Cell(row.try_get_unchecked(at).expect("a text"));
    (0..row.len()).map(cell).collect()
}

fn sqlite_cells(row: &SqliteRow) -> Vec<Cell> {
    let cell = |at| Cell(row.try_get_unchecked(at).expect("a text"));
    (0..row.len()).map(cell).collect()
}
