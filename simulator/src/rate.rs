//! Rates of faults.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A probability from 0 (never) to 1 (always). Text is `5%` or `0.05`; JSON is text or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
pub struct Rate(f64);

impl Rate {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Every time.
    pub const ALWAYS: Self = Self(1.0);

    /// A rate from 0 to 1; `None` for any other number.
    pub fn new(rate: f64) -> Option<Self> {
        (0.0..=1.0).contains(&rate).then_some(Self(rate))
    }

    /// Draws once. A rate of zero draws no random number.
    pub(crate) fn hits(self, rng: &mut impl Rng) -> bool {
        self > Self::NEVER && rng.random_bool(self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn not_a_rate(text: &str) -> String {
    format!("{text:?} is no rate: give `5%`, or a number from 0 to 1")
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let parsed: Option<f64> = number.trim().parse().ok();
        parsed
            .and_then(|number| Self::new(number / unit))
            .ok_or_else(|| not_a_rate(text))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(f64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(number) => {
                let wrong = || de::Error::custom(not_a_rate(&number.to_string()));
                Self::new(number).ok_or_else(wrong)
            }
            Raw::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_percentage_or_a_fraction() {
        assert_eq!("5%".parse(), Ok(Rate(0.05)));
        assert_eq!("0.05".parse(), Ok(Rate(0.05)));
        assert_eq!("100 %".parse(), Ok(Rate::ALWAYS));
        assert_eq!("0".parse(), Ok(Rate::NEVER));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "%", "101%", "1.5", "-1", "NaN", "often"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_may_be_text_or_a_number() {
        let read = |json| serde_json::from_str::<Rate>(json);
        assert_eq!(read("0.25").unwrap(), read(r#""25%""#).unwrap());
        assert!(read("2").is_err());
    }
}
