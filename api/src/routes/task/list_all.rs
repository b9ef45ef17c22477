//! `GET /api/task/`: everybody's tasks, newest first, for administrators.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use shared::task::{ChannelId, UserId};

use super::filter::Asked;
use super::page::{Columns, Listed};
use super::query::Query;
use crate::auth::Admin;
use crate::error::Result;
use crate::state::App;

/// Takes the parameters of [`Asked`], and `channel_id` and `user_id`.
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
