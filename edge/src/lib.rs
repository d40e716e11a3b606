//! A local edge node that runs Flaron flares (Wasm guests), on a laptop, in tests and in CI.
//!
//! The program `flaron-edge` is a thin command line over this library. Tests can use the library
//! directly, in-process and without a socket:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> flaron_edge::Result<()> {
//! let flare = br#"(module
//!     (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 8) "hello")
//!     (func (export "handle_request") (result i64)
//!         (call $body (i32.const 8) (i32.const 5))
//!         (i64.const 0x100000000)))"#;
//! let edge = flaron_edge::Edge::builder()
//!     .flare(wat::parse_bytes(flare).unwrap().into_owned())
//!     .build()?;
//! let response = edge.request(http::Request::get("/").body("").unwrap()).await;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), "hello");
//! # Ok(()) }
//! ```
//!
//! # Modules
//!
//! A module uses only modules in the rows below its own.
//!
//! | modules | what they do |
//! |---|---|
//! | `builder`, `edge`, [`new`](fn@new), `bench` | the public API: configuring a node, the handle of a node, creating a flare's crate, measuring what a flare's requests cost |
//! | `server`, `watch` | HTTP and WebSockets from a socket to a flare and back; reloading flares |
//! | `state`, `flare` | what all requests share; a flare, its slot in the node, how it is built |
//! | `wasm` | compiling modules, running instances |
//! | `imports`, `host` | the functions of `flaron/v1`; the data behind one instance |
//! | `node`, `config`, `stores`, `telemetry` | what all flares share; `flare.toml`; Spark and Plasma from the developer's side; traces and metrics for a collector |
//! | [`capability`] | the capabilities of a flare, such as [`spark`] and [`beam`], independent of Wasm |
//! | `http`, `runtime` | bodies, headers and the way to an origin; where things run |
//! | `recording`, `trace` | recorded requests in a file; a flare's host calls |
//! | [`contract`] | the imports of `flaron/v1` by name and type |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod capability;
pub mod contract;

mod bench;
mod builder;
mod config;
mod edge;
mod error;
mod flare;
mod host;
mod http;
mod imports;
mod journal;
mod node;
mod recording;
mod runtime;
mod scaffold;
mod server;
mod shutdown;
mod state;
mod stores;
mod sync;
mod telemetry;
mod trace;
mod wasm;
mod watch;

pub use bench::{Bench, Cost, Subject, runtime as bench_runtime};
pub use builder::EdgeBuilder;
pub use capability::kv::now_ms;
pub use capability::{
    beam, cluster, crypto, encoding, health, id, plasma, rescue, secrets, spark, time,
};
pub use config::{BeamSettings, FILE_NAME, FlareConfig, Limits, schema};
pub use contract::Kind;
pub use edge::{Edge, FlareStatus, Server};
pub use error::{Error, Result};
pub use flare::build as build_flare;
pub use flare::build::{AS_COMPILER, NOT_WITH_LINES};
pub use flare::source::{FlareSource, SECRETS_FILE_NAME};
pub use flare::stats::StatsSnapshot;
pub use journal::{Entry, Level, LogLine, Plain, Printing, Used};
pub use recording::{Content, Recorded, RecordedRequest, RecordedResponse, read_recording};
pub use scaffold::{Sdk, Template, new};
#[cfg(feature = "tls")]
pub use server::tls::Certificate;
pub use state::Reload;
pub use stores::{StoreName, StoredEntry, Stores, parse_entries};
pub use trace::HostCall;
pub use wasm::info::FlareInfo;
pub use watch::Watch;

use wasm::engine::Settings;

/// What a module is: imports, exports, memory, and what keeps it from being a flare.
///
/// # Errors
///
/// When it is not valid Wasm, or the engine cannot be started.
pub fn inspect(wasm: &[u8]) -> Result<FlareInfo> {
    wasm::engine::Engine::new(Settings::default())?.inspect(wasm)
}
