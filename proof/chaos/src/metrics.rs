//! Reads the Prometheus metrics of an API or a worker.

use harness::client::http;

use harness::cluster::Node;

/// The text of `/metrics` at one moment.
#[derive(Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// Reads the metrics of a process; `None` while it does not answer.
    pub async fn try_read(node: &Node) -> Option<Self> {
        let answer = http().get(format!("{}/metrics", node.url)).send().await;
        answer.ok()?.text().await.ok().map(Self)
    }

    /// Reads the metrics of a process that must answer.
    pub async fn read(node: &Node) -> Self {
        let metrics = Self::try_read(node).await;
        metrics.unwrap_or_else(|| panic!("{} serves no metrics", node.name))
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
