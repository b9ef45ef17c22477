//! The response of both listings: the fields of `docs/task-center-api.zh.md`, in its order.

use axum::response::Response;
use serde::Serialize;
use shared::task::UserId;
use utoipa::ToSchema;

use super::item::{Columns, StoredJson, TaskItem};
use super::parameters::ListRequest;
use crate::error::Result;
use crate::openapi::schemas;
use crate::state::App;

/// The body of a listing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Listed)]
pub struct ListingBody<'a> {
    /// Always `true`.
    success: bool,
    #[schema(schema_with = schemas::empty_text)]
    message: &'static str,
    data: PageJson<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
struct PageJson<'a> {
    /// The tasks of the page, newest first.
    items: Vec<TaskItem<'a>>,
    /// The number of matching tasks on all pages.
    #[schema(minimum = 0)]
    total: i64,
    /// From 1.
    page: i64,
    page_size: i64,
}

/// Reads the requested page, for the user who asks.
pub(crate) async fn respond(
    app: &App,
    user: UserId,
    request: ListRequest,
    columns: Columns,
) -> Result<Response> {
    let room = app.answers.for_many(user).await?;
    let (page, page_size, offset) = (request.page, request.page_size, request.offset());
    let found = app.store.list(request.filter, offset, page_size).await?;
    let item = |task| {
        let data = StoredJson::result_of(task);
        TaskItem::new(task, columns, app.listing_actions, data)
    };
    let body = ListingBody {
        success: true,
        message: "",
        data: PageJson {
            items: found.items.iter().map(item).collect(),
            total: found.total,
            page,
            page_size,
        },
    };
    room.json(&body)
}
