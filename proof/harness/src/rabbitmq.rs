//! What an operator sees in `RabbitMQ`'s management API.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::client::http;
use crate::servers::ServerUrls;

/// The part of a broker whose names begin with one prefix.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    http: reqwest::Client,
    management: Url,
    virtual_host: String,
    prefix: String,
}

impl RabbitMq {
    /// The part that begins with `prefix`.
    pub fn new(servers: &ServerUrls, prefix: &str) -> Self {
        // Escapes stay as they are; an empty path means the broker's default.
        let virtual_host = match servers.amqp.path().trim_start_matches('/') {
            "" => "%2f",
            named => named,
        };
        Self {
            http: http(),
            management: servers.management.clone(),
            virtual_host: virtual_host.to_owned(),
            prefix: format!("{prefix}."),
        }
    }

    /// The queues, as the management API prints them.
    pub async fn queues(&self) -> Vec<Value> {
        self.ours("queues", "name").await
    }

    /// The exchanges.
    pub async fn exchanges(&self) -> Vec<Value> {
        self.ours("exchanges", "name").await
    }

    /// The bindings, those of the default exchange left out.
    pub async fn bindings(&self) -> Vec<Value> {
        self.ours("bindings", "source").await
    }

    /// The consumers of the queues.
    pub async fn consumers(&self) -> Vec<Value> {
        let all = self.list(&format!("consumers/{}", self.virtual_host)).await;
        let ours = |consumer: &Value| {
            let queue = consumer["queue"]["name"].as_str();
            queue.is_some_and(|queue| queue.starts_with(&self.prefix))
        };
        all.into_iter().filter(ours).collect()
    }

    /// The names of all connections to the broker, as their programs set them.
    pub async fn connection_names(&self) -> Vec<String> {
        let all = self.list("connections").await;
        all.iter()
            .filter_map(|connection| connection["client_properties"]["connection_name"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// The first parked message, if there is one. The statistics of the management API are seconds
    /// old; this is not.
    pub async fn parked(&self) -> Option<Value> {
        self.messages("parking", 1).await.into_iter().next()
    }

    /// At most `most` messages from the head of a queue, where they stay. Each call counts as a
    /// delivery.
    pub async fn messages(&self, queue: &str, most: usize) -> Vec<Value> {
        let path = format!("queues/{}/{}{queue}/get", self.virtual_host, self.prefix);
        let order = json!({"count": most, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let answer = self.call(Method::POST, &path, Some(&order)).await;
        answer.json().await.expect("it answers with a list")
    }

    /// Publishes a message, which must be routed to a queue. The `encoding` of the `payload` is `string`
    /// or `base64`.
    pub async fn publish(&self, exchange: &str, key: &str, payload: &str, encoding: &str) {
        let path = format!(
            "exchanges/{}/{}{exchange}/publish",
            self.virtual_host, self.prefix
        );
        let order = json!({"properties": {"delivery_mode": 2}, "routing_key": key,
                           "payload": payload, "payload_encoding": encoding});
        let answer = self.call(Method::POST, &path, Some(&order)).await;
        let answer: Value = answer.json().await.expect("it answers with JSON");
        assert_eq!(answer["routed"], true, "{payload} came into no queue");
    }

    /// Purges a queue.
    pub async fn purge(&self, queue: &str) {
        let contents = format!("{}{queue}/contents", self.prefix);
        self.delete("queues", &contents).await;
    }

    /// Deletes a queue with its messages.
    pub async fn delete_queue(&self, queue: &str) {
        self.delete("queues", &format!("{}{queue}", self.prefix))
            .await;
    }

    /// Deletes an exchange.
    pub async fn delete_exchange(&self, exchange: &str) {
        self.delete("exchanges", &format!("{}{exchange}", self.prefix))
            .await;
    }

    /// Unbinds a queue from an exchange that it is bound to by `key`.
    pub async fn unbind(&self, exchange: &str, queue: &str, key: &str) {
        let Self {
            prefix,
            virtual_host,
            ..
        } = self;
        let path = format!("bindings/{virtual_host}/e/{prefix}{exchange}/q/{prefix}{queue}/{key}");
        self.call(Method::DELETE, &path, None).await;
    }

    /// Deletes all queues and exchanges.
    pub async fn delete_all(&self) {
        for kind in ["queues", "exchanges"] {
            let all = self.ours(kind, "name").await;
            let names = all.iter().filter_map(|found| found["name"].as_str());
            join_all(names.map(|name| self.delete(kind, name))).await;
        }
    }

    /// Deletes something, unless it is gone.
    async fn delete(&self, kind: &str, name: &str) {
        let path = format!("{kind}/{}/{name}", self.virtual_host);
        let answer = self.request(Method::DELETE, &path).send().await;
        let status = answer.expect("the management API answers").status();
        let gone = status.is_success() || status == StatusCode::NOT_FOUND;
        assert!(gone, "deleting {name}: {status}");
    }

    async fn ours(&self, kind: &str, name: &str) -> Vec<Value> {
        let all = self.list(&format!("{kind}/{}", self.virtual_host)).await;
        let ours = |found: &Value| {
            let name = found[name].as_str();
            name.is_some_and(|name| name.starts_with(&self.prefix))
        };
        all.into_iter().filter(ours).collect()
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.call(Method::GET, path, None).await;
        answer.json().await.expect("it answers with a list")
    }

    /// Asks the API, which must succeed.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the management API answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.management.clone();
        url.set_path("");
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        url.set_username("").expect("it has a host");
        url.set_password(None).expect("it has a host");
        // Joined as text: the name of a virtual host keeps its escapes.
        self.http
            .request(method, format!("{url}api/{path}"))
            .basic_auth(user, password)
    }
}
