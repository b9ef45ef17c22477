//! The dialects that the simulator speaks. A dialect is a folder, and one entry of [`ALL`].
//!
//! All dialects tell of the same tasks. The others put their requests into the words of [`Suno`], and what it prints of a
//! task into their own.

mod fal;
mod mureka;
mod suno;
mod sunoapi;

use std::sync::Arc;

use axum::{Router, http::StatusCode, response::Response};
use serde_json::{Map, Value, value::to_raw_value};

pub use self::suno::{
    Suno,
    print::{Printed, print},
};
use self::{fal::Fal, mureka::Mureka, sunoapi::SunoApi};
use crate::{
    id::Id,
    request::{Action, Request},
    secrets::Secrets,
    upstream::Upstream,
};

/// All dialects. Of Mureka one call stands for all, whose paths and errors are the same.
pub const ALL: &[&dyn Dialect] = &[&Suno, &SunoApi, &Mureka::Song, &Fal];

/// What `--help` says of each dialect.
pub fn dialects() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|dialect| dialect.about())
}

/// Reads the result of a task of Suno's dialect that ended. The error is the message for the client.
pub type ResultOf = fn(&Value) -> Result<Value, String>;

/// How a dialect reads requests and writes answers.
pub trait Dialect: Sync {
    /// Its paths and its platform, for `--help`.
    fn about(&self) -> &'static str;

    /// Its endpoints.
    fn routes(&self) -> Router<Arc<Upstream>>;

    /// How a key is sent.
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    /// Reads the body of a submit. The error is the message for the client.
    fn request(&self, action: Action, body: &[u8]) -> Result<Request, String>;

    /// The data of an answer that accepts a task under this id, to the client with these secrets. The id may be empty.
    fn accepted(&self, id: String, secrets: &Secrets) -> Value;

    /// How the result is read, where the answer to a submit is the result.
    fn result_at_once(&self) -> Option<ResultOf> {
        None
    }

    /// A task of Suno's dialect, as this one prints it.
    fn printed(&self, task: Printed) -> Printed;

    /// The status with which a call about a task that is not known is refused; `None`: it is answered without data.
    fn status_of_unknown_task(&self) -> Option<StatusCode> {
        Some(StatusCode::NOT_FOUND)
    }

    /// A success with this data, cut in two inside a text.
    fn halves(&self, data: &str) -> (&'static str, String);

    /// An error.
    fn error(&self, status: StatusCode, code: &str, message: &str) -> Response;

    /// What is sent to the address that a submit named, once its task has ended.
    fn call_back(&self, _id: Id) -> Value {
        Value::Null
    }
}

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
