//! Which addresses are on the public internet, and what a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::Host;

/// What an address reaches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AddressClass {
    /// The public internet.
    Public,
    /// This machine, or a network of its owner.
    Private(&'static str),
    /// An address that no flare may reach, whatever the configuration.
    Never(&'static str),
}

/// Follows IANA's special-purpose address registries (RFC 6890 and its updates). Addresses not
/// known to be public count as not public.
pub(super) fn classify(ip: IpAddr) -> AddressClass {
    match ip {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (127, ..) => AddressClass::Private("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => AddressClass::Private("a private address"),
        (100, 64..=127, _) => AddressClass::Private("an address shared by a provider's customers"),
        (0, ..) => AddressClass::Never("an unspecified address"),
        (169, 254, _) => AddressClass::Never("a link-local address"),
        (192, 0, 0)
        | (192, 0, 2)
        | (192, 31, 196)
        | (192, 52, 193)
        | (192, 88, 99)
        | (192, 175, 48)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => AddressClass::Never("a reserved address"),
        (224..=239, ..) => AddressClass::Never("a multicast address"),
        (240..=255, ..) => AddressClass::Never("a reserved address"),
        _ => AddressClass::Public,
    }
}

fn classify_v6(ip: Ipv6Addr) -> AddressClass {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return classify_v4(ip);
    }
    let s = ip.segments();
    let last_v4 = || Ipv4Addr::from(((u32::from(s[6])) << 16) | u32::from(s[7]));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Never("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Private("a loopback address"),
        // NAT64: the embedded IPv4 address is the destination.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => match classify_v4(last_v4()) {
            AddressClass::Public => AddressClass::Public,
            _ => AddressClass::Never("a translated address that is not public"),
        },
        [0xfc00..=0xfdff, ..] => {
            // One cloud's metadata service has an address in the private range.
            if s == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] {
                AddressClass::Never("a metadata address")
            } else {
                AddressClass::Private("a private address")
            }
        }
        [0xfe80..=0xfebf, ..] => AddressClass::Never("a link-local address"),
        // Special-purpose ranges within 2000::/3: Teredo and the rest of 2001::/23, documentation,
        // 6to4, and one that only routers use.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressClass::Never("a reserved address")
        }
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        [0xff00..=0xffff, ..] => AddressClass::Never("a multicast address"),
        _ => AddressClass::Never("a reserved address"),
    }
}

/// Whether the address belongs to an interface of this machine: only then can a socket be bound to
/// it.
pub(super) fn is_of_this_machine(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

pub(super) async fn resolve(host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, String> {
    match host {
        Host::Ipv4(ip) => Ok(vec![(*ip, port).into()]),
        Host::Ipv6(ip) => Ok(vec![(*ip, port).into()]),
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await;
            found.map(Iterator::collect).map_err(|e| e.to_string())
        }
    }
}
