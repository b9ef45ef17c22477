//! Users who may submit as much as they like, made in the database in one go.

use crate::site::Site;

/// How many users there are.
pub const USERS: u64 = 200;

/// Numbers that nothing else in a statement's parameters is.
const FIRST_USER: u64 = 7_000_000;
const FIRST_KEY: u64 = 8_000_000;

/// The id of the `n`th user.
pub fn user(n: u64) -> u64 {
    FIRST_USER + n
}

/// The id of the one key of the `n`th user.
pub fn key(n: u64) -> u64 {
    FIRST_KEY + n
}

/// That key itself.
pub fn secret(n: u64) -> String {
    format!("bench-key-{}", key(n))
}

/// The statements of `pgbench` that draw a user.
pub fn draw() -> String {
    format!(
        "\\set n random(0, {last})\n\\set user {FIRST_USER} + :n\n\\set key {FIRST_KEY} + :n\n",
        last = USERS - 1
    )
}

/// The digest of the key that was drawn, as SQL.
pub const DRAWN_DIGEST: &str = "sha256(('bench-key-' || :key)::bytea)";

/// Makes them, each with enough quota and one key.
pub async fn make(site: &Site) {
    let last = USERS - 1;
    site.execute(&format!(
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
