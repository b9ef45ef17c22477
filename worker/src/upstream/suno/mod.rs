//! The Suno dialect (`suno-upstream.md`), shared by the open Suno-API server and by gateways such as
//! ours.
//!
//! | file | what it does |
//! |---|---|
//! | [`client`] | one HTTP call, bounded in time and size, and what its failure means |
//! | [`answer`] | what an upstream's JSON says |
//! | [`outcome`] | from an HTTP answer to what it means for the task and the channel |

pub mod answer;
pub mod client;
pub mod outcome;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use shared::clock::SharedClock;
use shared::store::channels::Channel;
use shared::task::Action;

use crate::upstream::{FetchOutcome, SubmitOutcome, Upstream};
use client::{Client, Reply};

/// The most of an answer to a submit that is read: 1 MiB.
const LARGEST_SUBMIT_ANSWER: usize = 1 << 20;
/// The most of an answer to a fetch of up to a hundred tasks: 16 MiB.
const LARGEST_FETCH_ANSWER: usize = 16 << 20;

/// Talks to channels of the platform `suno`.
pub struct Suno {
    submits: Client,
    fetches: Client,
    clock: SharedClock,
}

impl Suno {
    /// With the longest waits for whole answers.
    pub fn new(
        submit_timeout: Duration,
        fetch_timeout: Duration,
        clock: SharedClock,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            submits: Client::fresh_connections(submit_timeout)?,
            fetches: Client::kept_connections(fetch_timeout)?,
            clock,
        })
    }
}

#[async_trait]
impl Upstream for Suno {
    async fn submit(&self, channel: &Channel, action: Action, request: &str) -> SubmitOutcome {
        let path = match action {
            Action::Song => "/suno/submit/music",
            Action::Lyrics => "/suno/submit/lyrics",
        };
        let started = self.clock.now();
        let reply = self
            .submits
            .post(
                channel,
                path,
                request.to_owned(),
                LARGEST_SUBMIT_ANSWER,
                started,
            )
            .await;
        let outcome = outcome::of_submit(reply);
        let word = match &outcome {
            SubmitOutcome::Accepted(_) => "ok",
            SubmitOutcome::Refused(_) => "refused",
            SubmitOutcome::NotArrived(trouble) => trouble.outcome,
            SubmitOutcome::Unknown(_) => "unknown",
        };
        self.count(channel, "submit", word, started);
        outcome
    }

    async fn fetch(&self, channel: &Channel, upstream_ids: &[String]) -> FetchOutcome {
        let body = json!({ "ids": upstream_ids }).to_string();
        let started = self.clock.now();
        let reply: Reply = self
            .fetches
            .post(channel, "/suno/fetch", body, LARGEST_FETCH_ANSWER, started)
            .await;
        let outcome = outcome::of_fetch(reply, upstream_ids);
        let word = match &outcome {
            FetchOutcome::Answered(_) => "ok",
            FetchOutcome::IdsRefused => "refused",
            FetchOutcome::Failed(trouble) => trouble.outcome,
        };
        self.count(channel, "fetch", word, started);
        metrics::counter!("task_center_upstream_fetched_ids_total", "channel" => channel.name.clone())
            .increment(upstream_ids.len() as u64);
        outcome
    }
}

impl Suno {
    fn count(
        &self,
        channel: &Channel,
        call: &'static str,
        outcome: &'static str,
        started: shared::clock::Millis,
    ) {
        metrics::counter!("task_center_upstream_calls_total",
            "channel" => channel.name.clone(), "call" => call, "outcome" => outcome)
        .increment(1);
        metrics::histogram!("task_center_upstream_call_seconds",
            "channel" => channel.name.clone(), "call" => call)
        .record(self.clock.now().since(started).as_secs_f64());
    }
}
