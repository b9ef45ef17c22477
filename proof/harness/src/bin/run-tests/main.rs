//! `run-tests`: runs all tests of the workspace, several test programs at once, beside the servers
//! that the environment names. `scripts/test` starts it.
//!
//! Test programs spend most of their time waiting for a deadline, a lease or a server. Those that measure how long
//! something takes run last, one after the other. The output of
//! each is printed when it ends, and what failed is listed at the end.

mod jobs;
mod outcome;

use futures_util::StreamExt as _;
use futures_util::stream;
use std::process::ExitCode;
use tokio::time::Instant;

use jobs::Job;
use outcome::Outcome;

/// How many test programs run at once. Each runs many tests at once itself; with more, two cores are so busy that
/// what waits for a second waits for ten.
const AT_ONCE: usize = 3;

// One thread: nothing here computes.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let jobs = match jobs::all().await {
        Ok(jobs) => jobs,
        Err(why) => {
            eprintln!("run-tests: {why}");
            return ExitCode::FAILURE;
        }
    };
    let started = Instant::now();
    let mut outcomes = Vec::new();
    let (measured, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(Job::is_measured);
    for (jobs, at_once) in [(others, AT_ONCE), (measured, 1)] {
        let mut running = stream::iter(jobs).map(run).buffer_unordered(at_once);
        while let Some((job, outcome, seconds)) = running.next().await {
            println!("---- {} ({seconds:.0} s)\n{}", job.name, outcome.output);
            outcomes.push((job, outcome));
        }
    }
    let total = |count: fn(&Outcome) -> usize| -> usize {
        outcomes.iter().map(|(_, outcome)| count(outcome)).sum()
    };
    let failed = total(|outcome| outcome.failed.len());
    for (job, outcome) in &outcomes {
        for test in &outcome.failed {
            println!("FAILED {}: {test}\n  alone: {}", job.name, job.alone(test));
        }
    }
    println!("all tests took {:.0} s", started.elapsed().as_secs_f64());
    println!(
        "{} passed, {failed} failed",
        total(|outcome| outcome.passed)
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(job: Job) -> (Job, Outcome, f64) {
    let started = Instant::now();
    let ended = job.command().output().await;
    let outcome = match ended {
        Ok(ended) => Outcome::of(ended.status.success(), &ended.stdout, &ended.stderr),
        Err(error) => Outcome::of(false, &[], error.to_string().as_bytes()),
    };
    (job, outcome, started.elapsed().as_secs_f64())
}
