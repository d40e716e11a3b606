//! Beam: fetches that flares make.
//!
//! # What a flare may reach
//!
//! Any `http` or `https` address on the public internet. Not: this machine, private networks,
//! link-local addresses (cloud metadata among them), and whatever else is not the public internet,
//! in any spelling (IPv4 in IPv6, NAT64, decimal hosts). The name is resolved first, the addresses
//! are checked, and the connection goes to a checked address: a name server that changes its answer
//! in between gains nothing. Redirects are followed by this module and each hop is checked alike.
//!
//! Two settings widen this. [`BeamConfig::allow_private`] opens loopback and private networks,
//! though never the edge's own listeners (a flare that fetches itself would go on for ever).
//! [`BeamConfig::hosts`] sends single hosts wherever the operator says, the edge included.
//!
//! # Trying flares offline
//!
//! `[beam.hosts]` maps the host of a URL to a local server, so that a flare with a fixed
//! `https://api.example.com/…` needs no change:
//!
//! | mapping | `https://api.example.com/v1` becomes |
//! |---|---|
//! | `"api.example.com" = "127.0.0.1:9000"` | plain HTTP to 127.0.0.1:9000 |
//! | `"api.example.com" = "http://localhost:9000"` | the same |
//! | `"api.example.com" = "https://127.0.0.1:9443"` | TLS to 127.0.0.1:9443, which must show a certificate for `api.example.com` that this machine trusts ([`BeamConfig::extra_ca`]) |
//!
//! The path stays, and `Host` stays `api.example.com`. A key with a port (`"api.example.com:8443"`)
//! is for that port only and goes before one without.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, StatusCode, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use url::Host;

use crate::http::client::{causes, client_builder, tls_config};

/// How many fetches one invocation may make, if its configuration says nothing
/// (`max_fetch_requests`).
pub const DEFAULT_FETCHES: u32 = 16;

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// How long a resolved and checked host is used before it is resolved again.
const CLIENT_LIFETIME: Duration = Duration::from_secs(30);

/// How many hosts' connections are kept.
const MAX_CLIENTS: usize = 128;

/// Headers that belong to the connection or that the client writes itself. A flare that passes a
/// request's headers on may well set them; they are left out, so that nothing a flare writes can
/// contradict the message it is in.
const DROPPED_HEADERS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "upgrade",
    "trailer",
    "te",
    "expect",
];

/// What all fetches of this node have in common.
#[derive(Debug, Clone)]
pub struct BeamConfig {
    /// How long one fetch may take, with its redirects and its body.
    pub timeout: Duration,
    /// How long making one connection may take.
    pub connect_timeout: Duration,
    /// The longest body of a response, in bytes. A longer one is no response.
    pub max_response_bytes: usize,
    /// How many redirects are followed. One more is no response.
    pub max_redirects: u32,
    /// Whether loopback and private addresses may be reached. The edge's own cannot, nor can
    /// link-local ones.
    pub allow_private: bool,
    /// `host` or `host:port` of a URL, to where it is in truth: `IP:PORT`, `http://HOST:PORT` or
    /// `https://HOST:PORT`.
    pub hosts: BTreeMap<String, String>,
    /// A PEM file with certificates to trust besides the system's.
    pub extra_ca: Option<PathBuf>,
}

impl Default for BeamConfig {
    /// 30 s in all, 10 s to connect, 10 MiB, 10 redirects, the public internet only.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_response_bytes: 10 * 1024 * 1024,
            max_redirects: 10,
            allow_private: false,
            hosts: BTreeMap::new(),
            extra_ca: None,
        }
    }
}

/// What is wrong with a [`BeamConfig`], in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeamConfigError(String);

impl fmt::Display for BeamConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beam: {}", self.0)
    }
}

impl std::error::Error for BeamConfigError {}

