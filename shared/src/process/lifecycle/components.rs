//! The components of a process. If one ends too early, the process stops, so that its supervisor
//! starts it again: no process goes on with a missing component.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::Stop;

/// How a component ended, with its error as text.
type Ended = Result<(), String>;

/// A component ended before a stop was requested. The process exits with code 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {component} died: {reason}")]
pub struct ComponentDied {
    /// The component's name.
    pub component: &'static str,
    /// Why it ended.
    pub reason: String,
}

/// Continues the panic of a task that panicked, in the task that waited for it.
pub fn rethrow(died: Option<JoinError>) {
    if let Some(died) = died
        && died.is_panic()
    {
        std::panic::resume_unwind(died.into_panic());
    }
}

/// The running components of a process. Dropping this aborts them.
#[derive(Debug, Default)]
pub struct Components {
    running: JoinSet<Ended>,
    names: HashMap<Id, &'static str>,
}

impl Components {
    /// No components yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a component. Messages show `name` after "the": "HTTP server", "sweep". `work` must
    /// run until a stop is requested, and then end by itself within the grace.
    pub fn spawn<E: Display>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let task = self
            .running
            .spawn(async move { work.await.map_err(|error| error.to_string()) });
        self.names.insert(task.id(), name);
    }

    /// Runs until `stop` is requested and every component has ended. Components that still run
    /// `grace` after the request are aborted. If a component ends before the request, in any way,
    /// requests `stop` and returns that component once the others have ended.
    pub async fn run(mut self, stop: Stop, grace: Duration) -> Result<(), ComponentDied> {
        let outcome = self.until_stop(&stop).await;
        stop.request();
        self.wind_down(grace).await;
        outcome
    }

    /// Waits for the request. Returns the component that ended before it.
    async fn until_stop(&mut self, stop: &Stop) -> Result<(), ComponentDied> {
        tokio::select! {
            // The stop first, so that a component that ends because of it does not count as dead.
            biased;
            () = stop.requested() => Ok(()),
            Some(joined) = self.running.join_next_with_id() => {
                let (component, ended) = self.ended(joined);
                if stop.is_requested() {
                    report(component, ended);
                    return Ok(());
                }
                let reason = ended.err().unwrap_or_else(|| "it ended by itself".to_owned());
                tracing::error!(component, reason, "a component died; the process stops with it");
                Err(ComponentDied { component, reason })
            }
        }
    }

    /// Waits up to `grace` for the running components, then aborts them.
    async fn wind_down(&mut self, grace: Duration) {
        let over = tokio::time::sleep(grace);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                joined = self.running.join_next_with_id() => match joined {
                    Some(joined) => {
                        let (component, ended) = self.ended(joined);
                        report(component, ended);
                    }
                    None => return,
                },
                () = &mut over => break,
            }
        }
        let left: Vec<&str> = self.names.values().copied().collect();
        let components = left.join(", ");
        tracing::warn!(
            components,
            ?grace,
            "not finished within the grace; given up"
        );
        self.running.shutdown().await;
    }

    fn ended(&mut self, joined: Result<(Id, Ended), JoinError>) -> (&'static str, Ended) {
        let (id, ended) = match joined {
            Ok((id, ended)) => (id, ended),
            Err(error) => (error.id(), Err(why(error))),
        };
        (self.names.remove(&id).unwrap_or("component"), ended)
    }
}

/// Logs how a component ended after the request.
fn report(component: &'static str, ended: Ended) {
    match ended {
        Ok(()) => tracing::debug!(component, "a component stopped"),
        Err(reason) => tracing::error!(component, reason, "a component failed while stopping"),
    }
}

fn why(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", said.unwrap_or("it did not say why"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn panics() -> Result<(), Infallible> {
        panic!("a bug")
    }

    /// A component that ends when it is to, and says so.
    fn obedient(
        stop: &Stop,
    ) -> (
        Arc<AtomicBool>,
        impl Future<Output = Result<(), Infallible>> + use<>,
    ) {
        let (stop, ended) = (stop.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&ended);
        let work = async move {
            stop.requested().await;
            told.store(true, Ordering::SeqCst);
            Ok(())
        };
        (ended, work)
    }

    #[tokio::test]
    async fn a_stop_lets_every_component_end() {
        let (stop, mut components) = (Stop::new(), Components::new());
        let (ended, work) = obedient(&stop);
        components.spawn("server", work);
        let running = tokio::spawn(components.run(stop.clone(), GRACE));
        tokio::task::yield_now().await;
        assert!(!running.is_finished());
        stop.request();
        assert_eq!(running.await.expect("it ran"), Ok(()));
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_component_that_fails_takes_the_others_down() {
        let (stop, mut components) = (Stop::new(), Components::new());
        let (ended, work) = obedient(&stop);
        components.spawn("server", work);
        components.spawn("sweep", async { Err("no database") });
        let died = components.run(stop.clone(), GRACE).await;
        assert_eq!(
            died.expect_err("one died").to_string(),
            "the sweep died: no database"
        );
        assert!(stop.is_requested() && ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_component_that_ends_too_early_or_panics_has_died() {
        let mut components = Components::new();
        components.spawn("sweep", async { Ok::<(), Infallible>(()) });
        let died = components.run(Stop::new(), GRACE).await;
        assert_eq!(died.expect_err("it died").reason, "it ended by itself");
        let mut components = Components::new();
        components.spawn("sweep", async { panics() });
        let died = components.run(Stop::new(), GRACE).await;
        assert_eq!(died.expect_err("it died").reason, "it panicked: a bug");
    }

    #[tokio::test]
    async fn what_outlasts_the_grace_is_given_up() {
        let (stop, mut components) = (Stop::new(), Components::new());
        components.spawn("hanging", std::future::pending::<Result<(), Infallible>>());
        stop.request();
        assert_eq!(components.run(stop, Duration::ZERO).await, Ok(()));
    }

    #[tokio::test]
    async fn a_failure_while_stopping_is_no_death() {
        let (stop, mut components) = (Stop::new(), Components::new());
        let stopping = stop.clone();
        components.spawn("server", async move {
            stopping.requested().await;
            Err("could not flush")
        });
        stop.request();
        assert_eq!(components.run(stop, GRACE).await, Ok(()));
    }
}
