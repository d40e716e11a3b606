//! Runs cargo without the effects of environment variables that are meant for other builds.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

/// Cargo in `folder`, which determines which `.cargo/config.toml` applies, without the environment
/// variables that change what is built: what is measured and tested is what the manifests and
/// configuration files say, wherever it is built. (CI often sets `RUSTFLAGS="-D warnings"`, which
/// would silently replace the flags that flares are linked with.)
///
/// Prints on standard error, once, which of the user's settings it ignores.
pub fn isolated_cargo(folder: &Path) -> Command {
    let mut command = cargo(folder);
    let mut set_by_user = Vec::new();
    for (name, _) in env::vars_os() {
        match effect(&name) {
            Effect::None => continue,
            Effect::Flags => set_by_user.push(name.to_string_lossy().into_owned()),
            Effect::Internal => {}
        }
        command.env_remove(name);
    }
    static SAID: Once = Once::new();
    if !set_by_user.is_empty() {
        SAID.call_once(|| {
            eprintln!(
                "note: {} in the environment is not used for building flares",
                set_by_user.join(", ")
            );
        });
    }
    command
}

/// Cargo in `folder`, with the environment unchanged.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// What a variable does to a build.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    None,
    /// It sets flags, a profile or the size of the arena, for the user's own code.
    Flags,
    /// Set for this program by the cargo that runs it, and build scripts would run again when it
    /// changes; or it wraps the compiler, for coverage or a cache.
    Internal,
}

fn effect(name: &OsStr) -> Effect {
    let Some(name) = name.to_str() else {
        return Effect::None;
    };
    if name.ends_with("RUSTFLAGS")
        || name.starts_with("CARGO_PROFILE_")
        || name == "FLARON_ARENA_BYTES"
    {
        Effect::Flags
    } else if name.ends_with("RUSTC_WRAPPER")
        || name.ends_with("RUSTC_WORKSPACE_WRAPPER")
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
    {
        Effect::Internal
    } else {
        Effect::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_build_is_kept_out_and_nothing_else() {
        for (name, expected) in [
            ("RUSTFLAGS", Effect::Flags),
            ("CARGO_ENCODED_RUSTFLAGS", Effect::Flags),
            ("CARGO_BUILD_RUSTFLAGS", Effect::Flags),
            (
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
                Effect::Flags,
            ),
            ("CARGO_PROFILE_RELEASE_LTO", Effect::Flags),
            ("FLARON_ARENA_BYTES", Effect::Flags),
            ("RUSTC_WRAPPER", Effect::Internal),
            ("CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", Effect::Internal),
            ("CARGO_PKG_NAME", Effect::Internal),
            ("CARGO_MANIFEST_DIR", Effect::Internal),
            ("CARGO_TARGET_DIR", Effect::None),
            ("CARGO_HOME", Effect::None),
            ("RUSTUP_TOOLCHAIN", Effect::None),
            ("PATH", Effect::None),
        ] {
            assert_eq!(effect(OsStr::new(name)), expected, "{name}");
        }
    }
}
