//! A database with so many tasks, its API, and those who ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::process::Process;
use harness::servers::Servers;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::questions::{self, Question};
use super::{CLIENTS, fill};
use crate::figure::Effort;
use crate::load::{self, Load};
use crate::site::Site;

/// How many status changes a second are written while pages are asked for.
pub const CHANGES_A_SECOND: i64 = 2_000;
/// In how many statements a second.
const BATCHES_A_SECOND: u32 = 20;

/// How long an answer took, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Half of them took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

/// A database with so many tasks.
pub struct Place {
    /// Its database and its part of the broker.
    pub site: Site,
    /// Its API.
    pub api: Process,
    /// What is asked there, the same in each place but for numbers.
    pub questions: Vec<Question>,
    address: SocketAddr,
    count: i64,
    unfinished: i64,
    admin: Client,
    heavy: Client,
}

impl Place {
    /// Makes the tasks, and starts the API.
    pub async fn prepare(servers: Arc<Servers>, count: i64) -> Self {
        let started = Instant::now();
        let site = Site::on(servers, &[]).await;
        let (api, url) = site.api("api").await;
        let admin = site.user("admin", "admin", 0, &url).await;
        let heavy = site.user("heavy", "user", 0, &url).await;
        let unfinished = (count / 10).min(100_000);
        fill::people(&site).await;
        fill::tasks(&site, heavy.id, count, unfinished).await;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{count} tasks, made in {seconds:.0} s");
        Self {
            questions: questions::all(heavy.id, count),
            site,
            api,
            address: load::address(&url),
            count,
            unfinished,
            admin,
            heavy,
        }
    }

    /// What answers took, once connections were made and statements prepared.
    pub async fn ask(&self, question: &Question, effort: Effort) -> Asked {
        let (client, listing) = if question.everybody {
            (&self.admin, "")
        } else {
            (&self.heavy, "self")
        };
        let path = format!("/api/task/{listing}?{}", question.query);
        let page = client.page(&path).await;
        assert!(page["total"].is_i64(), "{page}");
        let load = |milliseconds| Load {
            address: self.address,
            requests: vec![load::get(&path, &client.token, client.id)].into(),
            clients: CLIENTS,
            lasts: Duration::from_millis(milliseconds),
        };
        load(effort.size(300, 50)).run().await;
        let answers = load(effort.size(1_000, 50)).run().await;
        assert_eq!(answers.bad, 0, "{path}: {:?}", answers.complaint);
        let (p50, p99) = (answers.percentile(0.5), answers.percentile(0.99));
        eprintln!(
            "{} tasks, {}: {p50:.1} ms, p99 {p99:.1}",
            self.count, question.name
        );
        Asked { p50, p99 }
    }

    /// The same of some questions, while statuses change all the time.
    pub async fn ask_while_written<'a>(
        &'a self,
        names: &[&str],
        effort: Effort,
    ) -> Vec<(&'a str, Asked)> {
        let stop = Arc::new(Notify::new());
        let writer = write(
            self.site.connect().await,
            self.count,
            self.unfinished,
            stop.clone(),
        );
        let writer = tokio::spawn(writer);
        tokio::time::sleep(Duration::from_secs(effort.size(2, 1))).await;
        let mut asked = Vec::new();
        for question in &self.questions {
            if names.contains(&question.name.as_str()) {
                asked.push((question.name.as_str(), self.ask(question, effort).await));
            }
        }
        stop.notify_one();
        let written = writer.await.expect("the writer ends");
        eprintln!("{written:.0} status changes a second were written meanwhile");
        asked
    }
}

/// Changes statuses of unfinished tasks, as polls do, until told to stop; returns how many a second.
async fn write(mut database: PgConnection, count: i64, unfinished: i64, stop: Arc<Notify>) -> f64 {
    let batch = CHANGES_A_SECOND / i64::from(BATCHES_A_SECOND);
    let mut beat = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    let started = Instant::now();
    let mut written = 0.0;
    let mut at = 0;
    loop {
        tokio::select! {
            () = stop.notified() => break,
            _ = beat.tick() => {}
        }
        let first = count - unfinished + 1 + at % unfinished.max(1);
        let done = sqlx::query(
            "UPDATE tasks
             SET status = CASE status WHEN 'QUEUED' THEN 'IN_PROGRESS' ELSE 'QUEUED' END
             WHERE id BETWEEN $1 AND $2 AND progress < 100",
        )
        .bind(first)
        .bind(first + batch - 1)
        .execute(&mut database)
        .await
        .expect("it writes");
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let changed = done.rows_affected() as f64;
        written += changed;
        at += batch;
    }
    let a_second = written / started.elapsed().as_secs_f64();
    let _ = database.close().await;
    a_second
}
