//! The demo's output: progress bars on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::client::SeenTask;
use super::script::Scene;

const BAR: usize = 24;

pub struct Screen {
    live: bool,
    colour: bool,
    drawn: usize,
    last: Vec<Option<SeenTask>>,
}

impl Screen {
    pub fn new(tasks: usize) -> Self {
        let live = io::stdout().is_terminal();
        let colour = live && std::env::var_os("NO_COLOR").is_none();
        Self {
            live,
            colour,
            drawn: 0,
            last: vec![None; tasks],
        }
    }

    /// Shows the tasks, `since` after the first submit.
    pub fn show(
        &mut self,
        scenes: &[Scene],
        seen: &[Option<SeenTask>],
        since: Duration,
    ) -> io::Result<()> {
        if self.live {
            self.redraw(scenes, seen, since)
        } else {
            self.print_changes(scenes, seen, since)
        }
    }

    fn redraw(
        &mut self,
        scenes: &[Scene],
        seen: &[Option<SeenTask>],
        since: Duration,
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        // Line wrapping is off, because a wrapped line would move the lines below it.
        write!(out, "\x1b[?7l")?;
        if self.drawn > 0 {
            write!(out, "\x1b[{}A", self.drawn)?;
        }
        for (scene, seen) in scenes.iter().zip(seen) {
            writeln!(out, "\x1b[2K  {}", self.line(scene, seen.as_ref()))?;
        }
        writeln!(out, "\x1b[2K  {:>5.1} s", since.as_secs_f64())?;
        write!(out, "\x1b[?7h")?;
        self.drawn = scenes.len() + 1;
        out.flush()
    }

    fn print_changes(
        &mut self,
        scenes: &[Scene],
        seen: &[Option<SeenTask>],
        since: Duration,
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for ((scene, seen), last) in scenes.iter().zip(seen).zip(&mut self.last) {
            let Some(seen) = seen else { continue };
            if last.as_ref() == Some(seen) {
                continue;
            }
            let (status, progress) = (&seen.status, &seen.progress);
            let reason = reason(seen);
            let at = since.as_secs_f64();
            writeln!(
                out,
                "  {at:>5.1} s  {:<16}{status:<12}{progress:>5}{reason}",
                scene.name
            )?;
            *last = Some(seen.clone());
        }
        out.flush()
    }

    fn line(&self, scene: &Scene, seen: Option<&SeenTask>) -> String {
        let Some(seen) = seen else {
            return format!("{:<16}", scene.name);
        };
        let percent: usize = seen.progress.trim_end_matches('%').parse().unwrap_or(0);
        let full = (percent * BAR / 100).min(BAR);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        let colour = match seen.status.as_str() {
            "SUCCESS" => "32",
            "FAILURE" => "31",
            _ => "36",
        };
        let bar = if self.colour {
            format!("\x1b[{colour}m{bar}\x1b[0m")
        } else {
            bar
        };
        let note = match (seen.status.as_str(), scene.note) {
            ("FAILURE", _) => reason(seen),
            (_, "") => String::new(),
            (_, note) => format!("  ({note})"),
        };
        format!(
            "{:<16}{bar} {:>4}  {}{note}",
            scene.name, seen.progress, seen.status
        )
    }
}

fn reason(seen: &SeenTask) -> String {
    if seen.fail_reason.is_empty() {
        return String::new();
    }
    let mut reason: String = seen.fail_reason.chars().take(60).collect();
    if reason.len() < seen.fail_reason.len() {
        reason.push('…');
    }
    format!("  {reason}")
}
