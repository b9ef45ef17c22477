//! Which submits of a batch are admitted. No I/O: the Store locks and reads, [`decide`] decides, and the
//! Store writes.

use std::collections::HashMap;

use super::submissions::{Answer, IDEMPOTENCY_KEPT, Idempotency, NewTask, Submitted};
use super::{Result, StoreError};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::task::{Quota, RowId, TaskId, UserId, money};

/// A submit that waits for its decision.
#[derive(Debug, Clone)]
pub(super) struct PendingSubmit {
    pub(super) task: NewTask,
    pub(super) now: Millis,
}

/// What the database says about a submit, while its user and its key are locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// The current price, if there is one.
    pub(super) price: Option<Quota>,
    /// Whether an enabled channel can serve the task.
    pub(super) has_channel: bool,
    /// The user's balance.
    pub(super) balance: i64,
    /// What is left of the key's limit; `None` without a limit.
    pub(super) key_left: Option<i64>,
    /// How many of the user's tasks may wait to be sent; 0: any number.
    pub(super) max_waiting: i64,
    /// How many of them wait; counted only if there is a limit.
    pub(super) waiting: i64,
}

/// The task that an idempotency key was first used for.
#[derive(Debug, Clone)]
pub(super) struct FirstUse {
    pub(super) request: Vec<u8>,
    /// `None`: a program of the version before stored the key.
    pub(super) meaning: Option<Vec<u8>>,
    pub(super) task: TaskId,
    pub(super) at: Millis,
}

/// Used idempotency keys, by user and key.
pub(super) type UsedKeys = HashMap<(UserId, String), FirstUse>;

/// What to do with a submit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Store the task at this price.
    Store(Quota),
    /// Write nothing, and answer this.
    Answer(Submitted),
    /// There are no facts: another transaction holds the user or the key, or one of them is missing.
    NotLocked,
}

/// Decides the batch in order. Each submit sees the balances, waiting tasks and keys that those before it leave,
/// so a duplicate finds the first.
pub(super) fn decide(
    batch: &[PendingSubmit],
    facts: &[Option<Facts>],
    mut used_keys: UsedKeys,
) -> Vec<Decision> {
    let mut balances = HashMap::new();
    let mut waiting = HashMap::new();
    let mut limits = HashMap::new();
    let decide = |(submit, facts): (&PendingSubmit, &Option<Facts>)| {
        let Some(facts) = facts else {
            return Decision::NotLocked;
        };
        if let Some(answer) = repeated(submit, &used_keys) {
            return Decision::Answer(answer);
        }
        if !facts.has_channel {
            return Decision::Answer(Submitted::NoChannel);
        }
        let Some(price) = facts.price else {
            return Decision::Answer(Submitted::NoPrice);
        };
        let task = &submit.task;
        let waiting: &mut i64 = waiting.entry(task.user).or_insert(facts.waiting);
        if facts.max_waiting > 0 && *waiting >= facts.max_waiting {
            return Decision::Answer(Submitted::TooManyWaiting);
        }
        let balance: &mut i64 = balances.entry(task.user).or_insert(facts.balance);
        let key_left: &mut Option<i64> = limits.entry(task.key).or_insert(facts.key_left);
        if !take(balance, key_left, price) {
            return Decision::Answer(Submitted::QuotaNotEnough);
        }
        *waiting += 1;
        if let Some(idempotency) = &task.idempotency {
            let first = FirstUse {
                request: idempotency.request.as_bytes().to_vec(),
                meaning: idempotency.stored_meaning().map(to_bytes),
                task: task.task_id.clone(),
                at: submit.now,
            };
            used_keys.insert((task.user, idempotency.key.clone()), first);
        }
        Decision::Store(price)
    };
    batch.iter().zip(facts).map(decide).collect()
}

/// The submits to store, with their prices.
pub(super) fn admitted<'a>(
    batch: &'a [PendingSubmit],
    decisions: &[Decision],
) -> Vec<(&'a PendingSubmit, Quota)> {
    let decided = batch.iter().zip(decisions);
    let admitted = decided.filter_map(|(submit, decision)| match decision {
        Decision::Store(price) => Some((submit, *price)),
        _ => None,
    });
    admitted.collect()
}

/// The answers to a batch. `rows` are the rows of the admitted tasks, in their order.
pub(super) fn answers(decisions: Vec<Decision>, rows: Vec<RowId>) -> Vec<Result<Answer>> {
    let mut rows = rows.into_iter();
    let answer = |decision| match decision {
        Decision::Store(price) => {
            let row = rows.next().ok_or(StoreError::Died)?;
            Ok(Answer::Submitted(Submitted::Stored { row, price }))
        }
        Decision::Answer(submitted) => Ok(Answer::Submitted(submitted)),
        Decision::NotLocked => Ok(Answer::Undecided),
    };
    decisions.into_iter().map(answer).collect()
}

