//! Random sequences of everything that can happen, on both Stores, with a plain model as oracle.
//!
//! | file | what it holds |
//! |---|---|
//! | [`step`] | what can happen, and how it is drawn |
//! | [`oracle`] | the model: what the Store should hold, by its contract |
//! | [`drive`] | one step, done to the Store and to the model; the answers compared |
//! | [`watch`] | what must hold after every step |
//!
//! A failure prints its shortest sequence, a step a line. `PROPTEST_CASES` tries more,
//! `PROPTEST_RNG_SEED` others (`docs/testing.md`).

mod drive;
mod oracle;
mod step;
mod watch;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::database::contract;
use crate::world::World;
use drive::Drive;
use step::Step;

contract! {
    whatever_happens_in_whatever_order_the_money_is_exact_and_nothing_is_forgotten,
}

/// How many sequences are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 16;
/// How many steps the longest has.
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

/// One sequence, on tables that hold nothing, to its end.
async fn play(world: &World, steps: &[Step]) {
    world.database.execute(EMPTY).await;
    let mut drive = Drive::new(world).await;
    for step in steps {
        drive.take(step).await;
    }
    drive.end_all().await;
}

/// What the last sequence left behind; who is referred to goes last.
const EMPTY: &str = "
    DELETE FROM task_events; DELETE FROM ledger; DELETE FROM unfinished_tasks;
    DELETE FROM late_tasks; DELETE FROM idempotency_keys; DELETE FROM tasks; DELETE FROM api_keys;
    DELETE FROM channels; DELETE FROM users";

/// The same sequences each time, unless the environment says otherwise; nothing is kept in files.
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
        // Each is a whole sequence on a database.
        max_shrink_iters: 400,
        ..given
    }
}
