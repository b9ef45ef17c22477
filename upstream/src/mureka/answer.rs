//! Reads the vendor's JSON leniently, and makes clips and lyrics of it. Each clip keeps the vendor's own object as `raw`,
//! and so do lyrics.

use serde_json::{Value, json};
use shared::json;
use shared::task::step::Observation;
use shared::task::{Action, Status, clips};

use super::tables::{ACCOUNT, ADDRESSES, Holds, KNOWN, MILLIS_FROM, STATUSES, call};
use crate::fields::{Fields, is_address, repaired};
use crate::results::made_of;
use crate::said::failed;
use crate::{Asked, Made};

/// An answer: a task, lyrics, an address, the account, or an error.
pub(super) struct Answer<'a> {
    body: &'a [u8],
    fields: Fields<'a>,
}

impl<'a> Answer<'a> {
    /// `None`: the body is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let fields = Fields::read(body)?;
        Some(Self { body, fields })
    }

    /// Whether this is an answer of the vendor, and no refusal.
    pub(super) fn is_known(&self) -> bool {
        self.has_any(&KNOWN)
    }

    /// Whether this is the account.
    pub(super) fn is_account(&self) -> bool {
        self.has_any(&ACCOUNT)
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.fields.value(name).is_some())
    }

    /// How many tasks the account may have at once. No account has a limit of none.
    pub(super) fn most_tasks(&self) -> Option<u32> {
        let [limit, ..] = ACCOUNT;
        let limit = self.fields.text(limit)?;
        let whole = limit
            .split_once('.')
            .map_or(&*limit, |(whole, _)| whole)
            .parse();
        whole.ok().filter(|limit| *limit > 0)
    }

    /// The words for people.
    pub(super) fn words(&self) -> Option<String> {
        self.fields.words()
    }

    /// The vendor's id of a task. `None`: there is none that can be asked for.
    pub(super) fn task_id(&self) -> Option<String> {
        let id = self.fields.text("id")?;
        let is_path = crate::http::segment(&id).is_some();
        (is_path && clips::is_id(&id)).then_some(id)
    }

    /// The result that an answer to a submit holds, if it does. The error is our reason why it cannot be stored.
    pub(super) fn made(&self, action: Action) -> Option<Result<Made, &'static str>> {
        let made = match call(action)?.answer {
            Holds::Task => return None,
            Holds::Lyrics => self.lyrics()?,
            Holds::Address => json!([self.at_address()?]),
        };
        let upstream_id = self.task_id();
        match made_of(Some(self.body), |_| Some(made)) {
            Ok(data) => Some(Ok(Made {
                upstream_id,
                data: data?,
            })),
            Err(why) => Some(Err(why)),
        }
    }

    fn lyrics(&self) -> Option<Value> {
        let text = self.fields.text("lyrics")?;
        Some(json!({
            // Clients must not see the vendor's id of the task, and the lyrics have none of their own.
            "id": "",
            "status": "complete",
            "title": self.fields.text("title").unwrap_or_default(),
            "text": text,
            "raw": self.raw(),
        }))
    }

    /// The whole answer, but for the vendor's id of the task.
    fn raw(&self) -> Value {
        let mut raw = repaired(self.body);
        if let Some(members) = raw.as_object_mut() {
            members.remove("id");
        }
        raw
    }

    /// The clip at the address that the answer gives. A task that tells its status is not finished yet.
    fn at_address(&self) -> Option<Value> {
        let goes_on = |word: String| status_of(&word) != Some(Status::Success);
        let status = self.fields.text("status");
        if status.is_some_and(|word| self.task_id().is_some() || goes_on(word)) {
            return None;
        }
        let mut addresses = ADDRESSES.iter().filter_map(|name| self.fields.text(name));
        let address = addresses.find(|text| is_address(text))?;
        Some(clip(&self.raw(), "complete", &address, &self.fields))
    }

    /// What the vendor says of the task. `None`: it tells of another.
    pub(super) fn observation(&self, asked: &Asked) -> Option<Observation> {
        let id = self.fields.text("id");
        let is_other = id.is_some_and(|id| id != asked.upstream_id.trim());
        (!is_other).then(|| observation(&self.fields))
    }
}

/// What a status means.
fn status_of(word: &str) -> Option<Status> {
    let mut known = STATUSES.iter();
    let known = known.find(|(name, _)| name.eq_ignore_ascii_case(word));
    known.map(|(_, status)| *status)
}

fn observation(task: &Fields<'_>) -> Observation {
    let word = task.text("status").unwrap_or_default().to_ascii_lowercase();
    let status = status_of(&word);
    let choices = task.value("choices");
    // Some gateways print a list as its text.
    let text = choices.and_then(json::text);
    let choices = text.as_deref().map(str::as_bytes).or(choices);
    let data = made_of(choices, |choices| clips_of(choices, task));
    // A result that cannot be stored is a failure only if it is the last one.
    let data = match (data, status) {
        (Err(reason), Some(Status::Success)) => return failed(reason),
        (data, _) => data.unwrap_or_default(),
    };
    let reason = || {
        let reason = task.text("failed_reason").or_else(|| task.words());
        reason.unwrap_or(word)
    };
    Observation {
        fail_reason: if status == Some(Status::Failure) {
            reason()
        } else {
            String::new()
        },
        status,
        progress: None,
        data,
        finish: task.finish("created_at", "finished_at"),
    }
}

/// The clips of a list that has at least one object. `None` for any other list, and for an empty one without more to it.
fn clips_of(choices: &[u8], task: &Fields<'_>) -> Option<Value> {
    let choices = json::items(choices)?;
    let is_object = |item: &&[u8]| Fields::read(item).is_some();
    if !choices.iter().any(is_object) {
        return None;
    }
    let clips = choices.into_iter().map(|choice| {
        let raw = repaired(choice);
        let text = |name: &str| raw[name].as_str().unwrap_or_default().trim().to_owned();
        let (whole, early) = (text("url"), text("stream_url"));
        let (status, address) = match (whole.is_empty(), early.is_empty()) {
            (false, _) => ("complete", whole),
            (true, false) => ("streaming", early),
            (true, true) => ("queued", early),
        };
        clip(&raw, status, &address, task)
    });
    Some(clips.collect())
}

/// A clip in our shape, of an object of the vendor's and the task around it.
fn clip(raw: &Value, status: &str, address: &str, task: &Fields<'_>) -> Value {
    let of_task = |name: &str| task.text(name).unwrap_or_default();
    json!({
        "id": raw["id"],
        "title": raw["title"].as_str().unwrap_or_default(),
        "status": status,
        "audio_url": address,
        "video_url": "",
        "image_url": "",
        "image_large_url": "",
        "model_name": of_task("model"),
        "major_model_version": "",
        "created_at": of_task("created_at"),
        "metadata": {
            "tags": "",
            "prompt": "",
            "duration": raw["duration"].as_f64().map(seconds),
        },
        "raw": raw,
    })
}

fn seconds(duration: f64) -> f64 {
    if duration >= MILLIS_FROM {
        duration / 1_000.0
    } else {
        duration
    }
}

#[cfg(test)]
mod tests;
