//! Polls and songs a second with limits on every channel, user and key, beside none. No limit is ever reached.

use std::sync::Arc;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::process::Process;
use harness::programs::Program;
use harness::servers::Servers;
use tokio::time::{Instant, sleep};

use super::super::polls;
use super::super::submits::users;
use super::Plan;
use super::requirement::{Bound, Requirement};
use crate::cluster::{audit, cluster};
use crate::figure::Build;
use crate::load::Load;
use crate::report::Spread;

/// How much of the speed must be left.
const LEFT: f64 = 0.8;

/// How long the songs of a round may take until all are sent.
const LONGEST: Duration = Duration::from_mins(5);

const LIMITS: &str = "
    UPDATE users SET max_tasks = 1000000, max_waiting = 1000000;
    UPDATE api_keys SET max_tasks = 1000000;
    UPDATE channels SET max_tasks = 1000000, submits_per_minute = 100000000";

const SIMULATOR: [&str; 4] = ["--submit-latency", "5ms..20ms", "--song-time", "1h"];

/// What was measured in a round, a second.
struct Round {
    moved: f64,
    ended: f64,
    sent: f64,
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Requirement> {
    let mut sides = Vec::new();
    for has_limits in [false, true] {
        sides.push(Side::start(plan, servers, has_limits).await);
    }
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        let mut measured = Vec::new();
        // Every second round begins with the other side.
        let mut order = [0, 1];
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            measured.push((side, sides[side].round(round).await));
        }
        measured.sort_by_key(|(side, _)| *side);
        rounds.extend(measured.into_iter().map(|(_, round)| round));
    }
    for side in sides {
        side.take_down().await;
    }
    let requirement = |what: &str, of: fn(&Round) -> f64| {
        let ratios = rounds.chunks(2).map(|both| of(&both[1]) / of(&both[0]));
        let without = Spread::of(rounds.chunks(2).map(|both| of(&both[0]))).median;
        let what = format!("{what} with limits on everything / without ({without:.0} a second)");
        let ratio = Spread::of(ratios).median;
        Requirement::new("limited", what, ratio, Bound::AtLeast(LEFT))
    };
    vec![
        requirement("polls that moved on", |round| round.moved),
        requirement("polls that ended", |round| round.ended),
        requirement("songs stored and sent", |round| round.sent),
    ]
}

/// Two clusters, one for polls and one for songs, with limits or without.
struct Side {
    polls: polls::Bench,
    songs: Cluster,
    load: Load,
    _programs: Vec<Process>,
}

impl Side {
    async fn start(plan: &Plan, servers: &Arc<Servers>, has_limits: bool) -> Self {
        let build = Build::default();
        let upstream = [("upstream", &SIMULATOR[..])];
        let of_polls = cluster(servers, &build, polls::ENV, &upstream).await;
        let polls = polls::Bench::new(of_polls, plan.size(50_000, 300)).await;
        let songs = cluster(servers, &build, polls::ENV, &upstream).await;
        users::create(&songs).await;
        if has_limits {
            polls.cluster.execute(LIMITS).await;
            songs.execute(LIMITS).await;
        }
        let (api, url) = songs.process(Program::Api, "api").await;
        let mut programs = vec![api];
        for name in ["worker-1", "worker-2"] {
            programs.push(songs.process(Program::Worker, name).await.0);
        }
        users::submits(&url, Duration::from_secs(1)).run().await;
        let side = Self {
            polls,
            songs,
            load: users::submits(&url, Duration::from_secs(plan.size(8, 1))),
            _programs: programs,
        };
        side.all_sent().await;
        side
    }

    async fn round(&self, round: u32) -> Round {
        let series = 10 * u16::try_from(round).expect("there are few rounds");
        let polls = self.polls.round(series).await;
        let started = Instant::now();
        let stored = self.load.run().await;
        self.all_sent().await;
        let stored = u32::try_from(stored.count()).unwrap_or(u32::MAX);
        Round {
            moved: polls.moved.a_second,
            ended: polls.ended.a_second,
            sent: f64::from(stored) / started.elapsed().as_secs_f64(),
        }
    }

    /// Waits until no task waits to be sent.
    async fn all_sent(&self) {
        let mut connection = self.songs.connect().await;
        let started = Instant::now();
        loop {
            let waiting = "SELECT count(*) FROM unfinished_tasks WHERE stage <> 'poll'";
            let waiting = sqlx::query_scalar(waiting).fetch_one(&mut connection).await;
            let waiting: i64 = waiting.expect("PostgreSQL answers");
            if waiting == 0 {
                return;
            }
            let waited = started.elapsed();
            assert!(
                waited < LONGEST,
                "{waiting} songs are not sent after {waited:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn take_down(self) {
        audit(&self.polls.cluster).await;
        audit(&self.songs).await;
        self.polls.cluster.take_down().await;
        self.songs.take_down().await;
    }
}
