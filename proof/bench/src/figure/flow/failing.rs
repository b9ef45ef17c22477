//! Requests of one user that always fail, beside the songs of others.

use std::time::Duration;

use harness::client::Client;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::Plan;
use super::requirement::{Bound, Requirement};
use super::stand::{Stand, owned};

/// Every so manieth request is of the user whose requests fail.
const ONE_IN: u32 = 20;
const OTHERS: usize = 5;
const SIMULATOR: [&str; 4] = ["--song-time", "1s", "--submit-latency", "20ms..100ms"];

pub async fn measure(plan: &Plan, stand: &mut Stand) -> Vec<Requirement> {
    let (a_second, seconds) = plan.size((40, 120), (10, 2));
    let users = stand.users("failing", 1 + OTHERS).await;
    stand.open("failing", &SIMULATOR, &[]).await;
    let mut found = Vec::new();
    for (word, fault) in [("without", ""), ("beside", "sim:submit-502")] {
        submit(&users, word, fault, a_second, a_second * seconds).await;
        stand.all_end(Duration::from_mins(10)).await;
        found.push(stand.percentiles("ended", &format!("fine {word}")).await);
    }
    let [without, beside] = [found[0], found[1]];
    let requirement = |what: &str, without: f64, beside: f64| {
        let what = format!(
            "the others' {what} is so many times that without ({without:.2} s), {a_second} songs a second, \
             one in {ONE_IN} always gets 502"
        );
        Requirement::new("failing", what, beside / without, Bound::AtMost(1.1))
    };
    vec![
        requirement("p50", without.0, beside.0),
        requirement("p99", without.1, beside.1),
    ]
}

/// Submits so many songs at this rate. Those of the first user have the fault.
async fn submit(users: &[Client], word: &str, fault: &str, a_second: u32, count: u32) {
    let mut ticks = interval(Duration::from_secs(1) / a_second);
    let mut submits = JoinSet::new();
    let mut others = users[1..].iter().cycle();
    for number in 0..count {
        ticks.tick().await;
        let (user, title) = if number % ONE_IN == 0 {
            (&users[0], format!("one {word} {number} {fault}"))
        } else {
            let other = others.next().unwrap_or(&users[0]);
            (other, format!("fine {word} {number}"))
        };
        let (user, title) = (user.clone(), owned(user, title.trim_end()));
        submits.spawn(async move { user.song(&title).await });
    }
    submits.join_all().await;
}
