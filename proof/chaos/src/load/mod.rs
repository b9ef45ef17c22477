//! Random load: many users, each with their own ways.
//!
//! | file | what it holds |
//! |---|---|
//! | `people` | users: rich and poor, keys with and without a limit of their own |
//! | `ways` | what a client does: asks once, asks until answered, asks twice at once, hangs up |
//! | `watch` | a client that looks at its tasks, and must never see one go back |

mod people;
mod watch;
mod ways;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch as signal;
use tokio::time::sleep;

use crate::record::Record;
use crate::site::Site;
use harness::spread::{Tally, Times};
use people::Person;

/// Load on a site.
#[derive(Debug)]
pub struct Load {
    people: Vec<Person>,
    /// What was asked for, and what was answered.
    pub record: Record,
    /// What clients did, and what became of it.
    pub tally: Tally,
    /// How long answers with a task took.
    pub times: Times,
    seen: watch::Seen,
    stop: signal::Sender<bool>,
    stopped: signal::Receiver<bool>,
}

impl Load {
    /// Makes so many users.
    pub async fn on(site: &Site, users: usize) -> Self {
        let (stop, stopped) = signal::channel(false);
        Self {
            people: people::make(site, users).await,
            record: Record::default(),
            tally: Tally::default(),
            times: Times::default(),
            seen: watch::Seen::default(),
            stop,
            stopped,
        }
    }

    /// What each user was granted.
    pub fn granted(&self) -> HashMap<String, i64> {
        let granted = self.people.iter();
        granted
            .map(|person| (person.client.name.clone(), person.granted))
            .collect()
    }

    /// Goes on, with so many clients at once, until it is told to stop; each then finishes what it
    /// is about.
    pub async fn go(self: &Arc<Self>, clients: u64, seed: u64) {
        let clients = (0..clients).map(|number| {
            // Seeds of neighbours must not be neighbours' seeds.
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

    /// Tells everybody to stop.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        *self.stopped.borrow()
    }

    async fn client(&self, number: u64, mut random: StdRng) {
        let mut wish = 0;
        while !self.is_stopping() {
            wish += 1;
            let person = &self.people[random.random_range(0..self.people.len())];
            let title = format!("Song {number}.{wish}");
            match random.random_range(0..100) {
                0..35 => self.ask_once(person, &title, &mut random).await,
                35..60 => self.ask_until_answered(person, &title, &mut random).await,
                60..72 => self.ask_twice_at_once(person, &title, &mut random).await,
                72..85 => self.hang_up(person, &title, &mut random).await,
                _ => self.look(person, &mut random).await,
            }
            let pause = Duration::from_millis(random.random_range(50..1000));
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
    }
}
