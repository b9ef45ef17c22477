//! Reads certificate and key from PEM files (`TLS_CERT`, `TLS_KEY`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::config::TlsFiles;

/// A certificate chain and its private key, known to belong together.
#[derive(Debug, Clone)]
pub struct Tls(pub(crate) RustlsConfig);

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{} does not read as PEM: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The certificate and the key do not belong together, or are not supported.
    #[error("certificate and key do not serve: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads the certificate chain, the server's own certificate first, and the private key.
    /// Blocks, which is acceptable for two small files at start.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let unreadable = |file: &Path| {
            let file = file.to_owned();
            |why| TlsError::Unreadable { file, why }
        };
        let chain = CertificateDer::pem_file_iter(&files.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(&files.cert))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(RustlsConfig::from_config(Arc::new(config))))
    }
}
