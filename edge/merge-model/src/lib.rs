//! The edge's own code for what a key is and how two nodes' knowledge of it is merged, compiled for
//! the model checker in `tests`.
//!
//! ```sh
//! cargo test -p flaron-merge-model
//! ```

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the edge uses more of it than the model"
)]
#[path = "../../src/capability/plasma/crdt.rs"]
mod crdt;

#[cfg(test)]
mod model;
