//! `cargo size peers`: our flares beside the same flares built with the other SDKs.
//!
//! Those of the published Rust crate are built and measured here. The numbers for the C, Zig and
//! AssemblyScript SDKs come from `peers/recorded.toml`, which names their source.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use flaron_build::WASM_TARGET;
use serde::{Deserialize, Serialize};

use crate::chart::{self, Series};
use crate::flares::{self, Measured};
use crate::format::{or_dash, thousands};
use crate::output::{print, print_line, write_file};
use crate::project::{self, Project};
use crate::wasm::wasm_opt::WasmOpt;
use flaron_build::table::{Format, Table};

const PUBLISHED: &str = "Rust, flaron-sdk 1.1.0";

/// `recorded.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    source: String,
    sdk: Vec<RecordedSdk>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RecordedSdk {
    name: String,
    toolchain: String,
    note: Option<String>,
    bytes: BTreeMap<String, u64>,
}

/// The comparison.
#[derive(Debug, Serialize)]
struct Comparison {
    rustc: String,
    ours: Vec<Measured>,
    published: Vec<Measured>,
    recorded: Recorded,
}

/// Measures, prints, and writes a chart to `svg`.
pub fn run(project: &Project, json: bool, format: Format, svg: Option<&Path>) -> Result<bool> {
    let comparison = measure(project)?;
    if let Some(path) = svg {
        write_file(path, &comparison.svg())?;
    }
    if json {
        print_line(comparison.json()?)?;
    } else {
        print(comparison.render(format))?;
    }
    Ok(true)
}

/// Builds and measures both, and reads what is recorded.
fn measure(project: &Project) -> Result<Comparison> {
    let wasm_opt = WasmOpt::find(Some(&project.root))?;
    let recorded = read_recorded(&project.file("peers/recorded.toml"))?;
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    eprintln!("building our flares, then the same flares with {PUBLISHED}");
    eprintln!("our flares:");
    let ours = flares::measure(project, &[], wasm_opt.as_ref(), true)?;
    eprintln!("the same with {PUBLISHED} (its dependencies take a while the first time):");
    let published = published(project, wasm_opt.as_ref())?;
    Ok(Comparison {
        rustc: flaron_build::rustc_version(&project.root)?,
        ours,
        published,
        recorded,
    })
}

fn read_recorded(path: &Path) -> Result<Recorded> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}

/// Builds and measures the flares that use the published crate.
fn published(project: &Project, wasm_opt: Option<&WasmOpt>) -> Result<Vec<Measured>> {
    let target_dir = project.scratch()?.join("peers");
    let mut names: Vec<String> = project::metadata(&project.file("peers"))?
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    names.sort();
    let mut measured = Vec::new();
    for (done, name) in names.iter().enumerate() {
        eprintln!("[{}/{}] {name}", done + 1, names.len());
        let wasm = flaron_build::flares::published(&project.root, name, &target_dir)?;
        measured.push(Measured::of(name, &wasm.read()?, wasm_opt)?);
    }
    Ok(measured)
}

impl Comparison {
    /// The flares that have a peer, our smallest first. (One of ours without a peer cannot be
    /// compared; `cargo size` shows it.)
    fn flares(&self) -> Vec<String> {
        let mut names: Vec<String> = self.published.iter().map(|m| m.name.clone()).collect();
        let size = |name: &str| find(&self.ours, name).map_or(u64::MAX, |ours| ours.raw.bytes);
        names.sort_by_key(|name| (size(name), name.clone()));
        names
    }

    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    fn render(&self, format: Format) -> String {
        let mut headers = vec!["flare", "ours"];
        headers.extend(self.recorded.sdk.iter().map(|sdk| sdk.name.as_str()));
        headers.extend([
            PUBLISHED,
            "ours, wasm-opt",
            "Rust 1.1.0, wasm-opt",
            "ours, slim",
            "pages",
            "Rust 1.1.0, pages",
        ]);
        let mut table = Table::new(&headers);
        for flare in self.flares() {
            let (ours, theirs) = (find(&self.ours, &flare), find(&self.published, &flare));
            let mut cells = vec![flare.clone(), raw(ours)];
            cells.extend(
                self.recorded
                    .sdk
                    .iter()
                    .map(|sdk| or_dash(sdk.bytes.get(&flare).copied())),
            );
            cells.extend([
                raw(theirs),
                opt(ours),
                opt(theirs),
                or_dash(ours.and_then(|ours| ours.slim)),
                pages(ours),
                pages(theirs),
            ]);
            table.row(cells);
        }
        let mut out = table.render(format);
        out.push('\n');
        for note in self.notes() {
            out.push_str(&note);
            out.push_str(if format == Format::Markdown {
                "  \n"
            } else {
                "\n"
            });
        }
        out
    }

