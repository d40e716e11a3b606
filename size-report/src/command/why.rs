//! `cargo size why`: lists what a flare's bytes are.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flaron_build::WASM_TARGET;

use crate::command::advice::advice;
use crate::flares;
use crate::format::thousands;
use crate::project::Project;
use crate::wasm::anatomy::Anatomy;
use crate::wasm::wasm_opt::{MISSING, WasmOpt};
use flaron_build::table::{Format, Table};

/// Explains an example flare, or any `.wasm` file. The repository is located only if it is needed.
pub fn run(project: impl FnOnce() -> Result<Project>, subject: &str, opt: bool) -> Result<String> {
    if !flares::is_file(subject) {
        return flare(&project()?, subject, opt);
    }
    if opt {
        bail!("--opt is for example flares; run wasm-opt -Oz -g on the file yourself");
    }
    file(subject.as_ref())
}

/// Explains an example flare. It is built a second time with its symbols, and that build is checked to have
/// the same code as the deployed one.
fn flare(project: &Project, name: &str, opt: bool) -> Result<String> {
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    flares::select(&project.root, &[name.to_string()])?;
    eprintln!("building {name} as it is deployed, and again with its symbols");
    let wasm = flares::build(&project.root, name, None)?;
    let named = flares::build_with_names(&project.root, name, &flares::names_dir(project)?)?;
    let (wasm, named) = if opt {
        let wasm_opt = WasmOpt::find(Some(&project.root))?.context(MISSING)?;
        (
            wasm_opt.optimise(&wasm)?,
            wasm_opt.optimise_keeping_names(&named)?,
        )
    } else {
        (wasm, named)
    };
    let (deployed, named) = (Anatomy::of(&wasm)?, Anatomy::of(&named)?);
    let mut out = String::new();
    if deployed.section("code") != named.section("code") {
        writeln!(
            out,
            "note: the code is {} bytes with symbols and {} without: the sizes of functions below are approximate\n",
            thousands(named.section("code")),
            thousands(deployed.section("code"))
        )?;
    }
    out.push_str(&explain(name, &deployed, &named));
    Ok(out)
}

/// Explains any module.
fn file(path: &Path) -> Result<String> {
    let wasm = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    let anatomy = Anatomy::of(&wasm).with_context(|| format!("{}", path.display()))?;
    let mut out = explain(&path.display().to_string(), &anatomy, &anatomy);
    if !anatomy.has_names {
        out.push_str(
            "\nThe module has no function names. To get them, build it with:\n  \
             cargo build --release --target wasm32-unknown-unknown --config 'profile.release.strip=\"debuginfo\"'\n",
        );
    }
    Ok(out)
}

