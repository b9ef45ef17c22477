//! Browsers of other origins (`CORS_ALLOWED_ORIGINS`).

use axum::http::Method;
use shared::config::Cors;

use crate::app::TestApp;
use crate::client::TestResponse;

const ORIGIN: &str = "https://app.example";

/// What the scripts of a page send, with a header that we do not know.
const HEADERS: &str = "authorization,cache-control,content-type,new-api-user,x-of-its-own";

async fn preflight(app: &TestApp, origin: &str) -> TestResponse {
    app.request(Method::OPTIONS, "/suno/submit/music")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", HEADERS)
        .send()
        .await
}

fn listed() -> Cors {
    Cors::Origins(vec![ORIGIN.to_owned(), "http://localhost:5173".to_owned()])
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_names_what_it_may_send() {
    for (cors, allowed) in [(listed(), ORIGIN), (Cors::Any, "*")] {
        let app = TestApp::with_cors(cors).await;
        let response = preflight(&app, ORIGIN).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("access-control-allow-origin"), allowed);
        assert_eq!(response.header("access-control-allow-methods"), "GET,POST");
        assert_eq!(response.header("access-control-allow-headers"), HEADERS);
        assert!(!response.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_not_allowed() {
    let app = TestApp::with_cors(listed()).await;
    for origin in ["https://evil.example", "https://app.example.evil", "null"] {
        let response = preflight(&app, origin).await;
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed, "", "{origin}");
    }
}

#[tokio::test]
async fn without_configuration_no_origin_is_allowed() {
    let app = TestApp::new().await;
    let response = preflight(&app, ORIGIN).await;
    assert_eq!(response.status, 405);
    assert_eq!(response.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn answers_and_errors_alike_may_be_read_with_their_request_id() {
    let app = TestApp::with_cors(listed()).await;
    let alice = app.user("alice").await;
    for request in [
        app.get("/api/task/self").user(&alice),
        app.get("/api/task/self"),
        app.get("/nowhere"),
        app.post("/healthz"),
    ] {
        let response = request.header("origin", ORIGIN).send().await;
        assert_eq!(response.header("access-control-allow-origin"), ORIGIN);
        let exposed = response.header("access-control-expose-headers");
        assert_eq!(exposed, "x-request-id,retry-after");
    }
}
