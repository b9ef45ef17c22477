//! Quota, and what a charge and a refund change. All of a task's money is here; the stores only
//! write down what these functions say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of quota: whole units, 0 to 2⁵³ − 1, so that every JSON reader holds it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quota(i64);

/// The number is no amount of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quota is a whole number from 0 to 9007199254740991")]
pub struct NotAQuota;

impl Quota {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most there can be: 2⁵³ − 1.
    pub const MAX: Self = Self(9_007_199_254_740_991);

    /// The amount as the database and the API carry it.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Quota {
    type Error = NotAQuota;

    fn try_from(number: i64) -> Result<Self, NotAQuota> {
        if (0..=Self::MAX.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NotAQuota)
        }
    }
}

impl From<u32> for Quota {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl From<Quota> for i64 {
    fn from(quota: Quota) -> Self {
        quota.0
    }
}

impl std::str::FromStr for Quota {
    type Err = NotAQuota;

    fn from_str(text: &str) -> Result<Self, NotAQuota> {
        text.parse::<i64>().map_err(|_| NotAQuota)?.try_into()
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a balance changed. A task has at most one entry of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The price of a task, taken at submit.
    Charge,
    /// The price of a task that failed, given back.
    Refund,
    /// What an operator gave.
    Grant,
}

impl EntryKind {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Grant => "grant",
        }
    }
}

/// What one ledger entry changes, each figure to be added (signed quota).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The entry's amount, and the change of the user's `quota`.
    pub amount: i64,
    /// The change of the user's and of the key's `used_quota`.
    pub used: i64,
}

/// What charging `price` changes.
pub fn charge(price: Quota) -> Change {
    Change {
        amount: -price.0,
        used: price.0,
    }
}

/// What refunding a task that was charged `price` changes: the reverse of its charge, whole.
pub fn refund(price: Quota) -> Change {
    Change {
        amount: price.0,
        used: -price.0,
    }
}

/// What a grant changes: the balance alone; nothing was used.
pub fn grant(quota: Quota) -> Change {
    Change {
        amount: quota.0,
        used: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_reverses_all_of_its_charge() {
        let price = Quota(150_000);
        let (charge, refund) = (charge(price), refund(price));
        assert_eq!(
            (charge.amount + refund.amount, charge.used + refund.used),
            (0, 0)
        );
    }

    #[test]
    fn a_charge_moves_quota_to_used_quota_and_a_grant_makes_it() {
        let price = Quota(5_000);
        assert_eq!(charge(price).amount + charge(price).used, 0);
        assert_eq!(
            grant(price),
            Change {
                amount: 5_000,
                used: 0
            }
        );
    }

    #[test]
    fn amounts_outside_their_range_are_refused() {
        for number in [-1, i64::MIN, Quota::MAX.0 + 1, i64::MAX] {
            assert_eq!(Quota::try_from(number), Err(NotAQuota), "{number}");
        }
        assert_eq!("1.5".parse::<Quota>(), Err(NotAQuota));
    }
}
