//! The parts of figures, as the command line takes them.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::{Figure, flow, freshness};

/// A part of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Of `flow`.
    Flow(flow::Part),
    /// Of `freshness`.
    Freshness(freshness::Part),
}

static ALL: LazyLock<Vec<Part>> = LazyLock::new(|| {
    let flow = flow::Part::value_variants().iter();
    let freshness = freshness::Part::value_variants().iter();
    let flow = flow.map(|part| Part::Flow(*part));
    flow.chain(freshness.map(|part| Part::Freshness(*part)))
        .collect()
});

impl Part {
    /// The figure that it is a part of.
    pub fn figure(self) -> Figure {
        match self {
            Self::Flow(_) => Figure::Flow,
            Self::Freshness(_) => Figure::Freshness,
        }
    }

    /// Whether the part is measured only if it is named.
    pub fn must_be_named(self) -> bool {
        match self {
            Self::Flow(_) => false,
            Self::Freshness(part) => part.must_be_named(),
        }
    }
}

impl From<flow::Part> for Part {
    fn from(part: flow::Part) -> Self {
        Self::Flow(part)
    }
}

impl From<freshness::Part> for Part {
    fn from(part: freshness::Part) -> Self {
        Self::Freshness(part)
    }
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Self] {
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Flow(part) => part.to_possible_value(),
            Self::Freshness(part) => part.to_possible_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::figure::Plan;

    #[test]
    fn no_two_parts_have_one_name() {
        let names = ALL.iter().filter_map(ValueEnum::to_possible_value);
        let names: BTreeSet<String> = names.map(|value| value.get_name().to_owned()).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_named_part_leaves_out_the_others_of_its_figure_only() {
        let (fair, full) = (flow::Part::Fair, flow::Part::Full);
        let (hundred, one_id) = (freshness::Part::Hundred, freshness::Part::OneId);
        let plan = |parts: &[Part]| Plan {
            short: true,
            rounds: 1,
            builds: Vec::new(),
            parts: parts.to_vec(),
        };
        let wanted = |plan: &Plan| {
            let parts: [Part; 4] = [fair.into(), full.into(), hundred.into(), one_id.into()];
            parts.map(|part| plan.wants(part))
        };
        assert_eq!(wanted(&plan(&[])), [true, true, true, false]);
        assert_eq!(wanted(&plan(&[fair.into()])), [true, false, true, false]);
        assert_eq!(wanted(&plan(&[one_id.into()])), [true, true, false, true]);
    }
}
