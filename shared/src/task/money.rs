//! Quota, and what a charge, a refund and a grant change. The Store writes what these functions return.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ChannelId, KeyId, UserId};

/// An amount of quota: whole units, 0 to 2⁵³ − 1, which every JSON reader holds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quota(i64);

/// The number is not an amount of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quota is a whole number from 0 to 9007199254740991")]
pub struct NotAQuota;

impl Quota {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount: 2⁵³ − 1.
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

/// The kind of a ledger entry. A task has at most one entry of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The price of a task, taken at submit.
    Charge,
    /// The price of a task that failed, given back.
    Refund,
    /// Quota that an operator gave.
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

/// What ledger entries add to balances, in signed quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Added to the user's `quota`. It is the amount of the ledger entry.
    pub amount: i64,
    /// Added to `used_quota` of the user, the key and the channel.
    pub used: i64,
}

/// What a charge of `price` changes.
pub fn charge(price: Quota) -> Change {
    Change {
        amount: -price.0,
        used: price.0,
    }
}

/// What the refund of a task that cost `price` changes: the reverse of its charge.
pub fn refund(price: Quota) -> Change {
    Change {
        amount: price.0,
        used: -price.0,
    }
}

/// What a grant changes: the balance alone.
pub fn grant(quota: Quota) -> Change {
    Change {
        amount: quota.0,
        used: 0,
    }
}

/// Whose figures the charge of a task changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// The user who paid.
    pub user: UserId,
    /// The API key that the task was submitted with.
    pub key: KeyId,
    /// The channel that accepted the task. A channel counts a task in `used_quota` when it accepts it, so
    /// a task that no channel accepted has none.
    pub channel: Option<ChannelId>,
    /// The amount.
    pub price: Quota,
}

/// What the charges of some tasks add to `used_quota` of the channels that accepted them. The map is ordered: whoever
/// writes it locks rows by ascending id.
pub fn used_by_channels<'a>(
    charged: impl IntoIterator<Item = &'a Charged>,
) -> BTreeMap<ChannelId, i64> {
    let mut used = BTreeMap::new();
    for one in charged {
        if let Some(channel) = one.channel {
            *used.entry(channel).or_default() += charge(one.price).used;
        }
    }
    used
}

/// What the refunds of some failed tasks add to each user, key and channel. The maps are ordered: whoever
/// writes them locks rows by ascending id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refunds {
    /// Added to `quota` and `used_quota`.
    pub users: BTreeMap<UserId, Change>,
    /// Added to `used_quota`.
    pub keys: BTreeMap<KeyId, i64>,
    /// Added to `used_quota`.
    pub channels: BTreeMap<ChannelId, i64>,
}

impl Refunds {
    /// The sums for tasks that failed, each charged as given: everything that their charges took.
    pub fn of<'a>(failed: impl IntoIterator<Item = &'a Charged>) -> Self {
        let mut sums = Self::default();
        for task in failed {
            let change = refund(task.price);
            let user = sums.users.entry(task.user).or_default();
            user.amount += change.amount;
            user.used += change.used;
            *sums.keys.entry(task.key).or_default() += change.used;
            if let Some(channel) = task.channel {
                *sums.channels.entry(channel).or_default() += change.used;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_reverses_all_of_its_charge() {
        let price = Quota(150_000);
        let (charge, refund) = (charge(price), refund(price));
        let sums = (charge.amount + refund.amount, charge.used + refund.used);
        assert_eq!(sums, (0, 0));
    }

    #[test]
    fn a_charge_moves_quota_to_used_quota_and_a_grant_makes_it() {
        let price = Quota(5_000);
        assert_eq!(charge(price).amount + charge(price).used, 0);
        let grant = grant(price);
        assert_eq!((grant.amount, grant.used), (5_000, 0));
    }

    #[test]
    fn refunds_add_up_by_user_key_and_the_channel_that_accepted() {
        let charged = |user, key, channel: Option<i64>, price| Charged {
            user: UserId(user),
            key: KeyId(key),
            channel: channel.map(ChannelId),
            price: Quota(price),
        };
        let failed = [
            charged(2, 20, Some(7), 100),
            charged(1, 10, None, 30),
            charged(2, 21, Some(7), 5),
        ];
        let change = |amount| Change {
            amount,
            used: -amount,
        };
        let expected = Refunds {
            users: [(UserId(1), change(30)), (UserId(2), change(105))].into(),
            keys: [(KeyId(10), -30), (KeyId(20), -100), (KeyId(21), -5)].into(),
            channels: [(ChannelId(7), -105)].into(),
        };
        assert_eq!(Refunds::of(&failed), expected);
    }

    #[test]
    fn amounts_outside_their_range_are_refused() {
        for number in [-1, i64::MIN, Quota::MAX.0 + 1, i64::MAX] {
            assert_eq!(Quota::try_from(number), Err(NotAQuota), "{number}");
        }
        assert_eq!("1.5".parse::<Quota>(), Err(NotAQuota));
    }
}
