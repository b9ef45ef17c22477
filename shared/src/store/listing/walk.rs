//! Computes a page and its total from counts of blocks.

use std::collections::BTreeMap;

use super::blocks::{Level, children, parent};
use super::{Filter, Page, TaskView};
use crate::store::Result;

/// How many blocks are opened in the first round, where the newest may suffice. Each round opens twice as
/// many.
const FEW: usize = 2;

/// A block's count: the tasks that the filter lets through. An unfinished status of the filter is ignored,
/// and the filter's times are if only a part of the block lies between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The block.
    pub block: i64,
    /// How many tasks there were at the last fold.
    pub tasks: i64,
    /// Whether all tasks of the block were submitted between the filter's times.
    pub is_whole: bool,
}

/// Counts of unfinished tasks, whenever they were submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Everywhere {
    /// How many tasks are in the filter's status.
    pub in_status: i64,
    /// How many tasks are in any unfinished status and match the filter otherwise.
    pub unfinished: i64,
}

/// What a listing reads, for one filter, in one snapshot.
pub trait Source: Send {
    /// The counts of these blocks of a level, each named once, or of all, in any order. Blocks without a
    /// task may be left out.
    fn blocks(
        &mut self,
        level: Level,
        which: Option<&[i64]>,
    ) -> impl Future<Output = Result<Vec<Counted>>> + Send;

    /// By how much the count of each fine block changed since the last fold, within the filter's times.
    fn changes(&mut self) -> impl Future<Output = Result<Vec<(i64, i64)>>> + Send;

    /// For a filter on an unfinished status over everybody's tasks: the counts that need no block. `None`
    /// for all other filters.
    fn everywhere(&mut self) -> impl Future<Output = Result<Option<Everywhere>>> + Send;

    /// How many tasks the filter lets through in each of these fine blocks: reads rows.
    fn count(&mut self, fine: &[i64]) -> impl Future<Output = Result<Vec<(i64, i64)>>> + Send;

    /// The tasks in these fine blocks that the filter lets through, newest first: `limit` of them after
    /// the first `skip`.
    fn rows(
        &mut self,
        fine: &[i64],
        skip: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<TaskView>>> + Send;
}

/// A block with tasks in it.
#[derive(Debug, Clone, Copy)]
struct Node {
    level: Level,
    block: i64,
    tasks: i64,
    /// Whether the filter lets exactly `tasks` through; otherwise at most so many.
    is_exact: bool,
}

/// The tasks that `filter` lets through, newest first, `limit` of them after the first `offset`.
pub async fn page(
    source: &mut impl Source,
    filter: &Filter,
    offset: i64,
    limit: i64,
) -> Result<Page> {
    let everywhere = source.everywhere().await?;
    if everywhere.is_some_and(|there| there.in_status == 0) {
        return Ok(nothing(0));
    }
    let level = filter.scope().coarsest();
    let mut walk = Walk {
        counted_in_blocks: filter.is_counted_in_blocks(),
        changes: source.changes().await?.into_iter().collect(),
        nodes: Vec::new(),
        source,
    };
    let largest = walk.source.blocks(level, None).await?;
    walk.nodes = walk.nodes_of(level, &largest, None);
    // If everything unfinished was submitted between the filter's times, the times leave nothing out.
    let between = largest.iter().all(|counted| counted.is_whole);
    let unfinished = walk.nodes.iter().map(|node| node.tasks).sum::<i64>();
    let total = everywhere
        .filter(|there| between && there.unfinished == unfinished)
        .map(|there| there.in_status);
    let end = offset.saturating_add(limit);
    walk.make_exact(total.map(|_| end)).await?;
    let total = total.unwrap_or_else(|| walk.nodes.iter().map(|node| node.tasks).sum());
    if offset >= total || limit < 1 {
        return Ok(nothing(total));
    }
    let (fine, skip) = walk.find(offset, end).await?;
    let items = walk.source.rows(&fine, skip, limit).await?;
    Ok(Page { items, total })
}

fn nothing(total: i64) -> Page {
    Page {
        items: Vec::new(),
        total,
    }
}

struct Walk<'a, S> {
    source: &'a mut S,
    counted_in_blocks: bool,
    /// By how much fine blocks changed since the last fold.
    changes: BTreeMap<i64, i64>,
    /// Newest first; they do not overlap.
    nodes: Vec<Node>,
}

