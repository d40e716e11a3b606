//! Refuses targets and flags with which the SDK is not sound, and names groups of features, so that the
//! code says what it is for and not who needs it.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let families = variable("CARGO_CFG_TARGET_FAMILY");
    if families.split(',').any(|family| family == "wasm") {
        let features = variable("CARGO_CFG_TARGET_FEATURE");
        let flags = variable("CARGO_ENCODED_RUSTFLAGS");
        if let Err(why) = check_wasm(&variable("TARGET"), &features, &flags) {
            println!("cargo::error={why}");
        }
        link_one_thread(Path::new(&variable("OUT_DIR")));
    }
    name_groups(|feature| {
        let name = feature.to_uppercase().replace('-', "_");
        env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
    });
}

/// The Wasm targets whose modules have one thread and 32-bit addresses, and no other runtime in them.
const WASM_TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32v1-none", "wasm32-wasip1"];

/// Whether a Wasm module that is built like this has one thread, and no static at address 0. On stable
/// Rust nothing else tells: `cfg(target_feature = "atomics")` is never set there.
///
/// `flags` are what `CARGO_ENCODED_RUSTFLAGS` has, which is separated by the byte 0x1f.
fn check_wasm(target: &str, features: &str, flags: &str) -> Result<(), String> {
    if !WASM_TARGETS.contains(&target) {
        return Err(format!(
            "`{target}` is not supported; build for one of {}",
            WASM_TARGETS.join(", ")
        ));
    }
    // As one text: a flag and its value may be one argument or two.
    let flags = flags.replace('\x1f', " ");
    let enabled = flags.contains("+atomics") || features.split(',').any(|name| name == "atomics");
    // `bleeding-edge` has all that LLVM knows, atomics among it.
    if enabled || flags.contains("bleeding-edge") || flags.contains("shared-memory") {
        return Err(
            "it is for single-threaded Wasm: build without the target feature \
            `atomics`, `-Ctarget-cpu=bleeding-edge` and `--shared-memory`"
                .to_owned(),
        );
    }
    for setting in ["stack-size=", "global-base="] {
        for (at, _) in flags.match_indices(setting) {
            let value = &flags[at + setting.len()..];
            let value = value.split([' ', ',']).next().unwrap_or_default();
            let digits = value.trim_start_matches("0x");
            if !digits.is_empty() && digits.bytes().all(|digit| digit == b'0') {
                return Err(format!(
                    "with `{setting}{value}` a static may lie at address 0, which is no \
                    address in Rust: 16 is the smallest that works"
                ));
            }
        }
    }
    Ok(())
}

/// A symbol table that names what rustc always has the linker export, `__heap_base` and `__data_end`, and nothing
/// else. The linker can be told to take another name for a symbol that is named somewhere (`--wrap=__heap_base`); under
/// its own there is then nothing to export, which saves a flare 41 bytes. Without that flag it changes nothing.
fn names() -> Vec<u8> {
    const SYMBOL_TABLE: u8 = 8;
    // A datum that is somewhere else.
    const DATA: u8 = 1;
    const UNDEFINED: u8 = 0x10;
    let names = ["__heap_base", "__data_end"];
    let mut table = vec![names.len() as u8];
    for name in names {
        table.extend([DATA, UNDEFINED, name.len() as u8]);
        table.extend(name.as_bytes());
    }
    [&[SYMBOL_TABLE, table.len() as u8], &table[..]].concat()
}

/// Makes the linker refuse shared memory, whoever asks for it: the flags of the last crate alone (`cargo rustc -- …`)
/// and the linker arguments of other build scripts are not seen here.
///
/// It is an object file with nothing in it but its target features and two [names](names). `-shared-mem` is what LLVM writes there when it
/// has compiled atomics away: the linker then takes no `--shared-memory`. A flare has no byte of it.
fn link_one_thread(folder: &Path) {
    const NAME: &str = "flaron_one_thread";
    // The version of Wasm; then that of the `linking` section, which makes it an object file.
    let mut object = b"\0asm\x01\0\0\0".to_vec();
    add_section(&mut object, "linking", &[b"\x02", &names()[..]].concat());
    // One feature, and how long its name is.
    add_section(&mut object, "target_features", b"\x01-\x0ashared-mem");

    // An archive of it, because that is what Cargo hands on to whoever links.
    let size = object.len();
    let header = format!(
        "{:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
        "flaron-sdk.o/", 0, 0, 0, 644
    );
    let mut archive = [b"!<arch>\n", header.as_bytes(), &object].concat();
    // Members begin at even places.
    archive.resize(archive.len().next_multiple_of(2), b'\n');
    if let Err(why) = fs::write(folder.join(format!("lib{NAME}.a")), archive) {
        println!("cargo::error=cannot write to `{}`: {why}", folder.display());
    }
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=static:+whole-archive={NAME}");
}

/// Adds a custom section to a Wasm module. All is so short that each length is one byte.
fn add_section(module: &mut Vec<u8>, name: &str, content: &[u8]) {
    module.extend([0, (1 + name.len() + content.len()) as u8, name.len() as u8]);
    module.extend(name.as_bytes());
    module.extend(content);
}

/// A `cfg`, and the features of which it takes one.
const GROUPS: &[(&str, &[&str])] = &[
    // Has host calls that return data: what they return is claimed.
    (
        "claims",
        &[
            "request", "beam", "spark", "plasma", "secrets", "crypto", "encoding", "id", "time",
            "ws",
        ],
    ),
    // Has functions that return a bare value: they trap, and others tell why.
    (
        "bare",
        &["request", "spark", "plasma", "encoding", "time", "ws"],
    ),
    // Reads, or cuts, what a host call returned before it is a lease.
    ("takes", &["request", "spark", "plasma", "crypto", "time"]),
    // Has pieces of text that ask the host.
    (
        "asks",
        &[
            "request", "spark", "plasma", "crypto", "encoding", "id", "time", "ws",
        ],
    ),
    // Sends text of pieces in a host call that returns no data.
    (
        "sends",
        &["response", "logging", "spark", "plasma", "ws", "crypto"],
    ),
    // Sends text of pieces in a host call that returns data.
    ("calls", &["beam", "crypto", "time"]),
    // Reads numbers in decimal.
    ("decimal", &["spark", "time", "json"]),
    // Writes JSON; reads JSON (as the in-memory host does).
    ("writes_json", &["beam", "spark", "crypto", "time", "json"]),
    (
        "reads_json",
        &["beam", "spark", "plasma", "json", "testing"],
    ),
    // Has a heap.
    ("heap", &["alloc", "dlmalloc", "arena-alloc"]),
    // Lists the keys of a store.
    ("lists_keys", &["spark", "plasma"]),
];

fn name_groups(is_on: impl Fn(&str) -> bool) {
    // Set by cargo-fuzz; and by nobody, for what only cargo-mutants reads.
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rustc-check-cfg=cfg(mutants)");
    for (name, features) in GROUPS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if features.iter().any(|feature| is_on(feature)) {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