/// Why there is no response. For the log; the guest sees `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeamRefusal {
    /// The invocation has made its fetches.
    Limit(u32),
    /// Not an `http` or `https` URL.
    Url(String),
    /// The options are not the JSON object that the ABI names, or hold what HTTP forbids.
    Options(String),
    /// The address is not one that flares may reach.
    Forbidden {
        /// The host as the URL has it.
        host: String,
        /// Where it leads.
        address: SocketAddr,
        /// What kind of address that is.
        kind: &'static str,
    },
    /// The name has no address.
    Unresolved {
        /// The host as the URL has it.
        host: String,
        /// What the resolver said.
        what: String,
    },
    /// It took too long.
    Timeout(Duration),
    /// The body is longer than the cap, in bytes.
    TooLarge(usize),
    /// More redirects than are followed.
    Redirects(u32),
    /// Connection, TLS or protocol.
    Transport {
        /// The host as the URL has it.
        host: String,
        /// What happened.
        what: String,
    },
}

impl fmt::Display for BeamRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beam: ")?;
        match self {
            Self::Limit(limit) => write!(
                f,
                "this invocation has made its {limit} fetches; raise `max_fetch_requests` in \
                 flare.toml or fetch less"
            ),
            Self::Url(what) => write!(f, "cannot fetch this URL: {what}"),
            Self::Options(what) => write!(f, "bad options: {what}"),
            Self::Forbidden {
                host,
                address,
                kind,
            } => write!(
                f,
                "`{host}` leads to {address}, which is {kind}; flares may not reach that. To try it \
                 out, map the host under [beam.hosts], or set `allow_private` for private networks"
            ),
            Self::Unresolved { host, what } => write!(
                f,
                "`{host}` has no address ({what}); offline, map it under [beam.hosts]"
            ),
            Self::Timeout(limit) => write!(f, "no full answer within {} ms", limit.as_millis()),
            Self::TooLarge(limit) => write!(f, "the response's body is longer than {limit} bytes"),
            Self::Redirects(limit) => write!(f, "more than {limit} redirects"),
            Self::Transport { host, what } => write!(f, "`{host}`: {what}"),
        }
    }
}

impl std::error::Error for BeamRefusal {}

/// What a flare passes besides the URL.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

/// What a flare gets.
#[derive(Serialize)]
struct Envelope<'a> {
    status: u16,
    headers: BTreeMap<String, String>,
    body: std::borrow::Cow<'a, str>,
}

/// Where a mapped host is in truth.
#[derive(Debug, Clone)]
struct Target {
    scheme: &'static str,
    host: Host<String>,
    port: u16,
}

/// One request of a fetch; redirects make it anew.
struct Hop {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

/// A client that knows one host only, at addresses that were checked.
struct Pinned {
    client: Client,
    made: Instant,
}

/// What makes fetches, for all flares.
pub struct Beam {
    config: BeamConfig,
    hosts: HashMap<String, Target>,
    extra_ca: Vec<CertificateDer<'static>>,
    tls: OnceLock<rustls::ClientConfig>,
    own: RwLock<Vec<SocketAddr>>,
    clients: Mutex<HashMap<(String, String, u16), Pinned>>,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for Beam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beam")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Beam {
    /// A client with this configuration. Its connections live on `runtime`.
    ///
    /// # Errors
    ///
    /// [`BeamConfigError`]: a mapping that makes no sense, or certificates that cannot be read.
    pub fn new(
        config: BeamConfig,
        runtime: tokio::runtime::Handle,
    ) -> Result<Arc<Self>, BeamConfigError> {
        let mut hosts = HashMap::new();
        for (from, to) in &config.hosts {
            hosts.insert(map_key(from)?, map_target(from, to)?);
        }
        let mut extra_ca = Vec::new();
        if let Some(path) = &config.extra_ca {
            let unreadable = |what: String| {
                BeamConfigError(format!(
                    "cannot read certificates from {}: {what}",
                    path.display()
                ))
            };
            for cert in
                CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?
            {
                extra_ca.push(cert.map_err(|e| unreadable(e.to_string()))?);
            }
            if extra_ca.is_empty() {
                return Err(unreadable("there is none in it".to_owned()));
            }
        }
        Ok(Arc::new(Self {
            config,
            hosts,
            extra_ca,
            tls: OnceLock::new(),
            own: RwLock::default(),
            clients: Mutex::default(),
            runtime,
        }))
    }

