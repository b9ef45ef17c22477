//! `POST /suno/fetch`: up to 1,000 tasks.

use std::collections::HashSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use shared::task::TaskId;

use utoipa::openapi::Schema;
use utoipa::{IntoResponses, ToSchema};

use super::response::{FetchedTask, Success};
use crate::error::{ApiError, Result, Wanted};
use crate::http::auth::KeyUser;
use crate::http::body;
use crate::limits::FETCH_IDS;
use crate::openapi::{refusals, schemas};
use crate::routes::submits::fields::Fields;
use crate::state::App;

/// The body of the request, for `/openapi.json`.
#[derive(ToSchema)]
#[schema(as = Ids, examples(json!({ "ids": ["task_0123456789abcdefghijklmnopqrstuv"] })))]
#[allow(dead_code, reason = "it describes what `Fields` reads")]
pub(crate) struct Ids {
    /// The ids of the tasks.
    #[schema(schema_with = ids_schema)]
    ids: Vec<String>,
}

fn ids_schema() -> Schema {
    schemas::texts(FETCH_IDS)
}

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        let errors = [
            ApiError::Field("ids".into(), Wanted::Strings),
            ApiError::TooManyIds(FETCH_IDS + 1),
            ApiError::TooManyAnswers,
        ];
        refusals::of_suno(errors.into_iter().chain(refusals::of_body()))
    }
}

/// Fetches up to 1,000 tasks.
///
/// Takes `{"ids":["task_…", …]}`. The tasks are in the order of the ids, each once. Unknown ids and
/// ids of other users' tasks are left out. Results beyond 8 MiB in all are `{}` beside `"truncated":true`.
#[utoipa::path(
    post,
    path = "/suno/fetch",
    operation_id = "fetch_tasks",
    tag = crate::openapi::MUSIC,
    request_body = Ids,
    responses((status = 200, description = "The tasks", body = Success<Vec<FetchedTask>>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn fetch_many(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let requested = ids(&body::read(&headers, body).await?)?;
    let room = app.answers.for_many(holder.user.id).await?;
    let found = match requested.as_slice() {
        [] => Vec::new(),
        requested => app.store.find(holder.user.id, requested).await?,
    };
    let tasks = found.iter().map(FetchedTask::from);
    room.json(&Success::of(tasks.collect::<Vec<_>>()))
}

/// The well-formed ids in their order, each once.
fn ids(body: &[u8]) -> Result<Vec<TaskId>> {
    let ids = Fields::parse(body)?.strings("ids")?;
    if ids.len() > FETCH_IDS {
        return Err(ApiError::TooManyIds(ids.len()));
    }
    let mut seen = HashSet::new();
    let ids = ids.into_iter().filter_map(|id| id.parse::<TaskId>().ok());
    Ok(ids.filter(|id| seen.insert(id.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_and_repeated_ids_are_left_out() {
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        let body = format!(r#"{{"ids":["task_{b}","","task_{a}","x","task_{b}"],"more":1}}"#);
        let parsed = ids(body.as_bytes()).expect("it reads");
        let parsed: Vec<String> = parsed.iter().map(TaskId::to_string).collect();
        assert_eq!(parsed, [format!("task_{b}"), format!("task_{a}")]);
    }

    #[test]
    fn a_thousand_ids_are_the_most() {
        let of = |count: usize| serde_json::json!({ "ids": vec!["x"; count] }).to_string();
        assert_eq!(ids(of(FETCH_IDS).as_bytes()), Ok(Vec::new()));
        let refused = ids(of(FETCH_IDS + 1).as_bytes());
        assert_eq!(refused, Err(ApiError::TooManyIds(FETCH_IDS + 1)));
    }

    #[test]
    fn ids_must_be_an_array_of_strings() {
        for body in [
            "{}",
            r#"{"ids":null}"#,
            r#"{"ids":"x"}"#,
            r#"{"ids":["x",7]}"#,
            r#"{"ids":[null]}"#,
        ] {
            let expected = Err(ApiError::Field("ids".into(), Wanted::Strings));
            assert_eq!(ids(body.as_bytes()), expected, "{body}");
        }
    }
}
