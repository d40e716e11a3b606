//! The server: from a connection to the flare that serves it, and back.

mod crowd;
pub(crate) mod exchange;
mod export;
mod frames;
mod head_room;
mod health;
#[cfg(feature = "tls")]
mod http2;
mod io;
mod kv;
pub(crate) mod listen;
pub(crate) mod metrics;
mod respond;
mod route;
mod status;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod websocket;
