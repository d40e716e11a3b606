//! Trust between the nodes of one cluster.
//!
//! All nodes share a secret of 32 bytes ([`ClusterKeys`]). Everything one node sends to another is
//! encrypted and authenticated with it: streams between nodes (`channel`) by the Noise protocol,
//! single messages (a pull of Spark's keys, `sealed`) by an AEAD. Without the key nobody can read,
//! change or replay these messages, and what such a sender sends is dropped before it is
//! interpreted.

pub(crate) mod channel;
pub(crate) mod door;
pub(crate) mod filter;
mod key;
pub(crate) mod sealed;

#[cfg(test)]
mod tests;

pub use crate::capability::cluster::key::{ClusterKeyError, ClusterKeys};
