//! How often something happens.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A chance from 0 (never) to 1 (always). Reads `5%` and `0.05` alike, in JSON as text or as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
pub struct Rate(f64);

impl Rate {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Every time.
    pub const ALWAYS: Self = Self(1.0);

    /// A chance from 0 to 1; `None` for what lies outside, or is no number.
    pub fn new(chance: f64) -> Option<Self> {
        (0.0..=1.0).contains(&chance).then_some(Self(chance))
    }

    /// The chance, from 0 to 1.
    pub const fn chance(self) -> f64 {
        self.0
    }

    /// Draws once. What never happens draws nothing.
    pub(crate) fn hits(self, rng: &mut impl Rng) -> bool {
        self > Self::NEVER && rng.random_bool(self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The text is no rate.
#[derive(Debug, PartialEq, Eq)]
pub struct NotARate(String);

impl fmt::Display for NotARate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no rate: give `5%`, or a number from 0 to 1",
            self.0
        )
    }
}

impl std::error::Error for NotARate {}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let parsed: Option<f64> = number.trim().parse().ok();
        parsed
            .and_then(|number| Self::new(number / unit))
            .ok_or_else(|| NotARate(text.to_owned()))
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
                Self::new(number).ok_or_else(|| de::Error::custom(NotARate(number.to_string())))
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
    fn what_is_no_chance_is_refused() {
        for text in ["", "%", "101%", "1.5", "-1", "NaN", "often"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_may_hold_either() {
        assert_eq!(
            serde_json::from_str::<Rate>("0.25").unwrap(),
            serde_json::from_str::<Rate>(r#""25%""#).unwrap()
        );
        assert!(serde_json::from_str::<Rate>("2").is_err());
    }
}
