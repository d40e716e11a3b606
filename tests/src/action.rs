//! The GitHub action in `size-report/`, as a runner runs its script.

use std::path::Path;
use std::process::Command;

use crate::cargo::{size_binary, workspace};

/// Puts the tool where the action's cache has it, so that it is not installed: that takes minutes.
pub fn cached_tool(folder: &Path) {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(size_binary(), bin.join("flaron-size")).unwrap();
}

/// A step of the action, with the defaults of its inputs: in a repository, with the tool in a folder.
pub fn step(step: &str, repository: &Path, tool: &Path) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(workspace().join("size-report/action.sh"))
        .arg(step)
        .current_dir(repository)
        .env("FOLDER", tool)
        .env("FILES", "target/wasm32-unknown-unknown/release/*.wasm")
        .env(
            "BUILD",
            "cargo build --release --target wasm32-unknown-unknown",
        )
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("WASM_OPT");
    command
}
