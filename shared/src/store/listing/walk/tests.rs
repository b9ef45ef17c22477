//! The walk, on tasks in memory, beside walking all of them.

use super::*;
use crate::random::Random;
use crate::store::listing::blocks::Level;
use crate::task::{Status, UserId};

/// A task: its position, when it was submitted, whether its status is the one asked for, and
/// whether it was there at the last fold.
#[derive(Debug, Clone, Copy)]
struct Task {
    position: i64,
    submitted: i64,
    wanted: bool,
    folded: bool,
}

struct Memory<'a> {
    tasks: &'a [Task],
    filter: &'a Filter,
    /// How many rows were looked at.
    looked_at: i64,
    shown: Vec<i64>,
}

impl Memory<'_> {
    fn lets_through(&self, task: &Task) -> bool {
        let filter = self.filter;
        let (start, end) = (filter.start_timestamp, filter.end_timestamp);
        task.wanted
            && start.is_none_or(|start| task.submitted >= start)
            && end.is_none_or(|end| task.submitted <= end)
    }

    fn counted(&self, task: &Task) -> bool {
        task.wanted || !self.filter.is_counted_in_blocks()
    }
}

impl Source for Memory<'_> {
    async fn blocks(&mut self, level: Level, which: Option<&[i64]>) -> Result<Vec<Counted>> {
        let mut found: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
        for task in self
            .tasks
            .iter()
            .filter(|task| task.folded && self.counted(task))
        {
            let block = level.block_of(task.position >> 8);
            if which.is_none_or(|which| which.contains(&block)) {
                let (tasks, first, last) = found.entry(block).or_insert((0, i64::MAX, i64::MIN));
                *tasks += 1;
                *first = task.submitted.min(*first);
                *last = task.submitted.max(*last);
            }
        }
        let (start, end) = (self.filter.start_timestamp, self.filter.end_timestamp);
        let counted = found
            .into_iter()
            .map(|(block, (tasks, first, last))| Counted {
                block,
                tasks,
                is_whole: start.is_none_or(|start| first >= start)
                    && end.is_none_or(|end| last <= end),
            });
        Ok(counted.collect())
    }

    async fn changes(&mut self) -> Result<Vec<(i64, i64)>> {
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        for task in self.tasks.iter().filter(|task| !task.folded) {
            let wanted = Task {
                wanted: true,
                ..*task
            };
            if self.counted(task) && self.lets_through(&wanted) {
                *sums.entry(task.position >> 8).or_default() += 1;
            }
        }
        Ok(sums.into_iter().collect())
    }

    async fn everywhere(&mut self) -> Result<Option<Everywhere>> {
        let users = self.filter.user_id.is_some();
        let wanted = self.tasks.iter().filter(|task| task.wanted).count();
        let count = |tasks| i64::try_from(tasks).unwrap_or_default();
        Ok(
            (!users && !self.filter.is_counted_in_blocks()).then(|| Everywhere {
                in_status: count(wanted),
                unfinished: count(self.tasks.len()),
            }),
        )
    }

    async fn count(&mut self, fine: &[i64]) -> Result<Vec<(i64, i64)>> {
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for task in self
            .tasks
            .iter()
            .filter(|task| fine.contains(&(task.position >> 8)))
        {
            self.looked_at += 1;
            if self.lets_through(task) {
                *counts.entry(task.position >> 8).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }

    async fn rows(&mut self, fine: &[i64], skip: i64, limit: i64) -> Result<Vec<TaskView>> {
        let newest_first = self.tasks.iter().rev();
        let here = newest_first.filter(|task| fine.contains(&(task.position >> 8)));
        let passing = here.filter(|task| self.lets_through(task));
        let passing: Vec<i64> = passing.map(|task| task.position).collect();
        let (skip, limit) = (usize::try_from(skip), usize::try_from(limit));
        let shown = passing.iter().skip(skip.unwrap_or_default());
        self.shown = shown.take(limit.unwrap_or_default()).copied().collect();
        Ok(Vec::new())
    }
}

/// Tasks over three of the largest blocks, thick here and thin there, submitted about in order.
fn tasks(random: &Random) -> Vec<Task> {
    let mut position = 0;
    (0..6_000)
        .map(|_| {
            position += match random.below(10) {
                0 => number(random, 1_200),
                _ => 1,
            };
            Task {
                position,
                submitted: position / 3 + number(random, 50),
                wanted: random.below(4) == 0,
                folded: position < 500_000 && random.below(50) > 0,
            }
        })
        .collect()
}

fn number(random: &Random, below: u64) -> i64 {
    i64::try_from(random.below(below)).unwrap_or_default() + 1
}

#[tokio::test]
async fn every_page_is_what_walking_all_tasks_finds() {
    let random = Random::seeded(4);
    for round in 0..60 {
        let tasks = tasks(&random);
        let last = tasks.last().map_or(0, |task| task.submitted);
        let moment = |random: &Random| {
            let end = u64::try_from(last).unwrap_or_default();
            (random.below(2) == 0).then(|| number(random, end))
        };
        let filter = Filter {
            user_id: (round % 2 == 0).then_some(UserId(1)),
            status: (round % 3 == 0).then_some(Status::Queued),
            start_timestamp: moment(&random),
            end_timestamp: moment(&random),
            ..Filter::default()
        };
        let mut source = Memory {
            tasks: &tasks,
            filter: &filter,
            looked_at: 0,
            shown: Vec::new(),
        };
        let passing: Vec<i64> = tasks
            .iter()
            .rev()
            .filter(|task| source.lets_through(task))
            .map(|task| task.position)
            .collect();
        let limit = number(&random, 100);
        let offset = number(&random, 1_000) - 1;
        let page = page(&mut source, &filter, offset, limit).await;
        let total = page.expect("it walks").total;
        let (from, many) = (usize::try_from(offset), usize::try_from(limit));
        let expected = passing.iter().skip(from.unwrap_or_default());
        let expected: Vec<i64> = expected.take(many.unwrap_or_default()).copied().collect();
        let asked = format!("{filter:?}, {limit} after {offset}");
        assert_eq!(usize::try_from(total).ok(), Some(passing.len()), "{asked}");
        assert_eq!(source.shown, expected, "{asked}");
    }
}

#[tokio::test]
async fn of_an_unfinished_status_that_all_have_only_the_newest_rows_are_counted() {
    let tasks: Vec<Task> = (1..=100_000)
        .map(|position| Task {
            position,
            submitted: position,
            wanted: true,
            folded: true,
        })
        .collect();
    let filter = Filter {
        status: Some(Status::Queued),
        ..Filter::default()
    };
    let mut source = Memory {
        tasks: &tasks,
        filter: &filter,
        looked_at: 0,
        shown: Vec::new(),
    };
    let page = page(&mut source, &filter, 0, 20).await;
    assert_eq!(page.expect("it walks").total, 100_000);
    assert_eq!(source.shown, (99_981..=100_000).rev().collect::<Vec<_>>());
    assert!(source.looked_at <= 2 * 256, "{}", source.looked_at);
}
