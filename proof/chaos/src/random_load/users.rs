//! The users: rich and poor, with and without a limited key.

use harness::client::{Client, SONG};

use harness::cluster::Cluster;

/// More than a user spends in a run.
const RICH: i64 = 100_000 * SONG;
/// Soon spent. Refunds come back and are spent again.
const POOR: i64 = 6 * SONG;
const LIMIT: i64 = 9 * SONG;

#[derive(Debug)]
pub(super) struct User {
    pub client: Client,
    pub keys: Vec<String>,
    pub granted: i64,
}

/// Creates users: every third is poor, and every second has another key, with a limit.
pub(super) async fn create(cluster: &Cluster, count: usize) -> Vec<User> {
    let mut users = Vec::new();
    for number in 0..count {
        let granted = if number % 3 == 2 { POOR } else { RICH };
        let name = format!("user-{number}");
        let client = cluster.user(&name, granted).await;
        let mut keys = vec![client.key.clone()];
        if number % 2 == 1 {
            keys.push(cluster.key(&name, Some(LIMIT)).await);
        }
        users.push(User {
            client,
            keys,
            granted,
        });
    }
    users
}
