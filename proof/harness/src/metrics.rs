//! The Prometheus metrics of APIs and workers.

use crate::client::http;
use crate::cluster::Node;

/// The text of `/metrics` at one moment.
#[derive(Debug, Default)]
pub struct Metrics(pub String);

impl Metrics {
    /// Reads the metrics of a process; `None` while it does not answer.
    pub async fn try_read(node: &Node) -> Option<Self> {
        let answer = http().get(format!("{}/metrics", node.url)).send().await;
        answer.ok()?.text().await.ok().map(Self)
    }

    /// Reads the metrics of processes that must answer.
    pub async fn read(nodes: impl IntoIterator<Item = &Node>) -> Self {
        let mut all = Self::default();
        for node in nodes {
            let metrics = Self::try_read(node).await;
            let metrics = metrics.unwrap_or_else(|| panic!("{} serves no metrics", node.name));
            all.0.push_str(&metrics.0);
        }
        all
    }

    /// The sum of a counter over all series that have these labels, written as `queue="submit"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let series = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        series.filter_map(value).sum()
    }
}
