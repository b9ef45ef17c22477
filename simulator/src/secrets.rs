//! A client's secrets, for faults that print them.

use axum::http::{HeaderMap, header};

use crate::id::Id;

/// The secrets in a request: the key and the upstream's base URL.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    key: String,
    base_url: String,
}

impl Secrets {
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let authorization = text(header::AUTHORIZATION);
        Self {
            key: authorization
                .split_once(' ')
                .map_or(authorization, |(_, key)| key)
                .to_owned(),
            base_url: format!("http://{}", text(header::HOST)),
        }
    }

    /// The upstream's base URL, as the client named it.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The message, followed by the secrets and the task's id.
    pub fn leak(&self, message: &str, task: Option<Id>) -> String {
        let Self { key, base_url } = self;
        let task = task.map(|id| format!(", task {id}")).unwrap_or_default();
        format!("{message} (upstream {base_url}/suno, key {key}{task})")
    }
}