/// The answer to a submit whose idempotency key is in use.
fn repeated(submit: &PendingSubmit, used_keys: &UsedKeys) -> Option<Submitted> {
    let idempotency = submit.task.idempotency.as_ref()?;
    let first = used_keys.get(&(submit.task.user, idempotency.key.clone()))?;
    answer_of(first, idempotency, submit.now)
}

/// The answer to another request with a key that was used. `None`: the key counts no more.
pub(super) fn answer_of(
    first: &FirstUse,
    idempotency: &Idempotency,
    now: Millis,
) -> Option<Submitted> {
    if first.at <= now.before(IDEMPOTENCY_KEPT) {
        return None;
    }
    let meaning = idempotency.meaning_beside(&first.request).map(to_bytes);
    let is_same = first.request == idempotency.request.as_bytes()
        || (meaning.is_some() && first.meaning == meaning);
    Some(if is_same {
        Submitted::Repeated(first.task.clone())
    } else {
        Submitted::KeyReused
    })
}

fn to_bytes(digest: SecretDigest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

/// Takes the price from the balance and from the key's limit. `false`: one of them does not suffice, and
/// nothing was taken.
fn take(balance: &mut i64, key_left: &mut Option<i64>, price: Quota) -> bool {
    let change = money::charge(price);
    let new_balance = *balance + change.amount;
    let new_key_left = key_left.map(|left| left - change.used);
    if new_balance < 0 || new_key_left.is_some_and(|left| left < 0) {
        return false;
    }
    (*balance, *key_left) = (new_balance, new_key_left);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::store::submissions::Idempotency;
    use crate::task::{Action, KeyId, Platform};

    const NOW: Millis = Millis(1_000_000_000);
    const RICH: Facts = Facts {
        price: Some(PRICE),
        has_channel: true,
        balance: 300,
        key_left: None,
        max_waiting: 0,
        waiting: 0,
    };
    const PRICE: Quota = Quota::ZERO;

    fn price(quota: i64) -> Option<Quota> {
        Quota::try_from(quota).ok()
    }

    fn of(user: i64, key: Option<(&str, &str)>) -> PendingSubmit {
        PendingSubmit {
            task: NewTask {
                task_id: TaskId::random(&Random::seeded(u64::try_from(user).unwrap_or(0))),
                user: UserId(user),
                key: KeyId(user),
                platform: Platform::SUNO,
                action: Action::SONG,
                model: None,
                request: "{}".to_owned(),
                input: String::new(),
                pinned: None,
                idempotency: key.map(|(key, request)| Idempotency {
                    key: key.to_owned(),
                    request: SecretDigest::of(request),
                    meaning: Some(SecretDigest::of(request.trim())),
                }),
                deadline: NOW,
            },
            now: NOW,
        }
    }

    fn decided(batch: &[PendingSubmit], facts: Facts, used_keys: UsedKeys) -> Vec<Decision> {
        decide(batch, &vec![Some(facts); batch.len()], used_keys)
    }

    #[test]
    fn a_price_leaves_the_next_submit_of_the_user_less_and_of_others_the_same() {
        let facts = Facts {
            price: price(200),
            ..RICH
        };
        let store = || Decision::Store(price(200).unwrap_or_default());
        let refused = Decision::Answer(Submitted::QuotaNotEnough);
        let batch = [of(1, None), of(1, None), of(2, None)];
        let decisions = decided(&batch, facts, UsedKeys::new());
        assert_eq!(decisions, [store(), refused, store()]);
    }

    #[test]
    fn a_user_whose_tasks_fill_the_line_waits_and_others_and_repeats_do_not() {
        let limited = Facts {
            max_waiting: 3,
            waiting: 2,
            ..RICH
        };
        let key = Some(("k", "body"));
        let batch = [of(1, key), of(1, None), of(1, key), of(2, None)];
        let first = batch[0].task.task_id.clone();
        let decisions = decided(&batch, limited, UsedKeys::new());
        let expected = [
            Decision::Store(PRICE),
            Decision::Answer(Submitted::TooManyWaiting),
            Decision::Answer(Submitted::Repeated(first)),
            Decision::Store(PRICE),
        ];
        assert_eq!(decisions, expected);
        // A limit that was lowered below what waits refuses, and one of 0 is none.
        let above = Facts {
            waiting: 9,
            ..limited
        };
        let none = Facts {
            max_waiting: 0,
            ..above
        };
        let refused = Decision::Answer(Submitted::TooManyWaiting);
        for (facts, decision) in [(above, refused), (none, Decision::Store(PRICE))] {
            let decisions = decided(&[of(1, None)], facts, UsedKeys::new());
            assert_eq!(decisions, [decision]);
        }
    }

    #[test]
    fn a_submit_that_cannot_be_paid_takes_no_place_in_the_line() {
        let facts = Facts {
            price: price(200),
            max_waiting: 2,
            ..RICH
        };
        let poor = Facts {
            price: price(301),
            ..facts
        };
        let batch = [of(1, None), of(1, None), of(1, None)];
        let decisions = decide(
            &batch,
            &[Some(poor), Some(poor), Some(facts)],
            UsedKeys::new(),
        );
        let refused = || Decision::Answer(Submitted::QuotaNotEnough);
        let stored = Decision::Store(price(200).unwrap_or_default());
        assert_eq!(decisions, [refused(), refused(), stored]);
    }

    #[test]
    fn a_refused_submit_takes_nothing_from_user_and_key() {
        let (mut balance, mut key_left) = (300, Some(100));
        let mut take = |quota| {
            let is_taken = take(
                &mut balance,
                &mut key_left,
                price(quota).unwrap_or_default(),
            );
            (is_taken, balance, key_left)
        };
        assert_eq!(take(200), (false, 300, Some(100)));
        assert_eq!(take(100), (true, 200, Some(0)));
    }

    #[test]
    fn the_first_of_duplicates_is_stored_and_the_others_repeat_it() {
        let key = Some(("k", "body"));
        let batch = [
            of(1, key),
            of(1, key),
            of(1, Some(("k", " body"))),
            of(1, Some(("k", "other"))),
            of(2, key),
        ];
        let decisions = decided(&batch, RICH, UsedKeys::new());
        let first = batch[0].task.task_id.clone();
        let expected = [
            Decision::Store(PRICE),
            Decision::Answer(Submitted::Repeated(first.clone())),
            Decision::Answer(Submitted::Repeated(first)),
            Decision::Answer(Submitted::KeyReused),
            Decision::Store(PRICE),
        ];
        assert_eq!(decisions, expected);
    }

    #[test]
    fn a_duplicate_of_a_refused_submit_is_decided_by_itself() {
        let key = Some(("k", "body"));
        let poor = Facts {
            price: price(301),
            ..RICH
        };
        let refused = || Decision::Answer(Submitted::QuotaNotEnough);
        let decisions = decided(&[of(1, key), of(1, key)], poor, UsedKeys::new());
        assert_eq!(decisions, [refused(), refused()]);
    }

    #[test]
    fn an_idempotency_key_expires() {
        let batch = of(1, Some(("k", "body")));
        let first = of(2, None).task.task_id;
        let used_since = |at| {
            let first_use = FirstUse {
                request: SecretDigest::of("body").as_bytes().to_vec(),
                meaning: None,
                task: first.clone(),
                at,
            };
            UsedKeys::from([((UserId(1), "k".to_owned()), first_use)])
        };
        let cutoff = NOW.before(IDEMPOTENCY_KEPT);
        let batch = std::slice::from_ref(&batch);
        let decisions = decided(batch, RICH, used_since(Millis(cutoff.0 + 1)));
        let repeated = Submitted::Repeated(first.clone());
        assert_eq!(decisions, [Decision::Answer(repeated)]);
        assert_eq!(
            decided(batch, RICH, used_since(cutoff)),
            [Decision::Store(PRICE)]
        );
    }

    #[test]
    fn a_submit_without_facts_is_not_decided() {
        let batch = [of(1, None), of(2, None)];
        let decisions = decide(&batch, &[None, Some(RICH)], UsedKeys::new());
        assert_eq!(decisions, [Decision::NotLocked, Decision::Store(PRICE)]);
        let unserved = Facts {
            has_channel: false,
            price: None,
            ..RICH
        };
        let no_channel = Decision::Answer(Submitted::NoChannel);
        let no_price = Decision::Answer(Submitted::NoPrice);
        let unpriced = Facts {
            price: None,
            ..RICH
        };
        for (facts, decision) in [(unserved, no_channel), (unpriced, no_price)] {
            let decisions = decided(&batch[..1], facts, UsedKeys::new());
            assert_eq!(decisions, [decision]);
        }
    }
}
