//! The report: for a person as Markdown, for a machine as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::run::Outcome;

/// What a whole run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether everything held.
    pub holds: bool,
    /// How many breaks there were.
    pub breaks: usize,
    /// Each scenario.
    pub scenarios: Vec<Outcome>,
}

impl Report {
    /// Of these outcomes.
    pub fn of(scenarios: Vec<Outcome>) -> Self {
        let breaks = scenarios.iter().map(|outcome| outcome.breaks.len()).sum();
        Self {
            holds: breaks == 0,
            breaks,
            scenarios,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| scenario | seed | took | |\n|---|---|---|---|")?;
        for outcome in &self.scenarios {
            let verdict = match outcome.breaks.len() {
                0 => "holds".to_owned(),
                breaks => format!("**{breaks} breaks**"),
            };
            let Outcome {
                scenario,
                seed,
                seconds,
                ..
            } = outcome;
            writeln!(f, "| {scenario} | {seed} | {seconds:.1} s | {verdict} |")?;
        }
        for outcome in &self.scenarios {
            write!(f, "\n{outcome}")?;
        }
        let (scenarios, breaks) = (self.scenarios.len(), self.breaks);
        writeln!(f, "\nscenarios: {scenarios}, breaks: {breaks}")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.scenario, self.about)?;
        if !self.facts.is_empty() {
            writeln!(f, "| | |\n|---|---|")?;
        }
        for (name, value) in &self.facts {
            writeln!(f, "| {} | {} |", name.replace('_', " "), in_words(value))?;
        }
        for why in &self.breaks {
            writeln!(f, "- BREAK: {why}")?;
        }
        if !self.holds() {
            let (scenario, seed) = (self.scenario, self.seed);
            writeln!(
                f,
                "\nAgain: `cargo run -p chaos -- --scenario {scenario} --seed {seed}`"
            )?;
        }
        Ok(())
    }
}

/// `a 3, b 4` for an object, the value itself for anything else.
fn in_words(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut words = String::new();
            for (name, value) in fields {
                let comma = if words.is_empty() { "" } else { ", " };
                let nested = value.is_object();
                let value = in_words(value);
                let name = name.replace('_', " ");
                let _ = if nested {
                    write!(words, "{comma}{name} ({value})")
                } else {
                    write!(words, "{comma}{name} {value}")
                };
            }
            words
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(fraction) => format!("{fraction:.2}"),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
