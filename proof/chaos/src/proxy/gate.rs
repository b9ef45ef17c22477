//! Holding a connection in the moment that certain words pass.
//!
//! A gate turns "it dies between the commit and the publish" into something that happens every time:
//! the proxy sees the words of the commit, holds them, and tells the scenario, which kills whom it
//! likes and then lets go, or cuts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

/// The longest wait for words to pass: what leads to them takes a minute at most.
const REACH: Duration = Duration::from_mins(2);

/// Which way words go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the server.
    Up,
    /// From the server back.
    Down,
}

/// Words that pass in one direction.
#[derive(Debug, Clone)]
pub struct Words {
    way: Way,
    bytes: Vec<u8>,
}

impl Words {
    /// To the server.
    pub fn up(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self {
            way: Way::Up,
            bytes,
        }
    }

    /// From the server.
    pub fn down(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self {
            way: Way::Down,
            bytes,
        }
    }
}

/// What becomes of a connection that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Carried,
    Reset,
}

/// A connection to be held. Dropped, it lets go.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    fate: watch::Sender<Fate>,
}

impl Gate {
    /// Waits until the words pass; they are held from then on. Panics if they never do.
    pub async fn reached(&mut self) {
        if let Some(reached) = self.reached.take() {
            let reached = tokio::time::timeout(REACH, reached).await;
            let reached = reached.expect("the words of a gate never passed");
            reached.expect("a gate stays until it was reached");
        }
    }

    /// Carries on what is held.
    pub fn let_go(self) {
        self.fate.send_replace(Fate::Carried);
    }

    /// Resets the connection; what is held never arrives.
    pub fn reset(self) {
        self.fate.send_replace(Fate::Reset);
    }
}

/// The gates of a proxy that were not reached yet.
#[derive(Debug, Default)]
pub(super) struct Gates {
    waiting: Mutex<Vec<Waiting>>,
    /// No number is given twice: connections remember how far they are by it.
    next: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    words: Vec<Words>,
    reached: oneshot::Sender<()>,
    fate: watch::Receiver<Fate>,
}

impl Gates {
    pub(super) fn add(&self, words: &[Words]) -> Gate {
        assert!(!words.is_empty(), "a gate waits for some words");
        let (reached_in, reached) = oneshot::channel();
        let (fate, fated) = watch::channel(Fate::Held);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Waiting {
            number,
            words: words.to_vec(),
            reached: reached_in,
            fate: fated,
        });
        Gate {
            reached: Some(reached),
            fate,
        }
    }
}

/// What one connection said so far, as far as gates care.
#[derive(Debug, Default)]
pub(super) struct Listener {
    passed: Vec<Passed>,
    up: Heard,
    down: Heard,
}

/// How far one gate is on one connection.
#[derive(Debug)]
struct Passed {
    gate: u64,
    words: usize,
    /// Up to where what was said is used up, by direction.
    up: usize,
    down: usize,
}

/// The end of what passed in one direction, for words that come in two pieces.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    /// How many bytes passed before them.
    dropped: usize,
}

/// A piece that must wait.
#[derive(Debug)]
pub(super) struct Held(watch::Receiver<Fate>);

impl Held {
    /// Whether it may be carried on in the end; `false`: the connection is to be reset.
    pub(super) async fn may_go(mut self) -> bool {
        let fate = self.0.wait_for(|fate| *fate != Fate::Held).await;
        // Without its gate it goes on.
        fate.map_or(true, |fate| *fate != Fate::Reset)
    }
}

impl Listener {
    /// Hears a piece; says whether it is to be held.
    pub(super) fn hear(&mut self, way: Way, piece: &[u8], gates: &Gates) -> Option<Held> {
        let mut waiting = gates.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for gate in waiting.iter() {
            if !self.passed.iter().any(|passed| passed.gate == gate.number) {
                self.passed.push(Passed {
                    gate: gate.number,
                    words: 0,
                    up: self.up.end(),
                    down: self.down.end(),
                });
            }
        }
        let (heard, other) = match way {
            Way::Up => (&mut self.up, self.down.end()),
            Way::Down => (&mut self.down, self.up.end()),
        };
        heard.bytes.extend_from_slice(piece);
        let mut found = None;
        for (at, gate) in waiting.iter().enumerate() {
            let passed = self
                .passed
                .iter_mut()
                .find(|passed| passed.gate == gate.number);
            if passed.is_some_and(|passed| passed.all(gate, way, heard, other)) {
                found = Some(at);
                break;
            }
        }
        let words = waiting.iter().flat_map(|gate| &gate.words);
        heard.keep(words.map(|words| words.bytes.len()).max().unwrap_or(0));
        let gate = waiting.remove(found?);
        // Whoever waits may have gone.
        let _ = gate.reached.send(());
        Some(Held(gate.fate))
    }
}

