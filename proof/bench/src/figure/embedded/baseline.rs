//! The statements of a submit alone. The audit of their database finds no break, so they do what a submit does.

use std::path::Path;
use std::time::Duration;

use shared::random::Random;
use shared::secret::SecretDigest;
use shared::task::TaskId;
use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;

use super::file::{connect, execute, id};
use crate::figure::submits::SONG;
use crate::figure::submits::users::{self, FIRST_KEY, FIRST_USER, USERS};

const SUBMIT: &str = include_str!("submit.sql");

/// Submits a second over one connection, with `batch` submits a transaction.
pub async fn submits_a_second(file: &Path, batch: u32, lasts: Duration) -> f64 {
    let mut file = connect(file).await;
    let random = Random::from_system();
    let started = Instant::now();
    let mut submits = 0_u32;
    while started.elapsed() < lasts {
        execute(&mut file, "BEGIN IMMEDIATE").await;
        for _ in 0..batch {
            submit(&mut file, &random).await;
        }
        execute(&mut file, "COMMIT").await;
        submits += batch;
    }
    f64::from(submits) / started.elapsed().as_secs_f64()
}

async fn submit(file: &mut SqliteConnection, random: &Random) {
    let n = random.below(USERS);
    let digest = SecretDigest::of(users::secret(n));
    let task = TaskId::random(random);
    for statement in SUBMIT.trim().split_terminator(';') {
        let ran = sqlx::query(statement)
            .bind(id(FIRST_USER + n))
            .bind(id(FIRST_KEY + n))
            .bind(digest.as_bytes())
            .bind(task.as_str())
            .bind(SONG)
            .execute(&mut *file)
            .await;
        ran.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}
