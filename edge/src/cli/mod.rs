//! The commands: what can be written on the command line, running a node, and what is printed.

pub(crate) mod args;
pub(crate) mod compiler;
pub(crate) mod describe;
pub(crate) mod run;
pub(crate) mod store;
