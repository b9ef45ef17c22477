//! Checks balances and tasks against the ledger, and against what clients were told. It reads the
//! tables and does not ask the product.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow};

use crate::check::Expected;
use crate::submits::SubmitAnswer;

/// A connection to either database.
#[derive(Debug)]
pub enum Database {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Database {
    pub async fn rows<T>(&mut self, sql: &str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let query = AssertSqlSafe(sql.to_owned());
        let rows = match self {
            Self::Postgres(connection) => sqlx::query_as(query).fetch_all(connection).await,
            Self::Sqlite(connection) => sqlx::query_as(query).fetch_all(connection).await,
        };
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The rows of a query with one column, which holds texts.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<(String,)> = self.rows(sql).await;
        rows.into_iter().map(|(text,)| text).collect()
    }

    /// Executes a statement that has no rows.
    pub async fn execute(&mut self, sql: &'static str) {
        let done = match self {
            Self::Postgres(connection) => sqlx::query(sql).execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::query(sql).execute(connection).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// What does not hold once all tasks have ended, a sentence a row.
const VIOLATIONS: [&str; 6] = [
    // A user's balance is the sum of the user's ledger, and never negative.
    "SELECT 'user ' || name || ' has ' || quota || ' and used ' || used_quota
            || '; the ledger says ' || balance || ' and ' || spent
     FROM (SELECT name, quota, used_quota, coalesce(sum(amount), 0) AS balance,
                  -coalesce(sum(amount) FILTER (WHERE kind <> 'grant'), 0) AS spent
           FROM users LEFT JOIN ledger ON user_id = users.id GROUP BY users.id) AS of_user
     WHERE quota <> balance OR used_quota <> spent OR quota < 0",
    // So for an API key, which stays within its limit.
    "SELECT 'API key ' || id || ' used ' || used_quota || ' of '
            || coalesce(CAST(quota_limit AS TEXT), 'any') || '; the ledger says ' || spent
     FROM (SELECT k.id, used_quota, quota_limit, -coalesce(sum(amount), 0) AS spent
           FROM api_keys k LEFT JOIN ledger ON key_id = k.id AND kind <> 'grant'
           GROUP BY k.id) AS of_key
     WHERE used_quota <> spent OR used_quota > quota_limit",
    // So for a channel, over the tasks that it accepted.
    "SELECT 'channel ' || id || ' used ' || used_quota || '; the ledger says ' || spent
     FROM (SELECT c.id, used_quota, -coalesce(sum(amount), 0) AS spent
           FROM channels c
           LEFT JOIN tasks t ON t.channel_id = c.id AND t.upstream_id IS NOT NULL
           LEFT JOIN ledger l ON l.task_id = t.id
           GROUP BY c.id) AS of_channel
     WHERE used_quota <> spent",
    // A task was charged once, refunded once if it failed, and there is nothing else.
    "SELECT 'task ' || task_id || ' is ' || status || ' and costs ' || price
            || '; its entries are ' || coalesce(entries, 'none')
     FROM (SELECT t.task_id, status, t.quota AS price,
                  string_agg(kind || ' ' || amount || ' of user ' || l.user_id || ' and API key '
                             || coalesce(l.key_id, 0), ', ') AS entries,
                  count(*) FILTER (WHERE kind = 'charge') AS charges,
                  count(*) FILTER (WHERE kind <> 'charge') AS refunds,
                  count(*) FILTER (WHERE l.user_id = t.user_id AND l.key_id = t.key_id
                      AND amount = CASE kind WHEN 'charge' THEN -t.quota ELSE t.quota END) AS fitting
           FROM tasks t LEFT JOIN ledger l ON l.task_id = t.id GROUP BY t.id) AS of_task
     WHERE charges <> 1 OR refunds <> CASE status WHEN 'FAILURE' THEN 1 ELSE 0 END
        OR fitting <> charges + refunds",
    "SELECT 'task ' || task_id || ' stays ' || status
     FROM tasks WHERE status NOT IN ('SUCCESS', 'FAILURE')",
    "SELECT 'task ' || task_id || ' is still in unfinished_tasks'
     FROM tasks JOIN unfinished_tasks USING (id)",
];

/// What the tables hold.
#[derive(Debug)]
pub struct Tables {
    pub tasks: Vec<Task>,
    pub sums: Sums,
    /// What each user has and used, by the user's name.
    had: HashMap<String, i64>,
    violations: Vec<String>,
}

#[derive(Debug)]
pub struct Task {
    public_id: String,
    /// The title; the prompt of lyrics.
    pub title: String,
    user: i64,
    pub status: String,
}

/// Counts and sums for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    users: i64,
    keys: i64,
    channels: i64,
    entries: i64,
    granted: i64,
    pub charged: i64,
    pub refunded: i64,
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

    /// All but what is summed over tasks.
    async fn read(from: &mut Database) -> Self {
        let counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM api_keys),
                             (SELECT count(*) FROM channels), (SELECT count(*) FROM ledger)";
        let (users, keys, channels, entries) = from.rows(counts).await[0];
        let sums = "SELECT kind, CAST(sum(amount) AS BIGINT) FROM ledger GROUP BY kind";
        let sums: Vec<(String, i64)> = from.rows(sums).await;
        let sum = |kind: &str| sums.iter().find(|sum| sum.0 == kind).map_or(0, |sum| sum.1);
        Self {
            users,
            keys,
            channels,
            entries,
            granted: sum("grant"),
            charged: -sum("charge"),
            refunded: sum("refund"),
            ..Self::default()
        }
    }
}

impl Tables {
    /// Reads and checks all of them.
    pub async fn read(from: &mut Database) -> Self {
        let mut violations = Vec::new();
        for violation in VIOLATIONS {
            violations.extend(from.texts(violation).await);
        }
        let had = from.rows("SELECT name, quota + used_quota FROM users");
        let had = had.await.into_iter().collect();
        let mut sums = Sums::read(from).await;
        let tasks = "SELECT task_id, user_id, status, fail_reason, input FROM tasks";
        let rows: Vec<(String, i64, String, String, String)> = from.rows(tasks).await;
        let mut tasks = Vec::new();
        // Each submit of the run has its title as its prompt, too.
        for (public_id, user, status, fail_reason, title) in rows {
            *sums.tasks.entry(status.clone()).or_default() += 1;
            if status == "FAILURE" {
                let words: Vec<&str> = fail_reason.split_whitespace().take(8).collect();
                *sums.reasons.entry(words.join(" ")).or_default() += 1;
            }
            tasks.push(Task {
                public_id,
                title,
                user,
                status,
            });
        }
        Self {
            tasks,
            sums,
            had,
            violations,
        }
    }

    /// What does not hold, once all tasks have ended.
    pub fn violations(&self, expected: &Expected) -> Vec<String> {
        let mut found = self.violations.clone();
        for (name, granted) in &expected.granted {
            // What a user has and used is what the user was granted.
            if let Some(had) = self.had.get(name).filter(|had| *had != granted) {
                found.push(format!(
                    "user {name} was granted {granted}, and has and used {had}"
                ));
            }
        }
        self.each_submit(expected, &mut found);
        found
    }

    /// Each submit is at most one task of its user, the task that every answer named; a submit that
    /// was only refused is no task.
    fn each_submit(&self, expected: &Expected, found: &mut Vec<String>) {
        let mut by_title = HashMap::<&str, Vec<&Task>>::new();
        for task in &self.tasks {
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
