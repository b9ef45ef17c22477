//! SIGTERM and SIGINT request a stop; a second signal exits at once.

use std::io;

use super::Stop;

/// A stop signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit code after this signal: 128 plus its number.
    fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Makes the first SIGTERM or SIGINT (Ctrl-C) request `stop`, and the second end the process at
/// once with exit code 143 or 130. Must be called in a Tokio runtime.
pub fn stop_on_signals(stop: Stop) -> io::Result<()> {
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        let first = signals.next().await;
        tracing::info!(
            signal = first.name(),
            "stopping: nothing new is begun, what is under way is finished; a second signal exits at once"
        );
        stop.request();
        let second = signals.next().await;
        tracing::warn!(
            signal = second.name(),
            "a second signal: exiting at once; other workers, or the next start, take up what is left"
        );
        std::process::exit(second.exit_code());
    });
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Registers for the signals at once, not at the first wait.
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: tokio::signal::windows::ctrl_c()?,
            terminate: tokio::signal::windows::ctrl_close()?,
        })
    }
}

impl Signals {
    /// Waits for the next signal. Cancel-safe.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => std::future::pending().await,
        }
    }
}
