//! Unix milliseconds as a date and a time (RFC 3339).

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// See [`super::Millis::from_date`].
pub(super) fn read(text: &str) -> Option<i64> {
    let mut whole = text.trim().replacen(' ', "T", 1).to_ascii_uppercase();
    match whole.split_once('T') {
        None => whole.push_str("T00:00:00Z"),
        Some((_, time)) if time.contains(['Z', '+', '-']) => {}
        Some(_) => whole.push('Z'),
    }
    let moment = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// `2026-07-28T12:34:56.789Z`.
pub(super) fn print(millis: i64) -> String {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (year, month, day) = date(millis.div_euclid(DAY));
    let time = millis.rem_euclid(DAY);
    let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
    let (second, milli) = (time / 1_000 % 60, time % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of the day number `days` since 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year, and in eras of 400
/// years, which are all alike (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_utc() {
        for (millis, printed) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_785_242_096_789, "2026-07-28T12:34:56.789Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(print(millis), printed);
        }
    }

    #[test]
    fn dates_are_read_in_the_zone_they_name_or_in_utc() {
        for (text, moment) in [
            ("2026-07-28", "2026-07-28T00:00:00.000Z"),
            (" 2024-02-29 ", "2024-02-29T00:00:00.000Z"),
            ("2026-07-28T12:34:56", "2026-07-28T12:34:56.000Z"),
            ("2026-07-28 12:34:56.7891", "2026-07-28T12:34:56.789Z"),
            ("2026-07-28T12:34:56Z", "2026-07-28T12:34:56.000Z"),
            ("2026-07-28t12:34:56z", "2026-07-28T12:34:56.000Z"),
            ("2026-07-28T12:34:56+08:00", "2026-07-28T04:34:56.000Z"),
            ("2026-07-28T20:00:00-05:30", "2026-07-29T01:30:00.000Z"),
            ("9999-12-31", "9999-12-31T00:00:00.000Z"),
        ] {
            assert_eq!(read(text).map(print).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "tomorrow",
            "2026",
            "2026-07",
            "2026-7-28",
            "2026-02-29",
            "2026-07-28T",
            "2026-07-28T12:34",
            "2026-07-28T25:00:00",
            "2026-07-28+08:00",
            "2026-07-28T12:34:56 UTC",
            "1785242096",
            "12026-07-28",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_400_years_follows_the_one_before() {
        let mut before = date(-1);
        for day in 0..146_097 {
            let today = date(day);
            let next_day = today.0 == before.0 && today.1 == before.1 && today.2 == before.2 + 1;
            let next_month = today.2 == 1 && (today.1 == before.1 + 1 || today.1 == 1);
            assert!(next_day || next_month, "{before:?} {today:?}");
            before = today;
        }
        assert_eq!(before, (2369, 12, 31));
    }
}
