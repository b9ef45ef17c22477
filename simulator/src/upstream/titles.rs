//! Counts the submits of each title, to prove that nothing was submitted twice.

use std::collections::HashMap;

/// Counts by the digest of a title.
#[derive(Debug, Default)]
pub struct Titles {
    counts: HashMap<u64, Title>,
    accepted_twice: u64,
    max_accepted: u32,
}

/// How often one title was submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// Well-formed submits, whatever their outcome.
    pub asked: u32,
    /// Accepted submits.
    pub accepted: u32,
}

impl Titles {
    /// Counts a submit; returns how many came before.
    pub fn asked(&mut self, title: u64) -> u32 {
        let count = self.counts.entry(title).or_default();
        count.asked += 1;
        count.asked - 1
    }

    /// Counts an accepted submit.
    pub fn accepted(&mut self, title: u64) {
        let count = self.counts.entry(title).or_default();
        count.accepted += 1;
        self.accepted_twice += u64::from(count.accepted == 2);
        self.max_accepted = self.max_accepted.max(count.accepted);
    }

    /// The counts of a title.
    pub fn of(&self, title: u64) -> Title {
        self.counts.get(&title).copied().unwrap_or_default()
    }

    /// How many titles there are.
    pub fn different(&self) -> u64 {
        self.counts.len() as u64
    }

    /// How many titles were accepted more than once.
    pub const fn accepted_twice(&self) -> u64 {
        self.accepted_twice
    }

    /// The most accepted submits of one title.
    pub const fn max_accepted(&self) -> u32 {
        self.max_accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_accepted_twice_is_counted() {
        let mut titles = Titles::default();
        assert_eq!(
            (titles.asked(1), titles.asked(2), titles.asked(2)),
            (0, 0, 1)
        );
        for title in [1, 2, 2, 2] {
            titles.accepted(title);
        }
        assert_eq!(
            (
                titles.different(),
                titles.accepted_twice(),
                titles.max_accepted()
            ),
            (2, 1, 3)
        );
        assert_eq!(
            titles.of(2),
            Title {
                asked: 2,
                accepted: 3
            }
        );
        assert_eq!(titles.of(3), Title::default());
    }
}
