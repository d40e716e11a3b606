//! What all of the edge's own HTTP clients have in common.

use std::error::Error;
use std::sync::Arc;

use rustls::RootCertStore;

/// An HTTP client for use in this crate: without a proxy from the environment, without redirects
/// unless they are enabled, and without TLS so far.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("flaron-edge/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls_config(RootCertStore::empty()))
}

/// The TLS settings of all of the edge's outgoing connections.
pub(crate) fn tls_config(roots: RootCertStore) -> rustls::ClientConfig {
    // Passed here and not installed for the process, because a program that embeds the edge may use
    // another.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The certificates that this machine trusts. Reading them takes some milliseconds. Unreadable ones are
/// logged, on behalf of `of`.
pub(crate) fn system_roots(of: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "{of}: some of the system's certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    roots
}

/// An error from hyper and its causes, in one line.
pub(crate) fn reason(error: &hyper::Error) -> String {
    match error.source() {
        Some(_) => format!("{error}: {}", causes(error)),
        None => error.to_string(),
    }
}

/// The causes of an error, in one line. The error itself is left out: it only says that a request
/// failed, and may repeat the URL, whose query may contain a key.
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
