//! How much a message holds while it arrives, and for how long.

use std::time::Duration;

use tokio::io::DuplexStream;

use super::*;

const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const PING: u8 = 9;
const FINAL: u8 = 0x80;

/// A client, and the server's side of its connection, with messages of at most 100 KiB and a budget of
/// 400.
fn connected() -> (DuplexStream, Frames<DuplexStream>, Arc<Budget>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    let budget = Budget::new(400 << 10);
    let frames = Frames::new(server, 100 << 10, budget.clone());
    (client, frames, budget)
}

/// A frame with this many bytes of payload.
fn frame(first: u8, length: u16) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.resize(frame.len() + 4 + usize::from(length), 0);
    frame
}

#[tokio::test(start_paused = true)]
async fn a_message_in_small_parts_is_counted_as_a_whole() {
    let (mut client, mut frames, budget) = connected();
    let mut sent = 0;
    // Each part is small enough not to be counted on its own.
    for (parts, left) in [(1, 400), (2, 336), (8, 336), (9, 300)] {
        while sent < parts {
            let first = if sent == 0 { BINARY } else { CONTINUATION };
            client.write_all(&frame(first, 8000)).await.unwrap();
            sent += 1;
        }
        let more = timeout(Duration::from_secs(1), frames.next()).await;
        assert!(more.is_err(), "the message is not complete");
        assert_eq!(budget.free_kib(), left, "after {parts} parts");
    }
    client
        .write_all(&frame(FINAL | CONTINUATION, 8000))
        .await
        .unwrap();
    let Ok(Received::Message(message)) = frames.next().await else {
        panic!("no message");
    };
    assert_eq!(message.len(), 80_000);
    // Only what it turned out to need is held, until the message is gone.
    assert_eq!(budget.free_kib(), 400 - 80_000_usize.div_ceil(1 << 10));
    drop(message);
    assert_eq!(budget.free_kib(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_ends_is_given_up() {
    let (mut client, mut frames, budget) = connected();
    client.write_all(&frame(BINARY, 50_000)).await.unwrap();
    let began = Instant::now();
    let error = loop {
        // A client that is alive may still not complete its message.
        match timeout(Duration::from_secs(10), frames.next()).await {
            Ok(Ok(Received::Ping(_))) => {}
            Ok(Ok(received)) => panic!("{received:?}"),
            Ok(Err(error)) => break error,
            Err(_) => client.write_all(&frame(FINAL | PING, 5)).await.unwrap(),
        }
    };
    assert_eq!(error, ReadError::Slow);
    let took = began.elapsed().as_secs();
    assert!((30..130).contains(&took), "{took} s");
    drop(frames);
    assert_eq!(budget.free_kib(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_is_not_a_silent_client() {
    let (mut client, mut frames, _) = connected();
    let message = frame(FINAL | BINARY, 50_000);
    let sends = tokio::spawn(async move {
        // 2 KiB a second: nearly half a minute.
        for part in message.chunks(2 << 10) {
            client.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        client
    });
    let early = timeout(Duration::from_secs(10), frames.next()).await;
    assert!(early.is_err());
    assert!(frames.heard().elapsed() < Duration::from_secs(2));
    let Ok(Received::Message(message)) = frames.next().await else {
        panic!("no message");
    };
    assert_eq!(message.len(), 50_000);
    drop(sends);
}
