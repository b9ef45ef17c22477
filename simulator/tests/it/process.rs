//! The program itself.

use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::test]
async fn the_program_says_where_it_serves_and_stops_when_told() {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_suno-simulator"))
        .args([
            "--bind",
            "127.0.0.1:0",
            "--key",
            "sk-secret",
            "--song-time",
            "1s..2s",
            "--faults",
            "503=5%",
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line
        .strip_prefix("listening on http://")
        .unwrap()
        .parse()
        .unwrap();
    let faults = crate::upstream::call(
        address,
        hyper::Method::GET,
        "/simulator/faults",
        String::new(),
    )
    .await
    .unwrap();
    assert_eq!(faults.json(), serde_json::json!({"submit-503": 0.05}));
    let pid = child.id().unwrap().to_string();
    for signal in ["-HUP", "-TERM"] {
        assert!(child.try_wait().unwrap().is_none(), "SIGHUP ends nothing");
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(child.wait().await.unwrap().success());
}

#[test]
fn help_and_readme_name_every_fault() {
    let output = Command::new(env!("CARGO_BIN_EXE_suno-simulator"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../../README.md");
    for fault in suno_simulator::Fault::ALL {
        assert!(help.contains(&format!("  {fault} ")), "{fault} in --help");
        assert!(
            readme.contains(&format!("`{fault}`")),
            "{fault} in README.md"
        );
    }
}

#[test]
fn wrong_usage_is_named_and_exits_with_2() {
    for (flag, value, named) in [
        ("--faults", "explode=1", "explode"),
        ("--song-time", "soon", "soon"),
        ("--faults", "503=150%", "150%"),
        (
            "--song-time",
            "lognormal:90s,0.4",
            "lognormal:90s,0.4,30s..300s",
        ),
        ("--ids-per-fetch", "0", "0"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_suno-simulator"))
            .args([flag, value])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(flag) && error.contains(named), "{error}");
    }
}