    fn svg(&self) -> String {
        let flares = self.flares();
        let of = |measured: &[Measured]| -> Vec<Option<u64>> {
            flares
                .iter()
                .map(|flare| find(measured, flare).map(|m| m.raw.bytes))
                .collect()
        };
        let mut series = vec![Series {
            name: "this SDK".into(),
            bytes: of(&self.ours),
        }];
        for sdk in &self.recorded.sdk {
            let bytes = flares
                .iter()
                .map(|flare| sdk.bytes.get(flare).copied())
                .collect();
            series.push(Series {
                name: sdk.name.clone(),
                bytes,
            });
        }
        series.push(Series {
            name: PUBLISHED.into(),
            bytes: of(&self.published),
        });
        let mut notes = vec![
            "Logarithmic scale: each step to the right is a multiple. Left is better.".to_string(),
        ];
        notes.extend(self.slim_note());
        notes.extend(self.notes());
        chart::peers(&flares, &series, &notes)
    }

    /// What `cargo size slim` makes of ours that have a peer, if it was measured.
    fn slim_note(&self) -> Option<String> {
        let (mut raw, mut slim) = (0, 0);
        for flare in self.flares() {
            let Some(ours) = find(&self.ours, &flare) else {
                continue;
            };
            raw += ours.raw.bytes;
            slim += ours.slim?;
        }
        let saved = 100.0 * (1.0 - slim as f64 / raw as f64);
        (raw > 0).then(|| {
            format!(
                "cargo size slim takes {saved:.1} % off this SDK's: {} to {} bytes in all.",
                thousands(raw),
                thousands(slim)
            )
        })
    }

    fn notes(&self) -> Vec<String> {
        let recorded = &self.recorded;
        let mut toolchains = Vec::new();
        for sdk in &recorded.sdk {
            let note = sdk
                .note
                .as_ref()
                .map(|note| format!(" ({note})"))
                .unwrap_or_default();
            toolchains.push(format!("{}: {}{note}", sdk.name, sdk.toolchain));
        }
        vec![
            format!("This SDK and {PUBLISHED}: measured, {}.", self.rustc),
            format!("{}.", toolchains.join("; ")),
            format!("These three: {}.", recorded.source),
        ]
    }
}

fn find<'a>(measured: &'a [Measured], name: &str) -> Option<&'a Measured> {
    measured.iter().find(|m| m.name == name)
}

fn raw(measured: Option<&Measured>) -> String {
    or_dash(measured.map(|m| m.raw.bytes))
}

fn opt(measured: Option<&Measured>) -> String {
    or_dash(measured.and_then(|m| m.opt.as_ref()).map(|opt| opt.bytes))
}

fn pages(measured: Option<&Measured>) -> String {
    or_dash(measured.map(|m| m.raw.memory_pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_numbers_are_complete_and_say_where_they_are_from() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/recorded.toml");
        let recorded = read_recorded(&path).unwrap();
        assert!(recorded.source.contains("not built by this tool"));
        let counts: Vec<_> = recorded
            .sdk
            .iter()
            .map(|sdk| (sdk.name.as_str(), sdk.bytes.len()))
            .collect();
        assert_eq!(counts, [("C", 8), ("Zig", 9), ("AssemblyScript", 9)]);
        assert!(recorded.sdk.iter().all(|sdk| !sdk.toolchain.is_empty()));
    }

    #[test]
    fn every_peer_is_in_the_table_with_and_without_ours() {
        let wasm = wat::parse_str("(module (memory 21) (func))").unwrap();
        let measured = |name| Measured::of(name, &wasm, None).unwrap();
        let comparison = Comparison {
            rustc: "rustc 1".into(),
            ours: vec![measured("hello")],
            published: vec![measured("echo"), measured("hello")],
            recorded: Recorded {
                source: "a note".into(),
                sdk: vec![RecordedSdk {
                    name: "C".into(),
                    toolchain: "clang".into(),
                    note: None,
                    bytes: [("hello".to_string(), 564)].into(),
                }],
            },
        };
        let text = comparison.render(Format::Text);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let size = wasm.len().to_string();
        assert_eq!(rows[1][..4], ["hello", &size, "564", &size]);
        assert_eq!(rows[2][..4], ["echo", "-", "-", &size]);
        assert_eq!(rows[1].last(), Some(&"21"));
        assert_eq!(comparison.slim_note(), None);
        let mut slimmed = comparison;
        slimmed.ours[0].slim = Some(wasm.len() as u64 * 3 / 4);
        let note = slimmed.slim_note().unwrap();
        assert!(
            note.contains(" takes 2") && note.contains(" % off"),
            "{note}"
        );
        let column = slimmed.render(Format::Text);
        let row = column.lines().nth(1).unwrap().split_whitespace();
        let slim = slimmed.ours[0].slim.unwrap().to_string();
        assert_eq!(row.rev().nth(2), Some(&*slim));
        assert!(text.contains("These three: a note."));
    }
}
