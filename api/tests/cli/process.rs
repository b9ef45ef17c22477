//! The program as a process: exit codes, environment, a closed stdout.

use std::fs;
use std::process::{Command, Stdio};

use crate::operator::{Ended, Operator};

#[test]
fn wrong_usage_is_2_help_is_0_and_neither_opens_the_database() {
    let operator = Operator::without_database();
    let wrong = |program: &mut Command| {
        let ended = Ended::of(program);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
        assert!(!ended.err.is_empty());
    };
    wrong(&mut operator.program("user"));
    wrong(operator.program("user create --name").arg(" a"));
    wrong(&mut operator.program("sing"));
    let help = Ended::of(&mut operator.program("user --help"));
    assert_eq!(help.code, Some(0));
    assert!(!operator.database().exists());
}

#[test]
fn migrate_makes_the_database_and_may_be_repeated() {
    let operator = Operator::without_database();
    assert_eq!(operator.json_text("migrate"), r#"{"migrated":true}"#);
    assert!(operator.database().exists());
    assert_eq!(operator.says("migrate"), "The tables are up to date.\n");
}

#[test]
fn a_command_in_another_folder_makes_no_database_and_says_so() {
    let operator = Operator::without_database();
    let create = "channel create --name a --base-url http://127.0.0.1:9";
    let reason = operator.refused(create);
    let expected = format!("there is no database at {}", operator.database().display());
    assert!(reason.contains(&expected), "{reason}");
    assert!(!operator.database().exists());
    // A file without tables is no database either.
    fs::write(operator.database(), "").expect("it is written");
    let reason = operator.refused(create);
    assert!(
        reason.contains("it has no tables. `migrate` makes one"),
        "{reason}"
    );
    assert_eq!(
        fs::metadata(operator.database())
            .expect("it is there")
            .len(),
        0
    );
}

#[test]
fn a_command_needs_no_broker_but_says_that_it_needs_a_database() {
    let operator = Operator::without_database();
    let mut list = operator.program("user list");
    let reason = Ended::of(list.env_remove("DATABASE_URL")).refusal();
    let expected = "DATABASE_URL is not set; it takes `postgres://";
    assert!(reason.contains(expected), "{reason}");
    assert!(!reason.contains("AMQP_URL"), "{reason}");
}

#[test]
fn an_unreachable_database_is_a_reason_without_its_password() {
    let operator = Operator::without_database();
    let url = "postgres://operator:hunter2@127.0.0.1:1/books";
    let mut list = operator.program("user list");
    let reason = Ended::of(list.env("DATABASE_URL", url)).refusal();
    let expected = "error: DATABASE_URL: the database cannot be reached";
    assert!(reason.starts_with(expected), "{reason}");
    assert!(!reason.contains("hunter2"), "{reason}");
}

#[test]
fn a_file_that_is_no_database_is_a_reason_without_statements() {
    let operator = Operator::without_database();
    let letter = "this is a letter to my aunt\n".repeat(99);
    fs::write(operator.database(), letter).expect("it is written");
    let text = operator.refused("user list");
    assert!(text.contains("file is not a database"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn the_file_env_is_read_and_a_broken_one_is_reported() {
    let operator = Operator::without_database();
    let run = |line: &str| {
        let mut program = operator.program(line);
        Ended::of(program.env_remove("DATABASE_URL"))
    };
    let file = operator.folder.path().join(".env");
    fs::write(&file, "DATABASE_URL=sqlite://from-env.db\n").expect("it is written");
    assert_eq!(run("migrate").code, Some(0));
    assert!(operator.folder.path().join("from-env.db").exists());
    fs::write(&file, "DATABASE_URL=sqlite://a b\n").expect("it is written");
    let reason = run("user list").refusal();
    let expected = ".env cannot be read at line 1";
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn serving_needs_the_broker_too_and_reports_all_mistakes_at_once() {
    let operator = Operator::without_database();
    let mut serve = operator.program("");
    serve.env_remove("DATABASE_URL");
    let reason = Ended::of(serve.env("API_BIND", "everywhere")).refusal();
    for expected in [
        "DATABASE_URL is not set",
        "AMQP_URL is not set",
        "API_BIND holds `everywhere`",
    ] {
        assert!(reason.contains(expected), "{expected}\n{reason}");
    }
}

#[test]
fn a_closed_stdout_is_no_panic() {
    let operator = Operator::new();
    let unread = |line: &str| {
        let (reader, writer) = std::io::pipe().expect("a pipe is made");
        drop(reader);
        let mut program = operator.program(line);
        Ended::of(program.stdout(writer).stderr(Stdio::piped()))
    };
    let listed = unread("user list");
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    let made = unread("user create --name a");
    assert_eq!(made.code, Some(1));
    assert!(made.err.contains("its secret is lost"), "{}", made.err);
}
