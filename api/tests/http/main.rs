//! The HTTP side as its clients see it: real requests to the router on a real `SQLite` file, and to
//! a real socket where the socket matters.
//!
//! | file | what it holds |
//! |---|---|
//! | `app`, `tasks` | the API under test, and the steps of its tasks |
//! | `client` | requests and responses |
//! | `golden` | responses compared with files, byte for byte |
//! | the others | tests, by subject |

mod access;
mod app;
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
