//! A worker that is killed with its words on a wire, and another that finds what it left.

use super::evidence::{ann, ends, refuses_a_stale, upstream};
use super::setup;
use crate::run::Run;
use harness::proxy::gate::Pattern;

/// A wire of a worker.
pub enum Wire {
    Upstream,
    Database,
    Broker,
}

/// A moment in the work on one song, and what must come of a death in it.
pub struct Gap {
    /// What is asked for.
    pub title: &'static str,
    /// Where the words pass.
    pub wire: Wire,
    /// The words; the last of them never arrive.
    pub words: fn() -> Vec<Pattern>,
    /// Whether the task ends well.
    pub succeeds: bool,
    /// How often the upstream was asked for it, and accepted it.
    pub upstream: (u64, u64),
    /// What the message was that the dead worker held, if another gets it too late.
    pub stale: Option<&'static str>,
}

/// Kills the worker in the gap, and starts another.
pub async fn dies(run: &Run, gap: &Gap) {
    run.on_site(&setup(), async |site| {
        let (ann, worker) = (ann(site).await, &site.workers[0]);
        let wire = match gap.wire {
            Wire::Upstream => &site.channels[0].wire,
            Wire::Database => &worker.postgres,
            Wire::Broker => &worker.rabbitmq,
        };
        let mut held = wire.hold(&(gap.words)());
        let task = ann.song(gap.title).await;
        held.reached().await;
        worker.kill().await;
        held.reset();
        worker.serve().await;
        if let Some(work) = gap.stale {
            refuses_a_stale(worker, work).await;
        }
        let good = usize::from(gap.succeeds);
        ends(run, site, Vec::new(), good, 1 - good).await;
        assert_eq!(upstream(site, gap.title).await, gap.upstream);
        let reason = &ann.task(&task).await["fail_reason"];
        let says_so = reason
            .as_str()
            .is_some_and(|why| why.contains("not sent twice"));
        assert_ne!(says_so, gap.succeeds, "{reason}");
    })
    .await;
}
