//! Requests to the router, and their responses.

use api::http::spelling::lenient;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request};
use serde_json::Value;
use shared::process::http::client::Peer;
use tower::ServiceExt as _;

use crate::app::{SONG, TestApp, TestUser};

/// A request that is being built.
pub struct TestRequest<'a> {
    app: &'a TestApp,
    builder: Builder,
    body: Body,
}

impl TestApp {
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest {
            app: self,
            builder: Request::builder()
                .method(method)
                .uri(path)
                .header("host", "x"),
            body: Body::empty(),
        }
    }

    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    pub async fn try_submit(&self, key: &str, action: &str, body: &str) -> TestResponse {
        let request = self.post(&format!("/suno/submit/{action}")).key(key);
        request.json(body.to_owned()).send().await
    }

    /// Submits a task, which must be stored, and returns its id.
    pub async fn submit(&self, user: &TestUser, action: &str, body: &str) -> String {
        self.try_submit(&user.key, action, body).await.submitted()
    }

    /// Submits a song, which must be stored, and returns its id.
    pub async fn song(&self, user: &TestUser) -> String {
        self.submit(user, "music", SONG).await
    }
}

impl TestRequest<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Over a connection from this address.
    pub fn from(mut self, address: &str) -> Self {
        let peer = Peer(address.parse().expect("it is an address"));
        self.builder = self.builder.extension(peer);
        self
    }

    /// With an access token, as web clients do.
    pub fn user(self, user: &TestUser) -> Self {
        self.header("authorization", &format!("Bearer {}", user.token))
            .header("new-api-user", &user.id.to_string())
    }

    /// With an API key, as programs do.
    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn json(self, body: impl Into<Body>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> TestResponse {
        let request = self.builder.body(self.body).expect("it is a request");
        let Ok(response) = lenient(self.app.router.clone()).oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        TestResponse {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.expect("the body ends").to_vec(),
        }
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub struct TestResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl TestResponse {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.text()).expect("the body is JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or_default()
    }

    /// The status and the code of an error: `400 invalid_action`. Fails unless its shape is that of the contract.
    pub fn error(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(json["data"], Value::Null, "{json}");
        let code = json["code"].as_str().expect("an error has a code");
        format!("{} {code}", self.status)
    }

    /// The name of the task that was just submitted.
    pub fn submitted(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let json = self.json();
        json["data"].as_str().expect("it is a name").to_owned()
    }

    /// The names of the tasks of a page, in order, and its total.
    pub fn page(&self) -> (Vec<String>, i64) {
        assert_eq!(self.status, 200, "{}", self.text());
        let json = self.json();
        let items = json["data"]["items"].as_array().expect("a page has items");
        let name = |item: &Value| item["task_id"].as_str().unwrap_or_default().to_owned();
        let total = json["data"]["total"].as_i64().expect("a page has a total");
        (items.iter().map(name).collect(), total)
    }
}
