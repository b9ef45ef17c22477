//! Addresses that users name, and that we or an upstream open. Only public addresses are taken: with any other, a user
//! could reach the network behind us.
//!
//! An address is checked twice: as text ([`PublicAddress::parse`]), and as its host resolves
//! ([`PublicAddress::resolve`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::Semaphore;
use url::{Host, Url};

/// The longest address, in bytes.
const LONGEST: usize = 2048;
/// The longest time that the name of a host may take to resolve.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);

/// An address that is public as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress(Url);

/// Why an address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPublic {
    /// It does not read as an address.
    #[error("it must be an address such as https://example.com/a.mp3, of at most 2,048 bytes")]
    NoAddress,
    /// Its scheme is another one.
    #[error("it must begin with https://")]
    NotHttps,
    /// It holds a name or a password.
    #[error("it must hold no user name and no password")]
    Credentials,
    /// Its port belongs to other services.
    #[error("its port must be 443 or above 1023")]
    Port,
    /// Its host is in a network that is not public, by its text or as it resolves.
    #[error("its host must be public")]
    Private,
    /// The host has no address, or nobody tells it in time.
    #[error("its host is not found")]
    NotFound,
}

impl PublicAddress {
    /// Reads an address and checks its text.
    pub fn parse(text: &str) -> Result<Self, NotPublic> {
        // What readers of addresses disagree on is none.
        if text.len() > LONGEST || text.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(NotPublic::NoAddress);
        }
        let url = Url::parse(text.trim()).map_err(|_| NotPublic::NoAddress)?;
        if url.scheme() != "https" {
            return Err(NotPublic::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotPublic::Credentials);
        }
        if !matches!(url.port_or_known_default(), Some(443 | 1024..)) {
            return Err(NotPublic::Port);
        }
        let is_public = match url.host().ok_or(NotPublic::NoAddress)? {
            Host::Ipv4(ip) => is_public(ip.into()),
            Host::Ipv6(ip) => is_public(ip.into()),
            // A name without a dot is one of the local network.
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                name.contains('.') && !LOCAL_NAMES.iter().any(|local| is_in(name, local))
            }
        };
        is_public.then_some(Self(url)).ok_or(NotPublic::Private)
    }

    /// The address, in the one spelling that was checked.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The addresses of its host. All of them must be public.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, NotPublic> {
        let port = self.0.port_or_known_default().unwrap_or(443);
        let found = match self.0.host().ok_or(NotPublic::NoAddress)? {
            Host::Ipv4(ip) => vec![SocketAddr::new(ip.into(), port)],
            Host::Ipv6(ip) => vec![SocketAddr::new(ip.into(), port)],
            Host::Domain(name) => {
                let lookup = lookup(name.to_owned(), port);
                let found = tokio::time::timeout(LONGEST_LOOKUP, lookup).await;
                found.map_err(|_| NotPublic::NotFound)??
            }
        };
        if found.is_empty() {
            return Err(NotPublic::NotFound);
        }
        let are_public = found.iter().all(|address| is_public(address.ip()));
        are_public.then_some(found).ok_or(NotPublic::Private)
    }
}

/// The most names that are looked up at the same time: each holds a thread until the system answers.
const MOST_LOOKUPS: usize = 32;

static LOOKUPS: Semaphore = Semaphore::const_new(MOST_LOOKUPS);

async fn lookup(name: String, port: u16) -> Result<Vec<SocketAddr>, NotPublic> {
    let place = LOOKUPS.acquire().await.map_err(|_| NotPublic::NotFound)?;
    // In a task of its own, which keeps its place until the system answers, though nobody may wait so long.
    let found = tokio::spawn(async move {
        let found = tokio::net::lookup_host((name, port)).await;
        drop(place);
        found.map(Iterator::collect)
    });
    found
        .await
        .map_err(|_| NotPublic::NotFound)?
        .map_err(|_| NotPublic::NotFound)
}

/// Names that never are of the public network.
const LOCAL_NAMES: [&str; 6] = ["localhost", "local", "internal", "lan", "home.arpa", "test"];

