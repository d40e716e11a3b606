//! `cargo size prices`: what each public function of the SDK costs a flare that calls only it.
//!
//! For each entry of `probes.toml` a tiny flare is generated, built in release as a flare is, and
//! measured against an empty one. The result is `PRICES.md`, written by `--write` and held to be
//! current by `--check`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::binaryen::WasmOpt;
use crate::flares::Measured;
use crate::project::{self, Build, Project};
use crate::report::{Format, Table, thousands};

/// `probes.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probes {
    /// Public functions that have no price of their own, and why.
    #[serde(default)]
    unpriced: BTreeMap<String, String>,
    probe: Vec<Probe>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    /// The heading it stands under.
    group: String,
    /// What is called: `request::method`. With a space in it: more than a call.
    name: String,
    /// Features of the SDK it needs.
    #[serde(default)]
    features: Vec<String>,
    /// The body of the handler.
    #[serde(default)]
    code: String,
    /// Items next to the handler.
    #[serde(default)]
    items: String,
    /// What to use in place of `handle_request!(probe)`.
    #[serde(default)]
    entry: String,
    /// The functions it is the price of, if they are not its name.
    #[serde(default)]
    covers: Vec<String>,
}

/// The empty flare's name among the probes.
const EMPTY: &str = "an empty flare";

/// A probe with its price. Prices may be negative in theory: they are differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    pub group: String,
    pub name: String,
    pub raw: i64,
    pub opt: Option<i64>,
}

/// All prices, and what they were measured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prices {
    pub rustc: String,
    pub wasm_opt: Option<String>,
    /// The whole empty flare.
    pub empty: Price,
    pub prices: Vec<Price>,
    /// Probes that could not be built, and so have no price.
    pub failed: Vec<String>,
}

/// Generates, builds and measures all probes.
pub fn measure(project: &Project) -> Result<Prices> {
    project::ensure_wasm_target(&project.root)?;
    let probes = read_probes(&project.file("probes.toml"))?.probe;
    let wasm_opt = WasmOpt::find(Some(&project.root))?;
    let dir = project.scratch()?.join("probes");
    generate(project, &probes, &dir)?;

    // One cargo run for each set of features: in one run all probes would get the union of them,
    // and with it a heap none of them asked for.
    let mut by_features: BTreeMap<BTreeSet<&str>, Vec<String>> = BTreeMap::new();
    for probe in &probes {
        let features = probe.features.iter().map(String::as_str).collect();
        by_features
            .entry(features)
            .or_default()
            .push(package(&probe.name));
    }
    let rustflags = project.rustflags()?;
    let mut built = BTreeMap::new();
    for (done, (features, packages)) in by_features.iter().enumerate() {
        let features: Vec<&str> = features.iter().copied().collect();
        eprintln!(
            "[{}/{}] {} probes with {:?}",
            done + 1,
            by_features.len(),
            packages.len(),
            features
        );
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let build = Build {
            target_dir: Some(&dir.join("target")),
            rustflags: Some(&rustflags),
            ..Build::new(&dir, &packages)
        };
        match build.run() {
            Ok(wasm) => built.extend(wasm),
            // One feature that is broken is no reason to have no prices at all.
            Err(error) => eprintln!("error: {error:#}"),
        }
    }
    if wasm_opt.is_some() {
        eprintln!("wasm-opt on {} probes", built.len());
    }
    let measured = measure_all(&built, wasm_opt.as_ref())?;

    let of = |name: &str| measured.get(&package(name));
    let empty = of(EMPTY).context("there is no empty flare to compare with")?;
    let sizes = |m: &Measured| {
        (
            m.raw.bytes as i64,
            m.opt.as_ref().map(|opt| opt.bytes as i64),
        )
    };
    let (empty_raw, empty_opt) = sizes(empty);
    let (mut prices, mut failed) = (Vec::new(), Vec::new());
    for probe in probes.iter().filter(|probe| probe.name != EMPTY) {
        let Some(measured) = of(&probe.name) else {
            failed.push(probe.name.clone());
            continue;
        };
        let (raw, opt) = sizes(measured);
        prices.push(Price {
            group: probe.group.clone(),
            name: probe.name.clone(),
            raw: raw - empty_raw,
            opt: opt.zip(empty_opt).map(|(opt, empty)| opt - empty),
        });
    }
    Ok(Prices {
        rustc: project::rustc_version(&project.root)?,
        wasm_opt: wasm_opt.map(|wasm_opt| wasm_opt.version),
        empty: Price {
            group: String::new(),
            name: EMPTY.into(),
            raw: empty_raw,
            opt: empty_opt,
        },
        prices,
        failed,
    })
}

