//! The upstream's ids, which look like UUIDs.

use std::{fmt, str::FromStr};

use rand::RngExt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The id of a task or a clip. It differs in every run, whatever the seed: a real upstream never repeats an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u128);

impl Id {
    /// A new id.
    #[allow(
        clippy::disallowed_methods,
        reason = "only ids do not come from the seed"
    )]
    pub fn new() -> Self {
        Self(rand::rng().random())
    }

    /// The id of the `n`th task (from 0) of a series: `00000000-0000-0000-SSSS-NNNNNNNNNNNN`, in hexadecimal.
    pub const fn in_series(series: u16, n: u32) -> Self {
        Self(((series as u128) << 48) | n as u128)
    }

    /// The id of the `n`th clip (from 0) of this task.
    pub const fn clip(self, n: u8) -> Self {
        Self(self.0 ^ (0x5eed_0000_c11b + n as u128))
    }

    /// A byte that depends on the id alone.
    pub const fn last_byte(self) -> u8 {
        self.0.to_be_bytes()[15]
    }
}

const NOT_AN_ID: &str = "this is no task id";

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
        let (a, b, c) = (part(96, 32), part(80, 16), part(64, 16));
        write!(
            f,
            "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}",
            part(48, 16),
            part(0, 48)
        )
    }
}

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let lengths = text.split('-').map(str::len);
        if !lengths.eq([8, 4, 4, 4, 12]) {
            return Err(NOT_AN_ID);
        }
        let digits = text.split('-').flat_map(str::chars).map(|c| c.to_digit(16));
        let number = digits
            .map(|digit| digit.map(u128::from))
            .try_fold(0, |sum: u128, digit| Some((sum << 4) | digit?));
        number.map(Self).ok_or(NOT_AN_ID)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_prints() {
        let text = "7c0d0c2e-6f0b-4a3e-9d1c-2f3a5b6c7d8e";
        assert_eq!(text.parse::<Id>().unwrap().to_string(), text);
        let id = Id::new();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_in_a_series_is_predictable() {
        let id = Id::in_series(0xab, 99_999);
        assert_eq!(id.to_string(), "00000000-0000-0000-00ab-00000001869f");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "1",
            "task_abc",
            "7c0d0c2e6f0b4a3e9d1c2f3a5b6c7d8e",
            "7c0d0c2e-6f0b-4a3e-9d1c-2f3a5b6c7d8g",
        ] {
            assert_eq!(text.parse::<Id>(), Err(NOT_AN_ID), "{text}");
        }
    }
}
