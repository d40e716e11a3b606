//! The flares of this repository: the examples, and the same ones built with the published SDK.

use std::path::Path;

use crate::build::{Build, WasmFile};
use crate::error::Result;

/// A flare from `examples/` in the repository at `root`, as `cargo build --release` builds it.
///
/// There is one cargo run for each: built together, the flares would all get the union of the
/// features that they request from the SDK. Without a `target_dir` it is the workspace's own.
///
/// # Errors
///
/// When it cannot be built.
pub fn example(root: &Path, name: &str, target_dir: Option<&Path>) -> Result<WasmFile> {
    let mut build = Build::isolated(root)
        .flare()
        .args(["--quiet"])
        .package(name);
    if let Some(folder) = target_dir {
        build = build.target_dir(folder);
    }
    build.run()?.wasm_of_package(name)
}

/// The same flare built with the published crate, from `size-report/peers/` in the repository at
/// `root`, with the release profile that the README of that crate asks for, and no flags.
///
/// `target_dir` must not be the workspace's own, because flares of the two workspaces have the same
/// names.
///
/// # Errors
///
/// When it cannot be built. The first build needs access to the registry.
pub fn published(root: &Path, name: &str, target_dir: &Path) -> Result<WasmFile> {
    let manifest = root.join("size-report/peers/Cargo.toml");
    let build = Build::isolated_from_repository(&manifest)
        .flare()
        .rustflags(&[])
        .args(["--quiet", "--locked"])
        .package(name)
        .target_dir(target_dir);
    build.run()?.wasm_of_package(name)
}
