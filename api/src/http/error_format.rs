//! Writes errors as JSON: each surface has its own format (`docs/contract.md`, "Callers and
//! credentials").

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorCode};
use crate::http::i18n::{Language, Text};

/// A group of paths with one format of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `/suno/*` and `/v1/*`, for programs.
    Suno,
    /// `/api/*`, for web clients, and every other path.
    Api,
}

/// The body of an error of `/api/*`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiShape<'a> {
    /// Always `false`.
    success: bool,
    /// What is wrong, for people.
    message: &'a str,
}

/// The body of an error of `/suno/*` and `/v1/*`.
#[derive(Serialize, ToSchema)]
pub(crate) struct SunoShape<'a> {
    /// What is wrong, for programs.
    code: ErrorCode,
    /// What is wrong, for people.
    message: &'a str,
    /// Always null.
    data: (),
}

impl Surface {
    /// The surface that a path belongs to.
    pub fn of(path: &str) -> Self {
        let is_below = |start| {
            let rest = path.strip_prefix(start);
            rest.is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'))
        };
        if is_below("/suno") || is_below("/v1") {
            Self::Suno
        } else {
            Self::Api
        }
    }

    fn body(self, error: &ApiError, language: Language) -> Response {
        let json = self.json(error, language);
        ([(header::CONTENT_TYPE, "application/json")], json).into_response()
    }

    /// The body of an error.
    pub(crate) fn json(self, error: &ApiError, language: Language) -> String {
        let message = &*self.text(error).into(language);
        let json = match self {
            Self::Api => serde_json::to_string(&ApiShape {
                success: false,
                message,
            }),
            Self::Suno => serde_json::to_string(&SunoShape {
                code: error.code(),
                message,
                data: (),
            }),
        };
        // Texts and codes can always be written.
        json.unwrap_or_default()
    }

    /// The text of an error. On `/api/*` an internal error has the text of
    /// `docs/task-center-api.zh.md`.
    pub(crate) fn text(self, error: &ApiError) -> Text {
        match (self, error) {
            (Self::Api, ApiError::Internal) => Text {
                chinese: "获取任务列表失败".into(),
                english: "the task list could not be read".into(),
            },
            _ => error.text(),
        }
    }
}

/// Replaces the body of an error with the format of the surface, in the client's language. A
/// response of the framework that has an error status and no JSON body is an error too.
pub async fn write(request: Request, next: Next) -> Response {
    let surface = Surface::of(request.uri().path());
    let language = Language::preferred(request.headers());
    let response = next.run(request).await;
    let Some(error) = error_of(&response) else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    let (written, body) = surface.body(&error, language).into_parts();
    let headers = &mut parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(written.headers);
    let tag = HeaderValue::from_static(language.tag());
    headers.insert(header::CONTENT_LANGUAGE, tag);
    let vary = HeaderValue::from_static("accept-language");
    headers.append(header::VARY, vary);
    Response::from_parts(parts, body)
}

fn error_of(response: &Response) -> Option<ApiError> {
    if let Some(error) = response.extensions().get::<ApiError>() {
        return Some(error.clone());
    }
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_json =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let is_error = status.is_client_error() || status.is_server_error();
    (is_error && !is_json).then(|| ApiError::of_status(status))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use axum::{Json, Router};
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn paths_belong_to_the_surface_they_are_under() {
        for path in ["/suno/submit/music", "/suno", "/suno/", "/v1/tasks"] {
            assert_eq!(Surface::of(path), Surface::Suno, "{path}");
        }
        for path in ["/api/task/", "/", "/sunoo", "/v10", "/metrics"] {
            assert_eq!(Surface::of(path), Surface::Api, "{path}");
        }
    }

    async fn answered(
        path: &'static str,
        answer: impl IntoResponse + Clone + Send + Sync + 'static,
    ) -> Response {
        let handler = move || std::future::ready(answer.clone());
        let router = Router::new()
            .route(path, get(handler))
            .layer(from_fn(write));
        let request = Request::get(path).body(Body::empty());
        let Ok(response) = router.oneshot(request.expect("it is a request")).await;
        response
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        String::from_utf8(body.expect("it ends").into()).expect("it is UTF-8")
    }

    #[tokio::test]
    async fn a_busy_error_has_retry_after() {
        let busy = answered("/suno/x", ApiError::Busy).await;
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers()[header::RETRY_AFTER], "1");
        let expected = r#"{"code":"busy","message":"服务繁忙或数据库暂不可用，请稍后重试；提交任务时请使用相同的 Idempotency-Key","data":null}"#;
        assert_eq!(text(busy).await, expected);
        let busy = answered("/api/x", ApiError::Busy).await;
        let expected = r#"{"success":false,"message":"服务繁忙或数据库暂不可用，请稍后重试；提交任务时请使用相同的 Idempotency-Key"}"#;
        assert_eq!(text(busy).await, expected);
    }

    #[tokio::test]
    async fn a_plain_text_error_of_the_framework_is_replaced() {
        let rejection = (StatusCode::UNPROCESSABLE_ENTITY, "Failed to deserialize");
        let written = answered("/api/x", rejection).await;
        assert_eq!(written.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let expected = r#"{"success":false,"message":"请求无法解析"}"#;
        assert_eq!(text(written).await, expected);
    }

    #[tokio::test]
    async fn a_json_error_stays_as_it_is() {
        let unready = (StatusCode::SERVICE_UNAVAILABLE, Json("as it is"));
        let written = answered("/readyz", unready).await;
        assert_eq!(text(written).await, r#""as it is""#);
    }
}
