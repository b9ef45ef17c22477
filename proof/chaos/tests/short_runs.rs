//! A short run of every scenario with a fixed seed: eight at a time, and then one by one those that
//! break the servers. Long runs are for the program.

use std::process::ExitCode;
use std::sync::Arc;

use chaos::run::Scenario;
use chaos::scenario;
use harness::servers::Servers;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// How many scenarios run at the same time. They mostly wait.
const AT_ONCE: usize = 8;

const SEED: u64 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // The servers are killed when the thread that started them ends: the main thread.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let wanted = |scenario: &Scenario| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| scenario.name.contains(filter))
    };
    let any = !arguments.list && scenario::all().iter().any(wanted);
    let servers = any.then(|| Arc::new(runtime.block_on(Servers::start())));
    let (exclusive, others): (Vec<_>, Vec<_>) =
        scenario::all().into_iter().partition(|one| one.exclusive);
    let others = run(&arguments, AT_ONCE, others, servers.as_ref());
    let exclusive = run(&arguments, 1, exclusive, servers.as_ref());
    if let Some(servers) = servers {
        runtime.block_on(servers.take_down());
    }
    if others.has_failed() || exclusive.has_failed() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(
    arguments: &Arguments,
    at_once: usize,
    scenarios: Vec<Scenario>,
    servers: Option<&Arc<Servers>>,
) -> Conclusion {
    let mut arguments = arguments.clone();
    arguments.test_threads.get_or_insert(at_once);
    let trial = |scenario: Scenario| {
        let servers = servers.cloned();
        Trial::test(scenario.name, move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let servers = servers.ok_or("there are no servers")?;
            let lasts = scenario.lasts.unwrap_or_default();
            let outcome = runtime.block_on(scenario.run(&servers, SEED, lasts));
            if outcome.passed() {
                return Ok(());
            }
            Err(Failed::from(format!("{outcome}\n{}", outcome.logs)))
        })
    };
    libtest_mimic::run(&arguments, scenarios.into_iter().map(trial).collect())
}
