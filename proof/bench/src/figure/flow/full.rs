//! A channel with few places: how long many songs take, and how often it has to say 429.

use std::time::Duration;

use tokio::time::Instant;

use super::Plan;
use super::requirement::{Bound, Requirement};
use super::stand::Stand;

/// Who knows how many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// We: `--max-tasks`.
    Set,
    /// Only the upstream.
    Learnt,
}

const PLACES: u32 = 5;

pub async fn measure(plan: &Plan, stand: &mut Stand, limit: Limit) -> Vec<Requirement> {
    let (songs, seconds): (u32, u32) = plan.size((30, 60), (10, 2));
    let (places, takes) = (PLACES.to_string(), format!("{seconds}s"));
    let simulator = ["--places", &places, "--song-time", &takes];
    let (part, channel): (_, &[&str]) = match limit {
        Limit::Set => ("full", &["--max-tasks", &places]),
        Limit::Learnt => ("learnt", &[]),
    };
    let users = stand.users(part, 1).await;
    stand.open(part, &simulator, channel).await;
    let ideal = f64::from(songs.div_ceil(PLACES) * seconds);
    let songs_of_one = (0..songs).map(|number| (&users[0], format!("{part} {number}")));
    let started = Instant::now();
    stand.submit(&songs_of_one.collect::<Vec<_>>()).await;
    // Far more than any bound: what takes longer hangs.
    let within = Duration::from_secs_f64(10.0 * ideal + 60.0);
    stand.all_end(within).await;
    let took = started.elapsed().as_secs_f64();
    let places = stand.channel().upstream.places().await;
    let refused = places.all.refused;
    let what = format!("{songs} songs of {seconds} s at {PLACES} places: total time / ideal");
    let (slower, refusals) = match limit {
        Limit::Set => (1.05, ("429s", refused, 0.0)),
        Limit::Learnt => (1.2, ("429s a song", refused / f64::from(songs), 0.2)),
    };
    let (of_refusals, refusals, most) = refusals;
    vec![
        Requirement::new(part, what, took / ideal, Bound::AtMost(slower)),
        Requirement::new(part, of_refusals, refusals, Bound::AtMost(most)),
    ]
}
