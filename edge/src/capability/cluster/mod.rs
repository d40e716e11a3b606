//! Trust between the nodes of one cluster.
//!
//! All nodes share a secret of 32 bytes ([`ClusterKeys`]). Whatever one node says to another is
//! encrypted and authenticated with it: streams between nodes (`channel`) by the Noise protocol,
//! single messages (a pull of Spark's keys, `sealed`) by an AEAD. Who lacks the key can neither
//! read nor change nor repeat what is said, and what he sends is dropped before it is looked at.

pub(crate) mod channel;
pub(crate) mod door;
pub(crate) mod filter;
mod key;
pub(crate) mod sealed;

#[cfg(test)]
mod tests;

pub use crate::capability::cluster::key::{ClusterKeyError, ClusterKeys};
