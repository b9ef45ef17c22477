//! What stands between the socket and the handlers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`head`] | refuses heads that are not right: no host, two hosts, too large |
//! | [`request_id`], [`observe`], [`panics`] | layers: an id, a log line and metrics, a caught panic for each request |
//! | [`error_format`] | the layer that writes an error as JSON, per surface and language |
//! | [`answers`] | the bytes of answers under way |
//! | [`auth`] | who calls, by access token or API key |
//! | [`throttle`] | refuses what is too much for one client |
//! | [`body`] | JSON bodies: media type, size, time |
//! | [`i18n`] | the language of a client |
//! | [`spelling`] | the spellings of the dialect's paths |
//!
//! The server itself, its connections and HTTPS are in [`shared::process::http`].

pub mod answers;
pub mod auth;
pub mod body;
pub mod error_format;
pub mod head;
pub mod i18n;
pub mod observe;
pub mod panics;
pub mod request_id;
pub mod spelling;
pub mod throttle;
