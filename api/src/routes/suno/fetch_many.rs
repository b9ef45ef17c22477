//! `POST /suno/fetch`: many tasks.

use std::collections::{HashMap, HashSet};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use shared::store::listing::TaskView;
use shared::task::TaskId;

use utoipa::openapi::Schema;
use utoipa::{IntoResponses, ToSchema};

use super::answer::{Success, Task, success};
use super::request::Fields;
use crate::error::{ApiError, Result, Wanted};
use crate::http::auth::KeyUser;
use crate::http::body;
use crate::limits::FETCH_IDS;
use crate::openapi::{refusals, schemas};
use crate::state::App;

/// The body.
#[derive(ToSchema)]
#[schema(as = Ids)]
#[allow(dead_code, reason = "it describes what `Fields` reads")]
pub(crate) struct Ids {
    /// The tasks' names.
    #[schema(schema_with = most_ids)]
    ids: Vec<String>,
}

fn most_ids() -> Schema {
    schemas::texts(FETCH_IDS)
}

/// What it may refuse.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_suno([
            ApiError::Field("ids", Wanted::Strings),
            ApiError::TooManyIds(FETCH_IDS + 1),
            ApiError::NotAnObject,
            ApiError::BrokenJson { line: 1, column: 1 },
            ApiError::BadRequest,
            ApiError::TooSlow,
            ApiError::TooLarge,
            ApiError::MediaType,
        ])
    }
}

/// Many tasks.
///
/// Takes `{"ids":["task_…", …]}`. Answers in the order asked, each task once; ids that are unknown
/// or another user's are left out.
#[utoipa::path(
    post,
    path = "/suno/fetch",
    tag = crate::openapi::MUSIC,
    request_body = Ids,
    responses((status = 200, description = "The tasks", body = Success<Vec<Task>>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn fetch_many(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked = ids(&body::read(&headers, body).await?)?;
    let found = match asked.as_slice() {
        [] => Vec::new(),
        asked => app.store.find(holder.user.id, asked).await?,
    };
    let mut found: HashMap<&TaskId, &TaskView> =
        found.iter().map(|task| (&task.task_id, task)).collect();
    let tasks = asked.iter().filter_map(|id| found.remove(id));
    Ok(success(tasks.map(Task::from).collect::<Vec<_>>()))
}

/// The ids that can be ids of ours, in the order asked, each once.
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
    fn ids_that_cannot_be_ours_and_ids_asked_twice_are_left_out() {
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        let body = format!(r#"{{"ids":["task_{b}","","task_{a}","x","task_{b}"],"more":1}}"#);
        let asked: Vec<String> = ids(body.as_bytes())
            .expect("it reads")
            .iter()
            .map(TaskId::to_string)
            .collect();
        assert_eq!(asked, [format!("task_{b}"), format!("task_{a}")]);
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
            let refused = ids(body.as_bytes());
            assert_eq!(
                refused,
                Err(ApiError::Field("ids", Wanted::Strings)),
                "{body}"
            );
        }
    }
}
