//! Random faults: processes, servers and connections are killed, frozen, stopped or cut off.
//!
//! | module | what it holds |
//! |---|---|
//! | `fault` | the faults, and how likely each is |
//! | `inject` | what each fault does, and how it ends |

mod fault;
mod inject;

pub(crate) use inject::terminate_others;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use harness::spread::Counters;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use harness::cluster::Cluster;

const AT_ONCE: usize = 3;

/// Injects faults until then, and waits until the last of them is over. Servers and processes may
/// still be starting when it returns.
pub async fn inject(cluster: &Cluster, seed: u64, until: Instant, counters: &Counters) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut active = FuturesUnordered::new();
    while Instant::now() < until {
        let pause = Duration::from_millis(random.random_range(200..3000));
        tokio::select! {
            () = sleep(pause) => {
                if active.len() < AT_ONCE {
                    let fault = fault::choose(&mut random);
                    let random = StdRng::seed_from_u64(random.random());
                    active.push(inject::inject(cluster, fault, random, counters));
                }
            }
            Some(()) = active.next() => {}
        }
    }
    while active.next().await.is_some() {}
}
