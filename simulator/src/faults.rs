//! The faults of a whole run: how often each happens.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    fault::{Fault, Kind},
    rate::Rate,
};

/// A rate for each [`Fault`]; by default each is never.
///
/// As text `submit-503=5%,missing=0.1`; as JSON `{"submit-503": "5%", "missing": 0.1}`. What is not
/// named is never.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    rates: [Rate; Fault::ALL.len()],
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rates: [Rate::NEVER; Fault::ALL.len()],
        }
    }
}

impl Faults {
    /// These faults, with this one at this rate.
    #[must_use]
    pub const fn with(mut self, fault: Fault, rate: Rate) -> Self {
        self.rates[fault.index()] = rate;
        self
    }

    /// How often this one happens.
    pub const fn rate(&self, fault: Fault) -> Rate {
        self.rates[fault.index()]
    }

    /// Those that may happen at all, in the order of [`Fault::ALL`].
    pub fn set(&self) -> impl Iterator<Item = (Fault, Rate)> {
        Fault::ALL
            .iter()
            .map(|&fault| (fault, self.rate(fault)))
            .filter(|&(_, rate)| rate > Rate::NEVER)
    }

    /// Takes the chances of this kind in order and says which hits first.
    pub(crate) fn draw(&self, kind: Kind, rng: &mut impl Rng) -> Option<Fault> {
        self.set()
            .find(|&(fault, rate)| fault.kind() == kind && rate.hits(rng))
            .map(|(fault, _)| fault)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (fault, rate)) in self.set().enumerate() {
            write!(f, "{}{fault}={rate}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.into_iter().try_fold(Self::default(), |faults, part| {
            let (name, rate) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not NAME=RATE"))?;
            let fault: Fault = name.trim().parse().map_err(|error| format!("{error}"))?;
            let rate = rate
                .trim()
                .parse()
                .map_err(|error| format!("{fault}: {error}"))?;
            Ok(faults.with(fault, rate))
        })
    }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.set().map(|(fault, rate)| (fault.name(), rate)))
    }
}

impl<'de> Deserialize<'de> for Faults {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rates = BTreeMap::<String, Rate>::deserialize(deserializer)?;
        rates
            .into_iter()
            .try_fold(Self::default(), |faults, (name, rate)| {
                let fault = name.parse().map_err(de::Error::custom)?;
                Ok(faults.with(fault, rate))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn text_and_json_say_the_same() {
        let faults = Faults::default()
            .with(Fault::Submit503, Rate::new(0.05).unwrap())
            .with(Fault::Missing, Rate::ALWAYS);
        assert_eq!("503=5%, missing=1".parse(), Ok(faults.clone()));
        assert_eq!(faults.to_string().parse(), Ok(faults.clone()));
        let json = r#"{"submit-503":0.05,"missing":1.0}"#;
        assert_eq!(serde_json::to_string(&faults).unwrap(), json);
        assert_eq!(serde_json::from_str::<Faults>(json).unwrap(), faults);
    }

    #[test]
    fn a_mistake_is_named() {
        assert!("503".parse::<Faults>().unwrap_err().contains("NAME=RATE"));
        assert!(
            "503=often"
                .parse::<Faults>()
                .unwrap_err()
                .contains("submit-503")
        );
        assert!(serde_json::from_str::<Faults>(r#"{"explode":1}"#).is_err());
    }

    #[test]
    fn a_draw_is_of_its_kind_only() {
        let mut rng = StdRng::seed_from_u64(1);
        let faults = Faults::default().with(Fault::Fetch503, Rate::ALWAYS);
        assert_eq!(faults.draw(Kind::Submit, &mut rng), None);
        assert_eq!(faults.draw(Kind::Fetch, &mut rng), Some(Fault::Fetch503));
    }

    #[test]
    fn rates_are_kept_over_many_draws() {
        let mut rng = StdRng::seed_from_u64(1);
        let faults = Faults::default().with(Fault::Missing, Rate::new(0.2).unwrap());
        let hits = (0..10_000)
            .filter(|_| faults.draw(Kind::Sighting, &mut rng).is_some())
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
    }
}