impl<S: Source> Walk<'_, S> {
    /// Opens the nodes that are not exact, down to the rows: all of them, or until the first `enough` tasks
    /// are exact.
    async fn make_exact(&mut self, enough: Option<i64>) -> Result<()> {
        let mut at_once = enough.map_or(usize::MAX, |_| FEW);
        loop {
            let mut before = 0;
            let unsure: Vec<Node> = self
                .nodes
                .iter()
                .take_while(|node| {
                    let needed = enough.is_none_or(|enough| before < enough);
                    before += if node.is_exact { node.tasks } else { 0 };
                    needed
                })
                .filter(|node| !node.is_exact)
                .take(at_once)
                .copied()
                .collect();
            if unsure.is_empty() {
                return Ok(());
            }
            // The largest first: their children may be fine enough for the next round.
            let level = unsure.iter().map(|node| node.level).max();
            let largest = unsure.iter().filter(|node| Some(node.level) == level);
            let blocks: Vec<i64> = largest.map(|node| node.block).collect();
            if let Some(finer) = level.and_then(Level::finer) {
                self.open(finer, &blocks).await?;
            } else {
                self.count(&blocks).await?;
                at_once = at_once.saturating_mul(2);
            }
        }
    }

    /// The fine blocks that hold the page from `offset` to `end`, and how many matching tasks these blocks
    /// hold before the page. The nodes that hold the page are exact.
    async fn find(&mut self, offset: i64, end: i64) -> Result<(Vec<i64>, i64)> {
        loop {
            let mut before = 0;
            let mut skip = offset;
            let mut holding = Vec::new();
            for node in self.nodes.iter().take_while(|node| node.is_exact) {
                if before >= end {
                    break;
                }
                if before + node.tasks > offset {
                    if holding.is_empty() {
                        skip = offset - before;
                    }
                    holding.push(*node);
                }
                before += node.tasks;
            }
            let level = holding.iter().map(|node| node.level).max();
            let Some(finer) = level.and_then(Level::finer) else {
                return Ok((holding.iter().map(|node| node.block).collect(), skip));
            };
            let largest = holding.iter().filter(|node| Some(node.level) == level);
            let blocks: Vec<i64> = largest.map(|node| node.block).collect();
            self.open(finer, &blocks).await?;
        }
    }

    /// Replaces `blocks`, of the level above `finer`, by their children.
    async fn open(&mut self, finer: Level, blocks: &[i64]) -> Result<()> {
        let children: Vec<i64> = blocks.iter().flat_map(|&block| children(block)).collect();
        let counted = self.source.blocks(finer, Some(&children)).await?;
        let made_of = self.nodes_of(finer, &counted, Some(blocks));
        self.nodes
            .retain(|node| node.level.finer() != Some(finer) || !blocks.contains(&node.block));
        self.nodes.extend(made_of);
        self.sort();
        Ok(())
    }

    /// Counts the rows of these fine blocks.
    async fn count(&mut self, fine: &[i64]) -> Result<()> {
        let counted: BTreeMap<i64, i64> = self.source.count(fine).await?.into_iter().collect();
        for node in &mut self.nodes {
            if node.level == Level::Fine && fine.contains(&node.block) {
                node.tasks = counted.get(&node.block).copied().unwrap_or_default();
                node.is_exact = true;
            }
        }
        self.nodes.retain(|node| node.tasks > 0);
        Ok(())
    }

    /// The blocks of `level` that have tasks once the changes are added; only those within `parents`, of the
    /// level above, if given.
    fn nodes_of(&self, level: Level, counted: &[Counted], parents: Option<&[i64]>) -> Vec<Node> {
        let mut found: BTreeMap<i64, Node> = BTreeMap::new();
        let node = |block| Node {
            level,
            block,
            tasks: 0,
            is_exact: self.counted_in_blocks,
        };
        for counted in counted {
            let node = found
                .entry(counted.block)
                .or_insert_with(|| node(counted.block));
            node.tasks += counted.tasks;
            node.is_exact &= counted.is_whole;
        }
        for (&fine, &tasks) in &self.changes {
            let block = level.block_of(fine);
            if parents.is_none_or(|parents| parents.contains(&parent(block))) {
                found.entry(block).or_insert_with(|| node(block)).tasks += tasks;
            }
        }
        found
            .into_values()
            .rev()
            .filter(|node| node.tasks > 0)
            .collect()
    }

    fn sort(&mut self) {
        self.nodes
            .sort_by_key(|node| std::cmp::Reverse(*node.level.fine_blocks(node.block).start()));
    }
}

#[cfg(test)]
mod tests;
