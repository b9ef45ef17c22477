//! The listings of `docs/task-center-api.zh.md`, and one task whole (`docs/contract.md`, "Listings").
//!
//! | file | what it holds |
//! |---|---|
//! | [`list_own`] | `GET /api/task/self`: the caller's tasks |
//! | [`list_all`] | `GET /api/task/`: every user's tasks, for administrators |
//! | [`detail`] | `GET /api/task/{task_id}`: one task whole |
//! | [`parameters`] | the parameters of both listings |
//! | [`page`] | the response of both listings |
//! | [`item`] | a task in all three |
//! | [`query`] | parsing of query strings |

pub mod detail;
pub mod item;
pub mod list_all;
pub mod list_own;
pub mod page;
pub mod parameters;
pub mod query;

use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::also_at;
use crate::state::App;

/// Both listings and the detail, with and without the trailing slash.
pub(crate) fn routes() -> OpenApiRouter<App> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(list_own::list_own))
        .route("/api/task/self/", get(list_own::list_own))
        .routes(routes!(list_all::list_all))
        .route("/api/task", get(list_all::list_all))
        .routes(routes!(detail::detail))
        .route("/api/task/{task_id}/", get(detail::detail));
    let document = router.get_openapi_mut();
    also_at(document, "/api/task/self", "/api/task/self/");
    also_at(document, "/api/task/", "/api/task");
    also_at(document, "/api/task/{task_id}", "/api/task/{task_id}/");
    router
}
