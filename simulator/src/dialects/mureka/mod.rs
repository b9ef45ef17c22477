//! The platform `mureka`, under `/v1`.

mod print;
mod request;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Dialect, Printed, ResultOf, beside, reprinted};
use crate::{
    request::{Action, Request},
    routes::{Shared, fetch::one, submit::submits},
    secrets::Secrets,
    upstream::Upstream,
};

/// An HTTP status, and the data as the whole body. The variants are what a call makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mureka {
    /// A song.
    Song,
    /// Music without a voice.
    Instrumental,
    /// More of a song.
    Extend,
    /// The tracks of a song: the answer comes once they are done.
    Stem,
    /// Lyrics: the answer comes once they are done.
    Lyrics,
}

const TRACE: &str = "6f1d0d5c7b4e4f0f";

impl Dialect for Mureka {
    fn about(&self) -> &'static str {
        "/v1/…        the platform mureka; a 402 comes as a 429 that speaks of the quota
               (directives stand in `title`, else in `lyrics`, `prompt` or `url`)"
    }

    fn routes(&self) -> Router<Arc<Upstream>> {
        let music = |call| submits(call, Action::Music);
        let lyrics = submits(&Self::Lyrics, Action::Lyrics);
        Router::new()
            .route("/v1/song/generate", music(&Self::Song))
            .route("/v1/instrumental/generate", music(&Self::Instrumental))
            .route("/v1/song/extend", music(&Self::Extend))
            .route("/v1/song/stem", music(&Self::Stem))
            .route("/v1/lyrics/generate", lyrics)
            .route("/v1/song/query/{id}", one(&Self::Song))
            .route("/v1/instrumental/query/{id}", one(&Self::Instrumental))
            .route("/v1/account/billing", get(billing))
    }

    fn request(&self, action: Action, body: &[u8]) -> Result<Request, String> {
        self.read(action, body)
    }

    fn accepted(&self, id: String, _: &Secrets) -> Value {
        json!({ "id": id, "status": "preparing" })
    }

    fn result_at_once(&self) -> Option<ResultOf> {
        match self {
            Self::Stem => Some(print::stems),
            Self::Lyrics => Some(print::lyrics),
            Self::Song | Self::Instrumental | Self::Extend => None,
        }
    }

    fn printed(&self, task: Printed) -> Printed {
        reprinted(task, print::task)
    }

    fn halves(&self, data: &str) -> (&'static str, String) {
        (r#"{"trace_id":""#, beside(data))
    }

    fn error(&self, status: StatusCode, _: &str, message: &str) -> Response {
        // The platform has one status for too many calls and for an empty account.
        let (status, message) = match status {
            StatusCode::PAYMENT_REQUIRED => (
                StatusCode::TOO_MANY_REQUESTS,
                format!("{message}: check your quota and your billing details"),
            ),
            other => (other, message.to_owned()),
        };
        let body = json!({ "error": { "message": message }, "trace_id": TRACE });
        (status, Json(body)).into_response()
    }
}

async fn billing(State(upstream): Shared) -> Json<Value> {
    Json(print::account(upstream.options.places))
}
