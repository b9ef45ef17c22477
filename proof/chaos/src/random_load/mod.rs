//! Random load: many users who submit and read in different ways.
//!
//! | module | what it holds |
//! |---|---|
//! | `users` | the users and their keys |
//! | `submits` | submits: once, repeated, several at the same time, with a disconnect |
//! | `reads` | reads of tasks, which must never go back |

mod reads;
mod submits;
mod users;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use harness::spread::{Counters, Durations};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::submits::SubmitLog;
use harness::cluster::Cluster;
use users::User;

#[derive(Debug)]
pub struct Load {
    users: Vec<User>,
    /// All submits and their answers.
    pub submits: SubmitLog,
    /// What clients did, and which answers they got.
    pub counters: Counters,
    /// How long submits took that were answered with a task.
    pub latency: Durations,
    seen: reads::Seen,
    stop: watch::Sender<bool>,
}

impl Load {
    pub async fn on(cluster: &Cluster, users: usize) -> Self {
        Self {
            users: users::create(cluster, users).await,
            submits: SubmitLog::default(),
            counters: Counters::default(),
            latency: Durations::default(),
            seen: reads::Seen::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// The quota granted to each user.
    pub fn granted(&self) -> HashMap<String, i64> {
        let users = self.users.iter();
        users
            .map(|user| (user.client.name.clone(), user.granted))
            .collect()
    }

    /// Runs so many clients until [`Self::stop`]; each finishes what it began. Panics if one did.
    pub async fn run(self: &Arc<Self>, clients: u64, seed: u64) {
        let clients = (0..clients).map(|number| {
            // The product keeps the clients of neighbouring seeds apart.
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) ^ number);
            let load = Arc::clone(self);
            tokio::spawn(async move { load.client(number, random).await })
        });
        for ended in join_all(clients).await {
            if let Err(ended) = ended
                && let Ok(panic) = ended.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    async fn client(&self, number: u64, mut random: StdRng) {
        let mut stopped = self.stop.subscribe();
        let mut count = 0;
        while !self.is_stopping() {
            count += 1;
            let user = &self.users[random.random_range(0..self.users.len())];
            let title = format!("Song {number}.{count}");
            match random.random_range(0..100) {
                0..35 => self.submit_once(user, &title, &mut random).await,
                35..60 => self.submit_until_answered(user, &title, &mut random).await,
                60..72 => self.submit_twins(user, &title, &mut random).await,
                72..85 => self.hang_up(user, &title, &mut random).await,
                _ => self.read(user, &mut random).await,
            }
            let pause = Duration::from_millis(random.random_range(50..1000));
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
    }
}
