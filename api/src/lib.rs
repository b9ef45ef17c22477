//! The HTTP side: accepts submits, answers fetches and listings, and holds the operators' commands.
//! It never calls an upstream.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | what every handler can reach: store, broker, clock, random numbers |
//! | [`routes`] | one endpoint a file, and the layers around all of them |
//! | [`http`] | sockets, TLS, authentication, bodies, languages, request ids, request metrics |
//! | [`error`] | every error a client can get: status, code, text in both languages |
//! | [`limits`] | the bounds of a request: body size, page size, ids a fetch |
//! | [`openapi`](mod@openapi) | the description served at `/openapi.json` |
//! | [`publisher`] | publishes the messages of stored tasks, in the background |
//! | [`start`] | from the configuration to a bound socket |
//! | [`cli`] | the commands for operators |

pub mod cli;
pub mod error;
pub mod http;
pub mod limits;
pub mod openapi;
pub mod publisher;
pub mod routes;
pub mod start;
pub mod state;

pub use publisher::Publisher;
pub use routes::router;
pub use state::Api;
