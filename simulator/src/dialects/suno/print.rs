//! Prints a task as the dialect shows it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    answer,
    fault::Fault,
    id::Id,
    life::{Moment, Phase},
    request::Action,
    secrets::Secrets,
    task::{FetchedTask, Texts},
};

/// One entry of a fetch's `data`.
pub type Printed = Box<serde_json::value::RawValue>;

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the dialect's names")]
struct Task<'a> {
    id: u64,
    created_at: u64,
    task_id: Id,
    action: &'static str,
    status: &'a str,
    fail_reason: Cow<'static, str>,
    submit_time: u64,
    start_time: u64,
    finish_time: u64,
    search_item: &'a str,
    progress: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Clips(Box<[Clip<'a>; 2]>),
    Lyrics {
        id: Id,
        status: &'static str,
        title: &'a str,
        text: String,
    },
    None,
}

#[derive(Serialize)]
struct Clip<'a> {
    id: Id,
    title: &'a str,
    status: &'static str,
    audio_url: String,
    video_url: String,
    image_url: String,
    image_large_url: String,
    major_model_version: &'a str,
    model_name: String,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    tags: &'a str,
    prompt: &'a str,
    gpt_description_prompt: Option<&'a str>,
    duration: Option<f64>,
    error_type: Option<&'static str>,
    error_message: Option<&'static str>,
}

/// The bytes of an undocumented field.
const LARGE: usize = 1 << 20;
const FAILED: &str = "generation failed: the model gave up on this song";
const CANCELLED: &str = "the request was cancelled";
const EARLY: &str = "slow down: retrying on another account";

/// Prints a fetched task as its fault demands: not at all, once or twice.
pub fn print(fetched: &FetchedTask, secrets: &Secrets, out: &mut Vec<Printed>) {
    let printed = match fetched.fault {
        Some(Fault::Missing | Fault::Batch404) => return,
        Some(Fault::Malformed) => to_raw_value(&json!({
            "task_id": fetched.id, "action": 7, "status": ["IN_PROGRESS"], "fail_reason": {},
            "submit_time": "soon", "start_time": -1.5, "finish_time": null, "progress": 200, "data": "none",
        })),
        Some(fault) if is_odd(fault) => to_raw_value(&odd(fault, &Task::of(fetched, secrets))),
        _ => to_raw_value(&Task::of(fetched, secrets)),
    };
    // Plain structs always serialize.
    let Ok(printed) = printed else { return };
    if fetched.fault == Some(Fault::Twice) {
        out.push(printed.clone());
    }
    out.push(printed);
}

/// Whether the fault changes how the values of a task are written.
fn is_odd(fault: Fault) -> bool {
    use Fault as F;
    matches!(
        fault,
        F::RawText
            | F::NotANumber
            | F::TextData
            | F::LowerCase
            | F::DeepData
            | F::LargeData
            | F::ClipReason
    )
}

fn odd(fault: Fault, task: &Task<'_>) -> Value {
    let mut task = json!(task);
    if fault == Fault::LowerCase {
        let status = task["status"].as_str().unwrap_or_default();
        task["status"] = status.to_ascii_lowercase().into();
    }
    if fault == Fault::ClipReason {
        task["fail_reason"] = "".into();
    }
    let data = &mut task["data"];
    if data.is_null() {
        return task;
    }
    match fault {
        Fault::TextData => *data = data.to_string().into(),
        Fault::DeepData => *data = answer::DEEP.into(),
        _ => {
            let clip = if data.is_array() { &mut data[0] } else { data };
            match fault {
                Fault::RawText => clip["title"] = answer::RAW_TEXT.into(),
                Fault::NotANumber => clip["metadata"] = json!({"duration": answer::NOT_A_NUMBER}),
                Fault::LargeData => clip["waveform"] = "x".repeat(LARGE).into(),
                _ => {}
            }
        }
    }
    task
}

