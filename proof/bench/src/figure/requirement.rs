//! What must hold, beside what was measured.

use std::fmt;

use crate::report::Cell;

/// A bound of a number.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A number, and its bound.
#[derive(Debug)]
pub struct Requirement {
    /// The part of the figure.
    pub part: &'static str,
    /// What the number is.
    pub what: String,
    /// The number; `None` if it could not be measured.
    pub measured: Option<f64>,
    pub bound: Bound,
}

impl Requirement {
    pub fn new(
        part: &'static str,
        what: impl Into<String>,
        measured: impl Into<Option<f64>>,
        bound: Bound,
    ) -> Self {
        Self {
            part,
            what: what.into(),
            measured: measured.into(),
            bound,
        }
    }

    fn holds(&self) -> bool {
        self.measured.is_some_and(|measured| match self.bound {
            Bound::AtMost(most) => measured <= most,
            Bound::AtLeast(least) => measured >= least,
        })
    }

    /// The cells of a row: the system, and the rest.
    pub fn row(&self, on: &str) -> Vec<Cell> {
        let measured = self.measured.map_or("not measured".into(), Cell::from);
        vec![
            on.into(),
            self.part.into(),
            self.what.clone().into(),
            measured,
            self.bound.to_string().into(),
            if self.holds() { "yes" } else { "no" }.into(),
        ]
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(out, "at most {most}"),
            Self::AtLeast(least) => write!(out, "at least {least}"),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.row("").into_iter().skip(1);
        let cells: Vec<String> = cells.map(|cell| cell.to_string()).collect();
        out.write_str(&cells.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_itself_is_good_enough_and_what_was_not_measured_is_not() {
        let line = |measured: Option<f64>, bound| {
            Requirement::new("full", "429s", measured, bound).to_string()
        };
        let zero = Bound::AtMost(0.0);
        assert_eq!(
            line(Some(0.0), zero),
            "full | 429s | 0.00 | at most 0 | yes"
        );
        assert!(line(Some(0.1), zero).ends_with("| no"));
        assert!(line(Some(0.8), Bound::AtLeast(0.8)).ends_with("| yes"));
        assert!(line(Some(0.7), Bound::AtLeast(0.8)).ends_with("| no"));
        assert!(line(None, zero).ends_with("not measured | at most 0 | no"));
    }
}
