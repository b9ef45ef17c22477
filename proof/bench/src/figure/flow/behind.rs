//! A user's first song behind the many of another, at an upstream that takes its time for each submit.

use std::time::Duration;

use harness::wait::eventually;

use super::Plan;
use super::requirement::{Bound, Requirement};
use super::stand::{Stand, owned};

/// How long the upstream takes to answer a submit.
const SUBMIT: Duration = Duration::from_secs(1);

const SIMULATOR: [&str; 4] = ["--submit-latency", "1s", "--song-time", "10s"];

/// Leaves most of the many songs unfinished.
pub async fn measure(plan: &Plan, stand: &mut Stand) -> Vec<Requirement> {
    let many = plan.size(1500, 60);
    let users = stand.users("behind", 2).await;
    stand.open("behind", &SIMULATOR, &[]).await;
    let songs = (0..many).map(|number| (&users[0], format!("many {number}")));
    stand.submit(&songs.collect::<Vec<_>>()).await;
    users[1].song(&owned(&users[1], "the first")).await;
    let within = Duration::from_mins(10);
    let sent = eventually(within, "the other's song to be sent", async || {
        stand.until("sending", "the first").await.pop()
    })
    .await;
    let what = format!("another's first song behind {many} is sent after, s");
    let most = SUBMIT.as_secs_f64() + 1.0;
    vec![Requirement::new("behind", what, sent, Bound::AtMost(most))]
}
