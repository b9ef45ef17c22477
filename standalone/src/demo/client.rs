//! The demo as a client: it knows nothing but the public API.

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::process::Failed;

use super::script::Scene;

/// A task as `/suno/fetch` shows it.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub task_id: String,
    /// Its status.
    pub status: String,
    /// How far it is, `45%`.
    pub progress: String,
    /// Why it failed.
    pub fail_reason: String,
}

/// A client with an API key and an access token.
pub struct Client {
    /// Where the API is.
    pub url: String,
    /// For `/suno/*`.
    pub key: String,
    /// For `/api/*`.
    pub token: String,
    /// Whose the token is.
    pub user: i64,
    /// What speaks HTTP.
    pub http: reqwest::Client,
}

impl Client {
    /// Submits a task; returns its id.
    pub async fn submit(&self, scene: &Scene) -> Result<String, Failed> {
        let url = format!("{}/suno/submit/{}", self.url, scene.action);
        let answer = self
            .send(self.http.post(url).bearer_auth(&self.key).json(&scene.body))
            .await?;
        let id = answer["data"]
            .as_str()
            .ok_or("the answer to a submit has no task id")?;
        Ok(id.to_owned())
    }

    /// The tasks of these ids.
    pub async fn fetch(&self, ids: &[String]) -> Result<Vec<Seen>, Failed> {
        let url = format!("{}/suno/fetch", self.url);
        let request = self
            .http
            .post(url)
            .bearer_auth(&self.key)
            .json(&json!({ "ids": ids }));
        let mut answer = self.send(request).await?;
        Ok(serde_json::from_value(answer["data"].take())?)
    }

    /// The user's own listing.
    pub async fn list(&self) -> Result<Value, Failed> {
        let request = self
            .http
            .get(format!("{}/api/task/self?p=1&page_size=20", self.url))
            .bearer_auth(&self.token)
            .header("New-Api-User", self.user);
        let mut answer = self.send(request).await?;
        Ok(answer["data"].take())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Failed> {
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(format!("the API answered {status}: {}", answer["message"]).into())
    }
}
