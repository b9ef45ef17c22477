//! Tries each invariant on its seeds, on mutated seeds, and on random bytes. Every run tries the same cases,
//! unless `PROPTEST_CASES` or `PROPTEST_RNG_SEED` is set (`docs/testing.md`).

use std::path::Path;

use fuzz::invariants::{ALL, Invariant};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(name);
    let files = std::fs::read_dir(folder).expect("each invariant has seeds");
    let mut paths: Vec<_> = files
        .map(|file| file.expect("the folder can be listed").path())
        .collect();
    // The order of a listing differs between file systems; the cases must not.
    paths.sort();
    let read = |path| std::fs::read(path).expect("a seed can be read");
    paths.into_iter().map(read).collect()
}

/// What parsers stumble over.
const HOSTILE: &str =
    "\" \\ \\u0000 \\ud800 null [] {} -1 1e999 99999999999999999999 \0 %00 \u{fffd} 10.0.0.7";

/// A mutation of a seed.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Put(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..8),
        prop::sample::select(HOSTILE.split(' ').collect::<Vec<_>>())
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let position = any::<prop::sample::Index>;
    prop_oneof![
        (position(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (position(), 1..20_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (position(), bytes).prop_map(|(at, bytes)| Change::Put(at, bytes)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        match change {
            Change::Set(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Cut(at, length) if !bytes.is_empty() => {
                let from = at.index(bytes.len());
                bytes.drain(from..bytes.len().min(from + length));
            }
            Change::Put(at, more) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Set(..) | Change::Cut(..) => {}
        }
    }
    bytes
}

fn config() -> Config {
    let config = Config::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        given @ RngSeed::Fixed(_) => given,
    };
    Config {
        failure_persistence: None,
        rng_seed,
        ..config
    }
}

fn check(name: &str, invariant: Invariant) {
    let seeds = seeds(name);
    for seed in &seeds {
        invariant(seed);
    }
    let mutated = (
        prop::sample::select(seeds),
        prop::collection::vec(change(), 1..6),
    );
    let mutated = mutated.prop_map(|(seed, changes)| changed(seed, &changes));
    let any_bytes = prop::collection::vec(any::<u8>(), 0..200);
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&prop_oneof![4 => mutated, 1 => any_bytes], |bytes| {
        invariant(&bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

#[test]
fn every_invariant_holds_for_its_seeds_and_their_mutations() {
    for (name, invariant) in ALL {
        check(name, invariant);
    }
}

#[test]
fn every_invariant_has_a_fuzz_target_and_every_target_an_invariant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/fuzz_targets");
    let files = std::fs::read_dir(folder).expect("there are targets");
    let name = |path: std::path::PathBuf| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let mut targets: Vec<_> = files.filter_map(|file| name(file.ok()?.path())).collect();
    targets.sort();
    let mut invariants: Vec<_> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    invariants.sort();
    assert_eq!(targets, invariants);
}
