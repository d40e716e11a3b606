//! The build script of the flares that use no stack: all they have is in Wasm locals, so the linker need
//! not leave room for one, and addresses take fewer bytes. One that does use it traps, and
//! `cargo size check` tells before.
//!
//! `FLARON_KEEP_STACK=1` leaves the stack as `.cargo/config.toml` has it: for measuring what this saves.

fn main() {
    println!("cargo::rerun-if-changed=../no-stack.rs");
    println!("cargo::rerun-if-env-changed=FLARON_KEEP_STACK");
    if std::env::var_os("FLARON_KEEP_STACK").is_some() {
        return;
    }
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=16");
    }
}
