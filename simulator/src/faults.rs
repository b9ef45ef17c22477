//! The faults of a whole run, each with its rate.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    fault::{Fault, Kind},
    rate::Rate,
};

/// The faults of a run whose rate is above zero.
///
/// As text `submit-503=5%,missing=0.1`; as JSON `{"submit-503": "5%", "missing": 0.1}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(BTreeMap<Fault, Rate>);

impl Faults {
    /// Sets the rate of a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: Rate) -> Self {
        self.0.insert(fault, rate);
        self.0.retain(|_, rate| *rate > Rate::NEVER);
        self
    }

    pub(crate) fn rate(&self, fault: Fault) -> Rate {
        self.0.get(&fault).copied().unwrap_or_default()
    }

    /// Draws the faults of this kind in the order of [`Fault::ALL`]; returns the first that happens.
    pub(crate) fn draw(&self, kind: Kind, rng: &mut impl Rng) -> Option<Fault> {
        let mut rates = self.0.iter();
        let drawn = rates.find(|(fault, rate)| fault.kind() == kind && rate.hits(rng));
        drawn.map(|(fault, _)| *fault)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (fault, rate)) in self.0.iter().enumerate() {
            write!(f, "{}{fault}={rate}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim);
        let mut parts = parts.filter(|part| !part.is_empty());
        parts.try_fold(Self::default(), |faults, part| {
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
        serializer.collect_map(self.0.iter().map(|(fault, rate)| (fault.name(), rate)))
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
        let error = "503=often".parse::<Faults>().unwrap_err();
        assert!(error.contains("submit-503"), "{error}");
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
