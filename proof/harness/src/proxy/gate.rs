//! Stops a connection when chosen bytes pass.
//!
//! A gate turns "the process dies between the commit and the publish" into something that happens
//! in every run: the proxy recognises the bytes of the commit, stops forwarding, and tells the
//! scenario. The scenario kills a process, say, and then releases or resets the connection.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::lock;

/// The longest wait for the patterns of a gate: what leads to them takes a minute at most.
const LONGEST: Duration = Duration::from_mins(2);

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    FromServer,
}

/// Bytes that pass in one direction.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    direction: Direction,
    bytes: &'static [u8],
}

impl Pattern {
    /// Bytes that a client sends.
    pub const fn to_server(bytes: &'static [u8]) -> Self {
        let direction = Direction::ToServer;
        Self { direction, bytes }
    }

    /// Bytes that the server sends.
    pub const fn from_server(bytes: &'static [u8]) -> Self {
        let direction = Direction::FromServer;
        Self { direction, bytes }
    }

    /// The bytes.
    pub const fn bytes(self) -> &'static [u8] {
        self.bytes
    }
}

/// What becomes of a connection that reached a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Released,
    Reset,
}

/// The gate at which one connection stops. A dropped gate releases its connection.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    fate: watch::Sender<Fate>,
}

impl Gate {
    /// Waits until the patterns have passed; the connection is stopped from then on. Panics if they
    /// do not pass within two minutes.
    pub async fn reached(&mut self) {
        if let Some(reached) = self.reached.take() {
            let reached = tokio::time::timeout(LONGEST, reached).await;
            let reached = reached.expect("the patterns of a gate never passed");
            reached.expect("a gate stays until a connection reaches it");
        }
    }

    /// Forwards what was stopped.
    pub fn release(self) {
        self.fate.send_replace(Fate::Released);
    }

    /// Resets the connection; what was stopped never arrives.
    pub fn reset(self) {
        self.fate.send_replace(Fate::Reset);
    }
}

/// The gates of a proxy that no connection has reached yet, and the record of what clients sent.
#[derive(Debug, Default)]
pub(super) struct Gates {
    waiting: Mutex<Vec<Waiting>>,
    /// Connections remember their progress by a gate's number, so no number is given twice.
    next: AtomicU64,
    record: Mutex<Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    patterns: Vec<Pattern>,
    reached: oneshot::Sender<()>,
    fate: watch::Receiver<Fate>,
}

impl Gates {
    pub(super) fn add(&self, patterns: &[Pattern]) -> Gate {
        assert!(!patterns.is_empty(), "a gate needs a pattern");
        let (tell, reached) = oneshot::channel();
        let (fate, watched) = watch::channel(Fate::Held);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).push(Waiting {
            number,
            patterns: patterns.to_vec(),
            reached: tell,
            fate: watched,
        });
        Gate {
            reached: Some(reached),
            fate,
        }
    }

    pub(super) fn record(&self) {
        lock(&self.record).get_or_insert_default();
    }

    pub(super) fn recorded(&self, bytes: &[u8]) -> bool {
        let record = lock(&self.record);
        let record = record.as_ref().expect("the proxy records");
        find(record, bytes).is_some()
    }
}

/// Compares the bytes of one connection with the patterns of all gates.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    progress: Vec<Progress>,
    to_server: Seen,
    from_server: Seen,
}

/// How many patterns of one gate have passed on one connection.
#[derive(Debug)]
struct Progress {
    gate: u64,
    patterns: usize,
    /// The position up to which bytes are used, by direction: a pattern only matches behind it.
    to_server: usize,
    from_server: usize,
}

/// The latest bytes of one direction, kept because a pattern may arrive in two pieces.
#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    /// The number of bytes before them.
    dropped: usize,
}

/// A piece that is stopped at a gate.
#[derive(Debug)]
pub(super) struct Held(watch::Receiver<Fate>);

impl Held {
    /// Waits for the gate's decision: `true` forwards the piece, `false` resets the connection.
    pub(super) async fn released(mut self) -> bool {
        let fate = self.0.wait_for(|fate| *fate != Fate::Held).await;
        // An error means that the gate was dropped.
        fate.map_or(true, |fate| *fate != Fate::Reset)
    }
}

impl Matcher {
    /// Takes the next piece; returns `Some` if the piece completes the patterns of a gate.
    pub(super) fn see(
        &mut self,
        direction: Direction,
        piece: &[u8],
        gates: &Gates,
    ) -> Option<Held> {
        if direction == Direction::ToServer
            && let Some(record) = lock(&gates.record).as_mut()
        {
            record.extend_from_slice(piece);
        }
        let mut waiting = lock(&gates.waiting);
        for gate in waiting.iter() {
            if !self.progress.iter().any(|one| one.gate == gate.number) {
                self.progress.push(Progress {
                    gate: gate.number,
                    patterns: 0,
                    to_server: self.to_server.end(),
                    from_server: self.from_server.end(),
                });
            }
        }
        let (seen, other_end) = match direction {
            Direction::ToServer => (&mut self.to_server, self.from_server.end()),
            Direction::FromServer => (&mut self.from_server, self.to_server.end()),
        };
        seen.bytes.extend_from_slice(piece);
        let complete = waiting.iter().position(|gate| {
            let mut progress = self.progress.iter_mut();
            let progress = progress.find(|one| one.gate == gate.number);
            progress.is_some_and(|one| one.advance(gate, direction, seen, other_end))
        });
        let patterns = waiting.iter().flat_map(|gate| &gate.patterns);
        let longest = patterns.map(|pattern| pattern.bytes.len()).max();
        seen.keep(longest.unwrap_or(0));
        let gate = waiting.remove(complete?);
        // The scenario may have stopped waiting.
        let _ = gate.reached.send(());
        Some(Held(gate.fate))
    }
}

