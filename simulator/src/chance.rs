//! Where chance comes from.
//!
//! What happens to a submit depends on the seed, its title and which attempt it is, and on nothing else:
//! a run can be repeated although its requests arrive in another order. What happens to a fetch depends
//! on the seed and on how many came before. Ids alone differ from run to run, as real ones do.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{SeedableRng, rngs::StdRng};

/// A source of chance for one subject of one run.
pub fn source(seed: u64, subject: impl Hash) -> StdRng {
    StdRng::seed_from_u64(digest((seed, subject)))
}

/// The same number for the same thing, in every run.
pub fn digest(thing: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}
