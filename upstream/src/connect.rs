//! Why no connection to a channel was made: because of the channel, or because of this worker.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The system's error numbers that [`ErrorKind`] has no name for; all Unix systems number them alike.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// How the standard library's error begins when a name does not resolve.
const NAME_ERROR: &str = "failed to lookup address information";
/// What resolvers say whose server answered that there is no such name, or no address of it.
const NO_SUCH_NAME: [&str; 5] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided",
];

/// The longest wait of [`reach`].
const LONGEST_REACH: Duration = Duration::from_secs(3);

/// Why no connection was made.
#[derive(Debug, Clone)]
pub struct NoConnection {
    /// What happened, for an operator.
    pub what: String,
    /// Who is at fault.
    pub blame: Blame,
}

/// Who is at fault if no connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The channel: nothing listens there, it does not answer, it has no such name, TLS fails.
    Channel,
    /// This worker.
    Worker(LocalTrouble),
    /// This worker, if it can reach no other channel either; else the channel.
    WorkerOrChannel(LocalTrouble),
}

/// What a worker lacks that cannot call any channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalTrouble {
    /// File descriptors.
    Descriptors,
    /// Memory for sockets.
    Memory,
    /// A local address or a free port.
    Addresses,
    /// A network, or a route.
    Network,
    /// The right to connect: a firewall of this machine forbids it.
    Permission,
    /// A name server that answers.
    Names,
}

impl LocalTrouble {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Descriptors,
        Self::Memory,
        Self::Addresses,
        Self::Network,
        Self::Permission,
        Self::Names,
    ];

    /// In words, for `/readyz`, logs and figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "no descriptors",
            Self::Memory => "no memory",
            Self::Addresses => "no address",
            Self::Network => "no network",
            Self::Permission => "not permitted",
            Self::Names => "no name server",
        }
    }
}

impl fmt::Display for LocalTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Blame {
    /// Who is at fault for `error`, by the first of its causes that tells.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                let blame = Self::of_io(io);
                if blame != Self::Channel {
                    return blame;
                }
                // The source of an `io::Error` leaves out the error that it wraps.
                if let Some(inner) = io.get_ref() {
                    return Self::of(inner);
                }
            }
            cause = error.source();
        }
        Self::Channel
    }

    fn of_io(error: &io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (Some(EMFILE | ENFILE), _) => Self::Worker(LocalTrouble::Descriptors),
            (_, ErrorKind::OutOfMemory) => Self::Worker(LocalTrouble::Memory),
            (_, ErrorKind::AddrNotAvailable) => Self::WorkerOrChannel(LocalTrouble::Addresses),
            (_, ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown) => {
                Self::WorkerOrChannel(LocalTrouble::Network)
            }
            (_, ErrorKind::PermissionDenied) => Self::WorkerOrChannel(LocalTrouble::Permission),
            _ => Self::of_name(&error.to_string()),
        }
    }

    /// Who is at fault if a name does not resolve. A resolver that can open no socket says anything.
    fn of_name(said: &str) -> Self {
        let Some(why) = said.strip_prefix(NAME_ERROR) else {
            return Self::Channel;
        };
        if let Err(error) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            && error
                .raw_os_error()
                .is_some_and(|code| [EMFILE, ENFILE].contains(&code))
        {
            return Self::Worker(LocalTrouble::Descriptors);
        }
        if NO_SUCH_NAME.iter().any(|said| why.contains(said)) {
            return Self::Channel;
        }
        Self::WorkerOrChannel(LocalTrouble::Names)
    }
}

/// Connects to the address of `base_url`, and closes the connection.
pub async fn reach(base_url: &str) -> Result<(), NoConnection> {
    let channels = |what: &str| NoConnection {
        what: what.to_owned(),
        blame: Blame::Channel,
    };
    let url = Url::parse(base_url).map_err(|_| channels("its base URL does not read"))?;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(channels("its base URL has no address"));
    };
    let address = (host.trim_matches(['[', ']']), port);
    match timeout(LONGEST_REACH, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(NoConnection {
            what: error.to_string(),
            blame: Blame::of(&error),
        }),
        Err(_) => Err(channels("timed out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const EACCES: i32 = 13;
    #[cfg(target_os = "linux")]
    const OF_LINUX: [(i32, Blame); 6] = [
        (99, Blame::WorkerOrChannel(LocalTrouble::Addresses)), // EADDRNOTAVAIL
        (100, Blame::WorkerOrChannel(LocalTrouble::Network)),  // ENETDOWN
        (101, Blame::WorkerOrChannel(LocalTrouble::Network)),  // ENETUNREACH
        (110, Blame::Channel),                                 // ETIMEDOUT
        (111, Blame::Channel),                                 // ECONNREFUSED
        (113, Blame::Channel),                                 // EHOSTUNREACH
    ];

    #[test]
    fn the_systems_error_tells_whether_the_worker_or_the_channel_is_in_trouble() {
        let everywhere = [
            (EPERM, Blame::WorkerOrChannel(LocalTrouble::Permission)),
            (ENOMEM, Blame::Worker(LocalTrouble::Memory)),
            (EACCES, Blame::WorkerOrChannel(LocalTrouble::Permission)),
            (ENFILE, Blame::Worker(LocalTrouble::Descriptors)),
            (EMFILE, Blame::Worker(LocalTrouble::Descriptors)),
        ];
        #[cfg(target_os = "linux")]
        let all = everywhere.into_iter().chain(OF_LINUX);
        #[cfg(not(target_os = "linux"))]
        let all = everywhere.into_iter();
        for (code, expected) in all {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(Blame::of(&error), expected, "{error}");
            // As HTTP clients wrap it.
            let wrapped = io::Error::other(io::Error::from_raw_os_error(code));
            assert_eq!(Blame::of(&wrapped), expected, "{wrapped:?}");
        }
        let tls = io::Error::new(ErrorKind::InvalidData, "received corrupt message");
        assert_eq!(Blame::of(&tls), Blame::Channel);
    }

    #[test]
    fn a_name_that_does_not_exist_is_the_channels_and_a_mute_name_server_the_workers() {
        let no_server = Blame::WorkerOrChannel(LocalTrouble::Names);
        for (said, expected) in [
            ("Temporary failure in name resolution", no_server),
            ("Non-recoverable failure in name resolution", no_server),
            ("Try again", no_server),
            ("Name or service not known", Blame::Channel),
            ("No address associated with hostname", Blame::Channel),
            ("Name does not resolve", Blame::Channel),
        ] {
            let error = io::Error::other(format!("{NAME_ERROR}: {said}"));
            assert_eq!(Blame::of(&error), expected, "{said}");
        }
    }

    #[tokio::test]
    async fn an_address_is_reached_or_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        reach(&url).await.expect("it is reached");
        drop(listener);
        let refused = reach(&url).await.expect_err("nobody listens");
        assert_eq!(refused.blame, Blame::Channel);
        // 240.0.0.0/4 is reserved: no system has a route there.
        let unrouted = reach("http://255.255.255.255").await;
        assert_ne!(
            unrouted.expect_err("it is no address").blame,
            Blame::Channel
        );
    }
}