    /// Tells where this edge listens, so that flares cannot fetch from it. An address of all
    /// interfaces (`0.0.0.0`, `::`) stands for each address of this machine.
    pub fn add_own_address(&self, address: SocketAddr) {
        self.own
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(address);
        // A client may hold a connection to it from before.
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Fetches, without the count of an invocation. What comes back is the ABI's JSON.
    ///
    /// # Errors
    ///
    /// [`BeamRefusal`], for the log.
    pub async fn fetch(&self, url: &[u8], options: &[u8]) -> Result<Vec<u8>, BeamRefusal> {
        let hop = first_hop(url, options)?;
        tokio::time::timeout(self.config.timeout, self.follow(hop))
            .await
            .map_err(|_| BeamRefusal::Timeout(self.config.timeout))?
    }

    async fn follow(&self, mut hop: Hop) -> Result<Vec<u8>, BeamRefusal> {
        for _ in 0..=self.config.max_redirects {
            let response = self.send(&hop).await?;
            match redirect(&hop, response.status(), response.headers())? {
                Some(next) => hop = next,
                None => return self.read(&hop, response).await,
            }
        }
        Err(BeamRefusal::Redirects(self.config.max_redirects))
    }

    async fn send(&self, hop: &Hop) -> Result<reqwest::Response, BeamRefusal> {
        let (client, url) = self.route(&hop.url).await?;
        let mut headers = hop.headers.clone();
        // The name that the flare used, wherever the connection goes.
        let authority = match hop.url.port() {
            Some(port) => format!("{}:{port}", hop.url.host_str().unwrap_or_default()),
            None => hop.url.host_str().unwrap_or_default().to_owned(),
        };
        let authority = HeaderValue::try_from(authority)
            .map_err(|_| BeamRefusal::Url("its host cannot be sent".to_owned()))?;
        headers.insert(HOST, authority);
        let mut request = client.request(hop.method.clone(), url).headers(headers);
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        request
            .send()
            .await
            .map_err(|error| self.transport(&hop.url, &error))
    }

    fn transport(&self, url: &Url, error: &reqwest::Error) -> BeamRefusal {
        if error.is_timeout() {
            return BeamRefusal::Timeout(self.config.connect_timeout);
        }
        BeamRefusal::Transport {
            host: url.host_str().unwrap_or_default().to_owned(),
            what: causes(error),
        }
    }

    async fn read(
        &self,
        hop: &Hop,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, BeamRefusal> {
        let limit = self.config.max_response_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport(&hop.url, &error))?
        {
            if body.len() + chunk.len() > limit {
                return Err(BeamRefusal::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                // The ABI's map has one value a name; HTTP lets lists be joined by commas.
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        let envelope = Envelope {
            status: response.status().as_u16(),
            headers,
            body: String::from_utf8_lossy(&body),
        };
        serde_json::to_vec(&envelope).map_err(|e| BeamRefusal::Options(e.to_string()))
    }

    /// The client that reaches the URL's host at checked addresses, and the URL to give it.
    async fn route(&self, url: &Url) -> Result<(Client, Url), BeamRefusal> {
        let no_host = || BeamRefusal::Url("it has no host".to_owned());
        let host = url.host().ok_or_else(no_host)?.to_owned();
        let name = url.host_str().ok_or_else(no_host)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        let mapped = self
            .hosts
            .get(&format!("{name}:{port}"))
            .or_else(|| self.hosts.get(&name));

        let key = (url.scheme().to_owned(), name.clone(), port);
        let (scheme, port) = match mapped {
            Some(target) => (target.scheme, target.port),
            None => (
                if url.scheme() == "https" {
                    "https"
                } else {
                    "http"
                },
                port,
            ),
        };
        let mut routed = url.clone();
        // Neither can fail: both schemes are special ones, and there is a host.
        let _ = routed.set_scheme(scheme);
        let _ = routed.set_port(Some(port));

        if let Some(client) = self.cached(&key) {
            return Ok((client, routed));
        }
        let addresses = match mapped {
            // The operator's word is enough: no check.
            Some(target) => resolve(&target.host, target.port).await.map_err(|what| {
                BeamRefusal::Unresolved {
                    host: format!("{name} (mapped to {})", target.host),
                    what,
                }
            })?,
            None => {
                let found = resolve(&host, port)
                    .await
                    .map_err(|what| BeamRefusal::Unresolved {
                        host: name.clone(),
                        what,
                    })?;
                self.permitted(&name, found)?
            }
        };
        // A host that is an address is never resolved, so nothing can be pinned to it: go there by
        // the mapped address itself.
        if mapped.is_some()
            && !matches!(host, Host::Domain(_))
            && let Some(address) = addresses.first()
        {
            let _ = routed.set_ip_host(address.ip());
        }
        let mut builder = client_builder()
            .connect_timeout(self.config.connect_timeout)
            .resolve_to_addrs(&name, &addresses);
        if scheme == "https" {
            builder = builder.tls_backend_preconfigured(self.tls().clone());
        }
        let client = builder.build().map_err(|error| BeamRefusal::Transport {
            host: name.clone(),
            what: causes(&error),
        })?;
        // An address mapped to an address is in the URL, not in the client; do not mix them up.
        if matches!(host, Host::Domain(_)) || mapped.is_none() {
            self.keep(key, client.clone());
        }
        Ok((client, routed))
    }

    fn cached(&self, key: &(String, String, u16)) -> Option<Client> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients
            .get(key)
            .filter(|p| p.made.elapsed() < CLIENT_LIFETIME)
            .map(|p| p.client.clone())
    }

    fn keep(&self, key: (String, String, u16), client: Client) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, pinned| pinned.made.elapsed() < CLIENT_LIFETIME);
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(
            key,
            Pinned {
                client,
                made: Instant::now(),
            },
        );
    }

    /// TLS with the system's certificates, read when first needed: it takes some milliseconds.
    fn tls(&self) -> &rustls::ClientConfig {
        self.tls.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                tracing::warn!(%error, "beam: some of the system's certificates cannot be read");
            }
            roots.add_parsable_certificates(system.certs);
            roots.add_parsable_certificates(self.extra_ca.iter().cloned());
            if roots.is_empty() {
                tracing::warn!(
                    "beam: this machine has no certificates, so no https host is trusted"
                );
            }
            tls_config(roots)
        })
    }

    /// Those of the addresses that a flare may reach, or why there is none.
    fn permitted(
        &self,
        host: &str,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, BeamRefusal> {
        let mut refusal = BeamRefusal::Unresolved {
            host: host.to_owned(),
            what: "the resolver knows none".to_owned(),
        };
        let mut permitted = Vec::new();
        for address in addresses {
            match self.forbidden(address) {
                None => permitted.push(address),
                Some(kind) => {
                    refusal = BeamRefusal::Forbidden {
                        host: host.to_owned(),
                        address,
                        kind,
                    };
                }
            }
        }
        if permitted.is_empty() {
            Err(refusal)
        } else {
            Ok(permitted)
        }
    }

    fn forbidden(&self, address: SocketAddr) -> Option<&'static str> {
        match reach(address.ip()) {
            Reach::Public => {}
            Reach::Private(_) if self.config.allow_private => {}
            Reach::Private(kind) | Reach::Never(kind) => return Some(kind),
        }
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let is_own = own.iter().any(|own| {
            own.port() == address.port()
                && if own.ip().is_unspecified() {
                    is_of_this_machine(address.ip())
                } else {
                    own.ip().to_canonical() == address.ip().to_canonical()
                }
        });
        is_own.then_some("this edge itself")
    }
}

