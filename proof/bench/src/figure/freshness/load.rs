//! Songs and lyrics that users submit at a steady rate, and how long the upstream takes for them.

use std::time::Duration;

use harness::client::Client;
use shared::random::Random;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Plan;

/// Each run has the same arrivals.
const SEED: u64 = 16;

/// One in so many submits is of lyrics.
const LYRICS_IN: u32 = 10;

/// How long the upstream takes, and how long a measurement does.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For a song, as the simulator takes it.
    pub song: &'static str,
    /// For lyrics.
    pub lyrics: &'static str,
    /// The mean of a song, s.
    song_mean: f64,
    /// The mean of lyrics, s.
    lyrics_mean: f64,
    /// The longest song.
    pub longest: Duration,
    /// Until as many are in flight as shall be, and the schedule has learnt: two mean songs.
    pub warm_up: Duration,
    /// How long it may take until the last end of a measurement is seen.
    pub patience: Duration,
}

const FULL: Times = Times {
    song: "lognormal:90s,0.4,30s..300s",
    lyrics: "5s..30s",
    song_mean: 97.4,
    lyrics_mean: 17.5,
    longest: Duration::from_mins(5),
    warm_up: Duration::from_secs(195),
    patience: Duration::from_mins(5),
};

const SHORT: Times = Times {
    song: "lognormal:1s,0.3,500ms..2s",
    lyrics: "500ms..1s",
    song_mean: 1.0,
    lyrics_mean: 0.8,
    longest: Duration::from_secs(2),
    warm_up: Duration::from_secs(1),
    patience: Duration::from_secs(10),
};

impl Times {
    pub fn of(plan: &Plan) -> Self {
        plan.size(FULL, SHORT)
    }

    /// The arguments of a simulator that takes so long.
    pub fn simulator(&self) -> [&'static str; 4] {
        ["--song-time", self.song, "--lyrics-time", self.lyrics]
    }
}

/// What is submitted.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many are in flight at once, on average.
    pub in_flight: u32,
    /// Whether some of them are lyrics.
    pub lyrics: bool,
}

impl Load {
    /// Submits at random moments at a steady rate, until it is dropped. Panics if a submit is refused.
    pub async fn submit(self, times: Times, user: &Client) {
        let random = Random::seeded(SEED);
        let mean = if self.lyrics {
            let lyrics = 1.0 / f64::from(LYRICS_IN);
            times.song_mean * (1.0 - lyrics) + times.lyrics_mean * lyrics
        } else {
            times.song_mean
        };
        let every = mean / f64::from(self.in_flight);
        let mut next = Instant::now();
        let mut submits = JoinSet::new();
        for number in 0_u32.. {
            // The gaps of a Poisson process.
            next += Duration::from_secs_f64(-every * (1.0 - random.unit()).ln());
            sleep_until(next).await;
            while let Some(submitted) = submits.try_join_next() {
                submitted.expect("a submit is taken");
            }
            let is_lyrics = self.lyrics && number % LYRICS_IN == LYRICS_IN - 1;
            let user = user.clone();
            // How long the upstream takes depends on the title, so it is the same in each run.
            submits.spawn(async move {
                if is_lyrics {
                    user.lyrics(&format!("Words {number}")).await;
                } else {
                    user.song(&format!("Song {number}")).await;
                }
            });
        }
    }
}
