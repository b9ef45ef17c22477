//! `GET /api/task/self`: the caller's own tasks, newest first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use utoipa::IntoResponses;

use super::filter::{self, Asked, Parameters};
use super::page::{Columns, Listed};
use super::query::Query;
use crate::error::Result;
use crate::http::auth::TokenUser;
use crate::openapi::refusals;
use crate::state::App;

/// What it may refuse.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_api(filter::refusals())
    }
}

/// The caller's own tasks, newest first.
///
/// Takes the parameters of [`Asked`]. `user_id` and `channel_id` are not among them: here they are
/// unknown parameters, and ignored.
#[utoipa::path(
    get,
    path = "/api/task/self",
    tag = crate::openapi::LISTINGS,
    params(Parameters),
    responses((status = 200, description = "A page", body = Listed), Refusals),
    security(("accessToken" = [], "userNumber" = [])),
)]
pub(crate) async fn list_own(
    State(app): State<App>,
    TokenUser(user): TokenUser,
    query: Query,
) -> Result<Response> {
    let mut asked = Asked::from_query(&query)?;
    asked.filter.user_id = Some(user.id);
    let page = app
        .store
        .list(asked.filter.clone(), asked.offset(), asked.page_size)
        .await?;
    Ok(Json(Listed::new(&page, &asked, Columns::Own)).into_response())
}
