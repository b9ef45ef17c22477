//! From the configuration to a server that runs: for `api` and for `task-center`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use shared::config::{Config, Cors, ListingActions, Networks, Program, TlsFiles};
use shared::process::Process;
use shared::process::http::tls::{Tls, TlsError};
use shared::process::http::{Bounds, Server, Timeouts};
use shared::process::start::StartError;

use crate::http::spelling::lenient;
use crate::http::throttle::{self, Throttle, most_at_once};
use crate::http::{answers, head, observe};
use crate::publisher::Publisher;
use crate::routes::health::metrics;
use crate::routes::hooks::calls::Calls;
use crate::routes::router;
use crate::state::Api;

/// What the routes are configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a task may wait to be sent (`QUEUE_TIMEOUT`).
    pub queue_timeout: Duration,
    /// Which other origins' pages may call the API (`CORS_ALLOWED_ORIGINS`).
    pub cors: Cors,
    /// How the listings name actions (`LISTING_ACTIONS`).
    pub listing_actions: ListingActions,
    /// How long clients are served on after SIGTERM (`DRAIN_DELAY`).
    pub drain_delay: Duration,
    /// The most requests a second of one credential (`API_RATE_LIMIT`); 0: any number.
    pub rate_limit: u32,
    /// The proxies whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Networks,
    /// The most connections to the database (`DATABASE_MAX_CONNECTIONS`).
    pub database_connections: u32,
}

impl Settings {
    /// Takes them from the configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            queue_timeout: config.queue_timeout,
            cors: config.cors.clone(),
            listing_actions: config.listing_actions,
            drain_delay: config.drain_delay,
            rate_limit: config.api_rate_limit,
            trusted_proxies: config.trusted_proxies.clone(),
            database_connections: config.database_max_connections,
        }
    }

    /// The longest time the server may take to stop: the delay, the grace of the requests under way, and 5 s.
    pub fn grace(&self) -> Duration {
        self.drain_delay + Timeouts::default().grace + Duration::from_secs(5)
    }
}

/// The listening sockets of the API.
pub struct Servers {
    api: Server,
    /// `METRICS_BIND`: where `/metrics` is served alone.
    metrics: Option<Server>,
}

impl Servers {
    /// The URL of the API for clients.
    pub fn url(&self) -> String {
        self.api.url()
    }
}

impl From<Server> for Servers {
    /// With `/metrics` on the address of the API.
    fn from(api: Server) -> Self {
        Self { api, metrics: None }
    }
}

/// Adds the HTTP server to the components of `process`. The caller stops the returned publisher
/// after the components have ended, when no task is stored any more, and before the broker is
/// closed.
pub fn spawn(process: &mut Process, servers: Servers, settings: Settings) -> Publisher {
    process.figures.describe(&observe::FIGURES);
    observe::start_at_zero();
    process.figures.describe(&answers::FIGURES);
    process.figures.describe(&throttle::FIGURES);
    let publisher = Publisher::start(process.broker.clone());
    let connections = servers.api.most_connections();
    let throttle = Throttle::new(throttle::Bounds {
        rate: settings.rate_limit,
        at_once: most_at_once(connections, settings.database_connections),
        trusted_proxies: settings.trusted_proxies,
    });
    let tidying = throttle
        .clone()
        .tidy(process.clock.clone(), process.stop.clone());
    process.spawn("throttle", tidying);
    let routes = lenient(router(Api {
        store: process.store.clone(),
        broker: process.broker.clone(),
        publisher: publisher.clone(),
        clock: process.clock.clone(),
        calls: Calls::default(),
        random: process.random.clone(),
        queue_timeout: settings.queue_timeout,
        cors: settings.cors,
        listing_actions: settings.listing_actions,
        answers: answers::Answers::default(),
        throttle,
        metrics_apart: servers.metrics.is_some(),
        stop: process.stop.clone(),
        figures: process.figures.clone(),
    }));
    let on_bad_head = head::on_bad_head(process.random.clone());
    let api = servers.api.on_bad_head(on_bad_head);
    let delay = settings.drain_delay;
    spawn_server(process, "HTTP server", api, routes, delay);
    if let Some(server) = servers.metrics {
        let figures = process.figures.clone();
        let answer = async move || metrics::text(&figures);
        let routes = Router::new().route("/metrics", get(answer));
        spawn_server(process, "metrics server", server, routes, delay);
    }
    publisher
}

