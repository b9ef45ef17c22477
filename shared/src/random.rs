//! Random numbers, passed in from outside so that a test can repeat them.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// A shared source of random numbers: `ChaCha`, which is good for secrets if the operating system seeds
/// it.
#[derive(Debug)]
pub struct Random(Mutex<StdRng>);

impl Random {
    /// A source seeded by the operating system: for everything but tests.
    pub fn from_system() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// A source that repeats its numbers for the same seed: for tests only, never for secrets.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.locked(|rng| rng.fill_bytes(bytes));
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&self) -> f64 {
        self.locked(RngExt::random)
    }

    /// A number from 0 up to, not including, `below`, which must not be 0.
    pub fn below(&self, below: u64) -> u64 {
        self.locked(|rng| rng.random_range(0..below))
    }

    /// Any number, each equally likely.
    pub fn number(&self) -> i64 {
        self.locked(RngExt::random)
    }

    /// `length` letters and digits, each equally likely.
    pub fn letters_and_digits(&self, length: usize) -> String {
        const ALPHABET: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        self.locked(|rng| {
            (0..length)
                .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
                .collect()
        })
    }

    fn locked<T>(&self, use_it: impl FnOnce(&mut StdRng) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
