//! Random faults: whoever can be killed, frozen, stopped or cut off, at any time.
//!
//! | file | what it holds |
//! |---|---|
//! | `fault` | which faults there are, and how likely each is |
//! | `strike` | what each does |

mod fault;
mod strike;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use crate::site::Site;
use harness::spread::Tally;

/// How many faults there are at once, at most.
const AT_ONCE: usize = 3;

/// Troubles a site until then; whatever it did is undone when it returns, but for servers' and
/// processes' time to come back.
pub async fn trouble(site: &Site, seed: u64, until: Instant, tally: &Tally) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut striking = FuturesUnordered::new();
    while Instant::now() < until {
        let pause = Duration::from_millis(random.random_range(200..3000));
        tokio::select! {
            () = sleep(pause) => {
                if striking.len() < AT_ONCE {
                    let fault = fault::choose(&mut random);
                    let random = StdRng::seed_from_u64(random.random());
                    striking.push(strike::strike(site, fault, random, tally));
                }
            }
            Some(()) = striking.next() => {}
        }
    }
    while striking.next().await.is_some() {}
}
