//! Whom a request comes from: the other end of its connection, or, behind trusted proxies, whom they name in
//! `X-Forwarded-For` (`docs/contract.md`, "Limits and fairness").

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::Networks;

/// The header in which each proxy notes the address that it got the request from, after those that were there.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// In the extensions of each request: the address at the other end of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Who counts as one client: an IPv4 address, or the first half of an IPv6 address, as a client has a /64 whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// The address.
    V4(u32),
    /// The network.
    V6(u64),
}

impl Client {
    /// The client at `address`. An IPv4 address that is written as IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Peer {
    /// The client's address: the last one of the connection's list that is not trusted. The list is
    /// `X-Forwarded-For`, several headers in their order, and then the peer itself. An entry that is no address
    /// ends the search, and the address after that entry in the list counts. If all are trusted, the first counts.
    pub fn client(self, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
        let headers = headers.get_all(X_FORWARDED_FOR).iter();
        let entries = headers
            .rev()
            .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            // An empty element of a list counts for nothing (RFC 9110, 5.6.1).
            .filter(|entry| !entry.is_empty());
        let mut client = self.0.to_canonical();
        for entry in entries {
            if !trusted.contain(client) {
                break;
            }
            let Some(before) = address(entry) else { break };
            client = before;
        }
        client
    }
}

/// An entry of `X-Forwarded-For`: an address, which some proxies write with a port, or in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']');
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
        .or_else(|| in_brackets()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PROXIES: &str = "10.0.0.0/8,2001:db8:ffff::/48";

    fn client(trusted: &str, peer: &str, lists: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            let value = HeaderValue::from_bytes(list).expect("it is a header");
            headers.append(X_FORWARDED_FOR, value);
        }
        let trusted = Networks::parse(trusted).expect("they are networks");
        let peer = Peer(peer.parse().expect("it is an address"));
        peer.client(&headers, &trusted).to_string()
    }

    #[test]
    fn without_trusted_proxies_nobody_is_believed_not_even_loopback() {
        for peer in ["192.0.2.1", "127.0.0.1", "10.0.0.1"] {
            assert_eq!(client("", peer, &[b"198.51.100.7"]), peer);
        }
        assert_eq!(
            client(PROXIES, "192.0.2.1", &[b"198.51.100.7"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn behind_trusted_proxies_the_last_address_that_is_not_trusted_counts() {
        for (lists, expected) in [
            (&[&b"198.51.100.7"[..]][..], "198.51.100.7"),
            // What the client itself wrote stands before the address that the proxy noted.
            (&[b"203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (&[b"203.0.113.9,198.51.100.7 ,10.9.9.9"], "198.51.100.7"),
            (
                &[b"203.0.113.9", b"198.51.100.7", b"10.9.9.9"],
                "198.51.100.7",
            ),
            (&[b"203.0.113.9, 198.51.100.7", b"10.9.9.9"], "198.51.100.7"),
            // All are trusted: a client within.
            (&[b"10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            (&[b"10.1.1.1, 2001:db8:ffff::2"], "10.1.1.1"),
            (&[], "10.0.0.1"),
            (&[b""], "10.0.0.1"),
            (&[b" , 198.51.100.7, ,"], "198.51.100.7"),
        ] {
            assert_eq!(client(PROXIES, "10.0.0.1", lists), expected, "{lists:?}");
            let peer = "::ffff:10.0.0.1";
            assert_eq!(client(PROXIES, peer, lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        for (list, expected) in [
            (&b"198.51.100.7, unknown"[..], "10.0.0.1"),
            (b"198.51.100.7, unknown, 10.9.9.9", "10.9.9.9"),
            (b"198.51.100.7, 10.9.9", "10.0.0.1"),
            (b"198.51.100.7, \xff", "10.0.0.1"),
            (b"198.51.100.7 10.9.9.9", "10.0.0.1"),
            (b"198.51.100.7, fe80::1%eth0", "10.0.0.1"),
            (b"unknown, 198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(client(PROXIES, "10.0.0.1", &[list]), expected, "{list:?}");
        }
    }

    #[test]
    fn ports_and_brackets_belong_to_no_address() {
        for (entry, expected) in [
            ("198.51.100.7:1234", "198.51.100.7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
        ] {
            let found = client(PROXIES, "10.0.0.1", &[entry.as_bytes()]);
            assert_eq!(found, expected, "{entry}");
        }
    }

    #[test]
    fn an_ipv6_client_has_its_network_and_an_ipv4_client_one_address() {
        let of = |address: &str| Client::of(address.parse().expect("it is an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
