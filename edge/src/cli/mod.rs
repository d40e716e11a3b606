//! The command line: its arguments, the commands, and what they print.

pub(crate) mod args;
pub(crate) mod bench;
pub(crate) mod compiler;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod keys;
pub(crate) mod kv;
pub(crate) mod listening;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod replay;
pub(crate) mod run;
mod skeleton;
pub(crate) mod store;
pub(crate) mod tail;
pub(crate) mod terminal;
pub(crate) mod tools;
