//! `POST /suno/submit/{action}`: submits to the platform `suno`.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shared::task::{Action, Platform};

use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::response::{Success, success};
use crate::error::{ApiError, Result};
use crate::http::auth::KeyUser;
use crate::http::body;
use crate::openapi::{refusals, schemas};
use crate::routes::submits::fields::Fields;
use crate::routes::submits::request::SubmitRequest;
use crate::routes::submits::{self, SubmitHeaders, Wish, action_of, idempotency};
use crate::state::App;

/// The names of the actions, for `/openapi.json`: `song` is the same as `music`.
struct ActionName;

impl PartialSchema for ActionName {
    fn schema() -> RefOr<Schema> {
        let actions = Platform::SUNO.actions().map(Action::to_string);
        schemas::one_of(["music".to_owned()].into_iter().chain(actions)).into()
    }
}

impl ToSchema for ActionName {}

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        submits::refusals([Platform::SUNO], [])
    }
}

/// Submits a task to the platform `suno`.
///
/// Responds with the task's id as soon as the task is charged and stored.
#[utoipa::path(
    post,
    path = "/suno/submit/{action}",
    tag = crate::openapi::MUSIC,
    params(
        ("action" = inline(ActionName), Path, description = "The action, in upper or lower case"),
        SubmitHeaders,
    ),
    request_body = SubmitRequest,
    responses((status = 200, description = "The task's id", body = Success<String>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn submit(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    action: std::result::Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let platform = Platform::SUNO;
    let Ok(Path(name)) = action else {
        return Err(ApiError::InvalidAction(platform));
    };
    let action = action_of(platform, &name)?;
    let body = body::read(&headers, body).await?;
    let wish = Wish {
        platform,
        action,
        idempotency: idempotency::from_request(&headers, action, &body)?,
        fields: Fields::parse(&body)?,
    };
    submits::submit(app, holder, wish).await.map(success)
}
