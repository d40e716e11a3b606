//! Makes room for new connections: when there is none, connections that are waiting for a request are closed.
//!
//! Otherwise a client that opens as many connections as a node can have, and sends nothing on them or heads
//! that it never completes, would keep everyone else out for as long as a head may take, and could then do it
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::server::io::ClientSocket;
use crate::sync::lock;

/// The maximum number of open connections, if the system allows as many descriptors.
const MAX_CONNECTIONS: usize = 10_000;
/// How long a connection may wait for a request in any case: a client that has just connected must have time
/// to send one.
const UNDISTURBED: Duration = Duration::from_secs(1);
/// How many of the connections are closed at once, as a divisor: the more there are, the longer it takes to
/// search them.
const SHARE: usize = 16;
/// How soon to try again if none could be closed.
const AGAIN: Duration = Duration::from_millis(50);

/// The connections of a listener.
pub(super) struct Crowd {
    most: usize,
    room: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<u64, ClientSocket>>>,
    count: u64,
}

impl Crowd {
    /// Half of the descriptors that this process may have; the other half is for origins and files.
    pub(super) fn new() -> Crowd {
        Crowd::of(descriptors().map_or(MAX_CONNECTIONS, |all| (all / 2).clamp(1, MAX_CONNECTIONS)))
    }

    fn of(most: usize) -> Crowd {
        Crowd {
            most,
            room: Arc::new(Semaphore::new(most)),
            open: Arc::default(),
            count: 0,
        }
    }

    /// A place for a connection; waits until there is one.
    pub(super) async fn place(&mut self, socket: &ClientSocket) -> Option<Place> {
        let permit = loop {
            if let Ok(permit) = self.room.clone().try_acquire_owned() {
                break permit;
            }
            self.make_room();
            // They close on their own tasks.
            match timeout(AGAIN, self.room.clone().acquire_owned()).await {
                Ok(permit) => break permit.ok()?,
                Err(_) => continue,
            }
        };
        self.count += 1;
        lock(&self.open).insert(self.count, socket.clone());
        Some(Place {
            number: self.count,
            open: self.open.clone(),
            _permit: permit,
        })
    }

    /// Closes connections that wait for a request, beginning with those that have waited longest.
    pub(super) fn make_room(&self) {
        let mut waiting: Vec<(Instant, ClientSocket)> = lock(&self.open)
            .values()
            .filter_map(|socket| Some((socket.head_began()?, socket.clone())))
            .filter(|(since, _)| since.elapsed() >= UNDISTURBED)
            .collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, socket) in waiting.iter().take(self.most.div_ceil(SHARE)) {
            socket.hang_up();
        }
    }
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    number: u64,
    open: Arc<Mutex<HashMap<u64, ClientSocket>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let socket = lock(&self.open).remove(&self.number);
        // Dropping the socket closes it; that does not need the lock on the map.
        drop(socket);
    }
}

/// The maximum number of descriptors of this process.
#[cfg(unix)]
fn descriptors() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    usize::try_from(limit.current?).ok()
}

#[cfg(not(unix))]
fn descriptors() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http::budget::Budget;

    #[tokio::test]
    async fn who_has_waited_longest_makes_room_and_who_is_served_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let budget = Budget::new(1 << 20);
        let mut crowd = Crowd::of(3);
        let mut clients = Vec::new();
        let mut places = Vec::new();
        for n in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
            let socket = ClientSocket::new(listener.accept().await.unwrap().0, budget.clone());
            let place = crowd.place(&socket).await.unwrap();
            if n == 0 {
                socket.request_began();
            }
            places.push(tokio::spawn(async move {
                let _place = place;
                let mut io = socket.io();
                let read = io.read_u8().await;
                assert!(read.is_err() || n == 0, "nothing was sent");
                if n == 0 {
                    io.write_all(b"served").await.unwrap();
                }
                n
            }));
        }
        let began = Instant::now();
        let next = TcpStream::connect(address).await.unwrap();
        let socket = ClientSocket::new(listener.accept().await.unwrap().0, budget);
        let place = crowd.place(&socket).await;
        assert!(place.is_some());
        // No connection was closed that had just been opened.
        assert!(began.elapsed() >= UNDISTURBED - Duration::from_millis(100));
        assert_eq!(lock(&crowd.open).len(), 3);
        clients[0].write_all(b"x").await.unwrap();
        let mut served = [0; 6];
        clients[0].read_exact(&mut served).await.unwrap();
        assert!(places[1].is_finished() && !places[2].is_finished());
        drop(next);
    }
}
