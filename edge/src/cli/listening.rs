//! The address that `flaron-edge run` serves on, over plain HTTP or TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "tls")]
use flaron_edge::Certificate;
use flaron_edge::{Edge, Error, Result, Server};
use tokio::net::TcpListener;

use crate::cli::args::Run;

/// An address that is taken, before it is served.
pub(crate) struct Address {
    listener: TcpListener,
    tls: Tls,
}

/// Which certificate to serve with.
enum Tls {
    /// Plain HTTP.
    None,
    /// The certificate that the command line names.
    #[cfg(feature = "tls")]
    Given(Certificate),
    /// The self-signed one in this folder, which is created when everything else is ready: a node that cannot
    /// start leaves nothing behind.
    #[cfg(feature = "tls")]
    SelfSigned(PathBuf),
}

impl Address {
    /// Takes the address that the command line names, and reads the certificate. If either fails, the user
    /// learns it before anything is built.
    pub(crate) async fn take(run: &Run, data: &Path) -> Result<Address> {
        let tls = tls(run, data)?;
        let listen = match run.listen.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}"),
            Err(_) => run.listen.clone(),
        };
        let listener = TcpListener::bind(&listen).await.map_err(|error| {
            Error::new(format!(
                "cannot listen on {listen}: {error}; choose another address with --listen (HOST:PORT, or a \
                 port)"
            ))
        })?;
        Ok(Address { listener, tls })
    }

    /// Serves a node there.
    pub(crate) async fn serve(self, edge: &Edge) -> Result<Listening> {
        match self.tls {
            Tls::None => {
                let server = edge.serve(self.listener)?;
                let addr = server.addr();
                let about = network(addr).map_or_else(String::new, |addr| {
                    format!("On the network: http://{addr}\n")
                });
                Ok(Listening {
                    url: format!("http://{}", on_this_machine(addr)),
                    url_for_tools: format!("http://{}", for_tools(addr)),
                    about,
                    server,
                    tools: None,
                })
            }
            #[cfg(feature = "tls")]
            Tls::Given(certificate) => encrypted(edge, self.listener, &certificate).await,
            #[cfg(feature = "tls")]
            Tls::SelfSigned(folder) => {
                let certificate = Certificate::self_made(&folder)?;
                encrypted(edge, self.listener, &certificate).await
            }
        }
    }
}

#[cfg(feature = "tls")]
fn tls(run: &Run, data: &Path) -> Result<Tls> {
    match (&run.tls_cert, &run.tls_key) {
        (Some(chain), Some(key)) => Certificate::from_files(chain, key).map(Tls::Given),
        _ if run.tls => Ok(Tls::SelfSigned(data.join("tls"))),
        _ => Ok(Tls::None),
    }
}

#[cfg(not(feature = "tls"))]
fn tls(run: &Run, _: &Path) -> Result<Tls> {
    match run.tls || run.tls_cert.is_some() {
        false => Ok(Tls::None),
        true => Err(Error::new(
            "this flaron-edge was built without TLS; build it with: cargo install --locked --path edge \
             --features tls",
        )),
    }
}

/// Serves over TLS, and without TLS on a loopback port for the commands that talk to a node.
#[cfg(feature = "tls")]
async fn encrypted(
    edge: &Edge,
    listener: TcpListener,
    certificate: &Certificate,
) -> Result<Listening> {
    let local = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| Error::new(format!("cannot listen on a port of 127.0.0.1: {error}")))?;
    let server = edge.serve_tls(listener, certificate)?;
    let tools = edge.serve(local)?;
    let url = format!("https://{}", on_this_machine(server.addr()));
    let url_for_tools = format!("http://{}", tools.addr());
    let file = certificate.file().display();
    Ok(Listening {
        about: format!(
            "Certificate: {file}\n  SHA-256  {}\n  trust it curl --cacert '{file}' '{url}/'\n           \
             in browsers and systems: import that file as a certificate authority\n\
             Without TLS, for flaron-edge kv and tail: {url_for_tools}\n",
            certificate.fingerprint(),
        ),
        url,
        url_for_tools,
        server,
        tools: Some(tools),
    })
}

/// What a client on this machine calls an address. One that listens everywhere (`0.0.0.0`, `::`) is no address to
/// connect to: browsers and other systems refuse it.
fn on_this_machine(addr: SocketAddr) -> String {
    match addr.ip().is_unspecified() {
        true => format!("localhost:{}", addr.port()),
        false => addr.to_string(),
    }
}

/// The same as an address: `localhost` may also stand for one that belongs to another program.
fn for_tools(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.is_ipv4() {
            true => IpAddr::V4(Ipv4Addr::LOCALHOST),
            false => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    addr
}

/// Where other machines reach what listens everywhere: at the address from which this one would reach them. `None` if
/// it listens at one address, or if there is no network.
fn network(mut addr: SocketAddr) -> Option<SocketAddr> {
    if !addr.ip().is_unspecified() {
        return None;
    }
    // Addresses for documentation, at which there is nobody. Connecting a UDP socket sends nothing.
    let far = match addr.is_ipv4() {
        true => "192.0.2.1:9",
        false => "[2001:db8::1]:9",
    };
    let socket = UdpSocket::bind((addr.ip(), 0)).ok()?;
    socket.connect(far).ok()?;
    addr.set_ip(socket.local_addr().ok()?.ip());
    (!addr.ip().is_unspecified() && !addr.ip().is_loopback()).then_some(addr)
}

/// Where a node serves.
pub(crate) struct Listening {
    /// For clients.
    pub(crate) url: String,
    /// For the commands that talk to a running node.
    pub(crate) url_for_tools: String,
    /// Where else it is reached, or a description of its certificate.
    pub(crate) about: String,
    server: Server,
    tools: Option<Server>,
}

impl Listening {
    /// Stops, as [`Server::shutdown`] does.
    pub(crate) async fn shutdown(self, grace: Duration) -> bool {
        let tools = async {
            match self.tools {
                Some(tools) => tools.shutdown(grace).await,
                None => true,
            }
        };
        let (server, tools) = tokio::join!(self.server.shutdown(grace), tools);
        server && tools
    }
}
