//! What a flare can be given. Nothing here depends on Wasm: each capability is a library of its
//! own, with limits that a session counts, and errors that say what to do.
//!
//! | module | what it does |
//! |---|---|
//! | [`beam`] | fetches, and what they may reach |
//! | [`spark`] | a site's keys with TTLs, on this node's disk; pulls from other nodes |
//! | [`plasma`] | keys and counters shared by several nodes |
//! | [`crypto`], [`secrets`] | hashes, tokens, encryption, and the keys for them |
//! | [`rescue`] | what can be recovered from a damaged data folder |
//! | [`encoding`], [`id`], [`time`] | encodings, identifiers, the clock |
//! | [`cluster`] | the key shared by the nodes of a cluster, and what is sealed with it |
//! | [`health`] | what is wrong with a node |
//! | `kv`, `store` | what Spark and Plasma have in common |

pub mod beam;
pub mod cluster;
pub mod crypto;
pub mod encoding;
pub mod health;
pub mod id;
pub(crate) mod kv;
pub mod plasma;
pub mod rescue;
pub mod secrets;
pub mod spark;
pub(crate) mod store;
pub mod time;
