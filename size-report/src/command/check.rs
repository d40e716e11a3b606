//! `cargo size check`: the size gate for any `.wasm`.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::flares::Measured;
use crate::gate::{self, Budgets, Sizes, Verdict, baseline};
use crate::output::{print, print_line};
use crate::project::Settings;
use crate::report::{self, Report};
use crate::wasm::anatomy::Anatomy;
use crate::wasm::wasm_opt::{FLAGS, WasmOpt};
use flaron_build::table::Format;

/// The limits for the files, and the output format.
#[derive(Debug)]
pub struct Options {
    pub files: Vec<PathBuf>,
    pub limits: Sizes,
    /// Measure after `wasm-opt` too, also without a budget for it.
    pub opt: bool,
    pub baseline: Option<PathBuf>,
    pub bless: bool,
    /// Show the sizes even if there is nothing to check them against. Without this, that is an error: a gate in which
    /// the limit was forgotten must not pass.
    pub measure: bool,
    pub json: bool,
    pub format: Format,
}

/// Measures, prints, and checks or blesses. `false` if the check failed.
pub fn run(options: &Options) -> Result<bool> {
    let nothing_to_hold = options.limits == Sizes::default() && options.baseline.is_none();
    if nothing_to_hold && !options.measure {
        bail!(
            "nothing to check against; give --budget 2KiB, --baseline FILE, or both (--measure only shows the sizes)"
        );
    }
    // Only on request: the file may be optimised already, or use features that our flags for
    // wasm-opt do not name.
    let wasm_opt = if options.opt || options.limits.opt.is_some() {
        let found = WasmOpt::find(None)?;
        Some(found.context("--opt and --opt-budget need Binaryen's wasm-opt, in PATH or as $WASM_OPT (the npm package binaryen@132 has it)")?)
    } else {
        None
    };
    let mut measured = Vec::new();
    let mut overflowing = Vec::new();
    for path in &options.files {
        let wasm = fs::read(path)
            .with_context(|| format!("could not read {}; was it built?", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let flare = Measured::of(&name, &wasm, wasm_opt.as_ref());
        measured.push(flare.with_context(|| format!("{}", path.display()))?);
        overflowing.extend(too_small_stack(&name, &Anatomy::of(&wasm)?));
    }
    let now = Settings {
        // A flare need not come from Rust, and rustc need not be here. What made it is not
        // written in it, so the compiler at hand is taken for the one that made it.
        rustc: flaron_build::rustc_version(&env::current_dir()?)
            .unwrap_or_else(|_| "no rustc".into()),
        wasm_opt: wasm_opt.as_ref().map(|wasm_opt| wasm_opt.version.clone()),
        wasm_opt_flags: wasm_opt
            .iter()
            .flat_map(|_| FLAGS)
            .map(ToString::to_string)
            .collect(),
        rustflags: Vec::new(),
        profile: toml::Table::new(),
    };

    let old = match &options.baseline {
        Some(path) => baseline::read_baseline(path)?,
        None => None,
    };
    if options.bless {
        let path = options
            .baseline
            .as_ref()
            .context("--bless writes a baseline; say which: --baseline FILE")?;
        let new = baseline::bless(old.as_ref(), &measured, now, old.is_none())?;
        baseline::write_baseline(path, &new, "flaron-size check --bless")?;
        print_line(format_args!("accepted: {}", path.display()))?;
        return Ok(true);
    }

    let limits = measured.iter().map(|m| (m.name.clone(), options.limits));
    let budgets: Budgets = limits.collect();
    let verdict = match &options.baseline {
        Some(path) if old.is_none() => bail!(
            "there is no baseline {}; create it with the same command and --bless, and commit it",
            path.display()
        ),
        Some(_) => gate::gate(&measured, &budgets, old.as_ref(), &now, false),
        None => Verdict {
            // No baseline was asked for, so there is no need to report that none exists.
            notes: Vec::new(),
            ..gate::gate(&measured, &budgets, None, &now, false)
        },
    };

    let report = Report::new(
        "Sizes of the flares",
        &measured,
        &budgets,
        old.as_ref(),
        &now,
        Some(&verdict),
    );
    if options.json {
        print_line(report.json()?)?;
    } else {
        print(report.render(options.format))?;
    }
    eprint!("{}", report::verdict(&verdict, HELP));
    for finding in &overflowing {
        eprintln!("error: {finding}");
    }
    let passed = verdict.passed() && overflowing.is_empty();
    match (passed, nothing_to_hold) {
        (true, false) => eprintln!("ok: every file is within its limits"),
        (true, true) => eprintln!("note: there is nothing to check these sizes against"),
        (false, _) => {}
    }
    Ok(passed)
}

/// The stack that is for flares which use none; the linker rounds smaller ones up to it.
const NO_STACK: i32 = 16;

/// What is wrong with a flare that is linked with no stack and uses one: its first large local runs out
/// of it, which is a trap at best.
fn too_small_stack(name: &str, anatomy: &Anatomy) -> Option<String> {
    let stack = anatomy.stack.as_ref()?;
    if stack.starts_at > NO_STACK || stack.used_by.is_empty() {
        return None;
    }
    let users = anatomy.functions.iter();
    let users: Vec<&str> = users
        .filter(|function| stack.used_by.contains(&function.index))
        .map(|function| function.name.as_str())
        .collect();
    Some(format!(
        "{name}: its stack has {} bytes, and is used by {}; link it with -zstack-size=4096",
        stack.starts_at,
        users.join(", ")
    ))
}

const HELP: &str = "
What to do:
  flaron-size why FILE.wasm           what the bytes are
  flaron-size diff OLD.wasm NEW.wasm  what grew, function by function
If the new size is right, raise --budget, or accept it with --bless and commit the baseline.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flare_without_a_stack_must_not_use_it() {
        let finding = |size, body| {
            let wat = format!(
                "(module (global $sp (mut i32) (i32.const {size})) (func $idle) (func $busy {body}))"
            );
            too_small_stack("x", &Anatomy::of(&wat::parse_str(wat).unwrap()).unwrap())
        };
        let used = "(global.set $sp (i32.sub (global.get $sp) (i32.const 32)))";
        assert_eq!(
            finding(16, used).unwrap(),
            "x: its stack has 16 bytes, and is used by busy; link it with -zstack-size=4096"
        );
        assert_eq!(finding(4096, used), None);
        assert_eq!(finding(16, ""), None);
        // A word that is a global is no stack.
        assert_eq!(finding(0, used), None);
    }
}
