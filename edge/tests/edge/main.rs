//! The edge from outside: hand-written guests, in-process requests and real sockets.

#![allow(unreachable_pub, reason = "one program of several files")]

mod author;
mod browser;
mod generated;
mod guest;
mod hops;
mod hostile_clients;
mod hostile_guests;
mod http;
mod imports;
#[cfg(target_os = "linux")]
mod keys;
mod limits;
mod modules;
mod one_request;
mod origin;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(unix)]
mod pipes;
mod pressure;
mod process;
mod proxying;
mod screen;
mod socket;
mod status;
#[cfg(feature = "tls")]
mod tls;
mod toolchain;
mod traps;
mod websocket;
mod websocket_cases;
