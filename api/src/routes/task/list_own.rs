//! `GET /api/task/self`: the caller's tasks, newest first.

use axum::extract::State;
use axum::response::Response;

use utoipa::IntoResponses;

use super::item::Columns;
use super::page::{self, ListingBody};
use super::parameters::{self, ListParameters, ListRequest};
use super::query::Query;
use crate::error::Result;
use crate::http::auth::TokenUser;
use crate::openapi::refusals;
use crate::state::App;

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_api(parameters::refusals())
    }
}

/// Lists the caller's tasks, newest first.
///
/// Unknown parameters are ignored, and so are `user_id` and `channel_id` here.
#[utoipa::path(
    get,
    path = "/api/task/self",
    tag = crate::openapi::LISTINGS,
    params(ListParameters),
    responses((status = 200, description = "A page", body = ListingBody), Refusals),
    security(("accessToken" = []), ("accessToken" = [], "userNumber" = [])),
)]
pub(crate) async fn list_own(
    State(app): State<App>,
    TokenUser(user): TokenUser,
    query: Query,
) -> Result<Response> {
    let mut request = ListRequest::from_query(&query)?;
    request.filter.user_id = Some(user.id);
    page::respond(&app, user.id, request, Columns::Own).await
}
