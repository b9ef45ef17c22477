//! Many users with limits who share few places: how much of the places each of them has while all of them wait,
//! and whether anybody is ever above a limit. The upstream counts.

use std::time::Duration;

use harness::client::Client;
use harness::places::Places;
use tokio::time::sleep;

use super::Plan;
use super::requirement::{Bound, Requirement};
use super::stand::Stand;

/// The most tasks of a user that run at once.
const LIMIT: u32 = 2;

/// How often the upstream is asked whether all users still wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Sizes {
    users: usize,
    songs: u32,
    places: u32,
    seconds: u32,
}

pub async fn measure(plan: &Plan, stand: &mut Stand) -> Vec<Requirement> {
    let full = Sizes {
        users: 200,
        songs: 5,
        places: 100,
        seconds: 60,
    };
    let short = Sizes {
        users: 20,
        songs: 3,
        places: 10,
        seconds: 2,
    };
    let sizes = plan.size(full, short);
    let users = stand.users("fair", sizes.users).await;
    stand.limit(&users, LIMIT).await;
    let (places, takes) = (sizes.places.to_string(), format!("{}s", sizes.seconds));
    let simulator = ["--places", &places, "--song-time", &takes];
    stand
        .open("fair", &simulator, &["--max-tasks", &places])
        .await;
    // The first songs are sent while the last are submitted.
    let before = stand.channel().upstream.places().await;
    // All users submit at the same time, each one song after another: nobody's second song is older than another's
    // first.
    for number in 0..sizes.songs {
        let title = format!("fair {number}");
        let songs: Vec<(&Client, String)> =
            users.iter().map(|user| (user, title.clone())).collect();
        stand.submit(&songs).await;
    }
    let (from, to) = while_all_wait(stand, &users, &sizes).await;
    stand.all_end(Duration::from_mins(30)).await;
    let end = stand.channel().upstream.places().await;
    requirements(&users, &sizes, &before, (&from, &to), &end)
}

/// What the upstream knew when all places were taken first, and when all users waited last: each has a song that
/// was not sent yet.
async fn while_all_wait(stand: &Stand, users: &[Client], sizes: &Sizes) -> (Places, Places) {
    let upstream = &stand.channel().upstream;
    let (mut from, mut to) = (None, upstream.places().await);
    loop {
        let now = upstream.places().await;
        let all_songs = f64::from(sizes.songs);
        let waits = |user: &Client| now.of(&user.name).accepted < all_songs;
        if !users.iter().all(waits) {
            return (from.unwrap_or_else(|| to.clone()), to);
        }
        if from.is_none() && now.all.running >= f64::from(sizes.places) {
            from = Some(now.clone());
        }
        to = now;
        sleep(LOOK_EVERY).await;
    }
}

fn requirements(
    users: &[Client],
    sizes: &Sizes,
    before: &Places,
    (from, to): (&Places, &Places),
    end: &Places,
) -> Vec<Requirement> {
    let places = f64::from(sizes.places);
    let names = users.iter().map(|user| user.name.as_str());
    let most = names.clone().map(|name| end.of(name).most);
    let most = most.fold(0.0, f64::max);
    let fairness = to.fairness_since(before, names);
    let full = to.taken_since(from) / places;
    let waited = (to.at - before.at) / 1000.0;
    let shared = format!(
        "Jain's index of {places} places over {} users, {waited:.0} s in which all wait",
        sizes.users
    );
    let part = "fair";
    vec![
        Requirement::new(
            part,
            "most tasks of a user at once",
            most,
            Bound::AtMost(LIMIT.into()),
        ),
        Requirement::new(
            part,
            "most tasks at once",
            end.all.most,
            Bound::AtMost(places),
        ),
        Requirement::new(part, "429s", end.all.refused, Bound::AtMost(0.0)),
        Requirement::new(part, shared, fairness, Bound::AtLeast(0.99)),
        Requirement::new(
            part,
            "share of that time in which a place is taken",
            full,
            Bound::AtLeast(0.95),
        ),
    ]
}