impl<'a> Task<'a> {
    fn of(fetched: &'a FetchedTask, secrets: &Secrets) -> Self {
        let moment = match fetched.fault {
            Some(Fault::Backwards) => Moment {
                phase: Phase::NotStart,
                percent: 0,
                start_time: 0,
                ..fetched.moment
            },
            _ => fetched.moment,
        };
        let status = match fetched.fault {
            Some(Fault::Unknown) => "UNKNOWN",
            Some(Fault::WeirdStatus) => "PENDING_REVIEW",
            Some(Fault::EmptyStatus) => "",
            _ => moment.phase.status(),
        };
        let reason = match (moment.phase, fetched.fault) {
            (Phase::Failure, _) if fetched.cancelled => CANCELLED,
            (Phase::Failure, _) => FAILED,
            (_, Some(Fault::EarlyReason)) => EARLY,
            _ => "",
        };
        let fail_reason = if fetched.leaks && !reason.is_empty() {
            Cow::Owned(secrets.leak(reason, Some(fetched.id)))
        } else {
            Cow::Borrowed(reason)
        };
        Self {
            id: fetched.number,
            created_at: moment.submit_time,
            task_id: fetched.id,
            action: fetched.texts.action.name(),
            status,
            fail_reason,
            submit_time: moment.submit_time,
            start_time: moment.start_time,
            finish_time: moment.finish_time,
            search_item: &fetched.texts.title,
            progress: format!("{}%", moment.percent),
            data: if fetched.fault == Some(Fault::NoData) {
                Data::None
            } else {
                Data::of(fetched.id, moment.phase, &fetched.texts)
            },
        }
    }
}

impl<'a> Data<'a> {
    fn of(id: Id, phase: Phase, texts: &'a Texts) -> Self {
        match texts.action {
            _ if phase == Phase::NotStart => Self::None,
            Action::Music | Action::Other(_) => {
                Self::Clips(Box::new([0, 1].map(|n| Clip::of(id.clip(n), phase, texts))))
            }
            Action::Lyrics => {
                let written = format!("[Verse]\n{}\n\n[Chorus]\nAnd so it goes", texts.prompt);
                let (status, title, text) = match phase {
                    Phase::Success => ("complete", "A Song of Sorts", written),
                    Phase::Failure => ("error", "", String::new()),
                    _ => ("running", "", String::new()),
                };
                Self::Lyrics {
                    id: id.clip(0),
                    status,
                    title,
                    text,
                }
            }
        }
    }
}

impl<'a> Clip<'a> {
    fn of(id: Id, phase: Phase, texts: &'a Texts) -> Self {
        let url_from = |begin: Phase, kind: &str| {
            let is_there = phase >= begin && phase != Phase::Failure;
            let url = is_there.then(|| format!("https://cdn.suno.example/{id}.{kind}"));
            url.unwrap_or_default()
        };
        let version = texts.model.split('-').nth(1).unwrap_or("v3");
        let failed = phase == Phase::Failure;
        Self {
            id,
            title: &texts.title,
            status: match phase {
                Phase::NotStart | Phase::Submitted => "submitted",
                Phase::Queued | Phase::Composing => "queued",
                Phase::Streaming => "streaming",
                Phase::Success => "complete",
                Phase::Failure => "error",
            },
            audio_url: url_from(Phase::Streaming, "mp3"),
            video_url: url_from(Phase::Success, "mp4"),
            image_url: url_from(Phase::Composing, "jpeg"),
            image_large_url: url_from(Phase::Success, "large.jpeg"),
            major_model_version: version,
            model_name: format!("chirp-{version}"),
            metadata: Metadata {
                tags: &texts.tags,
                prompt: &texts.prompt,
                gpt_description_prompt: texts.description.as_deref(),
                duration: (phase == Phase::Success).then(|| 90.0 + f64::from(id.last_byte()) / 2.0),
                error_type: failed.then_some("generation_failed"),
                error_message: failed.then_some(FAILED),
            },
        }
    }
}
