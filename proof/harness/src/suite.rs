//! Scenarios as tests: run side by side, each within a time, its stack taken down after.
//!
//! A scenario spends most of its time waiting, so more of them run at once than there are cores;
//! `-- --test-threads N` says otherwise.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::stack::{Kind, Setup, Stack};

/// How many scenarios run at once.
const AT_ONCE: usize = 12;

/// Runs them as the command line says, as `cargo test` would.
pub fn run(scenarios: Vec<Trial>) -> ExitCode {
    run_at_once(scenarios, AT_ONCE)
}

/// The same, with so many at once unless the command line says otherwise.
pub fn run_at_once(scenarios: Vec<Trial>, at_once: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_once);
    libtest_mimic::run(&arguments, scenarios).exit_code()
}

/// `scenario` on both stacks: the same words, the same code.
pub fn on_both<F>(name: &str, setup: &Setup, scenario: F) -> [Trial; 2]
where
    F: AsyncFnOnce(&mut Stack) + Copy + Send + 'static,
{
    [Kind::Separate, Kind::OneProcess].map(|kind| on(kind, name, setup.clone(), scenario))
}

/// `scenario` on a stack of its own.
pub fn on<F>(kind: Kind, name: &str, setup: Setup, scenario: F) -> Trial
where
    F: AsyncFnOnce(&mut Stack) + Send + 'static,
{
    let stack = match kind {
        Kind::Separate => "postgres and rabbitmq",
        Kind::OneProcess => "one process",
    };
    test(&format!("{stack}: {name}"), setup.limit, async move || {
        let mut stack = Stack::start(kind, &setup).await;
        let all = async {
            within(setup.limit, scenario(&mut stack)).await;
            stack.check().await;
            stack.stop().await;
        };
        let ended = caught(all).await;
        let logs = ended.is_err().then(|| stack.logs());
        // What went wrong before is worth more than what goes wrong now.
        let down = caught(stack.take_down()).await;
        match (ended, logs) {
            (Err(why), Some(logs)) => panic!("{why}\n{logs}"),
            _ => down.unwrap_or_else(|why| panic!("{why}")),
        }
    })
}

/// A test without a stack.
pub fn test<F>(name: &str, limit: Duration, body: F) -> Trial
where
    F: AsyncFnOnce() + Send + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Time for the stack to come up and go down is no part of the limit.
        let limit = limit + Duration::from_mins(2);
        runtime
            .block_on(caught(within(limit, body())))
            .map_err(Failed::from)
    })
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| panic!("it takes longer than {limit:?}"))
}

/// The words of a panic as an error.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| words(&*panic))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