impl Progress {
    /// Matches as many patterns as `seen` allows; returns whether all have passed. A following
    /// pattern of the other direction only matches behind that direction's present end.
    fn advance(
        &mut self,
        gate: &Waiting,
        direction: Direction,
        seen: &Seen,
        other_end: usize,
    ) -> bool {
        let (used, used_other) = match direction {
            Direction::ToServer => (&mut self.to_server, &mut self.from_server),
            Direction::FromServer => (&mut self.from_server, &mut self.to_server),
        };
        let next = |at: usize| gate.patterns.get(at);
        while let Some(pattern) = next(self.patterns).filter(|one| one.direction == direction) {
            let from = used.saturating_sub(seen.dropped);
            let Some(end) = find(&seen.bytes[from..], pattern.bytes) else {
                break;
            };
            *used = seen.dropped + from + end;
            *used_other = other_end;
            self.patterns += 1;
        }
        self.patterns == gate.patterns.len()
    }
}

impl Seen {
    fn end(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    fn keep(&mut self, latest: usize) {
        let gone = self.bytes.len().saturating_sub(latest);
        self.bytes.drain(..gone);
        self.dropped += gone;
    }
}

/// The position behind `part` in `text`.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let at = text.windows(part.len()).position(|window| window == part);
    at.map(|at| at + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{FromServer, ToServer};

    /// Pieces of one connection in their order, and whether a gate holds each.
    fn assert_held(gates: &Gates, connection: &mut Matcher, pieces: &[(Direction, &str, bool)]) {
        for (at, &(direction, piece, held)) in pieces.iter().enumerate() {
            let seen = connection.see(direction, piece.as_bytes(), gates);
            assert_eq!(seen.is_some(), held, "piece {at}, {piece:?}");
        }
    }

    /// The same with one gate for these patterns.
    fn assert_gate(patterns: &[Pattern], pieces: &[(Direction, &str, bool)]) {
        let gates = Gates::default();
        let _gate = gates.add(patterns);
        assert_held(&gates, &mut Matcher::default(), pieces);
    }

    #[test]
    fn patterns_match_in_order_across_pieces_and_the_last_piece_is_held() {
        let gates = Gates::default();
        let _gate = gates.add(&[
            Pattern::to_server(b"claim"),
            Pattern::to_server(b"COMMIT"),
            Pattern::from_server(b"done"),
        ]);
        let (mut connection, mut other) = (Matcher::default(), Matcher::default());
        let before = [
            (ToServer, "COMMIT cl", false),
            (ToServer, "aim", false),
            (FromServer, "done", false),
            (ToServer, "... COM", false),
            (ToServer, "MIT", false),
        ];
        assert_held(&gates, &mut connection, &before);
        assert_held(&gates, &mut other, &[(FromServer, "done", false)]);
        let once = [(FromServer, "done", true), (FromServer, "done", false)];
        assert_held(&gates, &mut connection, &once);
    }

    #[test]
    fn two_patterns_in_one_piece_both_match() {
        assert_gate(
            &[Pattern::to_server(b"BEGIN"), Pattern::to_server(b"COMMIT")],
            &[
                (ToServer, "COMMIT", false),
                (ToServer, "BEGIN; COMMIT", true),
            ],
        );
    }

    #[test]
    fn a_pattern_that_is_given_twice_must_pass_twice() {
        assert_gate(
            &[Pattern::to_server(b"COMMIT"), Pattern::to_server(b"COMMIT")],
            &[
                (ToServer, "COMMIT", false),
                (ToServer, "x", false),
                (ToServer, "COMMIT", true),
            ],
        );
    }

    #[test]
    fn a_later_gate_starts_from_nothing_on_the_same_connection() {
        let (gates, mut connection) = (Gates::default(), Matcher::default());
        let _first = gates.add(&[Pattern::to_server(b"claim"), Pattern::to_server(b"COMMIT")]);
        assert_held(&gates, &mut connection, &[(ToServer, "claim COMMIT", true)]);
        let _second = gates.add(&[Pattern::to_server(b"settle"), Pattern::to_server(b"COMMIT")]);
        let second = [
            (ToServer, "COMMIT", false),
            (ToServer, "settle COMMIT", true),
        ];
        assert_held(&gates, &mut connection, &second);
    }

    #[test]
    fn an_answer_from_before_the_question_does_not_match() {
        assert_gate(
            &[Pattern::to_server(b"COMMIT"), Pattern::from_server(b"done")],
            &[
                (FromServer, "done", false),
                (ToServer, "COMMIT", false),
                (FromServer, "?", false),
                (FromServer, "done", true),
            ],
        );
    }
}
