//! Rejects networks in the kernel, before any task is woken.
//!
//! Accepting a connection and closing it costs a node some 80 µs, most of it in the kernel. A packet
//! filter on the listening socket (`SO_ATTACH_FILTER`, which needs no privileges) instead drops the
//! packet that requests the connection. It looks at nothing else, so existing connections, and the
//! connections that inherit the filter, are not affected. Only Linux has it; elsewhere, and where it
//! is refused, a node keeps closing the connections itself.

use std::net::IpAddr;
use std::time::Instant;

use tokio::net::TcpListener;

use crate::capability::cluster::door::Door;

/// How many networks are rejected at once. The kernel limits the length of the program.
const NETWORKS: usize = 64;

/// The filter of one listening socket.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    listener: &'a TcpListener,
    away: Vec<IpAddr>,
    /// When the first of them may connect again.
    until: Option<Instant>,
    is_attached: bool,
}

impl<'a> Filter<'a> {
    /// Rejects nobody, and removes any filter that was there before.
    pub(crate) fn new(listener: &'a TcpListener) -> Self {
        let mut filter = Self {
            listener,
            away: Vec::new(),
            until: None,
            is_attached: false,
        };
        filter.attach();
        filter
    }

    /// Rejects the networks that the door ignores, of which `network` is one. Returns whether the
    /// kernel does it.
    pub(crate) fn turn_away(&mut self, network: IpAddr, door: &Door) -> bool {
        // Connections that were already in the queue still arrive, one after the other.
        if !self.away.contains(&network) {
            self.renew(door);
        }
        self.is_attached
    }

    /// Admits the networks whose time is over. To be called when [`Self::is_over`] returns.
    pub(crate) fn renew(&mut self, door: &Door) {
        let shut = door.shut();
        self.until = shut.iter().map(|(_, until)| *until).min();
        self.away = shut.into_iter().map(|(network, _)| network).collect();
        self.away.truncate(NETWORKS);
        self.attach();
    }

    /// Returns when the time of one of the networks is over; never, if none is rejected.
    pub(crate) async fn is_over(&self) {
        match self.until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    }

    #[cfg(target_os = "linux")]
    fn attach(&mut self) {
        let socket = socket2::SockRef::from(self.listener);
        if self.away.is_empty() {
            // An error means that there was no filter.
            let _ = socket.detach_filter();
            self.is_attached = false;
            return;
        }
        let attached = socket.attach_filter(&program::of(&self.away));
        if let Err(error) = &attached {
            tracing::debug!(%error, "the kernel turns nobody away");
        }
        self.is_attached = attached.is_ok();
    }

    #[cfg(not(target_os = "linux"))]
    fn attach(&mut self) {
        let _ = self.listener;
        self.is_attached = false;
    }
}

/// The filter's program, in the kernel's classic BPF.
#[cfg(target_os = "linux")]
mod program {
    use std::net::IpAddr;

    use socket2::SockFilter;

    // Instruction codes (linux/bpf_common.h).
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_WORD: u16 = 0x20;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    /// Where the IP header begins (`SKF_NET_OFF`). Without it, offsets are relative to the TCP
    /// header.
    const IP: u32 = 0u32.wrapping_sub(0x10_0000);
    const V4_SOURCE: u32 = IP.wrapping_add(12);
    const V6_SOURCE: u32 = IP.wrapping_add(8);

    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;

    const DROP: u32 = 0;
    const KEEP: u32 = u32::MAX;

    /// Drops connection requests from these networks, and nothing else.
    pub(super) fn of(networks: &[IpAddr]) -> Vec<SockFilter> {
        let load_byte = |at| SockFilter::new(LOAD_BYTE, 0, 0, at);
        let load_word = |at| SockFilter::new(LOAD_WORD, 0, 0, at);
        // Continues with the next instruction if the value is equal, and otherwise skips this many.
        let skip_unless = |value, skip| SockFilter::new(JUMP_IF_EQUAL, 0, skip, value);
        let and = |mask| SockFilter::new(AND, 0, 0, mask);
        let end = |verdict| SockFilter::new(RETURN, 0, 0, verdict);
        let mut program = vec![
            load_byte(FLAGS),
            and(SYN | ACK),
            SockFilter::new(JUMP_IF_EQUAL, 1, 0, SYN),
            end(KEEP),
        ];
        for network in networks {
            match network {
                IpAddr::V4(v4) => program.extend([
                    load_byte(IP),
                    and(0xf0),
                    skip_unless(0x40, 3),
                    load_word(V4_SOURCE),
                    skip_unless(v4.to_bits(), 1),
                    end(DROP),
                ]),
                IpAddr::V6(v6) => {
                    let [a, b, c, d, ..] = v6.segments();
                    let word = |high: u16, low: u16| (u32::from(high) << 16) | u32::from(low);
                    program.extend([
                        load_byte(IP),
                        and(0xf0),
                        skip_unless(0x60, 5),
                        load_word(V6_SOURCE),
                        skip_unless(word(a, b), 3),
                        load_word(V6_SOURCE.wrapping_add(4)),
                        skip_unless(word(c, d), 1),
                        end(DROP),
                    ]);
                }
            }
        }
        program.push(end(KEEP));
        program
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::SocketAddr;
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// Whether a client at this address gets a connection.
    fn connects(from: &str, to: SocketAddr) -> bool {
        let from: IpAddr = from.parse().unwrap();
        let domain = Domain::for_address(to);
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
        socket
            .connect_timeout(&to.into(), Duration::from_millis(300))
            .is_ok()
    }

    fn listen(on: &str) -> (TcpListener, SocketAddr) {
        let listener = std::net::TcpListener::bind((on, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        (TcpListener::from_std(listener).unwrap(), address)
    }

    #[tokio::test]
    async fn the_networks_named_are_turned_away_and_no_other() {
        let (listener, address) = listen("127.0.0.1");
        let mut filter = Filter::new(&listener);
        let before = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let many = (0..NETWORKS - 2).map(|n| IpAddr::from([192, 0, 2, n as u8]));
        filter.away = many.collect();
        filter.away.push("2001:db8::".parse().unwrap());
        filter.away.push("127.0.0.7".parse().unwrap());
        filter.attach();
        assert!(!connects("127.0.0.7", address));
        assert!(connects("127.0.0.8", address));
        // Existing connections continue, and so does one that inherits the filter.
        let (_, _) = listener.accept().await.unwrap();
        let after = std::net::TcpStream::connect(address).unwrap();
        let (inherits, _) = listener.accept().await.unwrap();
        for (mut caller, called) in [(before, accepted), (after, inherits)] {
            caller.write_all(b"1").unwrap();
            let mut called = called.into_std().unwrap();
            called.set_nonblocking(false).unwrap();
            called.read_exact(&mut [0]).unwrap();
        }
        Filter::new(&listener);
        assert!(connects("127.0.0.7", address));
    }

    #[tokio::test]
    async fn of_ipv6_whole_networks_are_turned_away() {
        let Ok(_) = std::net::TcpListener::bind("[::1]:0") else {
            eprintln!("SKIPPED: this machine has no IPv6");
            return;
        };
        let (listener, address) = listen("::1");
        let mut filter = Filter::new(&listener);
        filter.away.push("2001:db8::".parse().unwrap());
        filter.attach();
        assert!(connects("::1", address));
        filter.away.push("::".parse().unwrap());
        filter.attach();
        assert!(!connects("::1", address));
    }
}
