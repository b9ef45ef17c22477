//! Random numbers that are the same in every run.
//!
//! What happens to a submit depends on the seed, its title, and the number of submits with this title before: a run can
//! be repeated although its requests arrive in another order. What happens to a fetch depends on the seed and the number
//! of fetches before. Only ids differ from run to run, as those of a real upstream do.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{SeedableRng, rngs::StdRng};

/// The random numbers of one subject.
pub fn rng(seed: u64, subject: impl Hash) -> StdRng {
    StdRng::seed_from_u64(digest((seed, subject)))
}

/// A hash that is the same in every run.
pub fn digest(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
