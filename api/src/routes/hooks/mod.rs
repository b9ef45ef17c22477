//! `POST /hooks/{channel}/{token}`: a vendor says that there is something new about a task
//! (`docs/contract.md`, "Hooks of vendors").
//!
//! We do not read what the vendor says, so nobody can make up a result. The call only makes the next look at the task come
//! early.
//!
//! | file | what it holds |
//! |---|---|
//! | [`calls`] | the calls that are followed |

pub mod calls;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use shared::hook::{Called, Hook};
use shared::process::http::client::Peer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{ApiError, Result};
use crate::state::App;

/// The route of the hooks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(call))
}

/// Tells that there is something new about a task.
///
/// For vendors whose tasks name this address, and not for clients. The body is not read.
#[utoipa::path(
    post,
    path = "/hooks/{channel}/{token}",
    operation_id = "call_hook",
    tag = crate::openapi::VENDORS,
    params(
        ("channel" = String, Path, description = "The channel's id"),
        ("token" = String, Path, description = "The task's token, which its vendor was told"),
    ),
    responses(
        (status = 200, description = "The task is looked at soon, unless it ended"),
        (status = 404, description = "We gave no vendor this address"),
        (status = 429, description = "Too many wrong tokens from this address"),
        (status = 503, description = "Too many calls are followed"),
    ),
)]
pub(crate) async fn call(
    State(app): State<App>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    path: std::result::Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>> {
    let called = path
        .ok()
        .and_then(|Path((channel, token))| Called::read(&channel, &token));
    let called = called.ok_or(ApiError::NoSuchPath)?;
    let Some(hook) = made_by_us(&app, called).await? else {
        let peer = peer.map(|axum::Extension(peer)| peer);
        let wrong = ApiError::NoSuchPath;
        // A token is a credential, which nobody shall guess.
        return Err(app
            .throttle
            .failed_sign_in(peer, &headers, wrong, &app.clock));
    };
    app.calls.follow(&app, hook)?;
    Ok(Json(json!({})))
}

/// The hook, if its address was made with the key that the channel has now.
async fn made_by_us(app: &App, called: Called) -> Result<Option<Hook>> {
    let key = app.store.channel_key(called.channel()).await?;
    Ok(key.and_then(|key| called.by(&key)))
}
