//! The server: from a connection to the flare that serves it, and back.

pub(crate) mod exchange;
mod export;
mod frames;
mod head_room;
mod health;
mod io;
mod kv;
pub(crate) mod listen;
mod metrics;
mod respond;
mod route;
mod status;
mod websocket;
