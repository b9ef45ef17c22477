//! `with-servers` with servers that are given: it starts none.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

/// The program, with a database and a broker at these ports.
fn with_servers(ports: [u16; 2], command: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_with-servers"))
        .args(command)
        .env(
            "DATABASE_URL",
            format!("postgres://a:b@127.0.0.1:{}/c", ports[0]),
        )
        .env("AMQP_URL", format!("amqp://a:b@127.0.0.1:{}/%2f", ports[1]))
        .output()
        .expect("it starts")
}

/// A port on which somebody listens, as long as the listener lives.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    (listener, port)
}

#[test]
fn a_command_beside_given_servers_keeps_its_exit_code_and_its_environment() {
    let ((_database, database), (_broker, broker)) = (listener(), listener());
    let script = "echo $DATABASE_URL; exit 7";
    let ended = with_servers([database, broker], &["sh", "-c", script]);
    assert_eq!(ended.status.code(), Some(7));
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(printed, format!("postgres://a:b@127.0.0.1:{database}/c\n"));
    let killed = with_servers([database, broker], &["sh", "-c", "kill -KILL $$"]);
    assert_eq!(killed.status.signal(), Some(9));
}

#[test]
fn a_given_server_that_is_not_there_stops_the_run_before_the_command() {
    let (_database, database) = listener();
    let (listening, nobody) = listener();
    drop(listening);
    let ended = with_servers([database, nobody], &["echo", "ran"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.is_empty());
    let said = String::from_utf8_lossy(&ended.stderr);
    let expected = format!(
        "with-servers: AMQP_URL is set, but nothing answers on 127.0.0.1:{nobody}; unset it to get a \
         private server\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn help_is_printed_and_a_missing_command_is_a_mistake() {
    let help = Command::new(env!("CARGO_BIN_EXE_with-servers"))
        .arg("--help")
        .output();
    let help = help.expect("it starts");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("RABBITMQ_MANAGEMENT_URL"));
    let nothing = Command::new(env!("CARGO_BIN_EXE_with-servers")).output();
    assert_eq!(nothing.expect("it starts").status.code(), Some(2));
}
