//! `GET /api/task/`: everybody's tasks, newest first, for administrators.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use shared::task::{ChannelId, UserId};

use utoipa::{IntoParams, IntoResponses};

use super::filter::{self, Asked, Parameters};
use super::page::{Columns, Listed};
use super::query::Query;
use crate::error::{ApiError, Result};
use crate::http::auth::Admin;
use crate::openapi::{refusals, schemas};
use crate::state::App;

/// What it takes beside [`Parameters`].
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Query` reads")]
struct More {
    /// Tasks at this channel only.
    #[param(required = false, schema_with = schemas::optional_number)]
    channel_id: i64,
    /// Tasks of this user only.
    #[param(required = false, schema_with = schemas::optional_number)]
    user_id: i64,
}

/// What it may refuse.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_api(filter::refusals().into_iter().chain([ApiError::NotAdmin]))
    }
}

/// Everybody's tasks, newest first, for administrators.
///
/// Takes the parameters of [`Asked`], and `channel_id` and `user_id`.
#[utoipa::path(
    get,
    path = "/api/task/",
    tag = crate::openapi::LISTINGS,
    params(Parameters, More),
    responses((status = 200, description = "A page", body = Listed), Refusals),
    security(("accessToken" = [], "userNumber" = [])),
)]
pub(crate) async fn list_all(
    State(app): State<App>,
    _admin: Admin,
    query: Query,
) -> Result<Response> {
    let mut asked = Asked::from_query(&query)?;
    asked.filter.channel_id = query.number("channel_id")?.map(ChannelId);
    asked.filter.user_id = query.number("user_id")?.map(UserId);
    let page = app
        .store
        .list(asked.filter.clone(), asked.offset(), asked.page_size)
        .await?;
    Ok(Json(Listed::new(&page, &asked, Columns::All)).into_response())
}