/// Measures in as many threads as there are cores: `wasm-opt` takes its time.
fn measure_all(
    built: &BTreeMap<String, Vec<u8>>,
    wasm_opt: Option<&WasmOpt>,
) -> Result<BTreeMap<String, Measured>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<_> = built.iter().collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = all
            .chunks(all.len().div_ceil(threads).max(1))
            .map(|chunk| {
                scope.spawn(move || {
                    let measure = |(name, wasm): &(&String, &Vec<u8>)| {
                        let measured = Measured::of(name, wasm, wasm_opt);
                        Ok((
                            name.to_string(),
                            measured.with_context(|| format!("probe {name}"))?,
                        ))
                    };
                    chunk.iter().map(measure).collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let mut measured = BTreeMap::new();
        for worker in workers {
            measured.extend(worker.join().expect("measuring does not panic")?);
        }
        Ok(measured)
    })
}

fn read_probes(path: &Path) -> Result<Probes> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let probes: Probes = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let mut packages = BTreeSet::new();
    for probe in &probes.probe {
        ensure!(
            packages.insert(package(&probe.name)),
            "{}: two probes are called {}",
            path.display(),
            probe.name
        );
    }
    Ok(probes)
}

/// The package name of a probe: `request::method` is `probe-request-method`.
fn package(name: &str) -> String {
    let letters = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        }
    });
    let words: String = letters.collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    format!("probe-{}", words.join("-"))
}

/// Writes a workspace with a crate per probe. Files that are as they should be are left alone,
/// so that cargo builds again only what changed.
fn generate(project: &Project, probes: &[Probe], dir: &Path) -> Result<()> {
    let mut members = Vec::new();
    for probe in probes {
        let package = package(&probe.name);
        write_if_changed(&dir.join(&package).join("src/lib.rs"), &source(probe))?;
        write_if_changed(
            &dir.join(&package).join("Cargo.toml"),
            &manifest(project, probe, &package)?,
        )?;
        members.push(toml::Value::from(package));
    }
    let mut workspace = toml::Table::new();
    workspace.insert("members".into(), members.into());
    workspace.insert("resolver".into(), "3".into());
    let mut profiles = toml::Table::new();
    profiles.insert("release".into(), project.release_profile()?.into());
    let mut root = toml::Table::new();
    root.insert("workspace".into(), workspace.into());
    root.insert("profile".into(), profiles.into());
    write_if_changed(&dir.join("Cargo.toml"), &toml::to_string(&root)?)
}

fn manifest(project: &Project, probe: &Probe, package: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Manifest<'a> {
        package: toml::Table,
        lib: toml::Table,
        dependencies: BTreeMap<&'a str, Dependency<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Dependency<'a> {
        path: PathBuf,
        default_features: bool,
        features: &'a [String],
    }
    let mut table = toml::Table::new();
    table.insert("name".into(), package.into());
    table.insert("version".into(), "0.0.0".into());
    table.insert("edition".into(), "2024".into());
    let mut lib = toml::Table::new();
    lib.insert("crate-type".into(), vec!["cdylib"].into());
    let sdk = Dependency {
        path: project.root.clone(),
        default_features: false,
        features: &probe.features,
    };
    let manifest = Manifest {
        package: table,
        lib,
        dependencies: [("flaron-sdk", sdk)].into(),
    };
    Ok(toml::to_string(&manifest)?)
}

