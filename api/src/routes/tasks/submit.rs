//! `POST /v1/tasks`: submits to any platform.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use shared::task::{Action, Platform};

use utoipa::openapi::Schema;
use utoipa::{IntoResponses, ToSchema};

use crate::error::{ApiError, Result, Wanted};
use crate::http::auth::KeyUser;
use crate::http::body;
use crate::openapi::{refusals, schemas};
use crate::routes::submits::fields::Fields;
use crate::routes::submits::{self, SubmitHeaders, Wish, action_of, idempotency};
use crate::routes::suno::response::{Success, success};
use crate::state::App;

/// The body of the request, for `/openapi.json`.
#[derive(ToSchema)]
#[schema(as = NewTask, examples(
    json!({ "platform": "suno", "action": "music", "input": { "gpt_description_prompt": "a slow blues about rain" } }),
))]
#[allow(dead_code, reason = "it describes what `Fields` reads")]
pub(crate) struct NewTask {
    /// Who makes it.
    #[schema(schema_with = platforms)]
    platform: String,
    /// What is made: an action of the platform, in upper or lower case.
    action: String,
    /// What the platform takes for the action.
    #[schema(value_type = Object)]
    input: serde_json::Value,
}

fn platforms() -> Schema {
    schemas::one_of(Platform::known().map(Platform::to_string))
}

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        let errors = [
            ApiError::Field("platform".into(), Wanted::Platform),
            ApiError::Field("action".into(), Wanted::Text),
            ApiError::Field("input".into(), Wanted::Object),
        ];
        submits::refusals(Platform::known().copied(), errors)
    }
}

/// Submits a task to a platform.
///
/// Responds with the task's id as soon as the task is charged and stored.
#[utoipa::path(
    post,
    path = "/v1/tasks",
    operation_id = "create_task",
    tag = crate::openapi::MUSIC,
    params(SubmitHeaders),
    request_body = NewTask,
    responses((status = 200, description = "The task's id", body = Success<String>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn submit(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let body = body::read(&headers, body).await?;
    let wish = wish(&headers, &body)?;
    submits::submit(app, holder, wish).await.map(success)
}

fn wish(headers: &HeaderMap, body: &[u8]) -> Result<Wish> {
    let mut fields = Fields::parse(body)?;
    fields.remove_webhooks()?;
    let named = fields.text("platform")?;
    let named = named.and_then(|name| name.to_ascii_lowercase().parse::<Platform>().ok());
    let platform = named
        .filter(|platform| upstream::inputs(*platform).is_some())
        .ok_or(ApiError::Field("platform".into(), Wanted::Platform))?;
    let action = fields.text("action")?;
    let action = action.ok_or(ApiError::Field("action".into(), Wanted::Text))?;
    let action: Action = action_of(platform, action.trim())?;
    Ok(Wish {
        platform,
        action,
        idempotency: idempotency::from_request(headers, action, body)?,
        fields: fields.object("input")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> ApiError {
        let wish = wish(&HeaderMap::new(), body.as_bytes());
        wish.map(|wish| wish.action).expect_err(body)
    }

    #[test]
    fn platform_and_action_are_named_in_any_case() {
        let body =
            br#"{"platform":"Suno","action":"MUSIC","input":{"prompt":"p"},"notify_hook":null}"#;
        let wish = wish(&HeaderMap::new(), body).expect("it is good");
        assert_eq!((wish.platform, wish.action), (Platform::SUNO, Action::SONG));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let platform = ApiError::Field("platform".into(), Wanted::Platform);
        for body in [
            "{}",
            r#"{"platform":"napster","action":"music","input":{}}"#,
            r#"{"platform":" ","action":"music","input":{}}"#,
        ] {
            assert_eq!(refused(body), platform);
        }
        let action = refused(r#"{"platform":"suno","input":{}}"#);
        assert_eq!(action, ApiError::Field("action".into(), Wanted::Text));
        let action = refused(r#"{"platform":"suno","action":"dance","input":{}}"#);
        assert_eq!(action, ApiError::InvalidAction(Platform::SUNO));
        let input = ApiError::Field("input".into(), Wanted::Object);
        for given in ["", r#","input":null"#, r#","input":[]"#, r#","input":"{}""#] {
            let body = format!(r#"{{"platform":"suno","action":"music"{given}}}"#);
            assert_eq!(refused(&body), input);
        }
    }

    #[test]
    fn a_webhook_beside_the_input_is_refused_as_one_in_it_is() {
        let body = r#"{"platform":"suno","action":"music","input":{"prompt":"p"},"notify_hook":"https://a"}"#;
        assert_eq!(refused(body), ApiError::NoWebhooks("notify_hook".into()));
    }
}
