//! The node's certificate, and TLS with it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, Time};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};

/// Both protocols, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// How long a self-signed certificate is valid. Some clients refuse those that are valid for
/// longer.
const VALID: Duration = Duration::from_secs(397 * 24 * 60 * 60);
/// How old it may be when the node starts; after that it is replaced.
const REPLACED: Duration = Duration::from_secs(367 * 24 * 60 * 60);
/// The names and addresses it is for.
const NAMES: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    acceptor: TlsAcceptor,
    file: PathBuf,
    fingerprint: String,
}

impl Certificate {
    /// Reads a certificate chain, beginning with the node's own certificate, and its key, both as
    /// PEM.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or the key does not belong to the certificate.
    pub fn from_files(chain: &Path, key: &Path) -> Result<Certificate> {
        let unreadable = |file: &Path, what: &dyn std::fmt::Display| {
            Error::new(format!("cannot read {}: {what}", file.display()))
        };
        let none = |kind: &str| format!("it contains no {kind} in PEM format (-----BEGIN …)");
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(chain, &error))?;
        let Some(own) = certificates.first() else {
            return Err(unreadable(chain, &none("certificate")));
        };
        let fingerprint = fingerprint(own);
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => unreadable(key, &none("key")),
            error => unreadable(key, &error),
        })?;
        // Passed here and not installed for the process, because a program that embeds the edge may
        // use another.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(certificates, secret)
            })
            .map_err(|error| {
                Error::new(format!(
                    "{} and {} are not a certificate and its key: {error}",
                    chain.display(),
                    key.display()
                ))
            })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Certificate {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            file: chain.to_owned(),
            fingerprint,
        })
    }

    /// This machine's self-signed certificate, which is kept in a folder. It is created if there is
    /// none yet, or if the one there is about to expire; it is for `localhost`, 127.0.0.1 and ::1.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to, or its contents are not a certificate.
    pub fn self_made(folder: &Path) -> Result<Certificate> {
        let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let is_good = std::fs::metadata(&chain)
            .and_then(|file| file.modified())
            .is_ok_and(|made| made.elapsed().unwrap_or_default() < REPLACED);
        if !is_good || !key.is_file() {
            let (certificate, secret) = make()
                .map_err(|error| Error::new(format!("cannot make a certificate: {error}")))?;
            let failed = |error| {
                Error::new(format!(
                    "cannot write the certificate to {}: {error}",
                    folder.display()
                ))
            };
            std::fs::create_dir_all(folder).map_err(failed)?;
            write_private(&key, &secret).map_err(failed)?;
            std::fs::write(&chain, certificate).map_err(failed)?;
        }
        Certificate::from_files(&chain, &key)
    }

    /// The file with the certificate.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(certificate) {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

/// A new certificate and its key, as PEM.
fn make() -> std::result::Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    let name = "flaron-edge on this machine";
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let day = |time: SystemTime| {
        let secs = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let time = i64::try_from(secs).map(OffsetDateTime::from_unix_timestamp);
        let time = time.ok().and_then(Result::ok);
        time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .replace_time(Time::MIDNIGHT)
    };
    let now = SystemTime::now();
    params.not_before = day(now);
    params.not_after = day(now + VALID);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner can read.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}
