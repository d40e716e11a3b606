//! HTTP below the flares: bodies, headers, and the way to an origin.

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod headers;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod reply;
