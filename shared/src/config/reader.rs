//! Parses variables and collects the mistakes.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::duration;
use super::mistake::{Mistake, Mistakes, shown};

/// Parses variables one after the other and collects the mistakes. After a mistake a method returns
/// a placeholder; [`Reader::read`] then returns the mistakes and drops the configuration.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// Reads a configuration. Returns all mistakes if there are any.
    pub(super) fn read<T>(
        lookup: &'a dyn Fn(&str) -> Option<String>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, Mistakes> {
        let mistakes = Vec::new();
        let mut reader = Self { lookup, mistakes };
        let config = read(&mut reader);
        if reader.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(Mistakes(reader.mistakes))
        }
    }

    /// The variable's value without white space around it; `None` if it is empty or not set.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let held = (self.lookup)(name)?;
        let held = held.trim();
        (!held.is_empty()).then(|| held.to_owned())
    }

    /// Records a mistake.
    pub(super) fn mistake(&mut self, name: &str, why: impl Into<String>) {
        self.mistakes.push(Mistake::new(name, why));
    }

    /// Whether the variable has a mistake.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.mistakes.iter().any(|mistake| mistake.what == name)
    }

    /// The value parsed by `parse`; `None` if the variable is not set or has a mistake. The message
    /// of the mistake shows the value, and `takes` as the accepted values.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.checked(name, parse, |held| {
            format!("holds {}; it takes {takes}", shown(held))
        })
    }

    /// As [`Reader::parsed`], for a value that may hold a secret: the message does not show it.
    pub(super) fn hidden<T>(
        &mut self,
        name: &str,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.checked(name, parse, |_| {
            format!(
                "holds a value that is not valid (not shown: it may be a secret); it takes {takes}"
            )
        })
    }

    fn checked<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        mistake: impl FnOnce(&str) -> String,
    ) -> Option<T> {
        let held = self.text(name)?;
        let value = parse(&held);
        if value.is_none() {
            self.mistake(name, mistake(&held));
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

    /// An address to listen on; the default is `port` on loopback.
    pub(super) fn address(&mut self, name: &str, port: u16) -> SocketAddr {
        self.address_if_set(name, port)
            .unwrap_or_else(|| ([127, 0, 0, 1], port).into())
    }

    /// An address; `port` is an example.
    pub(super) fn address_if_set(&mut self, name: &str, port: u16) -> Option<SocketAddr> {
        let takes = format!(
            "an address and a port such as `127.0.0.1:{port}` or `0.0.0.0:{port}` (port 0 takes a free one)"
        );
        self.parsed(name, &takes, |text| match text.strip_prefix("localhost:") {
            Some(port) => Some(([127, 0, 0, 1], port.parse().ok()?).into()),
            None => text.parse().ok(),
        })
    }
}
