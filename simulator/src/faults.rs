//! The faults of a whole run, each with its rate.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    fault::{Fault, Kind},
    rate::Rate,
};

/// A rate for each [`Fault`]; the default is zero.
///
/// As text `submit-503=5%,missing=0.1`; as JSON `{"submit-503": "5%", "missing": 0.1}`. A fault without a name there
/// never happens.
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
    /// Sets the rate of a fault.
    #[must_use]
    pub const fn with(mut self, fault: Fault, rate: Rate) -> Self {
        self.rates[fault.index()] = rate;
        self
    }

    /// The rate of a fault.
    pub const fn rate(&self, fault: Fault) -> Rate {
        self.rates[fault.index()]
    }

    /// The faults whose rate is above zero, in the order of [`Fault::ALL`].
    pub fn set(&self) -> impl Iterator<Item = (Fault, Rate)> {
        Fault::ALL
            .iter()
            .map(|&fault| (fault, self.rate(fault)))
            .filter(|&(_, rate)| rate > Rate::NEVER)
    }

    /// Draws the faults of this kind in order; returns the first that happens.
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
            let fault: Fault = name.trim().parse()?;
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
    fn text_and_json_read_alike() {
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
    fn an_error_names_the_mistake() {
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
    fn a_draw_considers_one_kind_only() {
        let mut rng = StdRng::seed_from_u64(1);
        let faults = Faults::default().with(Fault::Fetch503, Rate::ALWAYS);
        assert_eq!(faults.draw(Kind::Submit, &mut rng), None);
        assert_eq!(faults.draw(Kind::Fetch, &mut rng), Some(Fault::Fetch503));
    }

    #[test]
    fn many_draws_follow_the_rate() {
        let mut rng = StdRng::seed_from_u64(1);
        let faults = Faults::default().with(Fault::Missing, Rate::new(0.2).unwrap());
        let hits = (0..10_000)
            .filter(|_| faults.draw(Kind::FetchedTask, &mut rng).is_some())
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
    }
}
