//! Which submits of a batch are taken. No I/O: the Store locks and reads, this decides, the Store
//! writes.

use std::collections::HashMap;

use super::submissions::{IDEMPOTENCY_KEPT, NewTask, Submitted};
use crate::clock::Millis;
use crate::task::{Quota, TaskId, UserId, money};

/// A submit that waits to be decided.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) task: NewTask,
    pub(super) now: Millis,
}

/// What the database says of a submit, under the locks of its user and its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The price of the moment, if there is one.
    pub(super) price: Option<Quota>,
    /// Whether an enabled channel can serve it.
    pub(super) served: bool,
    /// What the user has left.
    pub(super) balance: i64,
    /// What the key has left; `None` without a limit.
    pub(super) room: Option<i64>,
}

/// An idempotency key that came before.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) request: Vec<u8>,
    pub(super) task: TaskId,
    pub(super) since: Millis,
}

/// Those that came before, by user and key.
pub(super) type AllKnown = HashMap<(UserId, String), Known>;

/// What is to become of a submit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is stored at this price.
    Store(Quota),
    /// Nothing is written; this is its answer.
    Answer(Submitted),
    /// Its platform and action have no price.
    NoPrice,
    /// Somebody else holds its user or key, or there is none: nothing is known.
    Unknown,
}

/// Decides each submit as if those before it were done already: of twins the first is stored, and what
/// it takes the next has no more.
pub(super) fn decide(
    asked: &[Asked],
    standing: &[Option<Standing>],
    mut known: AllKnown,
) -> Vec<Decision> {
    let mut balances = HashMap::new();
    let mut rooms = HashMap::new();
    let decide = |(asked, standing): (&Asked, &Option<Standing>)| {
        let Some(standing) = standing else {
            return Decision::Unknown;
        };
        if let Some(answer) = came_before(asked, &known) {
            return Decision::Answer(answer);
        }
        if !standing.served {
            return Decision::Answer(Submitted::NoChannel);
        }
        let Some(price) = standing.price else {
            return Decision::NoPrice;
        };
        let task = &asked.task;
        let balance: &mut i64 = balances.entry(task.user).or_insert(standing.balance);
        let room: &mut Option<i64> = rooms.entry(task.key).or_insert(standing.room);
        if !take(balance, room, price) {
            return Decision::Answer(Submitted::QuotaNotEnough);
        }
        if let Some(idempotency) = &task.idempotency {
            let first = Known {
                request: idempotency.request.as_bytes().to_vec(),
                task: task.task_id.clone(),
                since: asked.now,
            };
            known.insert((task.user, idempotency.key.clone()), first);
        }
        Decision::Store(price)
    };
    asked.iter().zip(standing).map(decide).collect()
}

fn came_before(asked: &Asked, known: &AllKnown) -> Option<Submitted> {
    let idempotency = asked.task.idempotency.as_ref()?;
    let known = known.get(&(asked.task.user, idempotency.key.clone()))?;
    if known.since <= asked.now.before(IDEMPOTENCY_KEPT) {
        return None;
    }
    Some(if known.request == idempotency.request.as_bytes() {
        Submitted::Repeated(known.task.clone())
    } else {
        Submitted::KeyReused
    })
}

