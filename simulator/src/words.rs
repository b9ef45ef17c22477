//! The faults of one task, written as words into its title.
//!
//! ```text
//! word   = "sim:" fault [ "x" count ]     the fault, the first `count` times, or every time
//!        | "sim:takes=" span              how long the task takes, once accepted
//!        | "sim:answers=" span            how long the submit's answer takes
//! ```
//!
//! Words are separated by white space; everything else in the title is left alone. Words of one
//! [`Kind`] take turns in the order they are written: `sim:429x2 sim:503` is refused twice with 429,
//! then always with 503; `sim:429x2 sim:drop-after` loses the answer of the third submit.
//! A fetch fault hits every batch that asks for the task.

use std::fmt;

use crate::{
    fault::{Fault, Kind},
    span::Span,
};

const MARK: &str = "sim:";

/// What the words of one title ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    turns: Vec<Turn>,
    /// How long the task takes, if it is not left to chance.
    pub takes: Option<Span>,
    /// How long the submit's answer takes, if it is not left to chance.
    pub answers: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    fault: Fault,
    times: Option<u32>,
}

/// A word that starts like ours and means nothing: a test that misspells one should not pass by accident.
#[derive(Debug, PartialEq, Eq)]
pub struct BadWord {
    word: String,
    why: String,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the word {:?}: {}", self.word, self.why)
    }
}

impl std::error::Error for BadWord {}

impl Words {
    /// Reads the words of a title; a title without any asks for nothing.
    pub fn read(title: &str) -> Result<Self, BadWord> {
        let mut words = Self::default();
        for word in title.split_whitespace() {
            if let Some(order) = word.strip_prefix(MARK) {
                words.add(order).map_err(|why| BadWord {
                    word: word.to_owned(),
                    why,
                })?;
            }
        }
        Ok(words)
    }

    /// Does the title hold none?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Which fault of this kind happens the `n`th time (from 0) that one may happen.
    pub fn turn(&self, kind: Kind, mut n: u64) -> Option<Fault> {
        for turn in self.turns.iter().filter(|turn| turn.fault.kind() == kind) {
            match turn.times {
                Some(times) if n >= times.into() => n -= u64::from(times),
                _ => return Some(turn.fault),
            }
        }
        None
    }

    /// Is this fault ordered at all?
    pub fn has(&self, fault: Fault) -> bool {
        self.turns.iter().any(|turn| turn.fault == fault)
    }

    fn add(&mut self, order: &str) -> Result<(), String> {
        match order.split_once('=') {
            Some(("takes", span)) => self.takes = Some(span.parse()?),
            Some(("answers", span)) => self.answers = Some(span.parse()?),
            Some(_) => return Err("only `takes` and `answers` take a value".to_owned()),
            None => self.turns.push(Turn::read(order)?),
        }
        Ok(())
    }
}

impl Turn {
    fn read(order: &str) -> Result<Self, String> {
        let (name, times) = match order
            .rsplit_once('x')
            .map(|(name, count)| (name, count.parse()))
        {
            Some((name, Ok(times))) => (name, Some(times)),
            _ => (order, None),
        };
        let fault: Fault = name.parse().map_err(|error| format!("{error}"))?;
        if times.is_some() && fault.kind() == Kind::Task {
            return Err(format!(
                "{fault} holds for the task's whole life and takes no count"
            ));
        }
        Ok(Self { fault, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_plain_title_asks_for_nothing() {
        assert!(
            Words::read("Rain on tin, similar to sim city")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn words_of_one_kind_take_turns_in_the_order_written() {
        let words = Words::read("a song sim:429x2 sim:503 sim:missingx1 sim:unknownx1").unwrap();
        let submits: Vec<_> = (0..4).map(|n| words.turn(Kind::Submit, n)).collect();
        let (limited, down) = (Some(Fault::Submit429), Some(Fault::Submit503));
        assert_eq!(submits, [limited, limited, down, down]);
        let sightings: Vec<_> = (0..3).map(|n| words.turn(Kind::Sighting, n)).collect();
        assert_eq!(
            sightings,
            [Some(Fault::Missing), Some(Fault::Unknown), None]
        );
        assert_eq!(words.turn(Kind::Fetch, 0), None);
    }

    #[test]
    fn a_fault_without_a_count_happens_every_time() {
        let words = Words::read("sim:submit-hang-after").unwrap();
        assert_eq!(words.turn(Kind::Submit, 99), Some(Fault::SubmitHangAfter));
    }

    #[test]
    fn lengths_of_time_can_be_given() {
        let words = Words::read("sim:takes=60s sim:answers=1s..2s sim:fail").unwrap();
        assert_eq!(words.takes, Some(Span::exactly(Duration::from_mins(1))));
        assert_eq!(words.answers, Some("1s..2s".parse().unwrap()));
        assert!(words.has(Fault::Fail) && !words.has(Fault::Stuck));
    }

    #[test]
    fn a_misspelt_word_is_an_error() {
        for title in [
            "sim:explode",
            "sim:",
            "sim:takes=soon",
            "sim:failx2",
            "sim:503=2",
        ] {
            assert!(Words::read(title).is_err(), "{title}");
        }
    }
}
