//! Faults of one task, ordered by directives in its title.
//!
//! ```text
//! directive = "sim:" fault [ "x" count ]     the fault, the first `count` times, or every time
//!           | "sim:takes=" span              how long the task takes, once accepted
//!           | "sim:answers=" span            how long the submit's answer takes
//! ```
//!
//! White space separates directives; the rest of the title has no meaning. Directives of one [`Kind`] apply in the order
//! written: `sim:429x2 sim:503` is refused twice with 429, then always with 503; `sim:429x2 sim:drop-after` loses the
//! answer to the third submit. A fetch fault happens to every batch that asks for the task.

use crate::{
    fault::{Fault, Kind},
    span::Span,
};

const MARK: &str = "sim:";

/// The directives of a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directives {
    turns: Vec<Turn>,
    /// How long the task takes, if ordered.
    pub takes: Option<Span>,
    /// How long the answer to the submit takes, if ordered.
    pub answers: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    fault: Fault,
    times: Option<u32>,
}

impl Directives {
    /// Reads the directives of a title. A directive without a meaning is an error, so that a test with a misspelt
    /// directive fails.
    pub fn read(title: &str) -> Result<Self, String> {
        let mut directives = Self::default();
        for word in title.split_whitespace() {
            if let Some(order) = word.strip_prefix(MARK) {
                let wrong = |why| format!("the directive {word:?}: {why}");
                directives.add(order).map_err(wrong)?;
            }
        }
        Ok(directives)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The fault of this kind at its `n`th occasion (from 0).
    pub fn turn(&self, kind: Kind, mut n: u64) -> Option<Fault> {
        for turn in self.turns.iter().filter(|turn| turn.fault.kind() == kind) {
            match turn.times {
                Some(times) if n >= times.into() => n -= u64::from(times),
                _ => return Some(turn.fault),
            }
        }
        None
    }

    /// Whether this fault is ordered.
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
        let fault: Fault = name.parse()?;
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
    fn a_plain_title_has_no_directives() {
        let directives = Directives::read("Rain on tin, similar to sim city");
        assert!(directives.unwrap().is_empty());
    }

    #[test]
    fn directives_of_one_kind_apply_in_the_order_written() {
        let directives =
            Directives::read("a song sim:429x2 sim:503 sim:missingx1 sim:unknownx1").unwrap();
        let submits: Vec<_> = (0..4).map(|n| directives.turn(Kind::Submit, n)).collect();
        let (limited, down) = (Some(Fault::Submit429), Some(Fault::Submit503));
        assert_eq!(submits, [limited, limited, down, down]);
        let fetched = [0, 1, 2].map(|n| directives.turn(Kind::FetchedTask, n));
        let expected = [Some(Fault::Missing), Some(Fault::Unknown), None];
        assert_eq!(fetched, expected);
        assert_eq!(directives.turn(Kind::Fetch, 0), None);
    }

    #[test]
    fn a_fault_without_a_count_happens_every_time() {
        let directives = Directives::read("sim:submit-hang-after").unwrap();
        let fault = directives.turn(Kind::Submit, 99);
        assert_eq!(fault, Some(Fault::SubmitHangAfter));
    }

    #[test]
    fn durations_can_be_ordered() {
        let directives = Directives::read("sim:takes=60s sim:answers=1s..2s sim:fail").unwrap();
        let minute = Span::exactly(Duration::from_mins(1));
        assert_eq!(directives.takes, Some(minute));
        assert_eq!(directives.answers, Some("1s..2s".parse().unwrap()));
        assert!(directives.has(Fault::Fail) && !directives.has(Fault::Stuck));
    }

    #[test]
    fn a_misspelt_directive_is_an_error() {
        for title in [
            "sim:explode",
            "sim:",
            "sim:takes=soon",
            "sim:failx2",
            "sim:503=2",
        ] {
            assert!(Directives::read(title).is_err(), "{title}");
        }
    }
}
