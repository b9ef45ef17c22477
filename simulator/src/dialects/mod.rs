//! The dialects that the simulator speaks. A dialect is a folder, and one entry of [`ALL`].
//!
//! All dialects tell of the same tasks. Each of the others translates its requests into those of [`suno`], and what
//! [`suno`] prints of a task into its own words.

mod fal;
mod mureka;
pub mod suno;
mod sunoapi;

use std::sync::Arc;

use axum::{Router, http::StatusCode, response::Response};
use serde_json::{Map, Value, value::to_raw_value};

use self::suno::print::Printed;
use crate::{
    id::Id,
    request::{Action, Request},
    secrets::Secrets,
    upstream::Upstream,
};

/// All dialects.
pub const ALL: &[&Dialect] = &[
    &suno::DIALECT,
    &sunoapi::DIALECT,
    &mureka::DIALECT,
    &fal::DIALECT,
];

/// What `--help` says of each dialect.
pub fn dialects() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|dialect| dialect.about)
}

/// How a dialect reads requests and writes answers.
pub struct Dialect {
    /// Its paths and its platform, for `--help`.
    pub about: &'static str,
    /// Its endpoints.
    pub routes: fn() -> Router<Arc<Upstream>>,
    /// How a key is sent.
    pub scheme: &'static str,
    /// Reads the body of a submit. The error is the message for the client.
    pub request: fn(Action, &[u8]) -> Result<Request, String>,
    /// The data of an answer that accepts a task under this id, to the client with these secrets. The id may be empty.
    pub accepted: fn(&str, &Secrets) -> Value,
    /// How the result is read, where the answer to a submit is the result.
    pub result_at_once: Option<ResultOf>,
    /// A task of Suno's dialect, as this one prints it.
    pub printed: fn(Printed) -> Printed,
    /// The status with which a call about a task that is not known is refused; `None`: it is answered without data.
    pub status_of_unknown_task: Option<StatusCode>,
    /// A success with this data, cut in two inside a text.
    pub halves: fn(&str) -> (&'static str, String),
    /// An error: its status, code and message.
    pub error: fn(StatusCode, &str, &str) -> Response,
    /// What is sent to the address that a submit named, once its task has ended; `None`: a submit names none.
    pub call_back: Option<fn(Id) -> Value>,
}

/// Reads the result of a task of Suno's dialect that ended. The error is the message for the client.
pub type ResultOf = fn(&Value) -> Result<Value, String>;

/// The body of a request. The error is the message for the client.
fn fields(body: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body can't be read: {error}"))
}

/// What was printed reads back.
pub fn value(task: &Printed) -> Value {
    serde_json::from_str(task.get()).unwrap_or_default()
}

/// A printed task in other words.
fn reprinted(task: Printed, words: fn(&Value) -> Value) -> Printed {
    // A value always serializes.
    to_raw_value(&words(&value(&task))).unwrap_or(task)
}

/// The members of this object, behind the text of another one.
fn beside(data: &str) -> String {
    let members = data.strip_prefix('{').unwrap_or("}");
    let comma = if members == "}" { "" } else { "," };
    format!(r#""{comma}{members}"#)
}

/// The status of a task of Suno's dialect, for which a dialect has this word, or none: "". A status in lower case gets the
/// word in the case that is wrong.
fn status_word(status: &Value, word: &str) -> Value {
    let theirs = status.as_str().unwrap_or_default();
    let is_odd_case = !theirs.is_empty() && theirs == theirs.to_ascii_lowercase();
    let upper = word.to_ascii_uppercase();
    match word {
        "" => status.clone(),
        word if !is_odd_case => word.into(),
        word if word == upper => word.to_ascii_lowercase().into(),
        _ => upper.into(),
    }
}

/// Why a task of Suno's dialect failed, for dialects whose clips have no words of their own.
fn reason(task: &Value) -> Value {
    let of_clip = &task["data"][0]["metadata"]["error_message"];
    let of_task = &task["fail_reason"];
    if of_task == "" && task["status"] == "FAILURE" {
        of_clip.clone()
    } else {
        of_task.clone()
    }
}
