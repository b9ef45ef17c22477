//! SIGTERM and SIGINT request a stop; a second signal exits at once. SIGHUP ends nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stop;

/// Makes the first SIGTERM or SIGINT (Ctrl-C) request `stop`, and the second end the process at
/// once with exit code 143 or 130. After SIGTERM, which a supervisor sends, clients are served on for
/// `DRAIN_DELAY`; after SIGINT, which a person sends, they are not. From here on SIGHUP does not end the process.
/// Must be called in a Tokio runtime.
pub fn stop_on_signals(stop: Stop) -> io::Result<()> {
    // Registered at once, not at the first wait.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: certificates are read anew, where there are any");
        }
    });
    tokio::spawn(async move {
        let (signal, exit_code) = next(&mut interrupt, &mut terminate).await;
        tracing::info!(
            signal,
            "stopping: nothing new is begun, what is under way is finished; a second signal exits at once"
        );
        if exit_code == TERMINATED {
            stop.request_drained();
        } else {
            stop.request();
        }
        let (signal, exit_code) = next(&mut interrupt, &mut terminate).await;
        tracing::warn!(
            signal,
            "a second signal: exiting at once; other workers, or the next start, take up what is left"
        );
        std::process::exit(exit_code);
    });
    Ok(())
}

/// The exit code after SIGTERM: 128 plus its number.
const TERMINATED: i32 = 143;

/// Waits for the next signal; returns its name and the exit code after it: 128 plus its number.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        Some(()) = interrupt.recv() => ("SIGINT", 130),
        Some(()) = terminate.recv() => ("SIGTERM", TERMINATED),
        else => std::future::pending().await,
    }
}
