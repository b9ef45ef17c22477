//! Who is next: the waiting tasks stand in lines, and each line knows how many tasks of its user run
//! (`migrations/*/0016_flow.sql`). So the next tasks are found in the order of their turns, without a look at the
//! others: first the user with the fewest running tasks, then the oldest task.

use super::row::{self, Cells as _, at_turn};
use super::sql::{Database, Row, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::task::{Action, AtTurn, ChannelId, KeyId, Platform, UserId};

/// A kind of tasks that the same channels can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The platform.
    pub platform: Platform,
    /// What is made.
    pub action: Action,
    /// The only channel that can take it; `None`: any can.
    pub only: Option<ChannelId>,
}

/// A line of waiting tasks: of one user, one key and one route.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// Whose tasks they are.
    pub user: UserId,
    /// By which key.
    pub key: KeyId,
    /// Where they may go.
    pub route: Route,
    /// How many tasks of the user run.
    pub running: u32,
    /// How many more of the user's tasks may run; `None`: any number.
    pub user_left: Option<u32>,
    /// How many more of the key's tasks may run; `None`: any number.
    pub key_left: Option<u32>,
    /// How many tasks wait, those that are not due yet too.
    pub waiting: u32,
    /// The first that is due.
    pub first: Waiting,
}

/// A waiting task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The task at its turn.
    pub at: AtTurn,
    /// The channel that failed it last, if one did.
    pub avoid: Option<ChannelId>,
}

/// How many tasks wait for the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingTasks {
    /// Where they may go.
    pub route: Route,
    /// Whether their user or key has as many running tasks as it may have.
    pub is_full: bool,
    /// How many.
    pub tasks: u64,
}

impl Store {
    /// The lines whose turn is next, at most `most` of each route, in the order of their turns. Only lines with a
    /// task that is due, of users and keys that may have another running task.
    pub async fn next_lines(&self, routes: &[Route], most: u32, now: Millis) -> Result<Vec<Line>> {
        let only = |route: &Route| route.only.map_or(0, |channel| channel.0);
        let mut found = Vec::new();
        if let Database::Postgres(_) = self.database {
            let names = |name: fn(&Route) -> &str| -> Vec<String> {
                routes.iter().map(|route| name(route).to_owned()).collect()
            };
            let only: Vec<i64> = routes.iter().map(only).collect();
            let select = sql("SELECT * FROM next_lines($1, $2, $3, $4, $5)")
                .bind(names(|route| route.platform.as_str())) // $1 platform
                .bind(names(|route| route.action.as_str())) // $2 action
                .bind(only.as_slice()) // $3 only_channel
                .bind(now.0) // $4 due_at
                .bind(most); // $5 lines of each route
            found = self.database.all(select).await?;
        } else {
            for route in routes {
                let select = sql(NEXT_LINES)
                    .bind(route.platform.as_str()) // $1 platform
                    .bind(route.action.as_str()) // $2 action
                    .bind(only(route)) // $3 only_channel
                    .bind(now.0) // $4 due_at
                    .bind(most); // $5 lines
                found.extend(self.database.all(select).await?);
            }
        }
        let mut lines: Vec<Line> = found.iter().map(line).collect::<Result<_>>()?;
        lines.sort_by_key(|line| (line.running, line.first.at.row));
        Ok(lines)
    }