/// Adds a server that serves on for `delay` after a request for a drained stop.
fn spawn_server(
    process: &mut Process,
    name: &'static str,
    server: Server,
    routes: Router,
    delay: Duration,
) {
    let stop = process.stop.clone();
    process.spawn(
        name,
        server.serve(routes, async move { stop.drained(delay).await }),
    );
}

/// Binds `API_BIND`, with HTTPS if `TLS_CERT` and `TLS_KEY` are set, and `METRICS_BIND`, if that is set. Warns of a
/// public address of the API without HTTPS.
pub async fn bind(config: &Config, program: Program) -> Result<Servers, StartError> {
    let address = config.api_bind;
    let tls = config.tls.as_ref().map(read_tls).transpose()?;
    if tls.is_none() && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            %address,
            "API_BIND is public, and TLS_CERT and TLS_KEY are not set: tokens and keys cross the \
             network readable for others, unless a proxy in front of it encrypts"
        );
    }
    let api = listen("API_BIND", address, tls, Bounds::of(config, program)).await?;
    let mut metrics = None;
    if let Some(address) = config.metrics_bind {
        // As few as a worker's port.
        let bounds = Bounds::of(config, Program::Worker);
        let server = listen("METRICS_BIND", address, None, bounds).await?;
        tracing::info!(
            url = server.url(),
            "METRICS_BIND is set: /metrics is served here alone"
        );
        metrics = Some(server);
    }
    Ok(Servers { api, metrics })
}

async fn listen(
    variable: &'static str,
    address: SocketAddr,
    tls: Option<Tls>,
    bounds: Bounds,
) -> Result<Server, StartError> {
    let bound = Server::bind(address, tls, bounds).await;
    bound.map_err(|why| StartError::Bind {
        variable,
        address,
        why,
    })
}

fn read_tls(files: &TlsFiles) -> Result<Tls, StartError> {
    Tls::read(files).map_err(|error| {
        let variable = match &error {
            // One file may hold both. The certificate is read first, so that the key is what is
            // missing.
            TlsError::Unreadable { file, .. } | TlsError::NoPem { file, .. }
                if *file == files.key =>
            {
                "TLS_KEY"
            }
            TlsError::NoCertificate(_) | TlsError::Unreadable { .. } | TlsError::NoPem { .. } => {
                "TLS_CERT"
            }
            TlsError::Unusable { .. } => "TLS_CERT and TLS_KEY",
        };
        let why = error.to_string();
        StartError::Tls { variable, why }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use harness::folder::Folder;

    use super::*;

    fn file(folder: &Folder, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the file is written");
        path
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate is made");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    async fn bound(cert: &Path, key: &Path) -> Result<String, String> {
        let config = Config::read(Program::TaskCenter, |name| match name {
            "API_BIND" => Some("127.0.0.1:0".to_owned()),
            "TLS_CERT" => Some(cert.display().to_string()),
            "TLS_KEY" => Some(key.display().to_string()),
            _ => None,
        });
        let server = bind(&config.expect("it is valid"), Program::TaskCenter).await;
        server.map(|server| server.url()).map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn a_certificate_with_its_key_serves_https_and_files_of_no_use_are_named_by_their_variable()
     {
        let folder = Folder::new();
        let ((cert, key), (_, other)) = (pair(), pair());
        let cert = file(&folder, "c.pem", &cert);
        let key = file(&folder, "k.pem", &key);
        let other = file(&folder, "other.pem", &other);
        let url = bound(&cert, &key).await.expect("they belong together");
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
        let missing = folder.path().join("missing.pem");
        for (cert, key, variable) in [
            (&missing, &key, "TLS_CERT: "),
            (&cert, &missing, "TLS_KEY: "),
            (&key, &key, "TLS_CERT: "),
            (&cert, &cert, "TLS_KEY: "),
            (&cert, &other, "TLS_CERT and TLS_KEY: "),
        ] {
            let why = bound(cert, key).await.expect_err("it cannot serve");
            assert!(why.starts_with(variable), "{why}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named_by_its_variable() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let address = taken.as_ref().expect("a port is free").local_addr();
        let address = address.expect("it has an address").to_string();
        let config = Config::read(Program::TaskCenter, |name| {
            (name == "API_BIND").then(|| address.clone())
        });
        let failed = bind(&config.expect("it is valid"), Program::TaskCenter).await;
        let why = failed.err().expect("it is taken").to_string();
        let start = format!("API_BIND: cannot listen on {address}: ");
        assert!(why.starts_with(&start), "{why}");
    }
}