/// The source of a probe.
///
/// Results have to go somewhere, or the call is optimised away; arguments have to come from
/// somewhere, or they are worked out at compile time. So every probe, the empty flare included,
/// has the same three imports and calls each at least once, and they cancel out.
fn source(probe: &Probe) -> String {
    let mut code = probe.code.trim().to_string();
    for (call, otherwise) in [
        ("take(", "take(b\"\");"),
        ("give(", "give(0);"),
        ("ask(", "ask();"),
    ] {
        if !code.contains(call) {
            code = format!("{code}\n{otherwise}");
        }
    }
    let code: String = code.lines().map(|line| format!("    {line}\n")).collect();
    let entry = match probe.entry.as_str() {
        "" => "flaron_sdk::handle_request!(probe);",
        entry => entry,
    };
    format!(
        r#"//! Generated by `cargo size prices` from size-report/probes.toml.
#![no_std]
#![allow(unused)]

use flaron_sdk::*;

flaron_sdk::panic_handler!();
{entry}

mod host {{
    #[link(wasm_import_module = "probe")]
    unsafe extern "C" {{
        pub safe fn take(pointer: *const u8, length: usize);
        pub safe fn give(number: i64);
        pub safe fn ask() -> i64;
    }}
}}

/// Lets go of bytes.
#[inline(always)]
fn take(bytes: &[u8]) {{
    host::take(bytes.as_ptr(), bytes.len());
}}

/// Lets go of a number.
#[inline(always)]
fn give(number: i64) {{
    host::give(number);
}}

/// A number nobody knows beforehand.
#[inline(always)]
fn ask() -> i64 {{
    host::ask()
}}

{items}

fn probe() -> FlareAction {{
{code}    FlareAction::Respond
}}
"#,
        items = probe.items.trim(),
    )
}

fn write_if_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let dir = path.parent().context("a file without a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

impl Prices {
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// `PRICES.md`.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# What each function of the SDK costs\n\n\
             Bytes that a flare grows by when it calls one function, and only that one, with\n\
             arguments of a few bytes and its result handed on. The empty flare it is compared with\n\
             exports `memory`, `alloc` and `handle_request`, and answers.\n\n\
             Prices do not add up: what two functions share is paid once. A flare that calls\n\
             `spark::get` pays less for `plasma::get` than the table says.\n\n\
             Written by `cargo size prices --write` from `size-report/probes.toml`; do not edit.\n\n\
             {}\n\n\
             The empty flare itself, with three imports of the measurement: {} bytes",
            self.made_with(),
            number(self.empty.raw),
        );
        if let Some(opt) = self.empty.opt {
            out.push_str(&format!(", {} after wasm-opt", number(opt)));
        }
        out.push_str(".\n");
        for group in self.groups() {
            let mut table = Table::new(&["call", "bytes", "after wasm-opt"]);
            for price in self.prices.iter().filter(|price| price.group == group) {
                let opt = price.opt.map_or("-".to_string(), number);
                table.row(vec![format!("`{}`", price.name), number(price.raw), opt]);
            }
            out.push_str(&format!(
                "\n## {group}\n\n{}",
                table.render(Format::Markdown)
            ));
        }
        out
    }

    /// One line, read again by [`Prices::parse`].
    fn made_with(&self) -> String {
        let wasm_opt = self.wasm_opt.as_deref().unwrap_or("no wasm-opt");
        format!("Measured with: {}; {wasm_opt}.", self.rustc)
    }

    fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for price in &self.prices {
            if !groups.contains(&price.group.as_str()) {
                groups.push(&price.group);
            }
        }
        groups
    }

    /// Reads back what [`Prices::markdown`] wrote.
    fn parse(text: &str) -> Result<Written> {
        let made_with = text
            .lines()
            .find_map(|line| line.strip_prefix("Measured with: "));
        let made_with = made_with
            .and_then(|line| line.strip_suffix('.'))
            .and_then(|line| line.split_once("; "));
        let (rustc, wasm_opt) = made_with.context("it does not say what it was measured with")?;
        let mut prices = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [name, raw, opt] = cells[..] else {
                bail!("a row of another shape: {line}")
            };
            prices.insert(
                name.trim_matches('`').to_string(),
                (raw.to_string(), opt.to_string()),
            );
        }
        Ok(Written {
            rustc: rustc.to_string(),
            wasm_opt: wasm_opt.to_string(),
            prices,
        })
    }

    /// What differs between these prices and the text that was written last, and what could not
    /// be compared.
    pub fn compare(&self, written: &str) -> Result<(Vec<String>, Vec<String>)> {
        let written = Self::parse(written)?;
        let (mut differences, mut notes) = (Vec::new(), Vec::new());
        let same_rustc = written.rustc == self.rustc;
        let same_wasm_opt = self.wasm_opt.as_ref() == Some(&written.wasm_opt);
        if !same_rustc {
            notes.push(format!(
                "PRICES.md was measured with {}, this is {}: only its list of functions is checked",
                written.rustc, self.rustc
            ));
        } else if !same_wasm_opt {
            let here = self.wasm_opt.as_deref().unwrap_or("no wasm-opt");
            notes.push(format!("PRICES.md was measured with {}, here is {here}: prices after wasm-opt are not checked", written.wasm_opt));
        }
        for price in &self.prices {
            let Some((raw, opt)) = written.prices.get(&price.name.replace('|', "\\|")) else {
                differences.push(format!("{}: is not in PRICES.md", price.name));
                continue;
            };
            let (raw_now, opt_now) = (number(price.raw), price.opt.map_or("-".to_string(), number));
            if same_rustc && *raw != raw_now {
                differences.push(format!(
                    "{}: {raw_now} bytes, and PRICES.md says {raw}",
                    price.name
                ));
            }
            if same_rustc && same_wasm_opt && *opt != opt_now {
                differences.push(format!(
                    "{}: {opt_now} bytes after wasm-opt, and PRICES.md says {opt}",
                    price.name
                ));
            }
        }
        for name in &self.failed {
            differences.push(format!("{name}: its probe could not be built"));
        }
        for name in written.prices.keys() {
            // What could not be built has been said.
            if self.failed.contains(name) {
                continue;
            }
            if !self
                .prices
                .iter()
                .any(|price| price.name.replace('|', "\\|") == *name)
            {
                differences.push(format!(
                    "{name}: is in PRICES.md, and no longer among the probes"
                ));
            }
        }
        Ok((differences, notes))
    }
}