/// Whether a name is `domain` or below it.
fn is_in(name: &str, domain: &str) -> bool {
    let above = name.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Whether an address is of the public network: not private, shared, local, reserved, for documentation, or for many.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocol = (a, b, c) == (192, 0, 0);
    let is_relay = (a, b, c) == (192, 88, 99);
    let is_benchmark = a == 198 && matches!(b, 18 | 19);
    let is_reserved = a == 0 || a >= 224;
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || is_shared
        || is_protocol
        || is_relay
        || is_benchmark
        || is_reserved)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    // Addresses that carry one of the older network count as that one.
    let carried = match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some((high, low))
        }
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = carried {
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    // What is given out to the public begins with 2 or 3.
    let is_global = parts[0] & 0xe000 == 0x2000;
    let is_protocol = parts[0] == 0x2001 && parts[1] < 0x200;
    let is_documentation =
        (parts[0], parts[1]) == (0x2001, 0xdb8) || (parts[0] == 0x3fff && parts[1] < 0x1000);
    is_global && !is_protocol && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_taken() {
        for text in [
            "https://example.com/a.mp3",
            "HTTPS://Example.com:8443/a?b=c#d",
            "https://93.184.216.34/a",
            "https://[2606:2800:220:1::1]:1024/",
            "https://xn--fsq.com/",
            "https://中文.com/a",
        ] {
            assert!(PublicAddress::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        use NotPublic::{Credentials, NoAddress, NotHttps, Port, Private};
        for (text, expected) in [
            ("", NoAddress),
            ("a.mp3", NoAddress),
            ("https://", NoAddress),
            ("https://example.com\\@10.0.0.1/", NoAddress),
            ("https://exam\tple.com/", NoAddress),
            ("http://example.com/", NotHttps),
            ("ftp://example.com/", NotHttps),
            ("file:///etc/passwd", NotHttps),
            ("https://ann@example.com/", Credentials),
            ("https://:x@example.com/", Credentials),
            ("https://example.com:22/", Port),
            ("https://example.com:80/", Port),
            ("https://localhost/", Private),
            ("https://LOCALHOST./", Private),
            ("https://db/", Private),
            ("https://a.internal/", Private),
            ("https://127.0.0.1/", Private),
            // The same host, as browsers and libraries read it.
            ("https://2130706433/", Private),
            ("https://0x7f.1/", Private),
            ("https://0177.0.0.1/", Private),
            ("https://10.0.0.1/", Private),
            ("https://172.31.255.255/", Private),
            ("https://192.168.0.1/", Private),
            ("https://169.254.169.254/latest/meta-data", Private),
            ("https://100.64.0.1/", Private),
            ("https://0.0.0.0/", Private),
            ("https://255.255.255.255/", Private),
            ("https://224.0.0.1/", Private),
            ("https://[::1]/", Private),
            ("https://[::]/", Private),
            ("https://[::ffff:127.0.0.1]/", Private),
            ("https://[64:ff9b::10.0.0.1]/", Private),
            ("https://[2002:7f00:1::]/", Private),
            ("https://[fe80::1]/", Private),
            ("https://[fd00::1]/", Private),
            ("https://[2001:db8::1]/", Private),
            ("https://[ff02::1]/", Private),
        ] {
            assert_eq!(PublicAddress::parse(text), Err(expected), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(LONGEST));
        assert_eq!(PublicAddress::parse(&long), Err(NoAddress));
    }

    #[tokio::test]
    async fn a_host_is_public_only_if_all_its_addresses_are() {
        let address = PublicAddress::parse("https://93.184.216.34:8443/a").expect("it is public");
        let found = address.resolve().await.expect("it is a number");
        assert_eq!(found, ["93.184.216.34:8443".parse().expect("it is one")]);
        // The text of this one says nothing; `localhost` is in every machine's table.
        let hidden = PublicAddress(Url::parse("https://localhost/").expect("it reads"));
        assert_eq!(hidden.resolve().await, Err(NotPublic::Private));
        let nobody = PublicAddress::parse("https://nobody.invalid/").expect("it is a name");
        assert_eq!(nobody.resolve().await, Err(NotPublic::NotFound));
    }
}