/// Whether an interface of this machine has the address: only then can a socket be bound to it.
fn is_of_this_machine(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

async fn resolve(host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, String> {
    match host {
        Host::Ipv4(ip) => Ok(vec![(*ip, port).into()]),
        Host::Ipv6(ip) => Ok(vec![(*ip, port).into()]),
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await;
            found.map(Iterator::collect).map_err(|e| e.to_string())
        }
    }
}

/// Whom an address reaches.
#[derive(Debug, PartialEq, Eq)]
enum Reach {
    /// The public internet.
    Public,
    /// This machine or a network of its owner's.
    Private(&'static str),
    /// Nobody that a flare has business with, whatever the configuration.
    Never(&'static str),
}

/// By the special-purpose address registries of IANA (RFC 6890 and its updates). What is not known
/// to be public counts as not public.
fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (127, ..) => Reach::Private("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Reach::Private("a private address"),
        (100, 64..=127, _) => Reach::Private("an address shared by a provider's customers"),
        (0, ..) => Reach::Never("an unspecified address"),
        (169, 254, _) => Reach::Never("a link-local address"),
        (192, 0, 0)
        | (192, 0, 2)
        | (192, 31, 196)
        | (192, 52, 193)
        | (192, 88, 99)
        | (192, 175, 48)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => Reach::Never("a reserved address"),
        (224..=239, ..) => Reach::Never("a multicast address"),
        (240..=255, ..) => Reach::Never("a reserved address"),
        _ => Reach::Public,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return reach_v4(ip);
    }
    let s = ip.segments();
    let last_v4 = || Ipv4Addr::from(((u32::from(s[6])) << 16) | u32::from(s[7]));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private("a loopback address"),
        // NAT64: the IPv4 address within is where it ends.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => match reach_v4(last_v4()) {
            Reach::Public => Reach::Public,
            _ => Reach::Never("a translated address that is not public"),
        },
        [0xfc00..=0xfdff, ..] => {
            // A cloud's metadata lives among the private ones.
            if s == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] {
                Reach::Never("a metadata address")
            } else {
                Reach::Private("a private address")
            }
        }
        [0xfe80..=0xfebf, ..] => Reach::Never("a link-local address"),
        // Within 2000::/3, what is set apart: Teredo and the rest of 2001::/23, documentation,
        // 6to4 and what only routers use.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            Reach::Never("a reserved address")
        }
        [0x2000..=0x3fff, ..] => Reach::Public,
        [0xff00..=0xffff, ..] => Reach::Never("a multicast address"),
        _ => Reach::Never("a reserved address"),
    }
}

