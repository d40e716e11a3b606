//! Limits what strangers can cost a node.
//!
//! Until a caller's first message has arrived, nobody knows who it is. So that callers that say nothing
//! do not keep members out, only a limited number may be waiting. When one more arrives, the one that
//! has waited longest is dropped, from the network that has the most of them: a node identifies itself
//! within a round trip. A network that has failed to prove the key several times is dropped without a
//! hearing for the rest of the second, if the kernel lets it through at all (`filter`).

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::sync::lock;

/// How many callers may be waiting at once.
const WAITING: usize = 256;

/// How often a network may fail to prove the key within [`MEMORY`] before it is ignored.
const FAILURES: u32 = 16;
const MEMORY: Duration = Duration::from_secs(1);

/// How many networks' failures are remembered.
const NETWORKS: usize = 1024;

/// The callers waiting at one node's door.
#[derive(Debug, Default)]
pub(crate) struct Door(Mutex<Callers>);

#[derive(Debug, Default)]
struct Callers {
    waiting: VecDeque<Waiting>,
    failed: HashMap<IpAddr, Failed>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    network: IpAddr,
    /// Dropping it tells the caller's task to give up.
    _stays: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Failed {
    since: Instant,
    count: u32,
}

/// A waiting caller's place.
#[derive(Debug)]
pub(crate) struct Ticket {
    door: Arc<Door>,
    number: u64,
    network: IpAddr,
    stays: oneshot::Receiver<()>,
}

impl Door {
    /// A place for another caller; `None` if its network is being ignored.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Ticket> {
        let network = network(address);
        let mut callers = lock(&self.0);
        if callers.is_shut(network) {
            return None;
        }
        if callers.waiting.len() >= WAITING {
            callers.send_one_away();
        }
        callers.tickets += 1;
        let number = callers.tickets;
        let (sender, stays) = oneshot::channel();
        callers.waiting.push_back(Waiting {
            ticket: number,
            network,
            _stays: sender,
        });
        Some(Ticket {
            door: self.clone(),
            number,
            network,
            stays,
        })
    }

    /// The networks that are being ignored, and until when.
    pub(crate) fn shut(&self) -> Vec<(IpAddr, Instant)> {
        let callers = lock(&self.0);
        let networks = callers.failed.iter();
        networks
            .filter(|(network, _)| callers.is_shut(**network))
            .map(|(network, failed)| (*network, failed.since + MEMORY))
            .collect()
    }
}

impl Ticket {
    /// The caller's first message, unless it is dropped before that arrives. If it is dropped, or the
    /// result is an error, the caller has failed to prove the key.
    pub(crate) async fn hear<T, E>(
        mut self,
        says: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let heard = tokio::select! {
            heard = says => heard.ok(),
            _ = &mut self.stays => None,
        };
        if heard.is_none() {
            lock(&self.door.0).note_failure(self.network);
        }
        heard
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let number = self.number;
        lock(&self.door.0)
            .waiting
            .retain(|waiting| waiting.ticket != number);
    }
}

impl Callers {
    fn is_shut(&self, network: IpAddr) -> bool {
        // All nodes and strangers on this machine share one address.
        !network.is_loopback()
            && self
                .failed
                .get(&network)
                .is_some_and(|failed| failed.count >= FAILURES && failed.since.elapsed() < MEMORY)
    }

    fn note_failure(&mut self, network: IpAddr) {
        if self.failed.len() >= NETWORKS {
            self.failed
                .retain(|_, failed| failed.since.elapsed() < MEMORY);
        }
        if self.failed.len() >= NETWORKS && !self.failed.contains_key(&network) {
            return;
        }
        let new = Failed {
            since: Instant::now(),
            count: 0,
        };
        let failed = self.failed.entry(network).or_insert(new);
        if failed.since.elapsed() >= MEMORY {
            failed.since = Instant::now();
            failed.count = 0;
        }
        failed.count += 1;
    }

    /// Drops the longest waiting caller of the network that has the most.
    fn send_one_away(&mut self) {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for waiting in &self.waiting {
            *counts.entry(waiting.network).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let longest = self
            .waiting
            .iter()
            .position(|waiting| counts.get(&waiting.network).copied() == most);
        if let Some(at) = longest {
            self.waiting.remove(at);
        }
    }
}

/// The addresses that one caller can have: for IPv6, a whole network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_network_that_fails_too_often_is_not_heard_for_a_while() {
        let door = Arc::new(Door::default());
        let fails = |last| {
            let ticket = door.enter(address(last))?;
            let heard = futures_util::FutureExt::now_or_never(
                ticket.hear(std::future::ready(Err::<(), ()>(()))),
            );
            assert_eq!(heard, Some(None));
            Some(())
        };
        for _ in 0..FAILURES {
            fails(1).expect("it is listened to");
        }
        assert!(fails(1).is_none(), "it is never silent");
        assert!(fails(2).is_some(), "another pays for it");
        let shut: Vec<IpAddr> = door
            .shut()
            .into_iter()
            .map(|(network, _)| network)
            .collect();
        assert_eq!(shut, [address(1)]);
        assert!(lock(&door.0).waiting.is_empty());
        std::thread::sleep(MEMORY);
        assert!(fails(1).is_some(), "it is never listened to again");
    }

    #[test]
    fn those_who_are_many_and_silent_make_room() {
        let door = Arc::new(Door::default());
        let node = door.enter(address(1)).unwrap();
        let many: Vec<Ticket> = (0..WAITING)
            .filter_map(|_| door.enter(address(2)))
            .collect();
        let mut gone = many.into_iter().map(|mut ticket| ticket.stays.try_recv());
        use oneshot::error::TryRecvError::{Closed, Empty};
        assert_eq!(gone.next(), Some(Err(Closed)), "the first of the many went");
        assert_eq!(gone.next(), Some(Err(Empty)));
        let heard = node.hear(std::future::ready(Ok::<_, ()>("hello")));
        let heard = futures_util::FutureExt::now_or_never(heard);
        assert_eq!(heard, Some(Some("hello")), "the one who is alone stays");
    }

    #[test]
    fn of_ipv6_a_network_counts_as_one() {
        let a = network("2001:db8::1".parse().unwrap());
        assert_eq!(a, network("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(a, network("2001:db8:0:1::1".parse().unwrap()));
        assert!(network("::ffff:127.0.0.1".parse().unwrap()).is_loopback());
        assert!(network("::1".parse().unwrap()).is_loopback());
    }
}
