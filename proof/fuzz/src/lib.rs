//! Invariants of everything the programs read from others: cargo-fuzz tries them for as long as you like,
//! `tests/seeds.rs` for a second (`docs/testing.md`).

pub mod invariants;
