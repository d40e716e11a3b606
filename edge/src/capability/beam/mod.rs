//! Beam: fetches made by flares.
//!
//! # What a flare may reach
//!
//! Any `http` or `https` address on the public internet. Not allowed are this machine, private networks, link-local
//! addresses (cloud metadata among them), and any other address that is not public, in whatever spelling (IPv4 in IPv6,
//! NAT64, decimal hosts). The name is resolved first, then the addresses are checked, and the connection goes to a
//! checked address: a name server that changes its answer in between gains nothing. This module follows redirects
//! itself, and checks each hop in the same way.
//!
//! Two settings widen this. [`BeamConfig::allow_private`] allows loopback and private networks, but never the edge's
//! own listeners (a flare that fetches itself would never end). [`BeamConfig::hosts`] sends individual hosts wherever
//! the operator says, including to the edge.
//!
//! # Trying flares offline
//!
//! `[beam.hosts]` maps the host of a URL to a local server, so that a flare with a fixed `https://api.example.com/…`
//! needs no change:
//!
//! | mapping | `https://api.example.com/v1` becomes |
//! |---|---|
//! | `"api.example.com" = "127.0.0.1:9000"` | plain HTTP to 127.0.0.1:9000 |
//! | `"api.example.com" = "http://localhost:9000"` | the same |
//! | `"api.example.com" = "https://127.0.0.1:9443"` | TLS to 127.0.0.1:9443, which must present a certificate for `api.example.com` that this machine trusts ([`BeamConfig::extra_ca`]) |
//!
//! The path stays the same, and so does `Host`: `api.example.com`. A key with a port (`"api.example.com:8443"`) applies
//! to that port only, and takes precedence over one without.

mod address;
mod envelope;
mod error;
mod hosts;
mod request;
mod session;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Host;

use crate::capability::beam::address::{AddressClass, classify, is_of_this_machine, resolve};
use crate::capability::beam::envelope::Envelope;
use crate::capability::beam::error::ITSELF;
use crate::capability::beam::hosts::{Target, map_key, map_target};
use crate::capability::beam::request::{Request, first_request, redirect};
use crate::http::budget::{Budget, DEFAULT_BYTES, FIRST, Held, OverBudget};
use crate::http::client::{causes, client_builder, system_roots, tls_config};
use crate::sync::{lock, read, write};

pub use crate::capability::beam::error::{BeamConfigError, BeamRefusal};
pub(crate) use crate::capability::beam::hosts::check_host;
pub use crate::capability::beam::session::BeamSession;

/// How many fetches an invocation may make by default (`max_fetch_requests`).
pub const DEFAULT_FETCHES: u32 = 16;

/// How long a resolved and checked host is used before it is resolved again.
const CLIENT_LIFETIME: Duration = Duration::from_secs(30);

/// The number of hosts whose connections are kept.
const MAX_CLIENTS: usize = 128;

/// The settings that all fetches of this node share.
#[derive(Debug, Clone)]
pub struct BeamConfig {
    /// The time limit for a fetch, including its redirects and its body.
    pub timeout: Duration,
    /// The time limit for establishing a connection.
    pub connect_timeout: Duration,
    /// The longest body of a response, in bytes. A fetch with a longer one fails.
    pub max_response_bytes: usize,
    /// How many redirects are followed. A fetch with more fails.
    pub max_redirects: u32,
    /// Whether loopback and private addresses may be reached. The edge's own and link-local
    /// addresses never can be.
    pub allow_private: bool,
    /// From the `host` or `host:port` of a URL to where it really is: `IP:PORT`, `http://HOST:PORT`
    /// or `https://HOST:PORT`.
    pub hosts: BTreeMap<String, String>,
    /// A PEM file with certificates to trust in addition to the system's.
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

/// A client for a single host, at addresses that were checked.
struct Pinned {
    client: Client,
    made: Instant,
}

/// Makes the fetches of all flares.
pub struct Beam {
    config: BeamConfig,
    hosts: HashMap<String, Target>,
    extra_ca: Vec<CertificateDer<'static>>,
    tls: OnceLock<rustls::ClientConfig>,
    own: RwLock<Vec<SocketAddr>>,
    clients: Mutex<HashMap<(String, String, u16), Pinned>>,
    runtime: tokio::runtime::Handle,
    /// The memory budget that responses are charged to.
    budget: Arc<Budget>,
}

impl fmt::Debug for Beam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beam")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Beam {
    /// A client with this configuration. Its connections run on `runtime`.
    ///
    /// # Errors
    ///
    /// [`BeamConfigError`]: an invalid mapping, or certificates that cannot be read.
    pub fn new(
        config: BeamConfig,
        runtime: tokio::runtime::Handle,
    ) -> Result<Arc<Self>, BeamConfigError> {
        Beam::within(Budget::new(DEFAULT_BYTES), config, runtime)
    }

