//! A server's process with all its children: killed, frozen, stopped, started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use e2e::process::Signal;
use e2e::wait::eventually;
use tokio::process::{Child, Command};

/// How long a server may take to end once it is told to.
const END: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pid: u32,
}

impl Daemon {
    /// Starts `command`; what it says goes to the end of `log`. It dies with us.
    pub fn start(command: &[&str], env: &[(&str, String)], folder: &Path, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log);
        let log = log.expect("the folder takes a log");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .current_dir(folder)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log can be written twice"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("setpriv, of util-linux, starts");
        Self {
            pid: child.id().expect("it has just been started"),
            child,
        }
    }

    /// The process that all others of it come from.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Signals it and everything below it.
    pub async fn signal(&self, signal: Signal) {
        signal_all(&tree(self.pid), signal.name()).await;
    }

    /// Kills it and everything below it, and waits until none of them is there any more.
    pub async fn kill(mut self) {
        let all = tree(self.pid);
        signal_all(&all, "KILL").await;
        self.gone(&all).await;
    }

    /// Sends one signal, by its name, to the process itself, and waits for the end of all.
    pub async fn end_with(mut self, signal: &str) {
        let all = tree(self.pid);
        signal_all(&[self.pid], signal).await;
        self.gone(&all).await;
    }

    async fn gone(&mut self, all: &[u32]) {
        let ended = tokio::time::timeout(END, self.child.wait()).await;
        ended
            .expect("a server ends when told to")
            .expect("it is our child");
        eventually(END, "a server's processes to end", async || {
            let there = all.iter().any(|pid| is_alive(*pid));
            (!there).then_some(())
        })
        .await;
    }
}

async fn signal_all(pids: &[u32], signal: &str) {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let kill = format!("kill -{signal} {} 2>/dev/null", pids.join(" "));
    // Some may be gone by now; whoever must be gone is waited for.
    let _ = Command::new("sh").args(["-c", &kill]).status().await;
}

/// A process and all below it, parents first.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let files = threads.into_iter().flatten().flatten();
    let texts =
        files.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    texts
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a process runs; a dead one that nobody asked after yet does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// A program that must be there; installs its package if it is not.
pub async fn find(paths: impl Fn() -> Option<PathBuf>, package: &str) -> PathBuf {
    if let Some(path) = paths() {
        return path;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/install-servers");
    let installed = Command::new(script).arg(package).status().await;
    let done = installed.is_ok_and(|status| status.success());
    assert!(done, "{package} is not installed, and could not be");
    paths().unwrap_or_else(|| panic!("{package} is installed, but not where Debian has it"))
}
