//! The demo's client. It uses the public API only.

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::process::Failed;

use super::script::Scene;

/// A task of `/suno/fetch`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct SeenTask {
    pub task_id: String,
    pub status: String,
    /// Its progress, such as `45%`.
    pub progress: String,
    pub fail_reason: String,
}

/// A client with an API key and an access token.
pub struct Client {
    pub url: String,
    /// The API key, for `/suno/*`.
    pub key: String,
    /// The access token, for `/api/*`.
    pub token: String,
    /// The id of the token's user.
    pub user: i64,
    pub http: reqwest::Client,
}

impl Client {
    /// Submits a task and returns its id.
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

    pub async fn fetch(&self, ids: &[String]) -> Result<Vec<SeenTask>, Failed> {
        let url = format!("{}/suno/fetch", self.url);
        let request = self
            .http
            .post(url)
            .bearer_auth(&self.key)
            .json(&json!({ "ids": ids }));
        let mut answer = self.send(request).await?;
        Ok(serde_json::from_value(answer["data"].take())?)
    }

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
