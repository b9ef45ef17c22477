//! A `pgbench` script out of the very statements that our API sends for one submit, as the server
//! logs them.

use std::fmt::Write as _;
use std::time::Duration;

use harness::wait::eventually;
use shared::secret::SecretDigest;

use super::people;
use crate::site::Site;

/// A script for `pgbench`.
#[derive(Debug)]
pub struct Script {
    /// The script.
    pub text: String,
    /// Its variables, each with its value.
    pub variables: Vec<(String, String)>,
}

/// A statement as the server logged it.
#[derive(Debug, PartialEq)]
struct Logged {
    /// Whose connection it came by.
    session: String,
    sql: String,
    /// `None` is NULL.
    parameters: Vec<Option<String>>,
}

/// Has the server log what one submit of user 0 is, which `submit` makes; it returns the task's
/// name. Nothing else may use the database meanwhile.
pub async fn capture(site: &Site, submit: impl AsyncFnOnce() -> String) -> Script {
    let log = site.servers.folder().join("postgres.log");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    site.execute("ALTER SYSTEM SET log_statement = 'all'").await;
    site.execute("SELECT pg_reload_conf()").await;
    // A backend reads its settings again between two statements, once it has heard of it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = read().len();
    let task = submit().await;
    site.execute("ALTER SYSTEM RESET log_statement").await;
    site.execute("SELECT pg_reload_conf()").await;
    let logged = eventually(Duration::from_secs(10), "the log of a submit", async || {
        let logged = without_folds(statements(&read()[before..]));
        (!logged.is_empty()).then_some(logged)
    })
    .await;
    script(&logged, &task)
}

/// A submit as one would write it who has one at a time: what ours do for many, in seven plain statements.
pub fn plain() -> Script {
    let text = format!(
        "{draw}\\set task random(1, 9000000000000000000)
SELECT u.id, u.enabled, u.quota, k.id, k.enabled, k.quota_limit, k.used_quota
FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.digest = {digest};
BEGIN;
SELECT (SELECT quota FROM prices WHERE platform = 'suno' AND action = 'song'),
       EXISTS (SELECT 1 FROM channels WHERE enabled AND platform = 'suno');
UPDATE users SET quota = quota - 150000, used_quota = used_quota + 150000, tasks = tasks + 1
WHERE id = :user AND quota >= 150000;
UPDATE api_keys SET used_quota = used_quota + 150000
WHERE id = :key AND (quota_limit IS NULL OR used_quota + 150000 <= quota_limit);
WITH task AS (
    INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota, created_at,
                       updated_at, submit_time, request, input, user_seq)
    VALUES ('task_' || lpad(:task::text, 32, '0'), :user, :key, 'suno', 'song', 'NOT_START', 0, 150000,
            1760000000, 1760000000, 1760000000, :request, 'Rain on a tin roof',
            (SELECT tasks FROM users WHERE id = :user))
    RETURNING id
), unfinished AS (
    INSERT INTO unfinished_tasks (id, due_at, deadline, stage)
    SELECT id, 1760000000000, 1760001800000, 'submit' FROM task
), entry AS (
    INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
    SELECT :user, :key, id, 'charge', -150000, 1760000000000 FROM task
)
INSERT INTO task_events (task_id, at, turn, kind, detail)
SELECT id, 1760000000000, 0, 'stored', 'charged 150000' FROM task;
COMMIT;
",
        draw = people::draw(),
        digest = people::DRAWN_DIGEST,
    );
    Script {
        text,
        variables: vec![("request".to_owned(), super::SONG.to_owned())],
    }
}

fn script(logged: &[Logged], task: &str) -> Script {
    let mut text = people::draw();
    text.push_str("\\set task random(1, 9000000000000000000)\n");
    let mut variables = Vec::new();
    for (number, statement) in logged.iter().enumerate() {
        let values: Vec<String> = statement
            .parameters
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let Some(value) = value else {
                    return "NULL".to_owned();
                };
                drawn(value, task).unwrap_or_else(|| {
                    let name = format!("s{number}p{at}");
                    let variable = format!(":{name}");
                    variables.push((name, value.clone()));
                    variable
                })
            })
            .collect();
        let _infallible = writeln!(text, "{};", filled_in(&statement.sql, &values));
    }
    Script { text, variables }
}

/// What stands for a value that is another for each submit: its user, key, digest of the key or task,
/// alone or the only one of an array.
fn drawn(value: &str, task: &str) -> Option<String> {
    if let Some(only) = value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) {
        let only = only.trim_matches('"').replace("\\\\", "\\");
        return Some(format!("ARRAY[{}]", drawn(&only, task)?));
    }
    let digest = SecretDigest::of(people::secret(0));
    let mut hex = "\\x".to_owned();
    for byte in digest.as_bytes() {
        let _infallible = write!(hex, "{byte:02x}");
    }
    let drawn = if value == task {
        "('task_' || lpad(:task, 32, '0'))"
    } else if value == hex {
        people::DRAWN_DIGEST
    } else if value == people::user(0).to_string() {
        ":user"
    } else if value == people::key(0).to_string() {
        ":key"
    } else {
        return None;
    };
    Some(drawn.to_owned())
}

/// The statement with `values` for `$1`, `$2`, ….
fn filled_in(sql: &str, values: &[String]) -> String {
    let mut pieces = sql.split('$');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = piece[..digits].parse().expect("a parameter has a number");
        filled.push_str(&values[number - 1]);
        filled.push_str(&piece[digits..]);
    }
    filled
}

