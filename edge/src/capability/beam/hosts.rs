//! `[beam.hosts]`: host names that are redirected to other addresses.

use std::net::SocketAddr;

use reqwest::Url;
use url::Host;

use crate::capability::beam::error::BeamConfigError;

/// Where a mapped host really is.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) scheme: &'static str,
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

/// Checks a mapping of `[beam.hosts]`.
///
/// # Errors
///
/// When it is invalid.
pub(crate) fn check_host(from: &str, to: &str) -> Result<(), BeamConfigError> {
    map_key(from)?;
    map_target(from, to).map(drop)
}

pub(super) fn map_key(from: &str) -> Result<String, BeamConfigError> {
    let wrong = || {
        BeamConfigError(format!(
            "`{from}` under [beam.hosts] is not a HOST or HOST:PORT of a URL"
        ))
    };
    if from.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    // The URL parser normalises the host as it will when a flare uses it. `ftp` has no default port
    // that a flare's URL could have, so an explicit port is preserved.
    let url = Url::parse(&format!("ftp://{from}/")).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

pub(super) fn map_target(from: &str, to: &str) -> Result<Target, BeamConfigError> {
    let wrong = || {
        BeamConfigError(format!(
            "`{from}` under [beam.hosts] leads to `{to}`; write IP:PORT, http://HOST:PORT or \
             https://HOST:PORT"
        ))
    };
    let url = match to.parse::<SocketAddr>() {
        Ok(address) => Url::parse(&format!("http://{address}")),
        Err(_) => Url::parse(to),
    }
    .map_err(|_| wrong())?;
    let scheme = match url.scheme() {
        "http" => "http",
        "https" => "https",
        _ => return Err(wrong()),
    };
    if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
        return Err(wrong());
    }
    let host = url.host().ok_or_else(wrong)?.to_owned();
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    Ok(Target { scheme, host, port })
}
