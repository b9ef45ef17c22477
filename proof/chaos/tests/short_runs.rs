//! A short run of every scenario, each with a fixed seed: the gentle ones side by side, then those
//! that break the servers, one by one. Long runs are the program's.

use std::process::ExitCode;
use std::sync::Arc;

use chaos::run::Scenario;
use chaos::scenario;
use harness::servers::Servers;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// How many gentle ones run at once: most of their time is waiting.
const AT_ONCE: usize = 8;

/// The seed of short runs.
const SEED: u64 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // The servers die with the thread that started them: this one.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let wanted = |scenario: &Scenario| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| scenario.name.contains(filter))
    };
    let any = !arguments.list && scenario::all().iter().any(wanted);
    let servers = any.then(|| Arc::new(runtime.block_on(Servers::start())));
    let (harsh, gentle): (Vec<_>, Vec<_>) = scenario::all().into_iter().partition(|one| one.harsh);
    let gentle = run(&arguments, AT_ONCE, gentle, servers.as_ref());
    let harsh = run(&arguments, 1, harsh, servers.as_ref());
    if let Some(servers) = servers {
        runtime.block_on(servers.take_down());
    }
    if gentle.has_failed() || harsh.has_failed() {
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
            if outcome.holds() {
                return Ok(());
            }
            Err(Failed::from(format!("{outcome}\n{}", outcome.logs)))
        })
    };
    libtest_mimic::run(&arguments, scenarios.into_iter().map(trial).collect())
}