    /// The first tasks of lines that are due: as many of each as it is named with, with the line's number.
    pub async fn first_in_lines(
        &self,
        lines: &[(i64, u32)],
        now: Millis,
    ) -> Result<Vec<(i64, Waiting)>> {
        let mut found = Vec::new();
        if let Database::Postgres(_) = self.database {
            let (ids, counts): (Vec<i64>, Vec<i64>) = lines
                .iter()
                .map(|(line, count)| (*line, i64::from(*count)))
                .unzip();
            let select = sql("SELECT * FROM first_in_lines($1, $2, $3)")
                .bind(ids.as_slice()) // $1 line
                .bind(counts.as_slice()) // $2 how many
                .bind(now.0); // $3 due_at
            found = self.database.all(select).await?;
        } else {
            for (line, count) in lines {
                let select = sql("SELECT line, id, turn, attempts, channel_id AS last_channel
                     FROM unfinished_tasks
                     WHERE line = $1 AND stage = 'submit' AND due_at <= $3
                     ORDER BY id
                     LIMIT $2")
                .bind(*line) // $1 line
                .bind(*count) // $2 how many
                .bind(now.0); // $3 due_at
                found.extend(self.database.all(select).await?);
            }
        }
        let waiting = |found: &Row| Ok((found.int("line")?, waiting(found)?));
        found.iter().map(waiting).collect()
    }

    /// How many tasks wait, by where they may go.
    pub async fn waiting_tasks(&self) -> Result<Vec<WaitingTasks>> {
        let select = sql(
            "SELECT platform, action, only_channel, is_full, CAST(sum(waiting) AS BIGINT) AS tasks
             FROM lines
             WHERE waiting > 0
             GROUP BY platform, action, only_channel, is_full",
        );
        let found = self.database.all(select).await?;
        let waiting = |found: &Row| {
            Ok(WaitingTasks {
                route: route(found)?,
                is_full: found.flag("is_full")?,
                tasks: u64::try_from(found.int("tasks")?).unwrap_or_default(),
            })
        };
        found.iter().map(waiting).collect()
    }

    /// At most `limit` tasks that wait although they were to be sent by `now`.
    pub async fn expired(&self, now: Millis, limit: u32) -> Result<Vec<AtTurn>> {
        let select = sql("SELECT id, turn FROM unfinished_tasks
             WHERE stage = 'submit' AND deadline <= $1
             ORDER BY id
             LIMIT $2")
        .bind(now.0) // $1 deadline
        .bind(limit); // $2 limit
        let found = self.database.all(select).await?;
        let at = |found: &Row| Ok(at_turn((found.int("id")?, found.int("turn")?)));
        found.iter().map(at).collect()
    }
}

/// As the function `next_lines` of `PostgreSQL` for one route.
const NEXT_LINES: &str = "
    SELECT l.id AS line, l.user_id, l.key_id, l.platform, l.action, l.only_channel, l.running, l.waiting,
           CASE WHEN u.max_tasks > 0 THEN u.max_tasks - l.running END AS user_left,
           CASE WHEN k.max_tasks > 0
                THEN k.max_tasks - coalesce((SELECT r.tasks FROM running_tasks r
                                             WHERE r.kind = 'key' AND r.id = l.key_id), 0) END AS key_left,
           f.id, f.turn, f.attempts, f.channel_id AS last_channel
    FROM lines l
    CROSS JOIN unfinished_tasks f ON f.id = (
        SELECT t.id FROM unfinished_tasks t
        WHERE t.line = l.id AND t.stage = 'submit' AND t.due_at <= $4
        ORDER BY t.id
        LIMIT 1)
    CROSS JOIN users u ON u.id = l.user_id
    CROSS JOIN api_keys k ON k.id = l.key_id
    WHERE l.platform = $1 AND l.action = $2 AND l.only_channel = $3 AND l.waiting > 0 AND NOT l.is_full
    ORDER BY l.running, l.oldest
    LIMIT $5";

fn line(found: &Row) -> Result<Line> {
    let id = found.int("line")?;
    let count = |column| row::count("lines", column, id, found.int(column)?);
    let left = |column| -> Result<Option<u32>> {
        let left = found.int_or_null(column)?;
        Ok(left.map(|left| u32::try_from(left.max(0)).unwrap_or(u32::MAX)))
    };
    Ok(Line {
        id,
        user: UserId(found.int("user_id")?),
        key: KeyId(found.int("key_id")?),
        route: route(found)?,
        running: count("running")?,
        user_left: left("user_left")?,
        key_left: left("key_left")?,
        waiting: count("waiting")?,
        first: waiting(found)?,
    })
}

fn route(found: &Row) -> Result<Route> {
    let only = found.int("only_channel")?;
    Ok(Route {
        platform: row::parse("lines", "platform", 0, &found.text("platform")?)?,
        action: row::parse("lines", "action", 0, &found.text("action")?)?,
        only: (only != 0).then_some(ChannelId(only)),
    })
}

fn waiting(found: &Row) -> Result<Waiting> {
    let has_failed = found.int("attempts")? > 0;
    let last = found.int_or_null("last_channel")?.map(ChannelId);
    Ok(Waiting {
        at: at_turn((found.int("id")?, found.int("turn")?)),
        avoid: last.filter(|_| has_failed),
    })
}
