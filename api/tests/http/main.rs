//! The HTTP side as its clients see it: real requests to the router on a real `SQLite` file, and to
//! a real socket where the socket matters.

mod app;
mod client;
mod golden;
mod log;
mod serving;
mod tasks;

mod access;
mod answers;
mod around;
mod browsers;
mod connections;
mod continuation;
mod detail;
mod errors;
mod fetch;
mod heads;
mod health;
mod hooks;
mod idempotency;
mod listing;
mod openapi;
mod real_clients;
mod sockets;
mod submit;
mod throttle;
