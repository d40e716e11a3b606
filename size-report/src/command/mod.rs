//! The commands of `cargo size`.

mod advice;
pub mod check;
pub mod diff;
pub mod floors;
pub mod idioms;
pub mod peers;
pub mod prices;
pub mod report;
pub mod slim;
pub mod why;
