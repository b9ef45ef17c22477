//! Figures: the counters, gauges and histograms of `GET /metrics`.
//!
//! All code counts with the macros of the `metrics` crate (`counter!`, `gauge!`, `histogram!`). A
//! program calls [`Figures::install`], and [`Figures::describe`] with the tables of its figures.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// The buckets of histograms, in seconds: from a fast query to the whole of `TASK_TIMEOUT`.
const SECONDS: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    150.0, 300.0, 600.0, 1800.0,
];

/// The buckets of histograms whose name ends in `_size`: the size of a batch.
const SIZES: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 1000.0];

/// The time between two clean-ups of the samples that histograms gather between scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// A figure: its name, and its description for the HELP line.
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    /// Only grows. Its name ends in `_total`.
    Counter(&'static str, &'static str),
    /// Goes up and down.
    Gauge(&'static str, &'static str),
    /// Seconds, unless its name ends in `_size`.
    Histogram(&'static str, &'static str),
}

/// The figures of the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Figures(PrometheusHandle);

impl Figures {
    /// Starts counting for the whole process. Later calls return the same figures. Must be called
    /// in a Tokio runtime, where it starts the clean-up.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = INSTALLED.get_or_init(|| {
            let recorder = builder().unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("something else counts already; /metrics will be empty");
            }
            let upkeep = handle.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(UPKEEP).await;
                    upkeep.run_upkeep();
                }
            });
            handle
        });
        Self(handle.clone())
    }

    /// Adds the descriptions of figures.
    pub fn describe(&self, figures: &[Figure]) {
        for figure in figures {
            match *figure {
                Figure::Counter(name, help) => metrics::describe_counter!(name, help),
                Figure::Gauge(name, help) => metrics::describe_gauge!(name, help),
                Figure::Histogram(name, help) => metrics::describe_histogram!(name, help),
            }
        }
    }

    /// The figures as Prometheus text (version 0.0.4).
    pub fn render(&self) -> String {
        self.0.render()
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_counted_is_rendered_with_its_help_and_buckets() {
        let figures = Figures::install();
        Figures::install().describe(&[
            Figure::Counter("figures_test_total", "How often it was tested."),
            Figure::Histogram("figures_test_seconds", "How long."),
            Figure::Histogram("figures_test_size", "How many."),
        ]);
        metrics::counter!("figures_test_total", "kind" => "unit").increment(2);
        metrics::histogram!("figures_test_seconds").record(0.02);
        metrics::histogram!("figures_test_size").record(100.0);
        let text = figures.render();
        for line in [
            "# HELP figures_test_total How often it was tested.",
            "figures_test_total{kind=\"unit\"} 2",
            "figures_test_seconds_bucket{le=\"0.025\"} 1",
            "figures_test_seconds_bucket{le=\"0.01\"} 0",
            "figures_test_size_bucket{le=\"100\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
