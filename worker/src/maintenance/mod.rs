//! Work that no message asks for: each worker looks for it every few seconds.
//!
//! | file | what it does |
//! |---|---|
//! | [`sweep`] | publishes again for unfinished tasks whose message was lost |
//! | [`own_limits`] | asks channels how many tasks they may have at once |
//! | [`late_results`] | asks a few times more about tasks that were given up at their deadline |

pub mod late_results;
pub mod own_limits;
pub mod sweep;
