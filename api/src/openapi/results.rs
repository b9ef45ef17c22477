//! Results of an upstream, for `/openapi.json`: the fields that the dialect documents
//! (`docs/upstreams/suno.md`, "Tasks"). What an upstream writes is passed on, so each field may be absent or
//! null, and others may stand beside them.

#![allow(dead_code, reason = "the types describe what an upstream writes")]

use serde::Serialize;
use utoipa::ToSchema;

/// The upstream's result.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Result)]
pub(crate) enum TaskResult {
    /// The clips of a song.
    Clips(Vec<Clip>),
    /// Lyrics, or `{}` while there is no result.
    Lyrics(Lyrics),
    /// A text that some upstreams give.
    Text(String),
    /// A number that some upstreams give.
    Number(f64),
}

/// A clip of a song. Other fields may stand beside these.
#[derive(Serialize, ToSchema)]
pub(crate) struct Clip {
    /// The upstream's id of the clip: `continue_clip_id` takes it.
    id: Option<String>,
    title: Option<String>,
    /// `submitted`, `queued`, `streaming`, `complete` or `error`.
    status: Option<String>,
    /// Where the sound is, from `streaming` on.
    audio_url: Option<String>,
    video_url: Option<String>,
    image_url: Option<String>,
    image_large_url: Option<String>,
    /// For example `v3`.
    major_model_version: Option<String>,
    /// For example `chirp-v3`.
    model_name: Option<String>,
    metadata: Option<ClipMetadata>,
}

/// What a clip was made from, and why it failed. Other fields may stand beside these.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipMetadata {
    tags: Option<String>,
    prompt: Option<String>,
    gpt_description_prompt: Option<String>,
    /// In seconds.
    duration: Option<f64>,
    error_type: Option<String>,
    error_message: Option<String>,
}

/// Lyrics. Other fields may stand beside these.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lyrics {
    /// The upstream's id of the lyrics.
    id: Option<String>,
    /// `submitted`, `queued`, `streaming`, `complete` or `error`.
    status: Option<String>,
    title: Option<String>,
    text: Option<String>,
}
