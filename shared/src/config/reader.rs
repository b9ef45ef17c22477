//! From a variable to a value, or to a mistake that is put down beside the others.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::duration;
use super::mistake::{Mistake, Mistakes, shown};

/// Reads variables one after the other and collects what is wrong. After a mistake the methods
/// return a stand-in to go on with; [`Reader::end`] sees to it that nobody gets it.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let mistakes = Vec::new();
        Self { lookup, mistakes }
    }

    /// `config`, unless anything was wrong.
    pub(super) fn end<T>(self, config: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(Mistakes(self.mistakes))
        }
    }

    /// What the variable holds, without white space around it. Empty is not set.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let held = (self.lookup)(name)?;
        let held = held.trim();
        (!held.is_empty()).then(|| held.to_owned())
    }

    /// Puts a mistake down.
    pub(super) fn mistake(&mut self, name: &str, why: impl Into<String>) {
        self.mistakes.push(Mistake::new(name, why));
    }

    /// Whether something is wrong with the variable.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.mistakes.iter().any(|mistake| mistake.what == name)
    }

    /// What `parse` makes of the variable. `None`: it is not set, or a mistake; `takes` says in the
    /// message what is wanted.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let held = self.text(name)?;
        let value = parse(&held);
        if value.is_none() {
            self.mistake(name, format!("holds {}; it takes {takes}", shown(&held)));
        }
        value
    }

    /// As [`Reader::parsed`] for what may hold a secret: the message does not show it.
    pub(super) fn hidden<T>(
        &mut self,
        name: &str,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let held = self.text(name)?;
        let value = parse(&held);
        if value.is_none() {
            let why = format!(
                "holds what it does not take (not shown: it may be a secret); it takes {takes}"
            );
            self.mistake(name, why);
        }
        value
    }

    /// A whole number within `range`.
    pub(super) fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let takes = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(name, &takes, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
        .unwrap_or(default)
    }

    /// A duration within `range`.
    pub(super) fn duration(
        &mut self,
        name: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let takes = format!(
            "a duration such as `5s`, `250ms`, `30m` or `1h`, from {} to {}",
            duration::print(*range.start()),
            duration::print(*range.end()),
        );
        self.parsed(name, &takes, |text| {
            duration::parse(text).filter(|duration| range.contains(duration))
        })
        .unwrap_or(default)
    }

    /// An address to listen on; `port` on loopback if nothing is said.
    pub(super) fn address(&mut self, name: &str, port: u16) -> SocketAddr {
        let takes = format!(
            "an address and a port such as `127.0.0.1:{port}` or `0.0.0.0:{port}` (port 0 takes a free one)"
        );
        self.parsed(name, &takes, |text| match text.strip_prefix("localhost:") {
            Some(port) => Some(([127, 0, 0, 1], port.parse().ok()?).into()),
            None => text.parse().ok(),
        })
        .unwrap_or_else(|| ([127, 0, 0, 1], port).into())
    }
}
