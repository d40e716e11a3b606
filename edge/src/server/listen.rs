//! The listener and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::http::body::Body;
use crate::server::exchange::handle;
use crate::shutdown::stopped;
use crate::state::State;

/// How long a client may take to send a request's head, or to begin the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest request head, in bytes; a larger one is answered with 431.
const MAX_HEAD: usize = 64 << 10;
/// How many connections can be open at once; more wait.
const MAX_CONNECTIONS: usize = 10_000;

/// Accepts connections until the node shuts down.
pub(crate) async fn accept(
    state: Arc<State>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let state = state.clone();
                let stop = stop.clone();
                tokio::spawn(async move {
                    connection(state, stream, peer, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Mostly "too many open files": it passes when connections close.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn connection(
    state: Arc<State>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    // Without this, small responses wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let stopping = stop.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (state, stopping) = (state.clone(), stopping.clone());
        async move {
            let request = request.map(Body::Incoming);
            let response = handle(&state, request, Some(peer), Some(stopping)).await;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // An error here is the client's: it hung up, was too slow, or sent what is not HTTP (which
    // hyper has answered already).
    tokio::select! {
        _ = &mut connection => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
