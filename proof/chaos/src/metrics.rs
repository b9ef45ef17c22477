//! The figures of an API or a worker, as Prometheus reads them.

use harness::client::http;

use crate::member::Member;

/// What `/metrics` said at one moment.
#[derive(Debug)]
pub struct Figures(String);

impl Figures {
    /// Asks a process that serves.
    pub async fn of(member: &Member) -> Self {
        let answer = http().get(format!("{}/metrics", member.url)).send().await;
        let text = answer.expect("it serves its figures").text().await;
        Self(text.expect("figures are a text"))
    }

    /// The sum of all counters of `name` that have each of these labels, written as `queue="submit"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let lines = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        lines.filter_map(value).sum()
    }
}
