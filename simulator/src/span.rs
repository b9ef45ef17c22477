//! Durations as text.

use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};

use crate::lognormal::Lognormal;

/// A range of durations, both bounds included, from which one is drawn: evenly (`5s..20s`, or `5s` for a fixed
/// duration), or lognormally (`lognormal:90s,0.4,30s..300s`: median, sigma, range).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    from: Duration,
    to: Duration,
    /// How durations spread in the range; `None`: evenly.
    lognormal: Option<Lognormal>,
}

/// What the text of a lognormal span begins with.
const LOGNORMAL: &str = "lognormal:";

impl Span {
    /// The range between two durations, in either order.
    pub fn between(one: Duration, other: Duration) -> Self {
        Self {
            from: one.min(other),
            to: one.max(other),
            lognormal: None,
        }
    }

    /// A fixed duration.
    pub const fn exactly(length: Duration) -> Self {
        Self {
            from: length,
            to: length,
            lognormal: None,
        }
    }

    /// The longest duration that is ever drawn.
    pub(crate) const fn longest(self) -> Duration {
        self.to
    }

    pub(crate) fn draw(self, rng: &mut impl Rng) -> Duration {
        match self.lognormal {
            // What lies beyond the range becomes its bound.
            Some(lognormal) => lognormal.draw(rng).clamp(self.from, self.to),
            None => rng.random_range(self.from..=self.to),
        }
    }

    /// Reads `MEDIAN,SIGMA,FROM..TO`.
    fn lognormal(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ',');
        let (Some(median), Some(sigma), Some(range)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(format!(
                "{LOGNORMAL}{text} needs a median, a sigma and a range: lognormal:90s,0.4,30s..300s"
            ));
        };
        let median = duration(median)?;
        let lognormal = Lognormal::new(median, sigma)?;
        let Self { from, to, .. } = even(range)?;
        if !(from..=to).contains(&median) {
            let (median, range) = (print(median), range.trim());
            return Err(format!(
                "the median {median} lies outside of {range}: give a range that holds the median"
            ));
        }
        Ok(Self {
            from,
            to,
            lognormal: Some(lognormal),
        })
    }
}

/// Reads `5s..20s` or `5s`.
fn even(text: &str) -> Result<Span, String> {
    let Some((from, to)) = text.split_once("..") else {
        return duration(text).map(Span::exactly);
    };
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err(format!("{text:?} ends before it begins"));
    }
    Ok(Span::between(from, to))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Lognormal { median, sigma }) = self.lognormal {
            write!(f, "{LOGNORMAL}{},{sigma},", print(median))?;
        }
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
        match text.trim().strip_prefix(LOGNORMAL) {
            Some(parts) => Self::lognormal(parts),
            None => even(text),
        }
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
        for text in [
            "5s",
            "5s..20s",
            "0s..250ms",
            "lognormal:90s,0.4,30s..300s",
            "lognormal:1.5s,0,500ms..2s",
        ] {
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

    #[test]
    fn a_lognormal_span_has_its_median_its_sigma_and_its_range() {
        let mut rng = StdRng::seed_from_u64(1);
        let span: Span = "lognormal:90s,0.4,30s..300s".parse().unwrap();
        let mut drawn: Vec<f64> = (0..100_001)
            .map(|_| span.draw(&mut rng).as_secs_f64())
            .collect();
        drawn.sort_by(f64::total_cmp);
        // One sigma to both sides of the median.
        let shares = [15_866, 50_000, 84_135].map(|rank: usize| drawn[rank]);
        for (found, expected) in shares.into_iter().zip([60.33, 90.0, 134.3]) {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        }
        let ends = [drawn[0], drawn[100_000]];
        assert_eq!(ends.map(|end| end.to_string()), ["30", "300"]);
    }

    #[test]
    fn what_is_wrong_with_a_lognormal_span_is_said() {
        for (text, said) in [
            ("lognormal:", "needs a median, a sigma and a range"),
            ("lognormal:90s,0.4", "lognormal:90s,0.4,30s..300s"),
            ("lognormal:90,0.4,30s..300s", "\"90\" is no length of time"),
            ("lognormal:0s,0.4,0s..300s", "above zero"),
            ("lognormal:90s,wide,30s..300s", "\"wide\" is no sigma"),
            ("lognormal:90s,-1,30s..300s", "\"-1\" is no sigma"),
            ("lognormal:90s,0.4,300s..30s", "ends before it begins"),
            (
                "lognormal:20s,0.4,30s..300s",
                "a range that holds the median",
            ),
        ] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
