//! The endpoints, one a file, and the layers around all of them.
//!
//! | path | file |
//! |---|---|
//! | `GET /api/task/self` | [`task::list_own`] |
//! | `GET /api/task/` | [`task::list_all`] |
//! | `GET /api/task/{task_id}` | [`task::detail`] |
//! | `POST /suno/submit/{action}` | [`suno::submit`] |
//! | `GET /suno/fetch/{task_id}` | [`suno::fetch`] |
//! | `POST /suno/fetch` | [`suno::fetch_many`] |
//! | `POST /v1/tasks` | [`tasks::submit`] |
//! | `GET /v1/tasks/{task_id}` | [`tasks::fetch`] |
//! | `POST /hooks/{channel}/{token}` | [`hooks`] |
//! | `GET /openapi.json` | [`openapi`] |
//! | `GET /healthz`, `/readyz`, `/metrics` | [`health`] |

pub mod health;
pub mod hooks;
pub mod openapi;
pub mod submits;
pub mod suno;
pub mod task;
pub mod tasks;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use shared::config::Cors;
use shared::process::http::unread;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::http::request_id::X_REQUEST_ID;
use crate::http::{error_format, head, observe, panics, request_id};
use crate::openapi as description;
use crate::state::{Api, App};

/// The router with every endpoint and layer.
pub fn router(api: Api) -> Router {
    let cors = cors(&api.cors);
    let metrics_apart = api.metrics_apart;
    let app: App = Arc::new(api);
    let (router, mut document) = OpenApiRouter::with_openapi(description::frame())
        .merge(task::routes())
        .merge(suno::routes())
        .merge(tasks::routes())
        .merge(hooks::routes())
        .merge(health::routes(metrics_apart))
        .routes(routes!(openapi::openapi))
        .split_for_parts();
    description::finish(&mut document);
    let document = openapi::Document::of(&document);
    let router = router
        .layer(Extension(document))
        .fallback(async || ApiError::NoSuchPath)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed);
    layered(router, cors, &app).with_state(app)
}

/// Adds the layers, innermost first. They apply to unknown paths, wrong methods and preflights too.
fn layered(router: Router<App>, cors: Option<CorsLayer>, app: &App) -> Router<App> {
    let router = router
        .layer(from_fn(panics::catch))
        .layer(from_fn(head::one_host))
        .layer(from_fn(error_format::write));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(CompressionLayer::new())
        .layer(from_fn(observe::measure))
        .layer(from_fn(unread::drain))
        .layer(from_fn_with_state(Arc::clone(app), request_id::assign))
}

/// The header that makes a retried submit safe.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn cors(allowed: &Cors) -> Option<CorsLayer> {
    let origins = match allowed {
        Cors::None => return None,
        Cors::Any => AllowOrigin::from(Any),
        Cors::Origins(origins) => {
            // An origin that is no header value cannot be sent by a browser.
            let origins = origins
                .iter()
                .map(String::as_str)
                .map(HeaderValue::from_str);
            AllowOrigin::list(origins.filter_map(Result::ok))
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        // Scripts of pages send headers of their own, such as Cache-Control. None of them lets anybody in.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([X_REQUEST_ID, header::RETRY_AFTER])
        .max_age(Duration::from_hours(1));
    Some(layer)
}