fn map_key(from: &str) -> Result<String, BeamConfigError> {
    let wrong = || {
        BeamConfigError(format!(
            "`{from}` under [beam.hosts] is not a HOST or HOST:PORT of a URL"
        ))
    };
    if from.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    // The URL parser spells hosts as it will when a flare names them. `ftp` has no default port
    // that a flare's URL could have, so a port that is written stays written.
    let url = Url::parse(&format!("ftp://{from}/")).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn map_target(from: &str, to: &str) -> Result<Target, BeamConfigError> {
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

fn check_url(url: &Url) -> Result<(), BeamRefusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BeamRefusal::Url(format!(
            "its scheme is `{}`, not http or https",
            url.scheme()
        )));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(BeamRefusal::Url("it has no host".to_owned())),
    }
}

fn first_hop(url: &[u8], options: &[u8]) -> Result<Hop, BeamRefusal> {
    if url.len() > MAX_URL_BYTES {
        return Err(BeamRefusal::Url(format!(
            "it is longer than {MAX_URL_BYTES} bytes"
        )));
    }
    let url = str::from_utf8(url).map_err(|_| BeamRefusal::Url("it is not UTF-8".to_owned()))?;
    let url = Url::parse(url).map_err(|e| BeamRefusal::Url(e.to_string()))?;
    check_url(&url)?;

    let bad = |what: String| BeamRefusal::Options(what);
    let options: Options = match options {
        [] => Options::default(),
        json => serde_json::from_slice(json).map_err(|e| {
            // Line, column and kind; the text itself may quote a header's value.
            bad(format!(
                "not {{\"method\"?, \"headers\"?, \"body\"?}}: {}",
                kind_of(&e)
            ))
        })?,
    };
    let method = match options.method.as_deref() {
        None | Some("") => Method::GET,
        // Methods are case-sensitive, but nobody who writes `post` means anything but `POST`.
        Some(name) => Method::from_bytes(name.to_ascii_uppercase().as_bytes())
            .map_err(|_| bad(format!("`{}` is not a method", name.escape_debug())))?,
    };
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(bad(format!("the method {method} is not for flares")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in options.headers.unwrap_or_default() {
        let shown = name.escape_debug();
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(format!("`{shown}` is not a header's name")))?;
        let value = HeaderValue::try_from(value).map_err(|_| {
            bad(format!(
                "the value of the header `{shown}` holds a line break or another control character"
            ))
        })?;
        if !DROPPED_HEADERS.contains(&header.as_str()) {
            headers.insert(header, value);
        }
    }
    Ok(Hop {
        url,
        method,
        headers,
        body: options.body.map(String::into_bytes),
    })
}

fn kind_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member that is unknown, twice, or not text",
        serde_json::error::Category::Eof => "JSON that breaks off",
        _ => "not JSON",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

/// The next request, if the response is a redirect that can be followed (RFC 9110 section 15.4).
fn redirect(
    hop: &Hop,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Hop>, BeamRefusal> {
    let Some(location) = headers.get(LOCATION) else {
        return Ok(None);
    };
    let to_get = match status.as_u16() {
        303 => hop.method != Method::HEAD,
        301 | 302 => hop.method == Method::POST,
        307 | 308 => false,
        _ => return Ok(None),
    };
    let wrong = |what: &str| BeamRefusal::Url(format!("it redirects to {what}"));
    let location = str::from_utf8(location.as_bytes()).map_err(|_| wrong("what is not UTF-8"))?;
    let url = hop
        .url
        .join(location)
        .map_err(|_| wrong("what is no URL"))?;
    check_url(&url)?;
    let mut next = Hop {
        method: hop.method.clone(),
        headers: hop.headers.clone(),
        body: hop.body.clone(),
        url,
    };
    if to_get {
        next.method = Method::GET;
        next.body = None;
        next.headers.remove("content-type");
        next.headers.remove("content-encoding");
        next.headers.remove("content-language");
    }
    // What was meant for one origin is not handed to another.
    if next.url.origin() != hop.url.origin() {
        next.headers.remove(AUTHORIZATION);
        next.headers.remove(COOKIE);
    }
    Ok(Some(next))
}

/// Beam as one invocation sees it.
#[derive(Debug)]
pub struct BeamSession {
    beam: Arc<Beam>,
    limit: u32,
    left: u32,
}

impl BeamSession {
    /// A session for one invocation with `max_fetch_requests`; see [`DEFAULT_FETCHES`].
    pub fn new(beam: Arc<Beam>, max_fetch_requests: u32) -> Self {
        Self {
            beam,
            limit: max_fetch_requests,
            left: max_fetch_requests,
        }
    }

    /// `beam_fetch`: the ABI's JSON out. Every call counts, whatever becomes of it.
    ///
    /// Waits for the network through the runtime that [`Beam`] holds: call it from a thread that
    /// may block, never from async code ([`BeamSession::fetch_async`] is for that).
    ///
    /// # Errors
    ///
    /// [`BeamRefusal`], for the log; the guest gets `0`.
    pub fn fetch(&mut self, url: &[u8], options: &[u8]) -> Result<Vec<u8>, BeamRefusal> {
        self.count()?;
        self.beam.runtime.block_on(self.beam.fetch(url, options))
    }

    /// As [`BeamSession::fetch`], for async callers.
    ///
    /// # Errors
    ///
    /// As [`BeamSession::fetch`].
    pub async fn fetch_async(
        &mut self,
        url: &[u8],
        options: &[u8],
    ) -> Result<Vec<u8>, BeamRefusal> {
        self.count()?;
        self.beam.fetch(url, options).await
    }

    fn count(&mut self) -> Result<(), BeamRefusal> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(BeamRefusal::Limit(self.limit))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
