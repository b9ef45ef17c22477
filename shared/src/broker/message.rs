//! The messages, and their JSON, which an operator can read in the `RabbitMQ` UI
//! (`docs/contract.md`, "Queues and messages").

use serde::{Deserialize, Serialize};

use crate::task::{AtTurn, ChannelId};

use super::Queue;

/// The most tasks in one poll message: as many as an upstream answers in one call.
pub const MOST_TASKS: usize = 100;

/// "Look at these tasks now." A message holds ids, never secrets or prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Submit a task: `{"v":1,"submit":{"id":17,"turn":0}}`.
    Submit(AtTurn),
    /// Poll tasks of one channel:
    /// `{"v":1,"poll":{"channel":3,"tasks":[{"id":17,"turn":4}]}}`.
    Poll {
        /// The channel that accepted the tasks.
        channel: ChannelId,
        /// The tasks, at most [`MOST_TASKS`].
        tasks: Vec<AtTurn>,
    },
}

impl Message {
    /// The queue that the message goes to.
    pub fn queue(&self) -> Queue {
        match self {
            Self::Submit(_) => Queue::Submit,
            Self::Poll { .. } => Queue::Poll,
        }
    }

    /// The tasks that the message names.
    pub fn tasks(&self) -> &[AtTurn] {
        match self {
            Self::Submit(task) => std::slice::from_ref(task),
            Self::Poll { tasks, .. } => tasks,
        }
    }

    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let (v, message) = (VERSION, self);
        serde_json::to_vec(&Envelope { v, message }).unwrap_or_default()
    }

    /// The message in `json`.
    pub fn from_json(json: &[u8]) -> Result<Self, NotAMessage> {
        let Envelope { v, message } = serde_json::from_slice(json)
            .map_err(|error| NotAMessage::Unreadable(error.to_string()))?;
        match message {
            _ if v != VERSION => Err(NotAMessage::Version(v)),
            Self::Poll { tasks, .. } if tasks.len() > MOST_TASKS => {
                Err(NotAMessage::TooManyTasks(tasks.len()))
            }
            message => Ok(message),
        }
    }
}

/// The row and the turn of the first task in an unreadable message, as far as they can be found: for the
/// log.
pub(super) fn named(json: &[u8]) -> (Option<i64>, Option<i64>) {
    let json: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let task = match &json["submit"] {
        serde_json::Value::Null => &json["poll"]["tasks"][0],
        task => task,
    };
    (task["id"].as_i64(), task["turn"].as_i64())
}

/// Why a body is not a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAMessage {
    /// The body does not read.
    #[error("it does not read as a message: {0}")]
    Unreadable(String),
    /// The message is of another version.
    #[error("its version is {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// The message names more than [`MOST_TASKS`].
    #[error("it names {0} tasks, and the most is {MOST_TASKS}")]
    TooManyTasks(usize),
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    v: u32,
    #[serde(flatten)]
    message: M,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{RowId, Turn};

    fn at(row: i64, turn: i64) -> AtTurn {
        AtTurn {
            row: RowId(row),
            turn: Turn(turn),
        }
    }

    #[test]
    fn messages_read_as_the_contract_prints_them() {
        let submit = Message::Submit(at(17, 0));
        let poll = Message::Poll {
            channel: ChannelId(3),
            tasks: vec![at(17, 4), at(18, 2)],
        };
        let submit_json = br#"{"v":1,"submit":{"id":17,"turn":0}}"#;
        let poll_json =
            br#"{"v":1,"poll":{"channel":3,"tasks":[{"id":17,"turn":4},{"id":18,"turn":2}]}}"#;
        assert_eq!(submit.to_json(), submit_json);
        assert_eq!(poll.to_json(), poll_json);
        assert_eq!(Message::from_json(submit_json), Ok(submit));
        assert_eq!(Message::from_json(poll_json), Ok(poll));
    }

    #[test]
    fn what_is_no_message_of_ours_is_refused() {
        for json in [
            "",
            "null",
            "{}",
            r#"{"v":1}"#,
            r#"{"v":1,"submit":{"id":"17","turn":0}}"#,
        ] {
            let refused = Message::from_json(json.as_bytes());
            assert!(matches!(refused, Err(NotAMessage::Unreadable(_))), "{json}");
        }
        let newer = Message::from_json(br#"{"v":2,"submit":{"id":17,"turn":0}}"#);
        assert_eq!(newer, Err(NotAMessage::Version(2)));
    }

    #[test]
    fn of_what_does_not_read_the_task_is_known_if_it_is_named() {
        let newer = br#"{"v":2,"submit":{"id":17,"turn":3}}"#;
        assert_eq!(named(newer), (Some(17), Some(3)));
        let odd = br#"{"v":1,"poll":{"channel":"x","tasks":[{"id":18}]}}"#;
        assert_eq!(named(odd), (Some(18), None));
        assert_eq!(named(b"no JSON"), (None, None));
    }

    #[test]
    fn a_message_of_too_many_tasks_is_refused() {
        let tasks = vec![at(1, 0); MOST_TASKS + 1];
        let json = Message::Poll {
            channel: ChannelId(1),
            tasks,
        }
        .to_json();
        assert_eq!(
            Message::from_json(&json),
            Err(NotAMessage::TooManyTasks(MOST_TASKS + 1))
        );
    }
}
