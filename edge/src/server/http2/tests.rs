use std::sync::atomic::AtomicU64;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2 as client;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::*;

/// The real values, divided by fifty.
const PATIENCE: Patience = Patience {
    idle: Duration::from_millis(300),
    unread: Duration::from_millis(1200),
    end: Duration::from_secs(12),
    look: Duration::from_millis(50),
};
const LONG: Duration = Duration::from_secs(10);

/// A connection whose requests get responses of this many bytes, its task, and a way to stop it.
fn connection(length: usize) -> (DuplexStream, JoinHandle<()>, watch::Sender<bool>) {
    let (ours, theirs) = tokio::io::duplex(16 << 10);
    let (stop, stopped) = watch::channel(false);
    let answer = move |_| async move { Response::new(Body::from(Bytes::from(vec![7; length]))) };
    let written = AtomicU64::new(0);
    let task = tokio::spawn(serve(
        theirs,
        answer,
        move || written.load(Ordering::Relaxed),
        Budget::new(1 << 20),
        PATIENCE,
        stopped,
    ));
    (ours, task, stop)
}

async fn handshake(io: DuplexStream, window: u32) -> client::SendRequest<Empty<Bytes>> {
    let (sender, connection) = client::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn request(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

async fn ends(task: JoinHandle<()>) {
    tokio::time::timeout(LONG, task)
        .await
        .expect("it does not end")
        .unwrap();
}

#[tokio::test]
async fn requests_are_answered_and_an_idle_connection_ends() {
    let (io, task, _stop) = connection(100_000);
    let mut sender = handshake(io, 1 << 20).await;
    for _ in 0..2 {
        let response = sender.send_request(request("http://a/")).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 100_000);
    }
    let idle = Instant::now();
    ends(task).await;
    assert!(idle.elapsed() >= PATIENCE.idle / 2, "{:?}", idle.elapsed());
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let (_io, task, _stop) = connection(0);
    let began = Instant::now();
    ends(task).await;
    assert!(began.elapsed() < PATIENCE.unread, "{:?}", began.elapsed());
}

/// Either the window is 0 at first, so not a byte of the body may be sent; or it is smaller than the body,
/// all of which has been handed to the connection by then.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    for window in [0, 1000] {
        let (io, task, _stop) = connection(500_000);
        let mut sender = handshake(io, window).await;
        let began = Instant::now();
        let response = sender.send_request(request("http://a/")).await.unwrap();
        ends(task).await;
        assert!(
            began.elapsed() >= PATIENCE.unread / 2,
            "{:?}",
            began.elapsed()
        );
        let rest = response.into_body().collect().await;
        assert!(rest.is_err(), "what was not sent was not read");
    }
}

#[tokio::test]
async fn a_node_that_stops_ends_connections() {
    let (io, task, stop) = connection(10);
    let mut sender = handshake(io, 1 << 20).await;
    let response = sender.send_request(request("http://a/")).await.unwrap();
    stop.send(true).unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 10);
    ends(task).await;
}

#[tokio::test]
async fn a_large_head_comes_out_of_the_budget() {
    let budget = Budget::new(64 << 10);
    let large = |length: usize| {
        Request::get(format!("http://a/{}", "x".repeat(length)))
            .body(())
            .unwrap()
    };
    assert!(hold_head(&large(1000), &budget).await.unwrap().is_none());
    let held = hold_head(&large(40_000), &budget).await.unwrap();
    assert!(held.is_some());
    assert!(budget.try_hold(40_000).is_none());
    drop(held);
    assert!(budget.try_hold(40_000).is_some());
}
