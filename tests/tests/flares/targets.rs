//! Which targets and flags the SDK refuses on stable Rust, and that its own message comes first.

use std::process::{Command, Stdio};

use flaron_tests::cargo::{Crate, cargo, ensure_wasm_target, flares_dir, workspace};

/// Cargo's messages when the SDK is checked for a target with these flags; `None` if it compiles.
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
    ensure_wasm_target();
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

/// Flags that are passed to the last crate only are invisible to the SDK's build script, but not to the linker.
#[test]
fn shared_memory_is_refused_by_the_linker_whoever_asks_for_it() {
    ensure_wasm_target();
    let mut krate = Crate::new("targets-shared", &["response"]);
    krate.add("shared", SHARED);
    let shared = [
        "-Clink-arg=--shared-memory",
        "-Clink-arg=--max-memory=2097152",
    ];
    for (flags, lto) in [
        (&["-Ctarget-feature=+atomics,+bulk-memory"][..], "fat"),
        (&["-Ctarget-feature=+atomics,+bulk-memory"], "off"),
        (&[], "off"),
    ] {
        let mut command: Command = cargo(krate.write());
        command
            .args(["rustc", "--quiet", "--release", "--example", "shared"])
            .args(["--target", WASM, "--target-dir"])
            .arg(flares_dir().join("shared"))
            .arg("--")
            .args(flags)
            .env("CARGO_PROFILE_RELEASE_LTO", lto)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{flags:?}, {lto}: {told}");
        let output = command.args(shared).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let refused = told.contains("--shared-memory is disallowed by flaron-sdk.o");
        assert!(
            refused && !output.status.success(),
            "{flags:?}, {lto}: {told}"
        );
    }
}

const SHARED: &str = r#"
    #![no_std]
    #![forbid(unsafe_code)]

    use flaron_sdk::{FlareAction, response, text};

    flaron_sdk::handle_request!(shared);
    flaron_sdk::panic_handler!();

    fn shared() -> FlareAction {
        let text = text::build(("a", 1_u8));
        response::set_body(text.as_deref().unwrap_or_default());
        FlareAction::Respond
    }
"#;

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