/// `PRICES.md`, read back: prices as they are written there.
struct Written {
    rustc: String,
    wasm_opt: String,
    prices: BTreeMap<String, (String, String)>,
}

fn number(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(bytes.unsigned_abs()))
}

/// The public functions of the SDK that have neither a probe nor a reason to have none.
pub fn without_price(project: &Project) -> Result<Vec<String>> {
    let probes = read_probes(&project.file("probes.toml"))?;
    let covers = |probe: &Probe, function: &str| {
        probe.covers.iter().any(|covered| covered == function)
            || probe.name.split(' ').any(|word| word == function)
    };
    let has_price = |function: &str| {
        probes.unpriced.contains_key(function)
            || probes.probe.iter().any(|probe| covers(probe, function))
    };
    let mut missing = Vec::new();
    for function in public_functions(&project.root.join("src"))? {
        if !has_price(&function) {
            missing.push(function);
        }
    }
    Ok(missing)
}

/// The free functions of the SDK's public modules as `module::function`, and the public methods
/// of their types as `module::Type::method`.
fn public_functions(src: &Path) -> Result<Vec<String>> {
    let lib = parse(&src.join("lib.rs"))?;
    let mut functions = Vec::new();
    for item in lib.items {
        let syn::Item::Mod(module) = item else {
            continue;
        };
        // What is there for tests on the developer's machine costs no flare anything, and what is
        // hidden is there for our own macros.
        if !is_public(&module.vis) || module.ident == "testing" || is_hidden(&module.attrs) {
            continue;
        }
        let name = module.ident.to_string();
        let items = match module.content {
            Some((_, items)) => items,
            None => parse(&src.join(format!("{name}.rs")))?.items,
        };
        for item in items {
            match item {
                syn::Item::Fn(function)
                    if is_public(&function.vis) && !is_hidden(&function.attrs) =>
                {
                    functions.push(format!("{name}::{}", function.sig.ident));
                }
                syn::Item::Impl(block) if block.trait_.is_none() && !is_hidden(&block.attrs) => {
                    let syn::Type::Path(path) = &*block.self_ty else {
                        continue;
                    };
                    let Some(ty) = path.path.segments.last() else {
                        continue;
                    };
                    for item in &block.items {
                        if let syn::ImplItem::Fn(method) = item {
                            if is_public(&method.vis) && !is_hidden(&method.attrs) {
                                functions
                                    .push(format!("{name}::{}::{}", ty.ident, method.sig.ident));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }
    functions.sort();
    functions.dedup();
    Ok(functions)
}

fn parse(path: &Path) -> Result<syn::File> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    syn::parse_file(&text)
        .with_context(|| format!("{} is no Rust this tool understands", path.display()))
}

/// Whether there is a `#[doc(hidden)]`.
fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|argument| argument == "hidden")
    })
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(name: &str, raw: i64, opt: i64) -> Price {
        Price {
            group: "Requests".into(),
            name: name.into(),
            raw,
            opt: Some(opt),
        }
    }

    fn prices() -> Prices {
        Prices {
            rustc: "rustc 1 (abc)".into(),
            wasm_opt: Some("wasm-opt version 132".into()),
            empty: price(EMPTY, 300, 250),
            prices: vec![
                price("request::method", 120, 90),
                price("beam::fetch", 1500, 1200),
            ],
            failed: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_current() {
        let (differences, notes) = prices().compare(&prices().markdown()).unwrap();
        assert!(
            differences.is_empty() && notes.is_empty(),
            "{differences:?} {notes:?}"
        );
    }

    #[test]
    fn a_price_that_changed_is_named() {
        let mut now = prices();
        now.prices[1] = price("beam::fetch", 1501, 1200);
        let (differences, _) = now.compare(&prices().markdown()).unwrap();
        assert_eq!(
            differences,
            ["beam::fetch: 1,501 bytes, and PRICES.md says 1,500"]
        );
    }

    #[test]
    fn functions_that_came_and_went_are_named() {
        let mut now = prices();
        now.prices[0].name = "request::verb".into();
        let (differences, _) = now.compare(&prices().markdown()).unwrap();
        assert_eq!(differences.len(), 2);
        assert!(differences[0].starts_with("request::verb: is not in"));
        assert!(differences[1].starts_with("request::method: is in PRICES.md, and no longer"));
    }

    #[test]
    fn a_probe_that_could_not_be_built_is_named_once() {
        let mut now = prices();
        now.prices.remove(1);
        now.failed.push("beam::fetch".into());
        let (differences, _) = now.compare(&prices().markdown()).unwrap();
        assert_eq!(differences, ["beam::fetch: its probe could not be built"]);
    }

    #[test]
    fn other_tools_give_other_prices_and_that_is_said() {
        let mut now = prices();
        now.prices[0] = price("request::method", 121, 91);
        now.wasm_opt = None;
        let (differences, notes) = now.compare(&prices().markdown()).unwrap();
        assert_eq!((differences.len(), notes.len()), (1, 1));
        now.rustc = "rustc 2".into();
        let (differences, notes) = now.compare(&prices().markdown()).unwrap();
        assert_eq!((differences.len(), notes.len()), (0, 1));
    }

    #[test]
    fn probes_call_each_import_once_or_more() {
        let probe = |code: &str| Probe {
            group: String::new(),
            name: "x".into(),
            features: Vec::new(),
            code: code.into(),
            items: String::new(),
            entry: String::new(),
            covers: Vec::new(),
        };
        let body = |code| {
            let source = source(&probe(code));
            source[source.find("fn probe()").unwrap()..].to_string()
        };
        let empty = body("");
        assert!(
            empty.contains("take(b\"\");")
                && empty.contains("give(0);")
                && empty.contains("ask();")
        );
        let number = body("give(time::now_ms() as i64);");
        assert!(!number.contains("give(0)") && number.contains("take(b\"\");"));
        syn::parse_file(&source(&probe(""))).unwrap();
    }

    #[test]
    fn package_names_are_fit_for_cargo() {
        assert_eq!(package("request::method"), "probe-request-method");
        assert_eq!(package("write! of a number"), "probe-write-of-a-number");
    }

    #[test]
    fn public_functions_and_methods_are_found_and_private_ones_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("lib.rs"),
            "mod abi; pub mod time; pub mod testing; #[doc(hidden)] pub mod entry;",
        )
        .unwrap();
        fs::write(
            dir.path().join("time.rs"),
            "pub fn now() {} fn hidden() {} pub(crate) fn inner() {}
             pub struct Moment; impl Moment { pub fn year(&self) {} fn raw(&self) {} }
             impl Clone for Moment { fn clone(&self) -> Self { Self } }",
        )
        .unwrap();
        assert_eq!(
            public_functions(dir.path()).unwrap(),
            ["time::Moment::year", "time::now"]
        );
    }
}
