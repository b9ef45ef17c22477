//! Users: rich and poor, keys with and without a limit of their own.

use harness::client::{Client, SONG};

use crate::site::Site;

/// More than anybody spends in a run.
const RICH: i64 = 100_000 * SONG;
/// Soon spent; what fails comes back and is spent again.
const POOR: i64 = 6 * SONG;
/// What a key may spend that has a limit.
const LIMIT: i64 = 9 * SONG;

/// A user with some keys.
#[derive(Debug)]
pub(super) struct Person {
    pub client: Client,
    pub keys: Vec<String>,
    pub granted: i64,
}

/// Makes so many: every third is poor, and every second has a second key, with a limit.
pub(super) async fn make(site: &Site, many: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..many {
        let granted = if number % 3 == 2 { POOR } else { RICH };
        let client = site.user(&format!("user-{number}"), granted, None).await;
        let mut keys = vec![client.key.clone()];
        if number % 2 == 1 {
            keys.push(site.key(&client.name, Some(LIMIT)).await);
        }
        people.push(Person {
            client,
            keys,
            granted,
        });
    }
    people
}
