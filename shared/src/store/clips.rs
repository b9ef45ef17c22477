//! Which channel made a task or a clip: a request that names one goes there.
//!
//! The table `clips` holds the clips of all results that are stored. Programs of the version before do not
//! write the table. So a clip that is not in the table is looked for in the user's newest tasks, among those
//! that have no clip in the table.

use super::row::Cells as _;
use super::sql::{Row, sql};
use super::{Result, Store};
use crate::task::{ChannelId, RowId, TaskId, UserId, clips};

/// In how many of the user's newest tasks a clip is looked for that the table lacks.
const NEWEST: u32 = 1000;

/// How many results that hold the text of a clip's id are read: a result may name the clips that it came
/// from, so the oldest ones are read.
const CANDIDATES: u32 = 8;

/// Whether a task can be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuation {
    /// The user has no such task.
    NoTask,
    /// No upstream ever accepted the task.
    NeverAccepted,
    /// The task can be continued.
    Possible(Maker),
}

/// Where a task or a clip was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The channel that made the task.
    pub channel: ChannelId,
    /// The upstream's id of the task; `None`: it has none, as the answer to the submit held the result.
    pub upstream_id: Option<String>,
}

impl Store {
    /// Whether the user's task can be continued, and where.
    pub async fn continuation(&self, user: UserId, task: &TaskId) -> Result<Continuation> {
        let select =
            "SELECT channel_id, upstream_id FROM tasks WHERE task_id = $1 AND user_id = $2";
        let select = sql(select)
            .bind(task.as_str()) // $1 task_id
            .bind(user.0); // $2 user_id
        let Some(found) = self.database.optional(select).await? else {
            return Ok(Continuation::NoTask);
        };
        Ok(maker(&found)?.map_or(Continuation::NeverAccepted, Continuation::Possible))
    }

    /// Where the clip was made; `None` if no task of the user made it.
    pub async fn maker_of_clip(&self, user: UserId, clip: &str) -> Result<Option<Maker>> {
        if !clips::is_id(clip) {
            return Ok(None);
        }
        let select = "SELECT t.channel_id, t.upstream_id
             FROM clips c
             JOIN tasks t ON t.id = c.task
             WHERE c.user_id = $1 AND c.clip_id = $2";
        let select = sql(select)
            .bind(user.0) // $1 user_id
            .bind(clip); // $2 clip_id
        if let Some(found) = self.database.optional(select).await? {
            return maker(&found);
        }
        // Results whose clips are in the table are not read: a clip that nobody has must cost little.
        let select = r"WITH newest AS MATERIALIZED (
                 SELECT id FROM tasks WHERE user_id = $1 ORDER BY id DESC LIMIT $3
             ), lacking AS MATERIALIZED (
                 SELECT id FROM newest n
                 WHERE NOT EXISTS (SELECT 1 FROM clips c WHERE c.task = n.id)
             )
             SELECT t.channel_id, t.upstream_id, t.data
             FROM lacking l
             JOIN tasks t ON t.id = l.id
             WHERE t.data LIKE $2 ESCAPE '\'
             ORDER BY t.id LIMIT $4";
        let select = sql(select)
            .bind(user.0) // $1 user_id
            .bind(&*containing(clip)) // $2 data
            .bind(NEWEST) // $3 how many are searched
            .bind(CANDIDATES); // $4 how many are read
        for found in self.database.all(select).await? {
            if clips::ids(&found.text("data")?).iter().any(|id| id == clip) {
                return maker(&found);
            }
        }
        Ok(None)
    }
}

/// A pattern for LIKE, with the escape `\`.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}

fn maker(found: &Row) -> Result<Option<Maker>> {
    let channel = found.int_or_null("channel_id")?.map(ChannelId);
    let maker = channel.zip(found.text_or_null("upstream_id")?);
    Ok(maker.map(|(channel, upstream_id)| Maker {
        channel,
        upstream_id: Some(upstream_id).filter(|id| !id.is_empty()),
    }))
}

/// The clips of results that are about to be stored, each with its task.
pub(super) fn of_results<'a>(
    results: impl Iterator<Item = (RowId, Option<&'a str>)>,
) -> Vec<(RowId, String)> {
    let of_task = |(row, data): (RowId, Option<&'a str>)| {
        let ids = clips::ids(data.unwrap_or_default()).into_iter();
        ids.map(move |id| (row, id))
    };
    results.flat_map(of_task).collect()
}
