//! Durations as people write them: `5s`, `250ms`, `30m`, `1h`.

use std::time::Duration;

/// Parses a whole number with a unit: `ms`, `s`, `m` or `h`.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(60 * 60).map(Duration::from_secs),
        _ => None,
    }
}

/// Formats a duration with the largest unit that gives a whole number.
pub(super) fn print(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if millis != 0 {
        format!("{}ms", duration.as_millis())
    } else if seconds.is_multiple_of(60 * 60) && seconds > 0 {
        format!("{}h", seconds / (60 * 60))
    } else if seconds.is_multiple_of(60) && seconds > 0 {
        format!("{}m", seconds / 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("5s", 5_000),
            ("250ms", 250),
            ("30m", 1_800_000),
            ("1h", 3_600_000),
            ("0s", 0),
            ("5 s", 5_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_or_no_number_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5d",
            "1h30m",
            "99999999999999999999s",
            "５s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("{}h", u64::MAX)), None);
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["250ms", "1500ms", "0s", "90s", "30m", "1h", "168h"] {
            let read = parse(text).map(print);
            assert_eq!(read.as_deref(), Some(text));
        }
    }
}
