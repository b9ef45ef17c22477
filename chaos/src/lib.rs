//! Breaks everything that can break, on real servers, and proves that the books balance after it.
pub mod books;
pub mod check;
pub mod load;
pub mod member;
pub mod metrics;
pub mod monkey;
pub mod proxy;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod servers;
pub mod site;
pub mod tally;
