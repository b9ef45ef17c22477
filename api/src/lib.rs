//! The HTTP side: routes, authentication, errors. It never talks to an upstream.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | what the routes stand on: store, broker, clock, chance |
//! | [`routes`] | one endpoint a file, and the layers around all of them |
//! | [`auth`] | who calls, and how they prove it |
//! | [`error`] | what clients are told when it goes wrong, in both languages |
//! | [`surface`] | the shape each surface gives its errors |
//! | [`i18n`] | which language a client reads |
//! | [`body`] | JSON bodies: media type, size, time |
//! | [`openapi`](mod@openapi) | the description at `/openapi.json` |
//! | [`request_id`], [`observe`], [`panics`] | around each request: its id, its figures, its accidents |
//! | [`wake`] | "look at this task now", in the background |
//! | [`server`], [`tls`], [`accept`] | the socket |
//! | [`start`] | from the configuration to the socket |
//! | [`cli`] | the command line for operators |

pub mod accept;
pub mod auth;
pub mod body;
pub mod cli;
pub mod error;
pub mod i18n;
pub mod observe;
pub mod openapi;
pub mod panics;
pub mod request_id;
pub mod routes;
pub mod server;
pub mod start;
pub mod state;
pub mod surface;
pub mod tls;
pub mod wake;

pub use routes::router;
pub use state::Api;
pub use wake::Wake;
