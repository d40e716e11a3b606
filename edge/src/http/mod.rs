//! HTTP below the flares: bodies, headers, and the way to an origin.

pub(crate) mod body;
pub(crate) mod budget;
pub(crate) mod client;
mod connection;
pub(crate) mod headers;
pub(crate) mod meter;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod reply;
pub(crate) mod target;
mod transfer;
