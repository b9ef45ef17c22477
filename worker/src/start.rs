//! A worker as a part of a process: for `worker` and for `task-center`.

use shared::process::Process;

use crate::{FIGURES, Settings, Worker};

/// Adds a worker to the components of `process`. `started` is called once both queues are consumed.
pub fn spawn(
    process: &mut Process,
    settings: Settings,
    started: impl FnOnce() + Send + 'static,
) -> Result<(), reqwest::Error> {
    process.figures.describe(FIGURES);
    let worker = Worker::new(
        process.store.clone(),
        process.broker.clone(),
        process.clock.clone(),
        process.random.clone(),
        settings,
        process.stop.clone(),
    )?;
    process.spawn("worker", worker.run(started));
    Ok(())
}