/// The report: everything in `deployed`, with the function names of `named`.
fn explain(title: &str, deployed: &Anatomy, named: &Anatomy) -> String {
    let total = deployed.stripped();
    let mut out = format!("{title}: {} bytes\n", thousands(total));
    let custom = deployed.custom();
    if custom > 0 {
        out.push_str(&format!(
            "also {} bytes in custom sections (names and the like), which `strip = true` removes\n",
            thousands(custom)
        ));
    }

    let mut functions: Vec<_> = named.functions.iter().collect();
    functions.sort_by_key(|f| std::cmp::Reverse(f.bytes));
    let functions = functions.iter().map(|f| (f.bytes, f.name.clone()));
    part(
        &mut out,
        total,
        "code",
        named.section("code"),
        functions.collect(),
    );

    let data = deployed.data.iter().map(|segment| {
        let place = match segment.address {
            Some(address) => format!("at {address}"),
            None => "passive".to_string(),
        };
        (segment.bytes, format!("{place}: {:?}", segment.preview))
    });
    part(
        &mut out,
        total,
        "data",
        deployed.section("data"),
        data.collect(),
    );

    let imports = deployed.imports.iter();
    let imports = imports.map(|i| (i.bytes, format!("{} {}.{}", i.kind, i.module, i.name)));
    part(
        &mut out,
        total,
        "import",
        deployed.section("import"),
        imports.collect(),
    );
    let exports = deployed
        .exports
        .iter()
        .map(|e| (e.bytes, format!("{} {}", e.kind, e.name)));
    part(
        &mut out,
        total,
        "export",
        deployed.section("export"),
        exports.collect(),
    );

    let shown = ["code", "data", "import", "export"];
    let others = deployed
        .sections
        .iter()
        .filter(|s| !shown.contains(&s.name.as_str()) && !s.is_custom());
    let others: Vec<_> = others.map(|s| (s.bytes, s.name.clone())).collect();
    let sum = others.iter().map(|(bytes, _)| bytes).sum();
    part(&mut out, total, "other section", sum, others);
    out.push('\n');
    out.push_str(&stack(named));
    let linked = named.functions.iter();
    let advice = advice(linked.map(|function| (function.name.as_str(), function.bytes)));
    if !advice.is_empty() {
        out.push_str("\nfrom the standard library (`cargo size idioms` lists the prices)\n");
        for line in advice {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

/// The smallest stack that leaves no data at address 0: the linker aligns the stack to this many bytes.
const SMALLEST_STACK: i32 = 16;

/// The size of the stack in memory, for what does not fit into Wasm locals, and which functions use it.
fn stack(named: &Anatomy) -> String {
    let advice = format!(
        "-zstack-size={SMALLEST_STACK} is enough, and addresses take fewer bytes (see README.md)"
    );
    let Some(stack) = &named.stack else {
        return format!("stack: used by no function; {advice}\n");
    };
    let size = thousands(u64::from(stack.starts_at as u32));
    if stack.used_by.is_empty() {
        let advice = if stack.starts_at > SMALLEST_STACK {
            format!("; {advice}")
        } else {
            String::new()
        };
        return format!("stack: {size} bytes, used by no function{advice}\n");
    }
    let users = named.functions.iter();
    let users = users.filter(|function| stack.used_by.contains(&function.index));
    let mut out = format!("stack: {size} bytes, used by\n");
    for user in users {
        out.push_str("  ");
        out.push_str(&user.name);
        out.push('\n');
    }
    out
}

/// One part of the file as a small table. If `rows` do not account for all `bytes`, the rest is a row, too.
fn part(out: &mut String, total: u64, title: &str, bytes: u64, mut rows: Vec<(u64, String)>) {
    if bytes == 0 {
        return;
    }
    let rest = bytes - rows.iter().map(|(bytes, _)| bytes).sum::<u64>();
    if rest > 0 {
        rows.push((rest, "(id, length and count of the section)".to_string()));
    }
    rows.push((bytes, "in all".to_string()));
    let percent = |bytes: u64| format!("{:.1}%", bytes as f64 * 100.0 / total as f64);
    let mut table = Table::new(&["", "bytes", "of all", title]).left(3);
    for (bytes, what) in rows {
        table.row(vec![String::new(), thousands(bytes), percent(bytes), what]);
    }
    out.push('\n');
    out.push_str(&table.render(Format::Text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_largest_function_first_and_every_part() {
        let wasm = wat::parse_str(
            r#"(module
                (import "flaron/v1" "log_info" (func $log (param i32 i32)))
                (memory (export "memory") 1)
                (func $small)
                (func $large (call $log (i32.const 1024) (i32.const 5)))
                (data (i32.const 1024) "hello"))"#,
        )
        .unwrap();
        let anatomy = Anatomy::of(&wasm).unwrap();
        let text = explain("x", &anatomy, &anatomy);
        let large = text.find("large").unwrap();
        assert!(large < text.find("small").unwrap(), "{text}");
        for part in [
            "func flaron/v1.log_info",
            "memory memory",
            "at 1024: \"hello\"",
            "header",
            "custom sections",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn says_who_uses_the_stack() {
        let stack = |size, body| {
            let wat = format!(
                "(module (global $sp (mut i32) (i32.const {size})) (func $idle) (func $busy {body}))"
            );
            super::stack(&Anatomy::of(&wat::parse_str(wat).unwrap()).unwrap())
        };
        let busy = stack(4096, "(drop (global.get $sp))");
        assert_eq!(busy, "stack: 4,096 bytes, used by\n  busy\n");
        let unused = stack(4096, "");
        assert!(
            unused.contains("4,096 bytes, used by no function; -zstack-size=16"),
            "{unused}"
        );
        assert!(stack(16, "").ends_with("16 bytes, used by no function\n"));
        let none = Anatomy::of(&wat::parse_str("(module)").unwrap()).unwrap();
        assert!(super::stack(&none).starts_with("stack: used by no function; "));
    }

    #[test]
    fn the_parts_sum_up_to_the_file() {
        let wasm = wat::parse_str(
            r#"(module (import "a" "b" (func)) (memory (export "m") 1) (func $f nop) (data (i32.const 8) "xyz"))"#,
        );
        let anatomy = Anatomy::of(&wasm.unwrap()).unwrap();
        let text = explain("x", &anatomy, &anatomy);
        let sums = text.lines().filter(|line| line.ends_with("in all"));
        let sum: u64 = sums
            .map(|line| {
                line.split_whitespace()
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum();
        assert!(anatomy.custom() > 0, "it has names");
        assert_eq!(sum, anatomy.stripped());
        let first = text.lines().next().unwrap();
        assert_eq!(first, format!("x: {} bytes", anatomy.stripped()));
    }

    #[test]
    fn a_file_without_names_says_how_to_get_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        fs::write(&path, wat::parse_str("(module (func))").unwrap()).unwrap();
        assert!(
            file(&path)
                .unwrap()
                .contains("--config 'profile.release.strip")
        );
    }
}
