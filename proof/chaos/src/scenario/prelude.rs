//! What nearly every scenario uses.

pub(crate) use std::time::Duration;

pub(crate) use futures_util::future::join_all;
pub(crate) use harness::client::{SONG, http, readiness};
pub(crate) use harness::cluster::{Cluster, Node, QUICK, Setup};
pub(crate) use harness::metrics::Metrics;
pub(crate) use harness::process::Signal;
pub(crate) use harness::proxy::Proxy;
pub(crate) use harness::proxy::gate::{Gate, Pattern};
pub(crate) use harness::wait::eventually;
pub(crate) use serde_json::{Value, json};
pub(crate) use tokio::time::{Instant, sleep};

pub(crate) use super::observe::{
    SOON, TOO_LATE, accepted, gets_stale, history, logs, number, prefer, refunded, stored,
    submits_of, switch,
};
pub(crate) use crate::check::{Expected, check};
pub(crate) use crate::clients::{PLENTY, PatientClient, answers_after, patient, song, titles};
pub(crate) use crate::run::{Run, Scenario};
pub(crate) use crate::submits::{Submit, SubmitAnswer};
pub(crate) use crate::wire_patterns::*;
