//! Short runs of scenarios with a fixed seed, as tests. Long runs are for the program.

use std::process::ExitCode;
use std::sync::Arc;

use harness::servers::Servers;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::run::{Beside, Scenario};
use crate::scenario;

/// How many scenarios run at the same time. They mostly wait.
const AT_ONCE: usize = 8;

const SEED: u64 = 1;

/// Runs the scenarios beside which this may run, on servers that it starts for them: one after the other, or, if
/// anything may run beside them, many at a time.
pub fn run(beside: Beside) -> ExitCode {
    let mut arguments = Arguments::from_args();
    if beside == Beside::Anything {
        arguments.test_threads.get_or_insert(AT_ONCE);
    } else {
        arguments.test_threads = Some(1);
    }
    let mut scenarios = scenario::all();
    scenarios.retain(|scenario| scenario.beside == beside);
    let wanted = |scenario: &Scenario| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| scenario.name.contains(filter))
    };
    let any = !arguments.list && scenarios.iter().any(wanted);
    // The servers are killed when the thread that started them ends: the main thread.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let servers = any.then(|| Arc::new(runtime.block_on(Servers::start())));
    let trial = |scenario| trial(scenario, servers.clone());
    let trials = scenarios.into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(servers) = servers {
        runtime.block_on(servers.take_down());
    }
    conclusion.exit_code()
}

fn trial(scenario: Scenario, servers: Option<Arc<Servers>>) -> Trial {
    Trial::test(scenario.name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let servers = servers.ok_or("there are no servers")?;
        let lasts = scenario.lasts.unwrap_or_default();
        let outcome = runtime.block_on(scenario.run(&servers, SEED, lasts));
        // The output of the tests themselves stays whole.
        eprintln!("{} took {:.1} s", outcome.scenario, outcome.seconds);
        if outcome.passed() {
            return Ok(());
        }
        Err(Failed::from(format!("{outcome}\n{}", outcome.logs)))
    })
}
