//! `POST /suno/submit/{action}`: charge, store, answer; the upstream is asked later.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use shared::store::StoreError;
use shared::store::accounts::KeyHolder;
use shared::store::submissions::{Continuable, NewTask, Submitted};
use shared::store::turns::AtTurn;
use shared::task::{Action, Platform, TaskId, Turn, UserId};
use tracing::Instrument as _;

use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::answer::{Success, success};
use super::idempotency;
use super::request::Request;
use crate::error::{ApiError, Result, Wanted};
use crate::http::auth::KeyUser;
use crate::http::{body, observe};
use crate::openapi::refusals;
use crate::state::App;

/// The action of the path; `song` is another name of `music`.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes what `Action` reads")]
enum Made {
    Music,
    Song,
    Lyrics,
}

/// What it takes beside the body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes what `idempotency` reads")]
struct Parameters {
    /// Makes a retry safe: the same key within 24 h answers with the first task and charges nothing.
    /// 1 to 255 printable characters.
    #[param(rename = "idempotency-key", required = false,
            schema_with = idempotency::schema)]
    idempotency_key: String,
}

/// How often a submit is tried while other transactions are in its way.
const ATTEMPTS: u32 = 4;
/// After so long it is not tried again: a lock that was not given in time (10 s) is held by somebody
/// who takes long, and a client that is told to come back is better off than one that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it may refuse.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_suno([
            ApiError::InvalidAction,
            ApiError::Field("prompt", Wanted::TextWithoutNul),
            ApiError::SongWithoutPrompt,
            ApiError::LyricsWithoutPrompt,
            ApiError::TaskNotExist,
            ApiError::NothingToContinue,
            ApiError::IdempotencyKey,
            ApiError::NotAnObject,
            ApiError::BrokenJson { line: 1, column: 1 },
            ApiError::BadRequest,
            ApiError::TooSlow,
            ApiError::TooLarge,
            ApiError::MediaType,
            ApiError::QuotaNotEnough,
            ApiError::IdempotencyKeyReused,
            ApiError::NoAvailableChannel,
        ])
    }
}

/// Makes a song or lyrics.
///
/// Answers with the task's name as soon as it is durable and paid for.
#[utoipa::path(
    post,
    path = "/suno/submit/{action}",
    tag = crate::openapi::MUSIC,
    params(
        ("action" = inline(Made), Path, description = "What is made, in any case"),
        Parameters,
    ),
    request_body = Request,
    responses((status = 200, description = "The task's name", body = Success<String>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn submit(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    action: std::result::Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let action = action
        .ok()
        .and_then(|Path(name)| Action::from_client(&name))
        .filter(|action| Platform::SUNO.actions().any(|known| known == action));
    let action = action.ok_or(ApiError::InvalidAction)?;
    let body = body::read(&headers, body).await?;
    let idempotency = idempotency::of_request(&headers, action, &body)?;
    let mut request = Request::parse(action, &body)?;
    let continued = continued(&app, holder.user.id, &request).await?;
    if let Some(continued) = &continued {
        request.name_upstream(&continued.upstream_id)?;
    }
    let KeyHolder { user, key } = holder;
    let task = NewTask {
        task_id: TaskId::random(&app.random),
        user: user.id,
        key: key.id,
        platform: Platform::SUNO,
        action,
        request: request.to_json()?,
        input: request.input,
        pinned: continued.map(|continued| continued.channel),
        idempotency,
        deadline: app.clock.now().after(app.task_timeout),
    };
    // In a task of its own: a client that goes away now cancels this handler, and the worker is to
    // be woken all the same.
    let span = tracing::error_span!("submit", task = %task.task_id, turn = Turn::FIRST.0);
    let stored = tokio::spawn(store(app, task).instrument(span.clone())).await;
    match stored {
        Ok(answer) => answer.map(success),
        Err(error) => {
            span.in_scope(|| tracing::error!(%error, "a submit died"));
            Err(ApiError::Internal)
        }
    }
}

/// The task that is continued: one of the user's own, once accepted by an upstream.
async fn continued(app: &App, user: UserId, request: &Request) -> Result<Option<Continuable>> {
    let Some(name) = &request.task_id else {
        if request.is_continuation {
            return Err(ApiError::TaskNotExist);
        }
        return Ok(None);
    };
    let task = name.parse().map_err(|_| ApiError::TaskNotExist)?;
    match app.store.continuable(user, &task).await? {
        None => Err(ApiError::TaskNotExist),
        Some(None) => Err(ApiError::NothingToContinue),
        Some(found) => Ok(found),
    }
}

/// Charges and stores the task, and wakes a worker for it.
async fn store(app: App, task: NewTask) -> Result<TaskId> {
    let (action, name) = (task.action, task.task_id.clone());
    let submitted = submit_to_store(&app, task).await;
    let (outcome, answer) = match submitted {
        Ok(Submitted::Stored(row)) => {
            app.submit_publisher.publish(AtTurn {
                row,
                turn: Turn::FIRST,
            });
            metrics::counter!(observe::CHARGES, "action" => action.to_string()).increment(1);
            tracing::info!(row = row.0, %action, "stored a task");
            ("stored", Ok(name))
        }
        Ok(Submitted::Repeated(first)) => ("repeated", Ok(first)),
        Ok(Submitted::KeyReused) => ("key_reused", Err(ApiError::IdempotencyKeyReused)),
        Ok(Submitted::NoChannel) => ("no_channel", Err(ApiError::NoAvailableChannel)),
        Ok(Submitted::QuotaNotEnough) => ("quota_not_enough", Err(ApiError::QuotaNotEnough)),
        Err(error) => ("failed", Err(error.into())),
    };
    metrics::counter!(observe::SUBMITS, "action" => action.to_string(), "outcome" => outcome)
        .increment(1);
    answer
}

/// Where another transaction was in the way nothing happened: it is tried again, a little later,
/// unless that took so long that the client is better told.
async fn submit_to_store(app: &App, task: NewTask) -> shared::store::Result<Submitted> {
    let started = app.clock.now();
    for _ in 1..ATTEMPTS {
        match app.store.submit(task.clone(), app.clock.now()).await {
            Err(StoreError::Contended(error)) if app.clock.now().since(started) < PATIENCE => {
                tracing::debug!(%error, "another transaction was in the way of a submit");
                let wait = Duration::from_millis(10 + app.random.below(40));
                tokio::time::sleep(wait).await;
            }
            ended => return ended,
        }
    }
    app.store.submit(task, app.clock.now()).await
}
