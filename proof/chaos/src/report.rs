//! The report of a whole run: Markdown for people, JSON for programs.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::run::Outcome;

/// The results of all scenarios.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every scenario passed.
    pub passed: bool,
    /// The number of violations in all scenarios.
    pub violations: usize,
    /// One result per scenario.
    pub scenarios: Vec<Outcome>,
}

impl Report {
    /// Sums the results up.
    pub fn of(scenarios: Vec<Outcome>) -> Self {
        let violations = scenarios.iter().map(|one| one.violations.len()).sum();
        Self {
            passed: violations == 0,
            violations,
            scenarios,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| scenario | seed | took | |\n|---|---|---|---|")?;
        for outcome in &self.scenarios {
            let verdict = match outcome.violations.len() {
                0 => "passed".to_owned(),
                violations => format!("**{violations} violations**"),
            };
            let (name, seed, seconds) = (outcome.scenario, outcome.seed, outcome.seconds);
            writeln!(f, "| {name} | {seed} | {seconds:.1} s | {verdict} |")?;
        }
        for outcome in &self.scenarios {
            write!(f, "\n{outcome}")?;
        }
        let (scenarios, violations) = (self.scenarios.len(), self.violations);
        writeln!(f, "\nscenarios: {scenarios}, violations: {violations}")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.scenario, self.about)?;
        if !self.facts.is_empty() {
            writeln!(f, "| | |\n|---|---|")?;
        }
        for (name, value) in &self.facts {
            writeln!(f, "| {} | {} |", name.replace('_', " "), plain(value))?;
        }
        for violation in &self.violations {
            writeln!(f, "- VIOLATION: {violation}")?;
        }
        if !self.passed() {
            let (scenario, seed) = (self.scenario, self.seed);
            writeln!(
                f,
                "\nRun again: `cargo run -p chaos -- --scenario {scenario} --seed {seed}`"
            )?;
        }
        Ok(())
    }
}

/// `a 3, b (c 1, d 2)` for objects, the value itself for anything else.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let (name, text) = (name.replace('_', " "), plain(value));
                if value.is_object() {
                    format!("{name} ({text})")
                } else {
                    format!("{name} {text}")
                }
            };
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(fraction) => format!("{fraction:.2}"),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
