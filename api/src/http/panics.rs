//! Catches panics of handlers, so that the client gets a response.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use crate::error::ApiError;

/// Turns a panic into an internal error. The panic's message is logged, not sent to the client.
pub async fn catch(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(panic = message(&*panic), "a handler panicked");
            ApiError::Internal.into_response()
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no text"
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_the_message() {
        let panicking = || get(async || -> &'static str { panic!("the secret is sk-1") });
        let router = Router::new()
            .route("/suno/x", panicking())
            .route("/api/x", panicking())
            .layer(from_fn(catch))
            .layer(from_fn(crate::http::error_format::write));
        for (path, expected) in [
            (
                "/suno/x",
                r#"{"code":"internal_error","message":"服务器内部错误，请稍后重试","data":null}"#,
            ),
            (
                "/api/x",
                r#"{"success":false,"message":"获取任务列表失败"}"#,
            ),
        ] {
            let request = Request::get(path).body(Body::empty());
            let request = request.expect("it is a request");
            let Ok(response) = router.clone().oneshot(request).await;
            assert_eq!(response.status(), 500);
            let body = axum::body::to_bytes(response.into_body(), 1_000).await;
            assert_eq!(body.expect("it ends"), expected);
        }
    }
}
