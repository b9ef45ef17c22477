//! `GET /api/task/`: every user's tasks, newest first, for administrators.

use axum::extract::State;
use axum::response::Response;
use shared::task::{ChannelId, UserId};

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, IntoResponses};

use super::item::Columns;
use super::page::{self, ListingBody};
use super::parameters::{self, ListParameters, ListRequest};
use super::query::Query;
use crate::error::{ApiError, Result};
use crate::http::auth::Admin;
use crate::openapi::{refusals, schemas};
use crate::state::App;

/// The parameters beside [`ListParameters`], for `/openapi.json`.
struct AdminParameters;

impl IntoParams for AdminParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters::in_query([
            (
                "channel_id",
                "Only tasks of the channel with this id. A text that names no channel finds nothing.",
                schemas::text_without_nul(),
            ),
            (
                "user_id",
                "Only tasks of this user.",
                schemas::optional_number(),
            ),
        ])
    }
}

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        let errors = parameters::refusals();
        refusals::of_api(errors.into_iter().chain([ApiError::NotAdmin]))
    }
}

/// Lists every user's tasks, newest first, for administrators.
#[utoipa::path(
    get,
    path = "/api/task/",
    tag = crate::openapi::LISTINGS,
    params(ListParameters, AdminParameters),
    responses((status = 200, description = "A page", body = ListingBody), Refusals),
    security(("accessToken" = []), ("accessToken" = [], "userNumber" = [])),
)]
pub(crate) async fn list_all(
    State(app): State<App>,
    Admin(admin): Admin,
    query: Query,
) -> Result<Response> {
    let mut request = ListRequest::from_query(&query)?;
    // A channel is named by a text: one that names no channel finds nothing.
    let channel = query.text("channel_id")?.map(str::parse);
    request.filter.nothing |= matches!(channel, Some(Err(_)));
    request.filter.channel_id = channel.and_then(std::result::Result::ok).map(ChannelId);
    request.filter.user_id = query.number("user_id")?.map(UserId);
    page::respond(&app, admin.id, request, Columns::All).await
}
