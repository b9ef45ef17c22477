//! How many connections a server may hold. The bound is below what the system allows, so that clients never
//! take the descriptors that the database, the broker, the upstreams and files need.

use std::net::IpAddr;

use crate::config::{Config, Networks, Program};

/// The most connections, however many descriptors the system allows. Each takes some 20 KiB of memory.
const MOST: usize = 10_000;
/// The fewest connections. A system that allows no more descriptors than this is not one to serve on.
const FEWEST: usize = 16;
/// Descriptors for files, logs, listening sockets, the event queue, and the broker's two connections.
const OTHER_DESCRIPTORS: usize = 72;
/// Descriptors of a connection to the database: SQLite opens the file, its log and its shared memory.
const DATABASE_DESCRIPTORS: usize = 3;
/// The share of all connections that one address may hold.
const SHARE: usize = 4;

/// How many connections a server may hold.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The most connections, in all.
    pub total: usize,
    /// The most connections of one address (of IPv6: of one /64, which a client has whole).
    pub per_address: usize,
    /// The networks whose addresses may hold more than `per_address`: proxies, which bring many clients.
    /// Loopback may, too.
    pub trusted: Networks,
}

impl Bounds {
    /// The bounds of `program`, by the descriptors that this process may open now.
    pub fn of(config: &Config, program: Program) -> Self {
        let connections = usize::try_from(config.database_max_connections).unwrap_or(MOST);
        let total = total(descriptors(), connections, program);
        Self::with_total(total, config.trusted_proxies.clone())
    }

    /// At most `total` connections, of which one address may hold a quarter.
    pub fn with_total(total: usize, trusted: Networks) -> Self {
        Self {
            total,
            per_address: (total / SHARE).max(1),
            trusted,
        }
    }

    /// Whether an address may hold more than `per_address`.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.trusted.contain(address)
    }
}

/// Raises the number of descriptors that this process may open to what the system allows it.
pub fn raise_descriptors() {
    if let Err(error) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The number of descriptors that this process may open.
fn descriptors() -> usize {
    let limit = rlimit::getrlimit(rlimit::Resource::NOFILE);
    limit.map_or(1024, |(soft, _)| {
        usize::try_from(soft).unwrap_or(usize::MAX)
    })
}

/// What is left of `descriptors` for clients. A worker needs most of it for the upstreams; who does both
/// gives them half.
fn total(descriptors: usize, database_connections: usize, program: Program) -> usize {
    let needed = OTHER_DESCRIPTORS + DATABASE_DESCRIPTORS * database_connections;
    let left = descriptors.saturating_sub(needed);
    let for_clients = match program {
        Program::Api => left,
        Program::TaskCenter => left / 2,
        Program::Worker => left / 4,
    };
    for_clients.clamp(FEWEST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_database_broker_and_upstreams_leave_and_never_more_than_the_most() {
        for (descriptors, program, expected) in [
            (1024, Program::Api, 922),
            (1024, Program::TaskCenter, 461),
            (1024, Program::Worker, 230),
            (1_048_576, Program::Api, MOST),
            (usize::MAX, Program::Worker, MOST),
            (64, Program::Api, FEWEST),
        ] {
            let total = total(descriptors, 10, program);
            assert_eq!(total, expected, "{descriptors} {program:?}");
        }
    }

    #[test]
    fn one_address_gets_a_quarter_unless_it_is_loopback_or_a_proxy_of_ours() {
        let trusted = Networks::parse("10.0.0.0/8, 2001:db8::/32");
        let bounds = Bounds::with_total(922, trusted.expect("they are networks"));
        assert_eq!(bounds.per_address, 230);
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::7", true),
            ("11.1.2.3", false),
            ("2001:db9::7", false),
        ] {
            let parsed = address.parse().expect("it is an address");
            assert_eq!(bounds.is_trusted(parsed), expected, "{address}");
        }
    }
}
