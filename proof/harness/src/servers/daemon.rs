//! The process of a server with all processes below it: started, signalled, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::process::Signal;
use crate::wait::eventually;

/// How long a server may take to end once it is told to.
const END: Duration = Duration::from_secs(30);
/// The most files that a server may have open. Erlang sizes its tables by this limit, and some
/// container engines set the limit to a billion.
const OPEN_FILES: u64 = 65_536;

/// A running server.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pid: u32,
}

/// What a server is started with.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Options of `setpriv`: as which user it runs.
    pub user: &'a [&'a str],
    /// The program and its arguments.
    pub command: &'a [&'a str],
    /// Its whole environment but `PATH`.
    pub env: &'a [(&'a str, String)],
    /// Its current folder.
    pub folder: &'a Path,
    /// The file that its output is appended to.
    pub log: &'a Path,
    /// The signal that the kernel sends it when the thread that started it ends.
    pub death_signal: Signal,
}

impl Daemon {
    /// Starts a server in a process group of its own, so that Ctrl-C in a terminal does not reach it.
    pub fn start(launch: &Launch<'_>) -> Self {
        let log = File::options().create(true).append(true).open(launch.log);
        let log = log.expect("the folder takes a log");
        let limit = limit_of_open_files();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", launch.death_signal.name()])
            .args(launch.user)
            .arg("--")
            .args(limit.iter().flat_map(|limit| ["prlimit", limit]))
            .args(launch.command)
            .current_dir(launch.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log has two handles"))
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("setpriv, of util-linux, starts");
        Self {
            pid: child.id().expect("it has just been started"),
            child,
        }
    }

    /// The first process of the server.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Signals all processes of the server.
    pub async fn signal(&self, signal: Signal) {
        send(signal, &tree(self.pid)).await;
    }

    /// Kills all processes of the server, and waits until they are gone.
    pub async fn kill(mut self) {
        let all = tree(self.pid);
        send(Signal::Kill, &all).await;
        self.gone(&all).await;
    }

    /// Signals the first process, and waits until all are gone.
    pub async fn end_with(mut self, signal: Signal) {
        let all = tree(self.pid);
        send(signal, &[self.pid]).await;
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

/// `--nofile=…` for `prlimit`, if the limit we have is above [`OPEN_FILES`].
fn limit_of_open_files() -> Option<String> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    let few = soft.parse::<u64>().is_ok_and(|soft| soft <= OPEN_FILES);
    (!few).then(|| format!("--nofile={OPEN_FILES}:"))
}

/// Sends a signal to processes, some of which may be gone.
pub async fn send(signal: Signal, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let kill = format!("kill -{} {} 2>/dev/null", signal.name(), pids.join(" "));
    let _ = Command::new("sh").args(["-c", &kill]).status().await;
}

/// A process and all processes below it, parents first.
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
    let texts = files.filter_map(|one| std::fs::read_to_string(one.path().join("children")).ok());
    let text = texts.collect::<Vec<_>>().join(" ");
    let pids = text.split_whitespace().map(str::parse);
    pids.filter_map(Result::ok).collect()
}

/// Whether a process runs; a zombie does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// The program that `paths` finds; installs `package` first if there is none.
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
