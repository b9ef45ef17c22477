//! What a client would not like to see printed, for upstreams that print it.

use axum::http::{HeaderMap, header};

use crate::id::Id;

/// The secrets of one request's sender: its key, and where it believes the upstream to be.
#[derive(Clone, Debug)]
pub struct Secrets {
    key: String,
    base_url: String,
}

impl Secrets {
    /// Takes them from the request's head.
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
                .strip_prefix("Bearer ")
                .unwrap_or(authorization)
                .to_owned(),
            base_url: format!("http://{}", text(header::HOST)),
        }
    }

    /// The message, and all that should not stand in it.
    pub fn leak(&self, message: &str, task: Option<Id>) -> String {
        let Self { key, base_url } = self;
        let task = task.map(|id| format!(", task {id}")).unwrap_or_default();
        format!("{message} (upstream {base_url}/suno, key {key}{task})")
    }
}
