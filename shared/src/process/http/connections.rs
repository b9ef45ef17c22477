//! The open connections of a server: who may come in, and who goes when there is no room.
//!
//! A connection is idle while no request is under way on it: before its first byte, while the head of a request
//! is not complete, between two requests, and while we only read what the client still sends after our last
//! answer. If there is no room for a new connection, the connection that has been idle longest is closed. If no
//! connection is idle, the new connection is refused.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::bounds::Bounds;
use super::client::Client;
use super::turned_away::{self, Bound, Outcome, TurnedAway};

/// Shows how many connections are open.
pub(super) const OPEN: &str = "task_center_http_connections";
/// Shows how many connections may be open, over all servers of the process.
pub(super) const LIMIT: &str = "task_center_http_connections_limit";

/// The longest time in which a connection that is to be closed gives its place.
const CLOSING: Duration = Duration::from_secs(1);

/// The open connections of a server. Clones share them.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    open: Mutex<Open>,
    /// A place became free, or a connection that was to be closed got a request.
    changed: Notify,
}

/// Names an open connection.
type Id = u64;
/// The connections of a set that are idle, the longest idle first: the number is the order in which they
/// became idle.
type Idle = BTreeMap<u64, Id>;

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<Id, Connection>,
    idle: Idle,
    clients: HashMap<Client, OfClient>,
    next: u64,
    turned_away: TurnedAway,
}

#[derive(Debug)]
struct Connection {
    /// `None`: the address may hold any number.
    client: Option<Client>,
    state: State,
    /// Tells the connection's task to look at its state.
    close: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A request is under way.
    Busy,
    /// No request is under way since this number.
    Idle(u64),
    /// The connection was idle, and is to be closed.
    Closing,
}

#[derive(Debug, Default)]
struct OfClient {
    open: usize,
    idle: Idle,
}

