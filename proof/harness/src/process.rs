//! A process of one of our programs: what it prints, its signals, its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::folder::tail;
use crate::programs::Program;

/// How long a process may take to serve.
const START: Duration = Duration::from_mins(1);

/// What a program is started with. Of our own environment it gets `PATH` and `TMPDIR` only. It stops without
/// `DRAIN_DELAY` unless its environment says otherwise, so that tests are quick.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: Program,
    /// The folder of the program; `None` for the folder of the running program.
    pub programs: Option<PathBuf>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// The most files that it may open; `None` for what the system allows.
    pub open_files: Option<u32>,
    /// Its current folder, where it reads `.env`, and where its logs are written.
    pub folder: PathBuf,
}

/// A process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: u32,
    url: watch::Receiver<Option<String>>,
    output: PathBuf,
    log: PathBuf,
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: stop in order.
    Terminate,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGQUIT: `PostgreSQL`'s immediate shutdown.
    Quit,
    /// SIGKILL.
    Kill,
    /// SIGSTOP: freeze.
    Freeze,
    /// SIGCONT: continue after a freeze.
    Thaw,
}

impl Signal {
    /// Its name, as `kill` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::HangUp => "HUP",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Freeze => "STOP",
            Self::Thaw => "CONT",
        }
    }
}

impl Launch {
    /// `program` without arguments, in `folder`.
    pub fn new(program: Program, folder: &Path) -> Self {
        Self {
            program,
            programs: None,
            arguments: Vec::new(),
            env: BTreeMap::new(),
            open_files: None,
            folder: folder.to_owned(),
        }
    }

    /// With these arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        self
    }

    /// With this variable too.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// With no more open files than this.
    #[must_use]
    pub fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// The command, for callers that wait for its output.
    pub fn command(&self) -> Command {
        let program = match &self.programs {
            Some(folder) => folder.join(self.program.name()),
            None => self.program.path(),
        };
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(most) => {
                let mut shell = Command::new("sh");
                let limited = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
                shell.arg("-c").arg(limited).arg(program);
                shell
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("DRAIN_DELAY", "0s").envs(&self.env);
        command
    }

    /// Starts it. Its output goes to `name.out` and `name.log` in its folder.
    pub fn start(&self, name: &str) -> Process {
        let output = self.folder.join(format!("{name}.out"));
        let log = self.folder.join(format!("{name}.log"));
        let stderr = File::options().create(true).append(true).open(&log);
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(stderr.expect("the folder takes a log"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.name()));
        let (found, url) = watch::channel(None);
        let stdout = child.stdout.take().expect("it is piped");
        tokio::spawn(listen(stdout, output.clone(), found));
        Process {
            name: name.to_owned(),
            pid: child.id().expect("it has just been started"),
            child,
            url,
            output,
            log,
        }
    }
}

/// Copies what a process prints to a file, and remembers where it listens.
async fn listen(stdout: ChildStdout, output: PathBuf, url: watch::Sender<Option<String>>) {
    let mut file = tokio::fs::File::options()
        .create(true)
        .append(true)
        .open(output)
        .await
        .expect("the folder takes a file");
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let kept = file.write_all(format!("{line}\n").as_bytes()).await;
        kept.expect("the file takes a line");
        file.flush().await.expect("the file takes a line");
        if let Some(found) = line.trim().strip_prefix("listening on ") {
            url.send_replace(Some(found.to_owned()));
        }
    }
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The URL that it prints once it listens. Panics if it ends before.
    pub async fn url(&mut self) -> String {
        let found = timeout(START, self.url.wait_for(Option::is_some)).await;
        let Ok(found) = found.map(|found| found.ok().and_then(|url| url.clone())) else {
            panic!("{} did not listen in time", self.name);
        };
        found.unwrap_or_else(|| {
            panic!(
                "{} ended before it listened:\n{}",
                self.name,
                tail(&self.log)
            )
        })
    }

    /// The URL that it has printed, if it listens by now.
    pub fn url_so_far(&self) -> Option<String> {
        self.url.borrow().clone()
    }

    /// Sends a signal.
    pub async fn signal(&self, signal: Signal) {
        let kill = format!("kill -{} {}", signal.name(), self.pid);
        let sent = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(
            sent.is_ok_and(|status| status.success()),
            "{} takes no signal any more",
            self.name
        );
    }

    /// How it ended. Panics if it has not `within` the time.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let Ok(ended) = timeout(within, self.child.wait()).await else {
            panic!("{} did not end within {within:?}", self.name);
        };
        ended.expect("it is our child")
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Stops it with SIGTERM; it must end `within` the time, with exit code 0.
    pub async fn stop(mut self, within: Duration) {
        self.signal(Signal::Terminate).await;
        let status = self.ended(within).await;
        let name = &self.name;
        assert!(status.success(), "{name} was told to stop: {status}");
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.signal(Signal::Kill).await;
        self.ended(Duration::from_secs(10)).await;
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
