//! Who sends too much is refused, so that others are served (`docs/contract.md`, "Limits and fairness").
//!
//! | module | what it holds |
//! |---|---|
//! | `bucket` | a token bucket: how many requests are taken, on average and at once |
//! | `buckets` | the buckets of many, in a table of a bounded size |
//! | `at_once` | how many requests of one credential are under way at once |
//! | `figures` | what was refused: counted, and logged now and then |
//!
//! Each API process counts for itself.

mod at_once;
mod bucket;
mod buckets;
mod figures;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use shared::clock::SharedClock;
use shared::config::Networks;
use shared::process::http::client::{Client, Peer};
use shared::process::lifecycle::Stop;
use shared::task::{KeyId, UserId};

use self::at_once::AtOnce;
pub(crate) use self::at_once::Place;
pub use self::at_once::most_at_once;
use self::bucket::Rate;
use self::buckets::Buckets;
pub use self::figures::FIGURES;
use self::figures::{Reason, Refusals};
use crate::error::ApiError;

/// How many sign-ins of one address may fail.
const FAILED_SIGN_INS: Rate = Rate::a_minute(20);
/// How long a credential's bucket takes to be full, whatever its rate.
const IDLE: Duration = Rate::a_second(1).time_to_fill();
/// The most buckets of credentials, and of addresses: a few MiB each.
const BUCKETS: usize = 65_536;
/// How often buckets that are full are dropped.
const TIDY: Duration = Duration::from_secs(1);

/// A credential that was found to be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The access token of this user.
    Token(UserId),
    /// This API key.
    Key(KeyId),
}

/// The bounds for one client.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The most requests a second of one credential (`API_RATE_LIMIT`); 0: any number.
    pub rate: u32,
    /// The most requests of one credential that are under way at once; see [`most_at_once`].
    pub at_once: usize,
    /// The proxies whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Networks,
}

/// Refuses what is too much for one client. Clones share what they count.
#[derive(Debug, Clone)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rate: u32,
    trusted_proxies: Networks,
    at_once: AtOnce,
    credentials: Mutex<Buckets<Credential>>,
    addresses: Mutex<Buckets<Client>>,
    refusals: Mutex<Refusals>,
}

impl Throttle {
    /// Nobody has sent anything yet.
    pub fn new(bounds: Bounds) -> Self {
        figures::start_at_zero();
        Self(Arc::new(Inner {
            rate: bounds.rate,
            trusted_proxies: bounds.trusted_proxies,
            at_once: AtOnce::new(bounds.at_once),
            credentials: Mutex::new(Buckets::new(BUCKETS, IDLE)),
            addresses: Mutex::new(Buckets::new(BUCKETS, FAILED_SIGN_INS.time_to_fill())),
            refusals: Mutex::default(),
        }))
    }

    /// Counts a request of `credential`, which has a `rate` of its own or none. `Ok`: the request is under way
    /// until the place is dropped.
    pub(crate) fn admit(
        &self,
        credential: Credential,
        rate: Option<u32>,
        clock: &SharedClock,
    ) -> Result<Place, ApiError> {
        let Some(place) = self.0.at_once.place(credential) else {
            self.note(Reason::AtOnce, None);
            return Err(ApiError::TooManyAtOnce);
        };
        let rate = rate.unwrap_or(self.0.rate);
        if rate > 0 {
            let taken = self
                .credentials()
                .take(credential, Rate::a_second(rate), clock.now());
            if let Err(wait) = taken {
                self.note(Reason::Rate, None);
                return Err(ApiError::TooManyRequests(seconds(wait)));
            }
        }
        Ok(place)
    }

    /// Counts a sign-in that failed with `error`; returns the error to answer. A request whose client is not known
    /// is not counted.
    pub(crate) fn failed_sign_in(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        error: ApiError,
        clock: &SharedClock,
    ) -> ApiError {
        let Some(peer) = peer else { return error };
        let address = peer.client(headers, &self.0.trusted_proxies);
        let client = Client::of(address);
        let taken = self.addresses().take(client, FAILED_SIGN_INS, clock.now());
        match taken {
            Ok(()) => error,
            Err(wait) => {
                self.note(Reason::SignIn, Some(address));
                ApiError::TooManyFailures(seconds(wait))
            }
        }
    }

    /// Drops the buckets that are full, and shows how many are left, again and again until a stop.
    pub(crate) async fn tidy(self, clock: SharedClock, stop: Stop) -> Result<(), Infallible> {
        while !stop.is_requested() {
            let now = clock.now();
            let of_credentials = self.credentials().tidy(now);
            let of_addresses = self.addresses().tidy(now);
            figures::show_buckets(of_credentials, of_addresses);
            tokio::select! {
                () = stop.requested() => {}
                () = tokio::time::sleep(TIDY) => {}
            }
        }
        Ok(())
    }

    fn note(&self, reason: Reason, address: Option<IpAddr>) {
        let refusals = self.0.refusals.lock();
        let mut refusals = refusals.unwrap_or_else(PoisonError::into_inner);
        refusals.note(reason, address);
    }

    fn credentials(&self) -> MutexGuard<'_, Buckets<Credential>> {
        let credentials = self.0.credentials.lock();
        credentials.unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self) -> MutexGuard<'_, Buckets<Client>> {
        let addresses = self.0.addresses.lock();
        addresses.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait in whole seconds, for `Retry-After`: at least one.
fn seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_whole_seconds_and_never_too_short() {
        for (milliseconds, expected) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (3_000, 3)] {
            let wait = Duration::from_millis(milliseconds);
            assert_eq!(seconds(wait), expected, "{milliseconds}");
        }
    }
}
