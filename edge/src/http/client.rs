//! What all of the edge's own HTTP clients have in common.

use std::error::Error;
use std::sync::Arc;

use rustls::RootCertStore;

/// A client for HTTP within this crate: no proxy from the environment, no redirects unless asked
/// for, and no TLS yet.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("flaron-edge/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls_config(RootCertStore::empty()))
}

/// TLS as all of the edge's outbound connections have it.
pub(crate) fn tls_config(roots: RootCertStore) -> rustls::ClientConfig {
    // Named here, not installed for the process: whoever embeds the edge may have another.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The certificates that this machine trusts. Reading them takes some milliseconds. What cannot be read is
/// logged, for whoever wants them (`of`).
pub(crate) fn system_roots(of: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "{of}: some of the system's certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    roots
}

/// An error of hyper's, and what it came of, in one line.
pub(crate) fn reason(error: &hyper::Error) -> String {
    match error.source() {
        Some(_) => format!("{error}: {}", causes(error)),
        None => error.to_string(),
    }
}

/// What an error came of, in one line. The error itself is left out: it says no more than that a
/// request failed, and may repeat the URL, whose query may hold a key.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() {
        "the request failed".to_owned()
    } else {
        text
    }
}
