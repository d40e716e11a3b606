//! Describes a flare, for `run` and `inspect`.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::output::{out, outln};
use flaron_edge::{Error, FlareInfo, FlareStatus, Result};

/// Describes a flare when the node starts.
pub(crate) fn describe(flare: &FlareStatus, url: &str) -> String {
    let mut text = format!("\n{}  {}\n", flare.name, bytes(flare.info.size as u64));
    if let Some(file) = &flare.file {
        let _ = writeln!(text, "  file     {}", file.display());
    }
    if flare.has_lines {
        text.push_str(
            "  served   a second build, with function names, line numbers and panic messages\n           \
             (--release serves this file)\n",
        );
    }
    text.push_str(&describe_info(&flare.info));
    let route = flare.routes.first().map_or("/", String::as_str);
    let _ = writeln!(text, "  routes   {}", flare.routes.join(" "));
    let _ = match flare.kind.http() {
        true => writeln!(text, "  try      curl -i '{url}{route}'"),
        false => writeln!(
            text,
            "  try      websocat 'ws{}{route}'",
            url.trim_start_matches("http")
        ),
    };
    text
}

/// The note about a module with the linker's default stack.
const NO_LINK_FLAGS: &str = "  note     its stack is 1 MiB: it was linked without the flags for small flares. Cargo\n           \
     reads them from .cargo/config.toml in the current folder and its parents (whatever\n           \
     --manifest-path says), and only for the target that they are written for\n";

/// The note about a module that was linked as if it had no use for a stack.
const LACKS_STACK: &str = "  note     it uses a stack and is linked without one (-zstack-size=16): it will trap. Link it with\n           \
     \"-Clink-arg=-zstack-size=4096\" in .cargo/config.toml\n";

fn describe_info(info: &FlareInfo) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for import in &info.imports {
        let name = import.capability.name();
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, names)) => names.push(import.name),
            None => groups.push((name, vec![import.name])),
        }
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|(group, names)| format!("{group} ({})", names.join(", ")))
        .collect();
    let max = match info.max_memory {
        Some(max) => bytes(max),
        None => "no maximum".to_owned(),
    };
    let imports = match groups.is_empty() {
        true => "none".to_owned(),
        false => groups.join("\n           "),
    };
    let note = match info.has_default_stack {
        true => NO_LINK_FLAGS,
        false => "",
    };
    format!(
        "  imports  {imports}\n  exports  {}\n  memory   {} at the start, {max}\n{note}",
        info.exports.join(", "),
        bytes(info.memory),
    )
}

/// A number of bytes for people to read.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} bytes"),
        10_240..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

/// `flaron-edge inspect`
pub(crate) fn inspect(file: &Path) -> Result<()> {
    let wasm = std::fs::read(file)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?;
    let info = flaron_edge::inspect(&wasm)
        .map_err(|error| Error::new(format!("{}: {error}", file.display())))?;
    outln!("{}  {}", file.display(), bytes(info.size as u64));
    out!("{}", describe_info(&info));
    // A node that serves it logs this.
    if info.lacks_stack {
        out!("{LACKS_STACK}");
    }
    if info.problems.is_empty() {
        return Ok(());
    }
    for problem in &info.problems {
        outln!("  problem  {problem}");
    }
    Err(Error::new("this module is not a flare"))
}