/// What our programs asked, in its order.
fn statements(log: &str) -> Vec<Logged> {
    let mut found: Vec<Logged> = Vec::new();
    // A line that begins with a tab belongs to the one above.
    for entry in log.replace("\n\t", "\r").lines() {
        let entry = entry.replace('\r', "\n");
        if let Some((session, said)) = entry.split_once("] task-center LOG:  ") {
            let sql = match said.split_once(": ") {
                Some(("statement", sql)) => sql,
                Some((execute, sql)) if execute.starts_with("execute ") => sql,
                _ => continue,
            };
            let session = session.rsplit('[').next().unwrap_or_default();
            found.push(Logged {
                session: session.to_owned(),
                sql: sql.trim_end().trim_end_matches(';').to_owned(),
                parameters: Vec::new(),
            });
        } else if let Some((_, said)) = entry.split_once("] task-center DETAIL:  ")
            && let Some((_, list)) = said.split_once("arameters: ")
            && let Some(last) = found.last_mut()
        {
            last.parameters = parameters(list);
        }
    }
    found
}

/// What is left without the transactions that fold changes into counts: the API does that every second,
/// whoever submits.
fn without_folds(logged: Vec<Logged>) -> Vec<Logged> {
    let mut kept: Vec<Logged> = Vec::new();
    let mut folding: Vec<String> = Vec::new();
    for statement in logged {
        let session = &statement.session;
        if statement.sql.contains("pg_try_advisory_xact_lock") {
            // Its BEGIN was the last of this session.
            let began = kept.iter().rposition(|kept| kept.session == *session);
            began.map(|began| kept.remove(began));
            folding.push(session.clone());
        } else if let Some(at) = folding.iter().position(|folding| folding == session) {
            if ["COMMIT", "ROLLBACK"].contains(&&*statement.sql) {
                folding.remove(at);
            }
        } else {
            kept.push(statement);
        }
    }
    kept
}

/// `$1 = 'it''s', $2 = NULL`, as values.
fn parameters(mut list: &str) -> Vec<Option<String>> {
    let mut values = Vec::new();
    while let Some((_, after)) = list.split_once(" = ") {
        let Some(quoted) = after.strip_prefix('\'') else {
            values.push(None);
            list = after;
            continue;
        };
        let mut value = String::new();
        let mut rest = quoted;
        while let Some((before, after)) = rest.split_once('\'') {
            value.push_str(before);
            rest = after;
            match after.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => break,
            }
        }
        values.push(Some(value));
        list = rest;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_their_parameters_come_out_of_the_log() {
        let log = "2026-01-01 00:00:00 UTC [7] task-center LOG:  statement: BEGIN\n\
                   2026-01-01 00:00:00 UTC [7] task-center LOG:  execute sqlx_s_2: UPDATE users\n\
                   \tSET name = $2\n\
                   \tWHERE id = $1\n\
                   2026-01-01 00:00:00 UTC [7] task-center DETAIL:  parameters: $1 = '7', \
                   $2 = 'it''s = ''ours''', $3 = NULL, $4 = ''\n\
                   2026-01-01 00:00:00 UTC [8] psql LOG:  statement: SELECT 1\n";
        let found = statements(log);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].sql, "BEGIN");
        assert_eq!(found[1].sql, "UPDATE users\nSET name = $2\nWHERE id = $1");
        let text = |text: &str| Some(text.to_owned());
        let expected = [text("7"), text("it's = 'ours'"), None, text("")];
        assert_eq!(found[1].parameters, expected);
    }

    #[test]
    fn a_fold_that_came_between_is_no_part_of_a_submit() {
        let log = [
            "1 BEGIN",
            "2 BEGIN",
            "2 SELECT pg_try_advisory_xact_lock($1)",
            "1 INSERT",
            "2 SELECT 1",
            "2 ROLLBACK",
            "1 COMMIT",
            "2 SELECT 2",
        ];
        let logged = log.map(|line| {
            let (session, sql) = line.split_at(2);
            Logged {
                session: session.trim().to_owned(),
                sql: sql.to_owned(),
                parameters: Vec::new(),
            }
        });
        let left = without_folds(logged.into());
        let left: Vec<&str> = left.iter().map(|statement| &*statement.sql).collect();
        assert_eq!(left, ["BEGIN", "INSERT", "COMMIT", "SELECT 2"]);
    }

    #[test]
    fn what_is_alone_in_an_array_is_drawn_too() {
        let key = drawn(&format!("{{{}}}", people::key(0)), "task_x");
        assert_eq!(key.as_deref(), Some("ARRAY[:key]"));
        let digest = "{\"\\\\x00\"}";
        assert_eq!(drawn(digest, "task_x"), None);
        assert_eq!(drawn("{song}", "task_x"), None);
        assert_eq!(drawn("{NULL}", "task_x"), None);
    }

    #[test]
    fn a_script_draws_a_user_and_a_task_and_keeps_the_rest() {
        let logged = Logged {
            session: String::new(),
            sql: "SELECT $2::BIGINT, $1, $3".to_owned(),
            parameters: vec![
                Some("task_x".to_owned()),
                Some(people::user(0).to_string()),
                Some("song".to_owned()),
            ],
        };
        let script = script(&[logged], "task_x");
        let select = "SELECT :user::BIGINT, ('task_' || lpad(:task, 32, '0')), :s0p2;\n";
        assert!(script.text.ends_with(select), "{}", script.text);
        assert_eq!(script.variables, [("s0p2".to_owned(), "song".to_owned())]);
    }
}
