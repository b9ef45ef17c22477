//! Ports for servers that must come back at the same address.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

/// Below those that the kernel gives to outgoing connections, above those of services.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that nobody listens on and that was given to nobody before. No other run beside
/// this one is given it either, though its server be down: we hold the UDP port of that number, which
/// none of our servers wants, for as long as we live.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    // Two runs side by side, whose ids are neighbours, begin at places that are not.
    let start = std::process::id().wrapping_mul(211) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap_or_default();
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(next) % COUNT;
        if let Ok(held) = UdpSocket::bind(("127.0.0.1", port))
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(held);
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
