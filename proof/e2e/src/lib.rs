//! The harness of the end-to-end tests: real processes, real HTTP, a real `PostgreSQL` and a real
//! `RabbitMQ`. Nothing here knows what is inside the programs.
//!
//! | file | what it holds |
//! |---|---|
//! | [`suite`] | scenarios as tests: run side by side, each within a time, its stack taken down after |
//! | [`stack`] | the programs of one scenario, started, killed, stopped, and started again |
//! | [`upstream`] | the simulated upstream, what it counted and what it can be told |
//! | [`client`] | a user with an access token and an API key, over HTTP |
//! | [`operator`] | the command line |
//! | [`process`] | one process: its words, its signals, its end |
//! | [`programs`] | where the programs are |
//! | [`servers`] | `PostgreSQL` and `RabbitMQ`, given by the environment |
//! | [`database`] | a database for one scenario |
//! | [`rabbitmq`] | what an operator sees in `RabbitMQ`'s management API |
//! | [`folder`] | a folder that goes when it is dropped |
//! | [`wait`] | waiting for what must come true |
//!
//! `scripts/test` runs the tests with everything else; one file of them, after
//! `cargo build --workspace --bins`, is run by
//!
//! ```text
//! scripts/with-servers cargo test -p e2e --test both_stacks -- "words of a scenario's name"
//! ```
//!
//! | variable | |
//! |---|---|
//! | `E2E_TASKS` | how many tasks the big run takes (300) |
//! | `E2E_RUST_LOG` | `RUST_LOG` of the programs (`info`) |
//! | `E2E_KEEP` | set, the folders with all logs stay |
//!
//! A harness may panic: its panics are what a failed test says.

pub mod client;
pub mod database;
pub mod folder;
pub mod operator;
pub mod process;
pub mod programs;
pub mod rabbitmq;
pub mod servers;
pub mod stack;
pub mod suite;
pub mod upstream;
pub mod wait;
