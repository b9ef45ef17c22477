//! The HTTP side as its clients see it: real requests against the router on a real `SQLite` file,
//! and against a real socket where the socket is the point.
//!
//! | file | what it holds |
//! |---|---|
//! | `world`, `tasks` | the system under test, and how its tasks get on |
//! | `client` | requests and answers |
//! | `golden` | answers compared with files, byte for byte |
//! | the others | tests, by subject |

mod access;
mod around;
mod browsers;
mod client;
mod continuation;
mod errors;
mod fetch;
mod golden;
mod health;
mod idempotency;
mod listing;
mod openapi;
mod sockets;
mod submit;
mod tasks;
mod world;
