//! The listener and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::http::body::Body;
use crate::server::exchange::handle;
use crate::server::head_room::MAX_HEAD;
use crate::server::io::ClientSocket;
use crate::shutdown::stopped;
use crate::state::State;

/// How long a client that was answered may go on sending once the node stops.
const LINGER_WHEN_STOPPING: Duration = Duration::from_millis(300);
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
    let socket = ClientSocket::new(stream, state.node.budget.clone());
    let shared = Arc::new((state, stop.clone(), socket.clone()));
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let shared = shared.clone();
        async move {
            let (state, stopping, client) = &*shared;
            client.request_began();
            let mut request = request.map(Body::Incoming);
            if request.headers().contains_key(header::UPGRADE) {
                request.extensions_mut().insert(client.clone());
            }
            let response = handle(state, request, Some(peer), Some(stopping)).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| client.answer(body)))
        }
    });
    // hyper's `pipeline_flush` stays off: with it nothing is sent, and everything kept, for as long
    // as the client has sent something that was not looked at yet.
    // hyper has no timer: the socket itself looks after a head's time, with one timer for the whole
    // connection instead of one for each request.
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .serve_connection(TokioIo::new(socket.io()), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if socket.is_upgraded() {
        return;
    }
    if let Err(error) = ended
        && let Some(answer) = last_answer(&error, &socket)
    {
        // The client did something wrong, and may not even listen.
        let _ = socket.io().write_all(answer).await;
    }
    tokio::select! {
        () = socket.linger() => {}
        () = async {
            stopped(&mut stop).await;
            tokio::time::sleep(LINGER_WHEN_STOPPING).await;
        } => {}
    }
}

/// The answer to what hyper ends a connection for without one.
fn last_answer(error: &hyper::Error, socket: &ClientSocket) -> Option<&'static [u8]> {
    let (read, written) = socket.traffic();
    if socket.is_refused() && written == 0 {
        return Some(
            b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nx-flaron-error: over-budget\r\n\
              connection: close\r\ncontent-length: 0\r\n\r\n",
        );
    }
    if written > 0 || read == 0 {
        // After an answer it may be anything that is wrong, and silence needs no answer.
        return None;
    }
    if socket.is_late() {
        return Some(
            b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
    }
    // HTTP/2, which this port does not speak.
    error.is_parse().then_some(
        b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
}
