//! What a flare can be given. Nothing here knows of Wasm: each capability is a library of its own,
//! with limits that a session counts and errors that say what to do.
//!
//! | module | what it does |
//! |---|---|
//! | [`beam`] | fetches, and what they may reach |
//! | [`spark`] | a site's keys with TTLs, on this node's disk; pulls from other nodes |
//! | [`plasma`] | keys and counters that several nodes share |
//! | [`crypto`], [`secrets`] | hashes, tokens, encryption, and the keys for them |
//! | [`rescue`] | what of a damaged data folder can be saved |
//! | [`encoding`], [`id`], [`time`] | small things |
//! | [`cluster`] | the key that nodes of one cluster share, and what is sealed with it |
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
