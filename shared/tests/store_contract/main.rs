//! The contract of the Store: every sentence of the documentation of its methods, over both databases.
//!
//! Each test is written once and runs as `sqlite::…` and as `postgres::…`. The Postgres half needs a
//! server: `scripts/test` starts one. Without a server those tests fail; they are never skipped.
//!
//! A test begins with empty tables, in a database that another test may have used before.

mod database;
mod values;
mod world;

mod accounts;
mod books;
mod bounds;
mod by_hand;
mod channels;
mod clips;
mod counts;
mod flow;
mod hooks;
mod idempotency;
mod listing;
mod looks;
mod sequences;
mod store;
mod submissions;
mod turns_polls;
mod turns_settle;
mod turns_settle_races;
mod turns_submit;
mod turns_sweep;
mod waiting;

use std::process::ExitCode;

/// How many tests run at once. Each waits for its database most of the time.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    // Those that take longest come first.
    let tests = [
        counts::tests(),
        sequences::tests(),
        turns_settle_races::tests(),
        turns_settle::tests(),
        turns_polls::tests(),
        turns_submit::tests(),
        turns_sweep::tests(),
        flow::tests(),
        looks::tests(),
        hooks::tests(),
        submissions::tests(),
        waiting::tests(),
        idempotency::tests(),
        books::tests(),
        listing::tests(),
        bounds::tests(),
        channels::tests(),
        by_hand::tests(),
        clips::tests(),
        accounts::tests(),
        store::tests(),
    ];
    let tests = tests.into_iter().flatten().collect();
    let outcome = harness::suite::run_at_once(tests, AT_ONCE);
    database::remove_idle();
    outcome
}
