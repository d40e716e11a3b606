//! The local edge.
