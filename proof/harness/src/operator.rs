//! The command line of our programs, as operators and scripts use it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::process::Launch;

/// How long a command may take.
const LONGEST: Duration = Duration::from_mins(2);

/// Runs commands of one program in one environment.
#[derive(Debug, Clone)]
pub struct Operator(pub Launch);

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Operator {
    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Done {
        let mut command = self.0.clone().arguments(arguments).command();
        let Ok(ran) = timeout(LONGEST, command.output()).await else {
            panic!("`{}` did not end", arguments.join(" "));
        };
        let ran = ran.expect("it starts");
        Done {
            code: ran.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&ran.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
        }
    }

    /// Runs a command with `--json`, which must succeed, and reads its answer.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["--json"]].concat();
        let done = self.run(&all).await;
        let command = arguments.join(" ");
        assert_eq!(done.code, 0, "`{command}`: {}", done.stderr);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| {
            panic!("`{command}` printed no JSON ({error}): {}", done.stdout)
        })
    }

    /// Sets what an action costs, which must succeed.
    pub async fn set_price(&self, platform: &str, action: &str, quota: i64) {
        let quota = quota.to_string();
        let set = ["price", "set", "--platform", platform, "--action", action];
        self.json(&[&set[..], &["--quota", &quota]].concat()).await;
    }

    /// Makes a channel, with `more` arguments, which must succeed. Returns the answer.
    pub async fn create_channel(&self, name: &str, url: &str, key: &str, more: &[&str]) -> Value {
        let create = ["channel", "create", "--name", name];
        let create = [&create[..], &["--base-url", url, "--key", key], more].concat();
        self.json(&create).await
    }
}