impl Connections {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "it is a small number")]
        gauge!(LIMIT).increment(bounds.total as f64);
        gauge!(OPEN).increment(0);
        turned_away::start_at_zero();
        Self(Arc::new(Inner {
            bounds,
            open: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.lock().connections.len()
    }

    /// Gives a connection from `address` a place, for which an idle one may be closed. `None`: there is none.
    /// Called by one task only, which accepts.
    pub(super) async fn admit(&self, address: IpAddr) -> Option<Slot> {
        let bounds = &self.0.bounds;
        let client = (!bounds.is_trusted(address)).then(|| Client::of(address));
        let given_up_at = Instant::now() + CLOSING;
        let mut closing = None;
        loop {
            // Created before the look, so that no change between look and wait is missed.
            let changed = self.0.changed.notified();
            {
                let mut open = self.lock();
                let Some(bound) = open.bound_reached(bounds, client) else {
                    return Some(self.place(&mut open, client));
                };
                let is_closing = |id| open.state(id) == Some(State::Closing);
                if !closing.is_some_and(is_closing) {
                    closing = open.close_idle(bound, client);
                    let outcome = closing.map_or(Outcome::Refused, |_| Outcome::ClosedIdle);
                    open.note(bounds, bound, address, outcome);
                }
                closing?;
            }
            if timeout_at(given_up_at, changed).await.is_err() {
                let mut open = self.lock();
                if let Some(bound) = open.bound_reached(bounds, client) {
                    open.note(bounds, bound, address, Outcome::Refused);
                    return None;
                }
            }
        }
    }

    /// Closes the connection that has been idle longest, to free its descriptor.
    pub(super) fn close_longest_idle(&self) {
        self.lock().close_idle(Bound::Total, None);
    }

    fn place(&self, open: &mut Open, client: Option<Client>) -> Slot {
        let id = open.next;
        let close = Arc::new(Notify::new());
        let connection = Connection {
            client,
            state: State::Busy,
            close: close.clone(),
        };
        open.connections.insert(id, connection);
        if let Some(client) = client {
            open.clients.entry(client).or_default().open += 1;
        }
        open.set_state(id, State::Idle(id));
        open.next += 1;
        gauge!(OPEN).increment(1);
        Slot {
            connections: self.clone(),
            id,
            close,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        let open = self.0.open.lock();
        open.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The bound that leaves no room for one more connection of `client`.
    fn bound_reached(&self, bounds: &Bounds, client: Option<Client>) -> Option<Bound> {
        let of_client = client.and_then(|client| self.clients.get(&client));
        if of_client.is_some_and(|of_client| of_client.open >= bounds.per_address) {
            return Some(Bound::Address);
        }
        (self.connections.len() >= bounds.total).then_some(Bound::Total)
    }

    /// Has the connection closed that has been idle longest: of the client, if its own bound is reached.
    /// `None`: none is idle.
    fn close_idle(&mut self, bound: Bound, client: Option<Client>) -> Option<Id> {
        let idle = match (bound, client) {
            (Bound::Address, Some(client)) => self.clients.get(&client).map(|it| &it.idle),
            _ => Some(&self.idle),
        };
        let (_, &id) = idle?.first_key_value()?;
        self.set_state(id, State::Closing);
        if let Some(connection) = self.connections.get(&id) {
            connection.close.notify_one();
        }
        Some(id)
    }

    fn state(&self, id: Id) -> Option<State> {
        self.connections.get(&id).map(|connection| connection.state)
    }

    fn set_state(&mut self, id: Id, state: State) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut connection.state, state);
        let mut of_client = connection
            .client
            .and_then(|client| self.clients.get_mut(&client));
        if let State::Idle(since) = before {
            self.idle.remove(&since);
            of_client.as_mut().map(|it| it.idle.remove(&since));
        }
        if let State::Idle(since) = state {
            self.idle.insert(since, id);
            of_client.as_mut().map(|it| it.idle.insert(since, id));
        }
    }

    fn note(&mut self, bounds: &Bounds, bound: Bound, address: IpAddr, outcome: Outcome) {
        let open = self.connections.len();
        self.turned_away.note(open, bounds, bound, address, outcome);
    }

    fn remove(&mut self, id: Id) {
        self.set_state(id, State::Busy);
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(client) = connection.client
            && let Some(of_client) = self.clients.get_mut(&client)
        {
            of_client.open -= 1;
            if of_client.open == 0 {
                self.clients.remove(&client);
            }
        }
    }
}

/// The place of an open connection. Dropped, the place is free.
#[derive(Debug)]
pub struct Slot {
    connections: Connections,
    id: Id,
    close: Arc<Notify>,
}

impl Slot {
    /// A request begins. A connection that was to be closed stays.
    pub(super) fn busy(&self) {
        let mut open = self.connections.lock();
        let was_closing = open.state(self.id) == Some(State::Closing);
        open.set_state(self.id, State::Busy);
        drop(open);
        if was_closing {
            self.connections.0.changed.notify_one();
        }
    }

    /// No request is under way any more.
    pub(super) fn idle(&self) {
        let mut open = self.connections.lock();
        if open.state(self.id) == Some(State::Busy) {
            let since = open.next;
            open.next += 1;
            open.set_state(self.id, State::Idle(since));
        }
    }

    /// Whether the connection is to be closed.
    pub(super) fn is_closing(&self) -> bool {
        self.connections.lock().state(self.id) == Some(State::Closing)
    }

    /// Waits until the connection is to be closed. Cancel-safe.
    pub(super) async fn closing(&self) {
        while !self.is_closing() {
            self.close.notified().await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
        gauge!(OPEN).decrement(1);
        self.connections.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Networks;

    fn connections(total: usize) -> Connections {
        Connections::new(Bounds::with_total(total, Networks::default()))
    }

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    /// Closes a connection as its task would.
    fn closes(slot: Slot) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { slot.closing().await })
    }

    #[tokio::test]
    async fn the_connection_that_is_idle_longest_goes_first_and_a_busy_one_stays() {
        let connections = connections(8);
        let mut slots = Vec::new();
        for number in 0..8 {
            let slot = connections.admit(address(number)).await;
            slots.push(slot.expect("there is room"));
        }
        // The first is busy; the second was, and is idle since.
        slots[0].busy();
        slots[1].busy();
        slots[1].idle();
        let third = closes(slots.remove(2));
        let new = connections.admit(address(9)).await;
        let new = new.expect("the third one goes");
        third.await.expect("it was closed");
        assert!(slots.iter().all(|slot| !slot.is_closing()));
        assert_eq!(connections.count(), 8);
        for slot in slots.iter().chain([&new]) {
            slot.busy();
        }
        assert!(connections.admit(address(10)).await.is_none());
        drop(new);
        assert!(connections.admit(address(10)).await.is_some());
    }

    #[tokio::test]
    async fn an_address_at_its_bound_costs_itself_only_and_ipv6_counts_by_network() {
        let connections = connections(8);
        let network: [IpAddr; 3] = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .map(|address| address.parse().expect("it is an address"));
        let other = connections.admit(address(1)).await.expect("there is room");
        let first = connections.admit(network[0]).await.expect("there is room");
        let second = connections.admit(network[1]).await.expect("there is room");
        first.busy();
        let second = closes(second);
        let third = connections.admit(network[2]).await;
        let third = third.expect("its own idle one goes");
        second.await.expect("it was closed");
        assert!(!other.is_closing());
        third.busy();
        assert!(connections.admit(network[0]).await.is_none());
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(connections.admit(loopback).await.expect("there is room"));
        }
        assert_eq!(connections.count(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_in_time_saves_its_connection_and_another_one_goes() {
        let connections = connections(2);
        let first = connections.admit(address(1)).await.expect("there is room");
        let second = connections.admit(address(2)).await.expect("there is room");
        let admitting = tokio::spawn({
            let connections = connections.clone();
            async move { connections.admit(address(3)).await.is_some() }
        });
        first.closing().await;
        first.busy();
        second.closing().await;
        drop(second);
        assert!(admitting.await.expect("it did not panic"));
        assert!(!first.is_closing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_go_in_time_costs_the_new_one() {
        let connections = connections(1);
        let _stuck = connections.admit(address(1)).await.expect("there is room");
        assert!(connections.admit(address(2)).await.is_none());
    }
}
