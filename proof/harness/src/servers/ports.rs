//! Ports for servers that come back at the same address.

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::lock;

/// The range of ports: below those that the kernel gives to outgoing connections, above those of
/// services.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 on which nobody listens. No other process that uses this function gets the
/// same port, even while the server on it is down: we hold the UDP port of the same number, which no
/// server of ours needs, until we end.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    // Processes with neighbouring ids start far apart.
    let start = std::process::id().wrapping_mul(211) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap_or_default();
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(next) % COUNT;
        if let Ok(held) = UdpSocket::bind(("127.0.0.1", port))
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            lock(&HELD).push(held);
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_given_is_free_and_given_to_nobody_else() {
        let port = free_port();
        assert!(UdpSocket::bind(("127.0.0.1", port)).is_err());
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
        assert_ne!(free_port(), port);
    }
}
