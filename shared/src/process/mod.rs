//! What every program (`api`, `worker`, `task-center`) does the same way.
//!
//! | module | what it holds |
//! |---|---|
//! | `assembly` | [`main`]: from the configuration to the exit code; [`Process`]: what a running program uses |
//! | `opening` | waits for database and broker at the start, while the program serves already |
//! | [`start`] | the steps of a start |
//! | [`telemetry`] | logs and metrics |
//! | [`lifecycle`] | stop signals, and components that take the process down when they end |
//! | [`health`] | whether database and broker answer, for `GET /readyz` |
//! | [`time_keeper`] | keeps the process's clock on the database's time |
//! | [`http`] | the HTTP server of every program |
//! | [`gauges`] | the gauges of `GET /metrics`, read in the background |
//! | [`count_folder`] | folds noted changes of tasks into the counts of the listings |

mod assembly;
pub mod count_folder;
pub mod gauges;
pub mod health;
pub mod http;
pub mod lifecycle;
mod opening;
pub mod start;
pub mod telemetry;
pub mod time_keeper;

pub use assembly::{Failed, Process, fail, main};
pub use opening::Started;
