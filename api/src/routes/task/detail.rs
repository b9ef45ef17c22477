//! `GET /api/task/{task_id}`: one task whole, with its history and its ledger.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared::config::ListingActions;
use shared::store::accounts::Role;
use shared::store::story::{Entry, Event, Story};
use shared::task::history;
use utoipa::{IntoResponses, ToSchema};

use super::item::{Columns, StoredJson, TaskItem};
use crate::error::{ApiError, Result};
use crate::http::auth::TokenUser;
use crate::openapi::{refusals, schemas};
use crate::state::App;

/// The body of the response.
#[derive(Serialize, ToSchema)]
#[schema(as = Detail)]
pub(crate) struct DetailBody<'a> {
    /// Always `true`.
    success: bool,
    #[schema(schema_with = schemas::empty_text)]
    message: &'static str,
    data: TaskDetail<'a>,
}

/// A task whole, with its history and its ledger, as `/api/task/{task_id}` and `task show` print them.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskDetail<'a> {
    #[serde(flatten)]
    task: TaskItem<'a>,
    /// What happened to the task, oldest first.
    history: Vec<HistoryLine<'a>>,
    /// The charge, and the refund if there was one, oldest first.
    ledger: Vec<LedgerEntry<'a>>,
}

#[derive(Serialize, ToSchema)]
struct HistoryLine<'a> {
    /// When, in Unix milliseconds.
    #[schema(schema_with = schemas::count)]
    at: i64,
    /// The step of the task at which it happened.
    #[schema(schema_with = schemas::count)]
    turn: i64,
    /// What happened, in one word, such as `stored`, `accepted`, `status`, `ended`, `refunded`.
    kind: &'a str,
    /// The rest, for people. Empty where it tells of channels and upstreams, which administrators alone see.
    detail: &'a str,
}

#[derive(Serialize, ToSchema)]
struct LedgerEntry<'a> {
    /// When, in Unix milliseconds.
    #[schema(schema_with = schemas::count)]
    at: i64,
    /// `charge` or `refund`.
    kind: &'a str,
    /// By how much the user's quota changed; a charge is negative.
    amount: i64,
}

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_api([ApiError::TaskNotFound])
    }
}

/// Shows one task whole, with its history and its ledger.
///
/// The caller's own; an administrator, who also sees `channel_id` and `username`, anybody's. An unknown id, a
/// malformed id and the id of another user's task get the same error.
#[utoipa::path(
    get,
    path = "/api/task/{task_id}",
    tag = crate::openapi::LISTINGS,
    params(("task_id" = String, Path, description = "The task's id")),
    responses((status = 200, description = "The task", body = DetailBody), Refusals),
    security(("accessToken" = []), ("accessToken" = [], "userNumber" = [])),
)]
pub(crate) async fn detail(
    State(app): State<App>,
    TokenUser(user): TokenUser,
    task: std::result::Result<Path<String>, PathRejection>,
) -> Result<Response> {
    let Ok(Path(task)) = task else {
        return Err(ApiError::TaskNotFound);
    };
    let task = task.parse().map_err(|_| ApiError::TaskNotFound)?;
    let (columns, owner) = match user.role {
        Role::Admin => (Columns::All, None),
        Role::User => (Columns::Own, Some(user.id)),
    };
    let room = app.answers.for_one(user.id).await?;
    let story = app.store.story_of(&task, owner).await?;
    let story = story.ok_or(ApiError::TaskNotFound)?;
    let body = DetailBody {
        success: true,
        message: "",
        data: TaskDetail::new(
            &story,
            columns,
            app.listing_actions,
            StoredJson::result_of(&story.task),
        ),
    };
    room.json(&body)
}

impl<'a> TaskDetail<'a> {
    pub(crate) fn new(
        story: &'a Story,
        columns: Columns,
        actions: ListingActions,
        data: StoredJson<'a>,
    ) -> Self {
        let line = |event: &'a Event| HistoryLine {
            at: event.at,
            turn: event.turn,
            kind: &event.kind,
            detail: match columns {
                Columns::All => &event.detail,
                Columns::Own => history::for_user(&event.kind, &event.detail),
            },
        };
        let entry = |entry: &'a Entry| LedgerEntry {
            at: entry.at,
            kind: &entry.kind,
            amount: entry.amount,
        };
        Self {
            task: TaskItem::new(&story.task, columns, actions, data),
            history: story.events.iter().map(line).collect(),
            ledger: story.entries.iter().map(entry).collect(),
        }
    }
}
