//! Positions of tasks, and blocks of positions.

use std::ops::RangeInclusive;

use crate::task::UserId;

/// Whose tasks are counted, and by what position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's, by task id.
    Everybody,
    /// One user's, by `user_seq`: the user's first task is 1, the second 2.
    Of(UserId),
}

impl Scope {
    /// The value in `task_counts`.
    pub fn number(self) -> i64 {
        match self {
            Self::Everybody => 0,
            Self::Of(user) => user.0,
        }
    }

    /// The level of the largest blocks in which the scope's tasks are counted.
    pub fn coarsest(self) -> Level {
        match self {
            Self::Everybody => Level::Coarse,
            Self::Of(_) => Level::Middle,
        }
    }
}

/// How large a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 256 positions.
    Fine,
    /// 32 fine blocks.
    Middle,
    /// 32 middle blocks.
    Coarse,
}

impl Level {
    /// The value in `task_counts`.
    pub fn number(self) -> i64 {
        match self {
            Self::Fine => 0,
            Self::Middle => 1,
            Self::Coarse => 2,
        }
    }

    /// The next smaller level.
    pub fn finer(self) -> Option<Self> {
        match self {
            Self::Fine => None,
            Self::Middle => Some(Self::Fine),
            Self::Coarse => Some(Self::Middle),
        }
    }

    /// The block of this level in which `fine`, a fine block, lies.
    pub fn block_of(self, fine: i64) -> i64 {
        fine >> (5 * self.number())
    }

    /// The fine blocks of `block`, a block of this level.
    pub fn fine_blocks(self, block: i64) -> RangeInclusive<i64> {
        let first = block << (5 * self.number());
        first..=first + (1 << (5 * self.number())) - 1
    }
}

/// The blocks of the next smaller level of which a block is made.
pub fn children(block: i64) -> RangeInclusive<i64> {
    block << 5..=(block << 5) + 31
}

/// The block of the next larger level in which a block lies.
pub fn parent(block: i64) -> i64 {
    block >> 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_made_of_those_that_lie_in_it() {
        for level in [Level::Fine, Level::Middle, Level::Coarse] {
            for fine in level.fine_blocks(3) {
                assert_eq!(level.block_of(fine), 3);
            }
            assert_eq!(level.block_of(level.fine_blocks(3).end() + 1), 4);
        }
        assert_eq!(Level::Coarse.fine_blocks(0).count(), 1024);
        assert!(children(7).all(|child| parent(child) == 7));
        assert_eq!(children(7).count(), 32);
    }
}
