//! Networks, as `TRUSTED_PROXIES` lists them.

use std::net::IpAddr;

use ipnet::IpNet;

/// The accepted values of a list of networks, for messages.
pub(super) const TAKES: &str =
    "networks in CIDR such as `10.0.0.0/8` or addresses such as `192.0.2.7`, separated by commas";

/// A list of networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// `None`: `text` is not a list of networks. An address is a network of one.
    pub fn parse(text: &str) -> Option<Self> {
        let listed = text.split(',').map(str::trim);
        let listed = listed.filter(|part| !part.is_empty());
        let network = |part: &str| {
            part.parse()
                .or_else(|_| part.parse().map(IpAddr::into))
                .ok()
        };
        listed.map(network).collect::<Option<_>>().map(Self)
    }

    /// Whether one of them holds `address`. An IPv4 address that is written as IPv6 counts as IPv4.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses_are_read_and_hold_their_addresses() {
        let networks =
            Networks::parse("10.0.0.0/8, 192.0.2.7,fd00::/8,").expect("they are networks");
        for (address, expected) in [
            ("10.255.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            let address = address.parse().expect("it is an address");
            assert_eq!(networks.contain(address), expected, "{address}");
        }
        assert_eq!(Networks::parse(" , "), Some(Networks::default()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.0.0.0/33",
            "10.0.0",
            "proxy.example",
            "10.0.0.0/8 10.1.0.0/16",
            "*",
        ] {
            assert_eq!(Networks::parse(text), None, "{text}");
        }
    }
}
