//! HTTPS with certificate and key from PEM files (`TLS_CERT`, `TLS_KEY`), which are read anew when they change
//! and on SIGHUP.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::config::TlsFiles;

/// A certificate chain and its private key, known to belong together. Clones share them.
#[derive(Debug, Clone)]
pub struct Tls {
    files: TlsFiles,
    /// What the files held when they were read.
    read: Contents,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file is not PEM, or has no private key where one is needed.
    #[error("{} does not read as PEM: {why}", file.display())]
    NoPem {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The certificate and the key do not belong together, or are not supported.
    #[error("{} and {} do not serve: {why}", files.cert.display(), files.key.display())]
    Unusable {
        /// Both files.
        files: TlsFiles,
        /// Why not.
        why: rustls::Error,
    },
}

/// What both files hold, or why they cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    cert: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
}

impl Contents {
    /// Blocks, which is acceptable for two small files at start.
    fn of(files: &TlsFiles) -> Self {
        let read = |file: &Path| std::fs::read(file).map_err(|error: io::Error| error.to_string());
        Self {
            cert: read(&files.cert),
            key: read(&files.key),
        }
    }

    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let cert = bytes(&self.cert, &files.cert)?;
        let chain = CertificateDer::pem_slice_iter(cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_pem(&files.cert))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        }
        let key = bytes(&self.key, &files.key)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(no_pem(&files.key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|why| TlsError::Unusable {
            files: files.clone(),
            why,
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn bytes<'a>(read: &'a Result<Vec<u8>, String>, file: &Path) -> Result<&'a [u8], TlsError> {
    read.as_deref().map_err(|why| TlsError::Unreadable {
        file: file.to_owned(),
        why: why.clone(),
    })
}

fn no_pem(file: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let file = file.to_owned();
    |why| TlsError::NoPem { file, why }
}

impl Tls {
    /// Reads the certificate chain, the server's own certificate first, and the private key.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = Contents::of(files);
        let config = read.config(files)?;
        Ok(Self {
            files: files.clone(),
            read,
            current: watch::Sender::new(Arc::new(config)),
        })
    }

    /// What new connections are served with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.current.borrow().clone()
    }

    /// Reads the files anew on SIGHUP, and when they have changed since the last look and stay so until the
    /// next. Files of no use are an error in the log, and what was read before stays in force. Never ends.
    pub(super) async fn follow(self, interval: Duration) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut looks = tokio::time::interval(interval);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What was put in force, or found to be of no use.
        let mut judged = self.read.clone();
        let mut last_look = judged.clone();
        loop {
            let is_asked = tokio::select! {
                () = next(hangups.as_mut()) => true,
                _ = looks.tick() => false,
            };
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || Contents::of(&files)).await;
            let Ok(read) = read else { continue };
            // Two files are not written at once: what changes between two looks may be half of it.
            let has_changed = read != judged && read == last_look;
            last_look = read.clone();
            if is_asked || has_changed {
                self.put_in_force(&read);
                judged = read;
            }
        }
    }

    fn put_in_force(&self, read: &Contents) {
        let (cert, key) = (self.files.cert.display(), self.files.key.display());
        match read.config(&self.files) {
            Ok(config) => {
                self.current.send_replace(Arc::new(config));
                tracing::info!(%cert, %key, "the certificate was read anew; new connections get it");
            }
            Err(error) => tracing::error!(
                %cert, %key,
                "the new certificate cannot be used, and the one before stays in force: {error}"
            ),
        }
    }
}

/// Waits for a signal; for ever where none can come.
async fn next(signals: Option<&mut tokio::signal::unix::Signal>) {
    if let Some(signals) = signals
        && signals.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}
