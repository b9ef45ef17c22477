//! `GET /api/task/self`: the caller's own tasks, newest first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::filter::Asked;
use super::page::{Columns, Listed};
use super::query::Query;
use crate::auth::TokenUser;
use crate::error::Result;
use crate::state::App;

/// Takes the parameters of [`Asked`]. `user_id` and `channel_id` are not among them: here they are
/// unknown parameters, and ignored.
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
