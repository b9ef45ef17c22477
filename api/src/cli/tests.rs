//! What the command line accepts. `api/tests/cli/` tests what the commands do.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("api").chain(line.split_whitespace()))
}

#[test]
fn clap_finds_no_fault_in_the_definition() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_is_understood_with_and_without_json() {
    for line in [
        "serve",
        "migrate",
        "user create --name a",
        "user create --name a --role admin --quota 5",
        "user list",
        "user grant --name a --quota 5",
        "user enable --name a",
        "user disable --name a",
        "user rotate-token --name a",
        "user set --name a --max-tasks 3",
        "user set --name a --max-waiting 0",
        "user set --max-waiting 4294967295 --name a --max-tasks 0",
        "key create --user a --label b",
        "key create --user a --label b --quota 0",
        "key create --user a --label b --expires 2030-01-31T18:00:00+08:00",
        "key list --user a",
        "key enable --id 1",
        "key disable --id 1",
        "key set --id 1 --quota 5",
        "key set --id 1 --quota none",
        "key set --id 1 --expires 2030-01-31",
        "key set --id 1 --expires never",
        "key set --id 1 --max-tasks 0",
        "key set --id 1 --rate 0",
        "key set --id 1 --rate 1000000",
        "key set --id 1 --rate default",
        "key set --id 1 --rate 7 --quota 5 --expires never --max-tasks 2",
        "channel create --name a --base-url https://u.example",
        "channel create --name a --base-url http://u:1/ --key K --platform suno --priority -5 --weight 3",
        "channel create --name a --base-url https://u.example --key -",
        "channel create --name a --base-url https://u.example --key-file K",
        "channel create --name a --base-url https://u.example --max-tasks 5 --submits-per-minute 0 --polls-per-second 2 --actions song,LYRICS",
        "channel set --name a --rename b --base-url https://v.example --key K --priority -1 --weight 2",
        "channel set --name a --max-tasks 0 --submits-per-minute 60 --polls-per-second default --actions default",
        "channel set --name a --idempotent=false",
        "channel set --name a --key-file K",
        "channel test --name a",
        "channel pause --name a",
        "channel pause --name a --for 30m",
        "channel resume --name a",
        "channel delete --name a",
        "channel list",
        "channel enable --name a",
        "channel disable --name a",
        "price set --platform suno --action song --quota 1",
        "price set --platform suno --action lyrics --quota 0",
        "price list",
        "task show task_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "audit",
        "parked list",
        "parked list --limit 3",
        "parked requeue",
        "parked requeue --limit 3",
        "parked requeue --all",
        "parked drop --limit 3",
        "parked drop --all",
    ] {
        let cli = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(!cli.flags.json && cli.command.is_some(), "{line}");
        for with_json in [format!("{line} --json"), format!("--json {line}")] {
            let cli = parse(&with_json).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(cli.flags.json, "{with_json}");
        }
    }
}

#[test]
fn no_command_is_left_to_the_program() {
    assert!(parse("").is_ok_and(|cli| cli.command.is_none()));
}

#[test]
fn wrong_usage_exits_with_2() {
    for line in [
        "sing",
        "user",
        "user create",
        "user create --name a --role root",
        "user create --name a --quota -1",
        "user create --name a --quota 1.5",
        "user grant --name a --quota 9007199254740992",
        "key create --user a",
        "key enable --id one",
        "key set --rate 5",
        "key set --id 1 --quota -1",
        "key set --id 1 --quota never",
        "key set --id 1 --expires none",
        "key set --id 1 --expires tomorrow",
        "key set --id 1 --max-tasks -1",
        "key set --id 1 --max-tasks 1.5",
        "key set --id 1 --rate -1",
        "key set --id 1 --rate 1000001",
        "key set --id 1 --rate none",
        "user set --max-tasks 3",
        "user set --name a --max-waiting many",
        "user set --name a --max-waiting 4294967296",
        "key create --user a --label b --expires tomorrow",
        "key create --user a --label b --expires 2030-02-30",
        "channel create --name a --base-url u.example",
        "channel create --name a --base-url https://n:p@u.example",
        "channel create --name a --base-url https://u.example?k=1",
        "channel create --name a --base-url https://u.example --weight 0",
        "channel create --name a --base-url https://u.example --weight 1001",
        "channel create --name a --base-url https://u.example --platform udio",
        "channel create --name a --base-url https://u.example --key schlüssel",
        "channel create --name a --base-url https://u.example --key K --key-file F",
        "channel create --name a --base-url https://u.example --actions song,video",
        "channel create --name a --base-url https://u.example --max-tasks -1",
        "channel set --name a",
        "channel set --idempotent",
        "channel set --name a --weight 0",
        "channel set --name a --polls-per-second many",
        "channel set --name a --actions",
        "channel pause --name a --for soon",
        "channel pause --name a --for 0s",
        "channel pause",
        "price set --platform suno --action dance --quota 1",
        "task show 17",
        "parked",
        "parked list --limit 0",
        "parked list --all",
        "parked requeue --limit 3 --all",
        "parked drop",
        "parked drop --json",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn a_set_of_nothing_is_wrong_usage_that_says_what_can_be_set() {
    for (line, options) in [
        (
            "key set --id 1",
            &["--quota", "--expires", "--max-tasks", "--rate"][..],
        ),
        ("user set --name a", &["--max-tasks", "--max-waiting"]),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        let said = error.to_string();
        for option in options {
            assert!(said.contains(option), "{option}: {said}");
        }
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for (line, kind) in [
        ("--help", ErrorKind::DisplayHelp),
        ("user create --help", ErrorKind::DisplayHelp),
        ("--version", ErrorKind::DisplayVersion),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!((error.kind(), error.exit_code()), (kind, 0), "{line}");
    }
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    for (line, expected) in [
        ("channel set --name a", "--max-tasks"),
        ("channel set --name a", "--rename"),
        (
            "channel set --name a --actions video",
            "`video` is no action; there are song, lyrics",
        ),
        (
            "channel set --name a --polls-per-second many",
            "a whole number, or `default`",
        ),
        ("channel pause --name a --for soon", "such as `90s`"),
    ] {
        let error = parse(line).expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn a_key_does_not_print() {
    for line in [
        "channel create --name a --base-url https://u.example --key hunter2",
        "channel set --name a --key hunter2",
    ] {
        assert!(!format!("{:?}", parse(line)).contains("hunter2"));
    }
}
