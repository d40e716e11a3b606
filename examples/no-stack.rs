//! The build script of the flares that use no stack: all they have is in Wasm locals, so the linker need
//! not leave room for one, and addresses take fewer bytes. One that does use it traps, and
//! `cargo size check` tells before.

fn main() {
    println!("cargo::rerun-if-changed=../no-stack.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=16");
    }
}
