//! How fast a flare starts and runs: ours next to the same flare built with the published SDK, on the
//! same engine in the same run.
//!
//! | module | what it does |
//! |---|---|
//! | [`flares`] | finds and builds the example flares and the published ones |
//! | [`host`] | the engine, and a host whose answers are always the same |
//! | [`fuel`] | the instructions of an invocation, and the gate |
//! | [`speed`] | the times of the flares |
//! | [`end_to_end`] | requests per second through the edge |
//! | [`load`] | the edge under load, beside another server |
//! | [`micro`] | the loops over data, natively |
//! | [`clock`] | measuring time on a busy machine |
//! | [`report`] | tables, targets and the plot |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod clock;
pub mod end_to_end;
pub mod flares;
pub mod fuel;
pub mod host;
pub mod load;
pub mod micro;
pub mod report;
pub mod speed;
