//! Tables, printed as Markdown and written as JSON.

use std::fmt;

use harness::spread::percentile;
use serde::Serialize;

use crate::machine::Machine;

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the run was measured on.
    pub machine: Machine,
    /// Whether sizes were small, so that the numbers mean nothing.
    pub short: bool,
    /// How many rounds each comparison took.
    pub rounds: u32,
    /// The tables, in the order in which they were measured.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// The figure's name.
    pub figure: String,
    /// What was measured, and how.
    pub about: String,
    /// The columns' names, each with its unit.
    pub columns: Vec<String>,
    /// The rows, with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A number measured several times.
    Spread(Spread),
}

/// The median, the least and the most of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Panics without a round.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        assert!(!rounds.is_empty(), "nothing was measured");
        rounds.sort_by(f64::total_cmp);
        Self {
            median: percentile(&rounds, 0.5),
            least: rounds[0],
            most: rounds[rounds.len() - 1],
        }
    }
}

impl Table {
    /// A table without rows.
    pub fn new(figure: &str, about: &str, columns: &[impl AsRef<str>]) -> Self {
        Self {
            figure: figure.to_owned(),
            about: about.to_owned(),
            columns: columns
                .iter()
                .map(|name| name.as_ref().to_owned())
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Panics unless it has a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell a column");
        self.rows.push(cells);
    }
}

/// A value of a round, with its name.
pub type Value<R> = (&'static str, fn(&R) -> f64);

/// A table that compares two builds: `values` of each build, and the ratio in each round. `None` if `measured`,
/// the rounds by build, holds a single build.
pub fn comparison<R>(figure: &str, measured: &[Vec<R>], values: &[Value<R>]) -> Option<Table> {
    let [this, other] = measured else {
        return None;
    };
    let about = "This build and the build of `--beside`, measured in turn in each round.";
    let columns = ["what", "this build", "the other build", "this / other"];
    let mut table = Table::new(&format!("{figure}: two builds"), about, &columns);
    for (what, of) in values {
        let both = this.iter().zip(other);
        let ratios = both.map(|(this, other)| ratio(of(this), of(other)));
        table.row(vec![
            (*what).into(),
            Spread::of(this.iter().map(of)).into(),
            Spread::of(other.iter().map(of)).into(),
            Spread::of(ratios).into(),
        ]);
    }
    Some(table)
}

/// The ratio of two values; 1 if both are zero.
fn ratio(this: f64, other: f64) -> f64 {
    let none = this.abs() < f64::EPSILON && other.abs() < f64::EPSILON;
    if none { 1.0 } else { this / other }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Spread> for Cell {
    fn from(spread: Spread) -> Self {
        Self::Spread(spread)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Number(number) => out.write_str(&short(*number)),
            Self::Spread(Spread {
                median,
                least,
                most,
            }) => {
                let (median, least, most) = (short(*median), short(*least), short(*most));
                write!(out, "{median} ({least} to {most})")
            }
        }
    }
}

/// Rounds to three significant digits, or to a whole number with separated thousands.
fn short(number: f64) -> String {
    let size = number.abs();
    if size < 10.0 {
        return format!("{number:.2}");
    }
    if size < 100.0 {
        return format!("{number:.1}");
    }
    let whole = format!("{size:.0}");
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{grouped}")
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "### {}\n\n{}\n", self.figure, self.about)?;
        writeln!(out, "| {} |", self.columns.join(" | "))?;
        writeln!(out, "|{}", "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::to_string).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.rounds;
        writeln!(out, "{}; rounds: {rounds}\n", self.machine)?;
        if self.short {
            writeln!(
                out,
                "A short run: its sizes are small, its numbers mean nothing.\n"
            )?;
        }
        for table in &self.tables {
            writeln!(out, "{table}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_between_the_least_and_the_most() {
        let spread = Spread::of([9.0, 1.0, 5.0]);
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 5.0, 9.0));
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("submits", "How many.", &["what", "a second"]);
        table.row(vec!["ours".into(), Spread::of([1234.0, 999.0]).into()]);
        assert_eq!(
            table.to_string(),
            "### submits\n\nHow many.\n\n| what | a second |\n|---|---|\n| ours | 999 (999 to 1,234) |\n"
        );
    }
}
