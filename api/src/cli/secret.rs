//! Secrets that a command takes: on the command line, from stdin or from a file. Other users of the machine see
//! the command line.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read};
use std::path::PathBuf;

use clap::Args;
use shared::secret::Secret;

use super::CommandError;

/// What stands for stdin.
const STDIN: &str = "-";
/// The most bytes that are read: no key is nearly as long.
const LARGEST: u64 = 64 << 10;
/// What a key takes.
const TAKES: &str = "a key is printable ASCII characters without spaces";

/// The API key of an upstream.
#[derive(Debug, Args)]
pub struct UpstreamKey {
    /// The upstream's API key; empty: no key is sent; `-`: the command reads the key from stdin
    #[arg(long, value_parser = upstream_key)]
    key: Option<Secret>,
    /// A file that holds the upstream's API key
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
}

impl UpstreamKey {
    /// The key, wherever it stands. `None`: the command names none.
    pub(super) fn read(&self) -> Result<Option<Secret>, CommandError> {
        if let Some(path) = &self.key_file {
            let text = File::open(path).and_then(read_all);
            return parsed(&format!("--key-file {}", path.display()), text).map(Some);
        }
        match &self.key {
            Some(key) if key.expose() == STDIN => parsed("stdin", from_stdin()).map(Some),
            key => Ok(key.clone()),
        }
    }
}

fn upstream_key(text: &str) -> Result<Secret, &'static str> {
    Secret::upstream_key(text).ok_or(TAKES)
}

/// From a person one line; from anything else the whole of it.
fn from_stdin() -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_all(stdin.lock());
    }
    eprintln!("Type or paste the key, then press Enter:");
    let mut line = String::new();
    stdin.lock().take(LARGEST).read_line(&mut line)?;
    Ok(line)
}

fn read_all(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The key in a text, without the white space around it. `place` is where the text was read.
fn parsed(place: &str, text: io::Result<String>) -> Result<Secret, CommandError> {
    let text = text
        .map_err(|error| CommandError::new(format!("{place}: the key cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(CommandError::new(format!(
            "{place} holds no key; `--key \"\"` names none"
        ))),
        key => Secret::upstream_key(key).ok_or_else(|| {
            CommandError::new(format!("{place} holds what is no key (not shown): {TAKES}"))
        }),
    }
}
