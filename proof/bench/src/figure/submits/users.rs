//! Users with enough quota for any run, each with one key; written by SQL.

use std::time::Duration;

use harness::client::raw_post;
use harness::cluster::Cluster;

use super::{CLIENTS, SONG};
use crate::load::{self, Load};

pub const USERS: u64 = 200;

pub const FIRST_USER: u64 = 7_000_000;
pub const FIRST_KEY: u64 = 8_000_000;

/// The `n`th user's key, as a client sends it.
pub fn secret(n: u64) -> String {
    format!("bench-key-{}", FIRST_KEY + n)
}

/// Submits of all users, to the API at `url`.
pub fn submits(url: &str, lasts: Duration) -> Load {
    Load {
        address: load::address(url),
        requests: (0..USERS)
            .map(|n| raw_post("/suno/submit/music", &secret(n), None, SONG).into_bytes())
            .collect(),
        clients: CLIENTS,
        lasts,
    }
}

pub async fn create(cluster: &Cluster) {
    let last = USERS - 1;
    cluster
        .execute(&format!(
            "INSERT INTO users (id, name, role, quota, used_quota, token_digest, created_at)
             OVERRIDING SYSTEM VALUE
             SELECT {FIRST_USER} + n, 'user-' || n, 'user', 1e15, 0, sha256(('token-' || n)::bytea), 0
             FROM generate_series(0, {last}) n;
             INSERT INTO ledger (user_id, kind, amount, created_at)
             SELECT {FIRST_USER} + n, 'grant', 1e15, 0
             FROM generate_series(0, {last}) n;
             INSERT INTO api_keys (id, user_id, label, digest, created_at)
             OVERRIDING SYSTEM VALUE
             SELECT {FIRST_KEY} + n, {FIRST_USER} + n, 'bench',
                    sha256(('bench-key-' || {FIRST_KEY} + n)::bytea), 0
             FROM generate_series(0, {last}) n;
             ANALYZE;"
        ))
        .await;
}
