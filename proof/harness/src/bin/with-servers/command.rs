//! The command: started, signalled, waited for.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use harness::process::Signal;
use harness::servers::daemon::{send, tree};
use tokio::process::Command;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// How long the command may take to end once we are told to stop.
const STOP: Duration = Duration::from_secs(10);
/// Far enough away for a deadline that is not set.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The signals that tell us to stop.
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

/// Runs the command to its end, and passes signals on. Kills it if it goes on for ten seconds after
/// one.
pub async fn run(
    command: &[String],
    env: &[(&'static str, String)],
    signals: &mut Signals,
) -> Result<ExitCode, String> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .envs(env.iter().map(|(name, value)| (name, value)))
        .spawn()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    let pid = child.id().unwrap_or_default();
    let mut kill_at = Instant::now() + NEVER;
    loop {
        tokio::select! {
            ended = child.wait() => {
                return ended.map(code).map_err(|error| error.to_string());
            }
            signal = signals.next() => {
                // The terminal sends Ctrl-C to the command, too, and a second one means "at once".
                if signal == Signal::Interrupt && in_foreground() {
                    continue;
                }
                // All processes below: cargo, for one, does not pass a signal on to the tests.
                send(signal, &tree(pid)).await;
                kill_at = kill_at.min(Instant::now() + STOP);
            }
            () = sleep_until(kill_at) => {
                send(Signal::Kill, &tree(pid)).await;
                kill_at = Instant::now() + NEVER;
            }
        }
    }
}

/// The exit code of a shell for a command that ended so.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The exit code of a shell for a command that this signal ended.
pub fn ended_by(signal: Signal) -> ExitCode {
    ExitCode::from(match signal {
        Signal::HangUp => 129,
        Signal::Interrupt => 130,
        _ => 143,
    })
}

/// Whether we are in the terminal's foreground, where Ctrl-C reaches the command by itself.
fn in_foreground() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest);
    let mut fields = fields.unwrap_or_default().split(' ').skip(2);
    let (group, _session, _terminal) = (fields.next(), fields.next(), fields.next());
    group.is_some() && group == fields.next()
}
