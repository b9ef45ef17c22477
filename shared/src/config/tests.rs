//! The configuration as a whole.

use std::time::Duration;

use super::*;

fn read(program: Program, variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
    for (name, _) in variables {
        assert!(VARIABLES.contains(name), "{name} is no variable of ours");
    }
    Config::read(program, |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// What is wrong with `variables`, a line each.
fn mistakes(variables: &[(&str, &str)]) -> Vec<String> {
    let read = read(Program::TaskCenter, variables);
    let Mistakes(mistakes) = read.expect_err("something is wrong");
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_task_center_needs_nothing_and_has_the_defaults_of_the_contract() {
    let config = read(Program::TaskCenter, &[]).expect("nothing is required");
    let database = DatabaseUrl::Sqlite("data/task-center.db".into());
    assert_eq!(config.database_url, database);
    assert_eq!(config.database_max_connections, 10);
    assert_eq!(config.amqp_url, None);
    assert_eq!(config.queue_prefix, "task");
    assert_eq!(config.api_bind.to_string(), "127.0.0.1:3000");
    assert_eq!(config.worker_bind.to_string(), "127.0.0.1:3001");
    assert_eq!(config.tls, None);
    assert_eq!(config.trusted_proxies, Networks::default());
    assert_eq!(config.api_rate_limit, 50);
    assert_eq!(config.drain_delay, Duration::from_secs(5));
    assert_eq!(config.cors, Cors::None);
    assert!(config.suno.is_none());
    assert_eq!(config.poll.initial, Duration::from_secs(5));
    assert_eq!(config.poll.max, Duration::from_secs(30));
    assert_eq!(config.task_timeout, Duration::from_mins(30));
    assert_eq!(config.submit_attempts, 5);
    assert_eq!(config.upstream_submit_timeout, Duration::from_secs(150));
    assert_eq!(config.upstream_fetch_timeout, Duration::from_secs(30));
    assert_eq!(config.log, Log::default());
}

#[test]
fn api_and_worker_need_a_database_and_a_broker_and_say_how_they_look() {
    for program in [Program::Api, Program::Worker] {
        let said = read(program, &[]).expect_err("two are missing").to_string();
        for mistake in [
            "DATABASE_URL is not set; it takes `postgres://",
            "AMQP_URL is not set; it takes `amqp://",
        ] {
            assert!(said.contains(mistake), "{said}");
        }
    }
}

#[test]
fn everything_set_is_read() {
    let config = read(
        Program::Api,
        &[
            ("DATABASE_URL", "postgres://u:p@db/music"),
            ("DATABASE_MAX_CONNECTIONS", "40"),
            ("AMQP_URL", "amqps://u:p@mq/music"),
            ("QUEUE_PREFIX", "music.v2"),
            ("API_BIND", "0.0.0.0:80"),
            ("WORKER_BIND", "localhost:0"),
            ("METRICS_BIND", "localhost:9100"),
            ("TLS_CERT", "/run/cert.pem"),
            ("TLS_KEY", "/run/key.pem"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7"),
            ("PUBLIC_URL", "https://music.example/center/"),
            ("API_RATE_LIMIT", "0"),
            ("DRAIN_DELAY", "0s"),
            ("CORS_ALLOWED_ORIGINS", "*"),
            ("SUNO_BASE_URL", "https://up.example/v1/"),
            ("SUNO_API_KEY", "sk-up"),
            ("POLL_INITIAL_DELAY", "250ms"),
            ("POLL_MAX_DELAY", "1m"),
            ("TASK_TIMEOUT", "1h"),
            ("SUBMIT_ATTEMPTS", "1"),
            ("UPSTREAM_SUBMIT_TIMEOUT", "10s"),
            ("UPSTREAM_FETCH_TIMEOUT", " 20s "),
            ("RUST_LOG", "warn,api=debug"),
            ("LOG_FORMAT", "json"),
        ],
    )
    .expect("all of it is valid");
    assert!(matches!(config.database_url, DatabaseUrl::Postgres(_)));
    assert_eq!(config.database_max_connections, 40);
    let amqp_url = config.amqp_url.as_ref().map(|url| url.secret().expose());
    assert_eq!(amqp_url, Some("amqps://u:p@mq/music"));
    assert_eq!(config.queue_prefix, "music.v2");
    assert_eq!(config.api_bind.to_string(), "0.0.0.0:80");
    assert_eq!(config.worker_bind.to_string(), "127.0.0.1:0");
    assert!(config.tls.is_some());
    assert!(config.trusted_proxies.contain([10, 1, 2, 3].into()));
    let public_url = config.public_url.as_ref().map(BaseUrl::as_str);
    assert_eq!(public_url, Some("https://music.example/center"));
    assert_eq!(config.api_rate_limit, 0);
    assert_eq!(config.drain_delay, Duration::ZERO);
    assert_eq!(config.cors, Cors::Any);
    let suno = config.suno.as_ref().expect("it is set");
    assert_eq!(suno.base_url.as_str(), "https://up.example/v1");
    assert_eq!(suno.key.expose(), "sk-up");
    assert_eq!(config.poll.initial, Duration::from_millis(250));
    assert_eq!(config.upstream_fetch_timeout, Duration::from_secs(20));
    assert_eq!(config.log.format, Some(LogFormat::Json));
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty: Vec<(&str, &str)> = VARIABLES.iter().map(|name| (*name, " ")).collect();
    assert!(read(Program::TaskCenter, &empty).is_ok());
}

#[test]
fn every_mistake_comes_in_one_message_with_what_is_taken() {
    let said = mistakes(&[
        ("POLL_INITIAL_DELAY", "5"),
        ("SUBMIT_ATTEMPTS", "0"),
        ("DATABASE_MAX_CONNECTIONS", "1"),
        ("API_BIND", "3000"),
        ("LOG_FORMAT", "xml"),
    ]);
    assert_eq!(
        said,
        [
            "DATABASE_MAX_CONNECTIONS holds `1`; it takes a whole number from 2 to 1000",
            "API_BIND holds `3000`; it takes an address and a port such as `127.0.0.1:3000` or \
             `0.0.0.0:3000` (port 0 takes a free one)",
            "POLL_INITIAL_DELAY holds `5`; it takes a duration such as `5s`, `250ms`, `30m` or \
             `1h`, from 1ms to 5m",
            "SUBMIT_ATTEMPTS holds `0`; it takes a whole number from 1 to 100",
            "LOG_FORMAT holds `xml`; it takes `pretty` or `json`",
        ]
    );
}

#[test]
fn no_mistake_shows_a_secret() {
    let said = mistakes(&[
        ("DATABASE_URL", "mysql://u:hunter2@h/db"),
        ("AMQP_URL", "http://u:hunter2@h"),
        ("PUBLIC_URL", "https://u:hunter2@us"),
        ("SUNO_BASE_URL", "https://u:hunter2@h"),
        ("SUNO_API_KEY", "hunter2 hunter2"),
    ]);
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(!said.concat().contains("hunter2"), "{said:?}");
}

#[test]
fn no_configuration_prints_a_secret() {
    let config = read(
        Program::Api,
        &[
            ("DATABASE_URL", "postgres://u:hunter2@db/music"),
            ("AMQP_URL", "amqp://u:hunter2@mq"),
            ("SUNO_BASE_URL", "https://up.example"),
            ("SUNO_API_KEY", "hunter2"),
        ],
    );
    assert!(!format!("{:?}", config.expect("it is valid")).contains("hunter2"));
}

#[test]
fn what_goes_together_is_checked_together() {
    for (variable, mistake) in [
        ("TLS_CERT=a.pem", "TLS_KEY is not set, but TLS_CERT is"),
        ("TLS_KEY=a.pem", "TLS_CERT is not set, but TLS_KEY is"),
        (
            "SUNO_API_KEY=sk-up",
            "SUNO_BASE_URL is not set, but SUNO_API_KEY is",
        ),
        (
            "POLL_INITIAL_DELAY=1m",
            "POLL_INITIAL_DELAY is 1m, longer than POLL_MAX_DELAY, which is 30s",
        ),
    ] {
        let said = mistakes(&[variable.split_once('=').expect("a name and a value")]);
        let is_said = matches!(said.as_slice(), [one] if one.contains(mistake));
        assert!(is_said, "{said:?}");
    }
}

#[test]
fn bad_names_filters_and_ranges_are_refused() {
    for (name, value) in [
        ("QUEUE_PREFIX", "amq.task"),
        ("QUEUE_PREFIX", "a b"),
        ("RUST_LOG", "info,api=loud"),
        ("CORS_ALLOWED_ORIGINS", "app.example"),
        ("WORKER_BIND", "localhost"),
        ("POLL_MAX_DELAY", "6m"),
        ("TASK_TIMEOUT", "0s"),
        ("LISTING_ACTIONS", "newapi"),
        ("API_RATE_LIMIT", "-1"),
        ("API_RATE_LIMIT", "2.5"),
        ("API_RATE_LIMIT", "1000001"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("UPSTREAM_SUBMIT_TIMEOUT", "30m"),
    ] {
        let said = mistakes(&[(name, value)]);
        let start = format!("{name} holds `{value}`");
        assert!(said[0].starts_with(&start), "{said:?}");
    }
}

#[test]
fn a_command_needs_the_database_alone() {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some("sqlite://a.db".to_owned()),
        "POLL_MAX_DELAY" => Some("nonsense".to_owned()),
        _ => None,
    };
    let config = CommandConfig::read(Program::Api, lookup).expect("the database is set");
    assert_eq!(config.database_url, DatabaseUrl::Sqlite("a.db".into()));
    assert!(CommandConfig::read(Program::Api, |_| None).is_err());
}

#[test]
fn a_command_for_the_broker_needs_the_broker_alone() {
    let lookup = |name: &str| match name {
        "AMQP_URL" => Some("amqp://u:p@mq".to_owned()),
        "POLL_MAX_DELAY" => Some("nonsense".to_owned()),
        _ => None,
    };
    let config = BrokerConfig::read(Program::Api, lookup).expect("the broker is set");
    assert!(config.amqp_url.is_some());
    assert_eq!(config.queue_prefix, "task");
    assert!(BrokerConfig::read(Program::Api, |_| None).is_err());
    let alone = BrokerConfig::read(Program::TaskCenter, |_| None).expect("nothing is required");
    assert!(alone.amqp_url.is_none());
}

#[test]
fn the_example_file_lists_every_variable_with_its_default() {
    let example = include_str!("../../../.env.example");
    let listed: Vec<(&str, &str)> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .filter(|(name, _)| VARIABLES.contains(name))
        .collect();
    for name in VARIABLES {
        let times = listed.iter().filter(|(known, _)| *known == name).count();
        assert_eq!(times, 1, "{name}");
    }
    let uncommented = read(Program::TaskCenter, &listed).expect("the defaults are valid");
    let nothing_set = read(Program::TaskCenter, &[]).expect("nothing is required");
    assert_eq!(format!("{uncommented:?}"), format!("{nothing_set:?}"));
}
