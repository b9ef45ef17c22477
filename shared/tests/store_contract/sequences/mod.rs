//! Random sequences of all that can happen, on both databases, compared with a plain model. [`drive`] does
//! each [`step`] on the Store and on the model, the [`oracle`]. After each step [`watch`] compares the two.
//!
//! A failure prints its shortest sequence, one step a line. `PROPTEST_CASES` sets how many sequences run,
//! `PROPTEST_RNG_SEED` which (`docs/testing.md`).

mod drive;
mod oracle;
mod step;
mod watch;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::database::{EMPTY, contract};
use crate::world::World;
use drive::Drive;
use step::Step;

contract! {
    whatever_happens_in_whatever_order_the_money_is_exact_and_nothing_is_forgotten,
}

/// How many sequences run, unless `PROPTEST_CASES` is set.
const CASES: u32 = 16;
/// The length of the longest sequence.
const LONGEST: usize = 60;

async fn whatever_happens_in_whatever_order_the_money_is_exact_and_nothing_is_forgotten(
    world: &World,
) {
    let config = config();
    let seed = config.rng_seed;
    let mut runner = TestRunner::new(config);
    let runtime = Handle::current();
    let outcome = block_in_place(|| {
        runner.run(&step::sequence(LONGEST), |steps| {
            runtime.block_on(play(world, &steps.0));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}\nseed {seed}; again: PROPTEST_RNG_SEED={seed}");
    }
}

/// Runs one sequence on empty tables.
async fn play(world: &World, steps: &[Step]) {
    world.database.execute(EMPTY).await;
    let mut drive = Drive::new(world).await;
    for step in steps {
        drive.take(step).await;
    }
    drive.end_all().await;
}

/// The same sequences each time, unless the environment sets others; no files are kept.
fn config() -> Config {
    let given = Config::default();
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => given.cases,
            None => CASES,
        },
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        // Each iteration runs a whole sequence on a database.
        max_shrink_iters: 400,
        ..given
    }
}
