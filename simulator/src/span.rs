//! Durations as text.

use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};

/// A range of durations, both bounds included, from which one is drawn evenly: `5s..20s`, or `5s` for a fixed duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: Duration,
    to: Duration,
}

impl Span {
    /// The range between two durations, in either order.
    pub fn between(one: Duration, other: Duration) -> Self {
        Self {
            from: one.min(other),
            to: one.max(other),
        }
    }

    /// A fixed duration.
    pub const fn exactly(length: Duration) -> Self {
        Self {
            from: length,
            to: length,
        }
    }

    pub(crate) fn draw(self, rng: &mut impl Rng) -> Duration {
        rng.random_range(self.from..=self.to)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self.from))?;
        if self.to > self.from {
            write!(f, "..{}", print(self.to))?;
        }
        Ok(())
    }
}

/// Prints a duration as [`duration`] reads it.
fn print(duration: Duration) -> String {
    match duration {
        Duration::ZERO => "0s".to_owned(),
        _ => format!("{duration:?}"),
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else {
            return duration(text).map(Self::exactly);
        };
        let (from, to) = (duration(from)?, duration(to)?);
        if from > to {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(Self { from, to })
    }
}

/// Reads `250ms`, `5s`, `1.5s`, `2m` or `1h`. `0` needs no unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no length of time: give one like 250ms, 5s, 2m or 1h");
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        "" if number == 0.0 => 0.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for text in ["", "5", "s", "-5s", "1e3s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_prints_as_it_reads() {
        for text in ["5s", "5s..20s", "0s..250ms"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        assert!("20s..5s".parse::<Span>().is_err());
    }

    #[test]
    fn draws_lie_within_both_bounds() {
        let mut rng = StdRng::seed_from_u64(1);
        let span: Span = "5ms..20ms".parse().unwrap();
        for _ in 0..1_000 {
            let drawn = span.draw(&mut rng);
            assert!((Duration::from_millis(5)..=Duration::from_millis(20)).contains(&drawn));
        }
    }
}