/// `false`: one of the two does not suffice, and nothing was taken.
fn take(balance: &mut i64, room: &mut Option<i64>, price: Quota) -> bool {
    let change = money::charge(price);
    let left = *balance + change.amount;
    let room_left = room.map(|room| room - change.used);
    if left < 0 || room_left.is_some_and(|left| left < 0) {
        return false;
    }
    (*balance, *room) = (left, room_left);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::secret::SecretDigest;
    use crate::store::submissions::Idempotency;
    use crate::task::{Action, KeyId, Platform};

    const NOW: Millis = Millis(1_000_000_000);
    const WELL: Standing = Standing {
        price: Some(PRICE),
        served: true,
        balance: 300,
        room: None,
    };
    const PRICE: Quota = Quota::ZERO;

    fn price(quota: i64) -> Option<Quota> {
        Quota::try_from(quota).ok()
    }

    fn of(user: i64, key: Option<(&str, &str)>) -> Asked {
        Asked {
            task: NewTask {
                task_id: TaskId::random(&Random::seeded(u64::try_from(user).unwrap_or(0))),
                user: UserId(user),
                key: KeyId(user),
                platform: Platform::SUNO,
                action: Action::SONG,
                request: "{}".to_owned(),
                input: String::new(),
                pinned: None,
                idempotency: key.map(|(key, request)| Idempotency {
                    key: key.to_owned(),
                    request: SecretDigest::of(request),
                }),
                deadline: NOW,
            },
            now: NOW,
        }
    }

    fn decided(asked: &[Asked], standing: Standing, known: AllKnown) -> Vec<Decision> {
        decide(asked, &vec![Some(standing); asked.len()], known)
    }

    #[test]
    fn what_one_takes_the_next_has_no_more_and_others_have_theirs() {
        let standing = Standing {
            price: price(200),
            ..WELL
        };
        let store = || Decision::Store(price(200).unwrap_or_default());
        let refused = Decision::Answer(Submitted::QuotaNotEnough);
        let asked = [of(1, None), of(1, None), of(2, None)];
        let found = decided(&asked, standing, AllKnown::new());
        assert_eq!(found, [store(), refused, store()]);
    }

    #[test]
    fn a_refused_one_takes_nothing_of_user_and_key() {
        let (mut balance, mut room) = (300, Some(100));
        assert!(!take(
            &mut balance,
            &mut room,
            price(200).unwrap_or_default()
        ));
        assert_eq!((balance, room), (300, Some(100)));
        assert!(take(
            &mut balance,
            &mut room,
            price(100).unwrap_or_default()
        ));
        assert_eq!((balance, room), (200, Some(0)));
    }

    #[test]
    fn of_twins_the_first_is_stored_and_the_others_repeat_it() {
        let key = Some(("k", "body"));
        let asked = [
            of(1, key),
            of(1, key),
            of(1, Some(("k", "other"))),
            of(2, key),
        ];
        let found = decided(&asked, WELL, AllKnown::new());
        let first = asked[0].task.task_id.clone();
        let expected = [
            Decision::Store(PRICE),
            Decision::Answer(Submitted::Repeated(first)),
            Decision::Answer(Submitted::KeyReused),
            Decision::Store(PRICE),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_twin_of_one_that_is_refused_is_decided_by_itself() {
        let key = Some(("k", "body"));
        let poor = Standing {
            price: price(301),
            ..WELL
        };
        let refused = || Decision::Answer(Submitted::QuotaNotEnough);
        let found = decided(&[of(1, key), of(1, key)], poor, AllKnown::new());
        assert_eq!(found, [refused(), refused()]);
    }

    #[test]
    fn a_key_counts_for_its_time_and_not_longer() {
        let asked = of(1, Some(("k", "body")));
        let first = of(2, None).task.task_id;
        let known = |since| {
            let known = Known {
                request: SecretDigest::of("body").as_bytes().to_vec(),
                task: first.clone(),
                since,
            };
            AllKnown::from([((UserId(1), "k".to_owned()), known)])
        };
        let cutoff = NOW.before(IDEMPOTENCY_KEPT);
        let asked = std::slice::from_ref(&asked);
        let found = decided(asked, WELL, known(Millis(cutoff.0 + 1)));
        let repeated = Submitted::Repeated(first.clone());
        assert_eq!(found, [Decision::Answer(repeated)]);
        assert_eq!(
            decided(asked, WELL, known(cutoff)),
            [Decision::Store(PRICE)]
        );
    }

    #[test]
    fn what_is_not_known_is_not_decided() {
        let asked = [of(1, None), of(2, None)];
        let found = decide(&asked, &[None, Some(WELL)], AllKnown::new());
        assert_eq!(found, [Decision::Unknown, Decision::Store(PRICE)]);
        let unserved = Standing {
            served: false,
            price: None,
            ..WELL
        };
        let no_channel = Decision::Answer(Submitted::NoChannel);
        assert_eq!(
            decided(&asked[..1], unserved, AllKnown::new()),
            [no_channel]
        );
        let unpriced = Standing {
            price: None,
            ..WELL
        };
        assert_eq!(
            decided(&asked[..1], unpriced, AllKnown::new()),
            [Decision::NoPrice]
        );
    }
}