    /// The same, with responses charged to this budget.
    pub(crate) fn within(
        budget: Arc<Budget>,
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
                return Err(unreadable("it contains none".to_owned()));
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
            budget,
        }))
    }

    /// Adds an address that this edge listens on, so that flares cannot fetch from it. The
    /// unspecified address (`0.0.0.0`, `::`) stands for every address of this machine.
    pub fn add_own_address(&self, address: SocketAddr) {
        write(&self.own).push(address);
        // A client may have an earlier connection to it.
        lock(&self.clients).clear();
    }

    /// Fetches, without counting towards an invocation's limit. Returns the ABI's JSON.
    ///
    /// # Errors
    ///
    /// [`BeamRefusal`], for the log.
    pub async fn fetch(&self, url: &[u8], options: &[u8]) -> Result<Bytes, BeamRefusal> {
        self.fetch_with(url, options, &HeaderMap::new()).await
    }

    /// Like [`fetch`](Self::fetch), with headers added by the node. The flare's take precedence.
    pub(crate) async fn fetch_with(
        &self,
        url: &[u8],
        options: &[u8],
        own: &HeaderMap,
    ) -> Result<Bytes, BeamRefusal> {
        let mut request = first_request(url, options)?;
        for (name, value) in own {
            request.headers.entry(name).or_insert_with(|| value.clone());
        }
        tokio::time::timeout(self.config.timeout, self.follow(request))
            .await
            .map_err(|_| BeamRefusal::Timeout(self.config.timeout))?
    }

    async fn follow(&self, mut request: Request) -> Result<Bytes, BeamRefusal> {
        for _ in 0..=self.config.max_redirects {
            let response = self.send(&request).await?;
            match redirect(&request, response.status(), response.headers())? {
                Some(next) => request = next,
                None => return self.read(&request, response).await,
            }
        }
        Err(BeamRefusal::Redirects(self.config.max_redirects))
    }

    async fn send(&self, request: &Request) -> Result<reqwest::Response, BeamRefusal> {
        let (client, url) = self.route(&request.url).await?;
        let mut headers = request.headers.clone();
        // The name that the flare used, wherever the connection goes.
        let authority = match request.url.port() {
            Some(port) => format!("{}:{port}", request.url.host_str().unwrap_or_default()),
            None => request.url.host_str().unwrap_or_default().to_owned(),
        };
        let authority = HeaderValue::try_from(authority)
            .map_err(|_| BeamRefusal::Url("its host cannot be sent".to_owned()))?;
        headers.insert(HOST, authority);
        let mut sending = client.request(request.method.clone(), url).headers(headers);
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        sending
            .send()
            .await
            .map_err(|error| self.transport(&request.url, &error))
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
        request: &Request,
        mut response: reqwest::Response,
    ) -> Result<Bytes, BeamRefusal> {
        let limit = self.config.max_response_bytes;
        let stated = response
            .content_length()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if stated.is_some_and(|length| length > limit) {
            return Err(BeamRefusal::TooLarge(limit));
        }
        // Room for the whole body, or first for a typical one and then for the largest allowed. Escapes
        // make it longer.
        let size = stated.unwrap_or(FIRST.min(limit));
        let status = response.status().as_u16();
        let mut json = Envelope::new(status, response.headers(), size)
            .map_err(|error| BeamRefusal::Options(error.to_string()))?;
        let mut room = json.len() + size + size / 4;
        let mut held = match stated {
            Some(_) => self.budget.hold(room).await?,
            None => self.budget.hold_first(room).await?,
        };
        let mut may_wait = stated.is_none();
        let mut read = 0;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport(&request.url, &error))?
        {
            read += chunk.len();
            if read > limit {
                return Err(BeamRefusal::TooLarge(limit));
            }
            let needed = json.len() + chunk.len();
            if needed > room {
                let expected = match may_wait {
                    true => limit.max(needed),
                    false => needed,
                };
                let enough = expected + expected / 4;
                // If a fetch that already holds much could wait, it might wait for another that
                // does the same.
                match std::mem::take(&mut may_wait) {
                    true => self.budget.grow(&mut held, enough).await?,
                    false => self.add(&mut held, enough - room)?,
                }
                room = enough;
                json.reserve(room);
            }
            json.push(&chunk);
        }
        let json = json.finish();
        let more = json.len().saturating_sub(room);
        self.add(&mut held, more)?;
        Ok(held.keep(json.into()))
    }

    /// Adds room for this many bytes, if there is some now.
    fn add(&self, held: &mut Held, bytes: usize) -> Result<(), OverBudget> {
        held.add(self.budget.try_hold(bytes).ok_or(OverBudget)?);
        Ok(())
    }

    /// A client that reaches the URL's host at checked addresses, and the URL to pass to it.
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
        // Neither can fail: both schemes are special, and there is a host.
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
        // A host that is an address is never resolved, so addresses cannot be pinned to it: put the
        // mapped address into the URL instead.
        if mapped.is_some()
            && !matches!(host, Host::Domain(_))
            && let Some(address) = addresses.first()
        {
            let _ = routed.set_ip_host(address.ip());
        }
        let client = self.pinned(&name, &addresses, scheme)?;
        // An address mapped to an address is in the URL, not in the client; do not mix them up.
        if matches!(host, Host::Domain(_)) || mapped.is_none() {
            self.keep(key, client.clone());
        }
        Ok((client, routed))
    }

    /// A client that reaches the name at these addresses, and asks nobody for others.
    fn pinned(
        &self,
        name: &str,
        addresses: &[SocketAddr],
        scheme: &str,
    ) -> Result<Client, BeamRefusal> {
        let mut builder = client_builder()
            .connect_timeout(self.config.connect_timeout)
            .resolve_to_addrs(name, addresses);
        if scheme == "https" {
            builder = builder.tls_backend_preconfigured(self.tls().clone());
        }
        builder.build().map_err(|error| BeamRefusal::Transport {
            host: name.to_owned(),
            what: causes(&error),
        })
    }

    fn cached(&self, key: &(String, String, u16)) -> Option<Client> {
        let clients = lock(&self.clients);
        clients
            .get(key)
            .filter(|p| p.made.elapsed() < CLIENT_LIFETIME)
            .map(|p| p.client.clone())
    }

    fn keep(&self, key: (String, String, u16), client: Client) {
        let mut clients = lock(&self.clients);
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

    /// TLS with the system's certificates, which are read when first needed, because that takes
    /// some milliseconds.
    fn tls(&self) -> &rustls::ClientConfig {
        self.tls.get_or_init(|| {
            let mut roots = system_roots("beam");
            roots.add_parsable_certificates(self.extra_ca.iter().cloned());
            if roots.is_empty() {
                tracing::warn!(
                    "beam: this machine has no certificates, so no https host is trusted"
                );
            }
            tls_config(roots)
        })
    }

    /// The addresses among these that a flare may reach, or why there are none.
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
        match classify(address.ip()) {
            AddressClass::Public => {}
            AddressClass::Private(_) if self.config.allow_private => {}
            AddressClass::Private(kind) | AddressClass::Never(kind) => return Some(kind),
        }
        let own = read(&self.own);
        let is_own = own.iter().any(|own| {
            own.port() == address.port()
                && if own.ip().is_unspecified() {
                    is_of_this_machine(address.ip())
                } else {
                    own.ip().to_canonical() == address.ip().to_canonical()
                }
        });
        is_own.then_some(ITSELF)
    }
}
