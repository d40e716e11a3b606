//! The commands: `cargo size` and what stands behind it.

pub mod check;
pub mod diff;
pub mod floors;
pub mod peers;
pub mod prices;
pub mod report;
pub mod slim;
pub mod why;
