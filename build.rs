//! Names groups of features, so that the code says what it is for and not who needs it.

use std::env;

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
    // Lists the keys of a store.
    ("lists_keys", &["spark", "plasma"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (name, features) in GROUPS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        let is_on = |feature: &&str| {
            let variable = feature.to_uppercase().replace('-', "_");
            env::var_os(format!("CARGO_FEATURE_{variable}")).is_some()
        };
        if features.iter().any(is_on) {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
