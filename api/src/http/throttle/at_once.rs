//! How many requests of one credential are under way at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Credential;

/// How many requests of one credential may be under way for each connection to the database. A request that waits
/// longer than 5 s for a connection is refused. With 20 a connection, those of one client make nobody else wait that
/// long, as long as a request holds its connection for less than 5 s / 20 = 250 ms.
const PER_DATABASE_CONNECTION: usize = 20;
/// The share of all connections of clients that the requests of one credential may hold: as much as an address.
const SHARE: usize = 4;

/// The most requests of one credential that are under way at once, in a process with so many connections of
/// clients and to the database.
pub fn most_at_once(connections: usize, database_connections: u32) -> usize {
    let database = usize::try_from(database_connections).unwrap_or(usize::MAX);
    let by_database = database.saturating_mul(PER_DATABASE_CONNECTION);
    by_database.min(connections / SHARE).max(1)
}

/// The requests under way, by credential. Clones share the count.
#[derive(Debug, Clone)]
pub(super) struct AtOnce {
    most: usize,
    counts: Arc<Mutex<HashMap<Credential, usize>>>,
}

impl AtOnce {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            counts: Arc::default(),
        }
    }

    /// A request of `credential` is under way until the place is dropped. `None`: as many as may be are.
    pub(super) fn place(&self, credential: Credential) -> Option<Place> {
        let mut counts = self.counts();
        let count = counts.entry(credential).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place {
            at_once: self.clone(),
            credential,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Credential, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a request that is under way. Dropped, the place is free.
#[derive(Debug)]
pub(crate) struct Place {
    at_once: AtOnce,
    credential: Credential,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.at_once.counts().entry(self.credential) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::task::{KeyId, UserId};

    use super::*;

    #[test]
    fn one_credential_holds_so_many_places_and_others_have_their_own() {
        let at_once = AtOnce::new(2);
        let (key, token) = (Credential::Key(KeyId(1)), Credential::Token(UserId(1)));
        let first = at_once.place(key).expect("there is room");
        let second = at_once.place(key).expect("there is room");
        assert!(at_once.place(key).is_none());
        assert!(at_once.place(token).is_some());
        drop(first);
        let third = at_once.place(key);
        assert!(third.is_some() && at_once.place(key).is_none());
        drop((second, third));
        assert!(at_once.counts().is_empty());
    }

    #[test]
    fn the_bound_follows_from_the_connections_to_the_database_and_of_clients() {
        for (connections, database, expected) in [
            (10_000, 10, 200),
            (10_000, 2, 40),
            (10_000, 1_000, 2_500),
            (77, 10, 19),
            (16, 10, 4),
            (1, 1, 1),
        ] {
            assert_eq!(most_at_once(connections, database), expected);
        }
    }
}
