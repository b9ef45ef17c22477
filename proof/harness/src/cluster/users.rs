//! The users of a cluster, and what they were granted, spent and answered.

use std::sync::Arc;

use super::Cluster;
use crate::client::Client;
use crate::lock;

impl Cluster {
    /// A new user with this quota and a key without a limit, who asks the first API.
    pub async fn user(&self, name: &str, quota: i64) -> Client {
        self.create(name, "user", quota, None).await
    }

    /// A new user whose key may spend no more than `limit`.
    pub async fn user_with_limit(&self, name: &str, quota: i64, limit: i64) -> Client {
        self.create(name, "user", quota, Some(limit)).await
    }

    /// A new administrator.
    pub async fn admin(&self, name: &str) -> Client {
        self.create(name, "admin", 0, None).await
    }

    async fn create(&self, name: &str, role: &str, quota: i64, limit: Option<i64>) -> Client {
        let granted = quota.to_string();
        let create = ["user", "create", "--name", name, "--role", role];
        let create = [&create[..], &["--quota", &granted]].concat();
        let user = self.operator().json(&create).await;
        let key = self.key(name, limit).await;
        lock(&self.granted).push((name.to_owned(), quota));
        let url = self.apis.first().map_or("", |api| &api.url);
        let id = user["id"].as_i64().expect("an id is a number");
        let token = user["access_token"].as_str().expect("a secret is a text");
        Client {
            answers: Arc::clone(&self.answers),
            form: self.form,
            ..Client::new(name, id, token, &key, url)
        }
    }

    /// One more key of a user.
    pub async fn key(&self, user: &str, limit: Option<i64>) -> String {
        let limit = limit.map(|limit| limit.to_string());
        let mut create = vec!["key", "create", "--user", user, "--label", "harness"];
        if let Some(limit) = &limit {
            create.extend(["--quota", limit]);
        }
        let key = self.operator().json(&create).await;
        key["key"].as_str().expect("a key is a text").to_owned()
    }

    /// What was granted to the users, by name.
    pub fn granted(&self) -> Vec<(String, i64)> {
        lock(&self.granted).clone()
    }

    /// Everything that the API answered to the users.
    pub fn answers(&self) -> Vec<String> {
        lock(&self.answers).clone()
    }

    /// What a user has left, and what the user spent.
    pub async fn quota(&self, name: &str) -> (i64, i64) {
        let users = self.operator().json(&["user", "list"]).await;
        let users = users.as_array().expect("users are a list");
        let user = users.iter().find(|user| user["name"] == name);
        let user = user.unwrap_or_else(|| panic!("there is no user {name}"));
        let number = |field: &str| user[field].as_i64().expect("quota is a number");
        (number("quota"), number("used_quota"))
    }
}
