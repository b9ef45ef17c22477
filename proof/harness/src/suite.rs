//! Runs scenarios as tests, each with a time limit.
//!
//! A scenario spends most of its time waiting, so more of them run at once than there are cores;
//! `-- --test-threads N` changes the number.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt as _;
pub use libtest_mimic::Trial;
use libtest_mimic::{Arguments, Failed};

/// How many scenarios run at once.
const AT_ONCE: usize = 12;

/// Runs the scenarios that the command line selects, as `cargo test` would.
pub fn run(scenarios: Vec<Trial>) -> ExitCode {
    run_at_once(scenarios, AT_ONCE)
}

/// The same, with another number at once unless the command line sets it.
pub fn run_at_once(scenarios: Vec<Trial>, at_once: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_once);
    libtest_mimic::run(&arguments, scenarios).exit_code()
}

/// A test with a time limit.
pub fn test<F>(name: &str, limit: Duration, body: F) -> Trial
where
    F: AsyncFnOnce() + Send + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Starting and taking down a cluster does not count.
        let limit = limit + Duration::from_mins(2);
        runtime
            .block_on(caught(within(limit, body())))
            .map_err(Failed::from)
    })
}

/// Panics if `work` takes longer than `limit`.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| panic!("it takes longer than {limit:?}"))
}

/// The message of a panic as an error.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