impl Passed {
    /// Whether all words of the gate have passed, with what was `heard` now. The other way has come
    /// to `other`: words that are to follow there count from here on.
    fn all(&mut self, gate: &Waiting, way: Way, heard: &Heard, other: usize) -> bool {
        let (used, used_there) = match way {
            Way::Up => (&mut self.up, &mut self.down),
            Way::Down => (&mut self.down, &mut self.up),
        };
        while let Some(words) = gate.words.get(self.words).filter(|words| words.way == way) {
            let from = used.saturating_sub(heard.dropped);
            let Some(end) = find(&heard.bytes[from..], &words.bytes) else {
                break;
            };
            *used = heard.dropped + from + end;
            *used_there = other;
            self.words += 1;
        }
        self.words == gate.words.len()
    }
}

impl Heard {
    fn end(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    fn keep(&mut self, many: usize) {
        let gone = self.bytes.len().saturating_sub(many);
        self.bytes.drain(..gone);
        self.dropped += gone;
    }
}

/// Where `words` end in `text`.
fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    let at = text.windows(words.len()).position(|part| part == words);
    at.map(|at| at + words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_heard_in_order_across_pieces_and_hold_the_last() {
        let gates = Gates::default();
        let _gate = gates.add(&[Words::up("claim"), Words::up("COMMIT"), Words::down("done")]);
        let mut connection = Listener::default();
        let mut other = Listener::default();
        let mut hear = |way, piece: &str| connection.hear(way, piece.as_bytes(), &gates).is_some();
        assert!(!hear(Way::Up, "COMMIT cl"));
        assert!(!hear(Way::Up, "aim"));
        assert!(!hear(Way::Down, "done"));
        assert!(!hear(Way::Up, "... COM"));
        assert!(!hear(Way::Up, "MIT"));
        assert!(other.hear(Way::Down, b"done", &gates).is_none());
        assert!(hear(Way::Down, "done"));
        assert!(!hear(Way::Down, "done"), "it is held once");
    }

    #[test]
    fn two_words_of_one_piece_both_count() {
        let gates = Gates::default();
        let _gate = gates.add(&[Words::up("BEGIN"), Words::up("COMMIT")]);
        let mut connection = Listener::default();
        assert!(connection.hear(Way::Up, b"COMMIT", &gates).is_none());
        assert!(connection.hear(Way::Up, b"BEGIN; COMMIT", &gates).is_some());
    }

    #[test]
    fn the_same_word_twice_must_pass_twice() {
        let gates = Gates::default();
        let _gate = gates.add(&[Words::up("COMMIT"), Words::up("COMMIT")]);
        let mut connection = Listener::default();
        assert!(connection.hear(Way::Up, b"COMMIT", &gates).is_none());
        assert!(connection.hear(Way::Up, b"x", &gates).is_none());
        assert!(connection.hear(Way::Up, b"COMMIT", &gates).is_some());
    }

    #[test]
    fn a_gate_after_another_begins_anew_on_the_same_connection() {
        let gates = Gates::default();
        let _first = gates.add(&[Words::up("claim"), Words::up("COMMIT")]);
        let mut connection = Listener::default();
        assert!(connection.hear(Way::Up, b"claim COMMIT", &gates).is_some());
        let _second = gates.add(&[Words::up("settle"), Words::up("COMMIT")]);
        assert!(connection.hear(Way::Up, b"COMMIT", &gates).is_none());
        assert!(connection.hear(Way::Up, b"settle COMMIT", &gates).is_some());
    }

    #[test]
    fn an_answer_from_before_the_question_does_not_count() {
        let gates = Gates::default();
        let _gate = gates.add(&[Words::up("COMMIT"), Words::down("done")]);
        let mut connection = Listener::default();
        assert!(connection.hear(Way::Down, b"done", &gates).is_none());
        assert!(connection.hear(Way::Up, b"COMMIT", &gates).is_none());
        assert!(connection.hear(Way::Down, b"?", &gates).is_none());
        assert!(connection.hear(Way::Down, b"done", &gates).is_some());
    }
}
