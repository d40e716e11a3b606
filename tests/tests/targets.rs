//! Which targets and flags the SDK refuses, on stable Rust, and that it says so before anything else.

use std::process::{Command, Stdio};

use flaron_tests::cargo::{cargo, flares_dir, workspace};

/// What cargo says when the SDK is checked for a target with these flags; none if it compiles.
fn refusal(target: &str, flags: &str, settings: &[(&str, &str)]) -> Option<String> {
    // From outside of the repository, whose own flags would be replaced or added.
    let nowhere = tempfile::tempdir().unwrap();
    let mut command: Command = cargo(nowhere.path());
    command
        .args([
            "check",
            "--quiet",
            "--package",
            "flaron-sdk",
            "--target",
            target,
        ])
        .arg("--manifest-path")
        .arg(workspace().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(flares_dir().join("targets"))
        .env("RUSTFLAGS", flags)
        .envs(settings.iter().copied())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (!output.status.success()).then_some(told)
}

const WASM: &str = "wasm32-unknown-unknown";

#[test]
fn targets_that_are_not_known_to_be_sound_are_refused() {
    for target in [
        "wasm32-wasip1-threads",
        "wasm32-wasip2",
        "wasm64-unknown-unknown",
        "wasm32-unknown-emscripten",
    ] {
        let told = refusal(target, "", &[]).unwrap();
        let wanted = format!("`{target}` is not supported");
        assert!(told.contains(&wanted), "{target}: {told}");
    }
}

#[test]
fn threads_are_refused_by_their_flags() {
    flaron_tests::cargo::ensure_wasm_target();
    for flags in [
        "-Ctarget-feature=+atomics",
        "-C target-feature=+bulk-memory,+atomics",
        "-Clink-arg=--shared-memory",
        "-Ctarget-cpu=bleeding-edge",
    ] {
        let told = refusal(WASM, flags, &[]).unwrap();
        assert!(told.contains("single-threaded"), "{flags}: {told}");
    }
}

#[test]
fn statics_at_address_0_are_refused() {
    for flags in [
        "-Clink-arg=-zstack-size=0",
        "-Clink-arg=-z -Clink-arg=stack-size=00",
        "-Clink-args=--global-base=0x0",
    ] {
        let told = refusal(WASM, flags, &[]).unwrap();
        assert!(told.contains("address 0"), "{flags}: {told}");
    }
}

#[test]
fn sizes_of_the_arena_do_not_wrap_around() {
    for size in ["4294967360", "18446744073709551680", "1073741832", "63"] {
        let told = refusal(WASM, "", &[("FLARON_ARENA_BYTES", size)]).unwrap();
        assert!(told.contains("FLARON_ARENA_BYTES is a"), "{size}: {told}");
    }
}

#[test]
fn what_is_sound_compiles() {
    for flags in [
        "",
        "-Clink-arg=-zstack-size=16",
        "-Ctarget-feature=+simd128",
    ] {
        assert_eq!(refusal(WASM, flags, &[]), None, "{flags}");
    }
    assert_eq!(refusal(WASM, "", &[("FLARON_ARENA_BYTES", "64")]), None);
}
