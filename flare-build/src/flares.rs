//! The flares of this repository: the examples, and the same made with the published SDK.

use std::path::Path;

use crate::build::{Build, WasmFile};
use crate::error::Result;

/// A flare of `examples/` in the repository at `root`, as `cargo build --release` makes it.
///
/// One cargo run for each: built together, the flares would share the union of the features that
/// they ask the SDK for. `target_dir` is the workspace's own if there is none.
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

/// The same flare made with the published crate, of `size-report/peers/` in the repository at
/// `root`: with the release profile that the README of that crate asks for, and no flags.
///
/// `target_dir` must not be the workspace's own: flares of the two workspaces have the same names.
///
/// # Errors
///
/// When it cannot be built. The first time needs the registry.
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
