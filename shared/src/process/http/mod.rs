//! The HTTP server of every program: the API's and the worker's (`docs/contract.md`, "Health and metrics").
//!
//! | module | what it holds |
//! |---|---|
//! | [`server`] | the listening socket, and the task of each connection |
//! | [`bounds`] | how many connections a server may hold, by the descriptors of the process |
//! | [`client`] | whom a request comes from, also behind proxies |
//! | [`connections`] | the open connections: who may come in, and who goes when there is no room |
//! | [`exchange`] | whether a request is under way on a connection; answers to heads that cannot be read |
//! | [`tcp`] | the options of a socket, and how it ends |
//! | `turned_away` | what happens for want of room, counted and logged |
//! | [`tls`] | HTTPS, with certificates that are read anew when they change |
//! | [`holding`] | the body of an answer that holds something until the answer is sent |
//! | [`host`] | whether a request names one host |
//! | [`unread`] | the layer that reads what handlers left of a body |

pub mod bounds;
pub mod client;
pub mod connections;
pub mod exchange;
pub mod holding;
pub mod host;
pub mod server;
pub mod tcp;
pub mod tls;
mod turned_away;
pub mod unread;

pub use bounds::Bounds;
pub use server::{Server, Timeouts};

use crate::process::telemetry::Figure;

/// The figures of the connections.
pub const FIGURES: &[Figure] = &[
    Figure::Gauge(
        connections::OPEN,
        "Connections of clients that are open at this process",
    ),
    Figure::Gauge(
        connections::LIMIT,
        "The most connections of clients that this process holds",
    ),
    Figure::Counter(
        turned_away::TURNED_AWAY,
        "Connections that were refused, or closed while idle, because there was no room, by bound and outcome",
    ),
    Figure::Counter(
        server::ACCEPT_FAILURES,
        "Connections that could not be accepted because the process lacks descriptors or memory",
    ),
];
