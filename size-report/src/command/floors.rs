//! `cargo size floors`: the example flares beside the same flares written by hand in Wasm's text format.
//!
//! `floors/NAME.safe.wat` has the same checks as the SDK, so it is the best that the SDK could reach;
//! `NAME.bare.wat` has none, and shows what the checks cost. Both are measured after `wasm-opt`, ours after
//! `cargo size slim`. `floors.toml` has the largest permitted ratio of each flare to its floor.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use flaron_build::WASM_TARGET;
use serde::{Deserialize, Serialize};

use crate::flares;
use crate::format::{or_dash, thousands};
use crate::output::{print, print_line};
use crate::project::Project;
use crate::wasm::behaviour::{self, Runs};
use crate::wasm::slim::{Steps, slim};
use crate::wasm::wasm_opt::{MISSING, WasmOpt};
use flaron_build::table::{Format, Table};

/// `floors.toml`: by flare, how many times its safe floor it may weigh.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// The sum of the bytes of those in `ratio`.
    sum: u64,
    ratio: BTreeMap<String, f64>,
    /// Those of the gallery, which are in no sum.
    #[serde(default)]
    gallery: BTreeMap<String, f64>,
}

impl Limits {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.ratio.keys().chain(self.gallery.keys())
    }

    fn of(&self, name: &str) -> Option<f64> {
        self.ratio.get(name).or(self.gallery.get(name)).copied()
    }

    /// Those of which the bytes are added up.
    fn summed<'a>(&self, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
        rows.iter().filter(|row| self.ratio.contains_key(&row.name))
    }
}

/// One flare beside its floors, in bytes.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    name: String,
    ours: u64,
    safe: u64,
    bare: Option<u64>,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours as f64 / self.safe as f64
    }
}

/// Measures, prints, and with `check` compares the ratios with their limits. `false` if one is exceeded.
pub fn run(project: &Project, check: bool, json: bool, format: Format) -> Result<bool> {
    let path = project.file("floors.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let limits: Limits = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let wasm_opt = WasmOpt::find(Some(&project.root))?.context(MISSING)?;
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    let mut rows = Vec::new();
    let count = limits.names().count();
    for (done, name) in limits.names().enumerate() {
        eprintln!("[{}/{count}] {name}", done + 1);
        rows.push(measure(project, &wasm_opt, name).with_context(|| name.clone())?);
    }
    if json {
        print_line(serde_json::to_string_pretty(&rows)?)?;
    } else {
        print(table(&rows, &limits).render(format))?;
    }
    let broken = broken(&rows, &limits);
    for broken in &broken {
        eprintln!("{}: {broken}", if check { "error" } else { "note" });
    }
    Ok(!check || broken.is_empty())
}

fn measure(project: &Project, wasm_opt: &WasmOpt, name: &str) -> Result<Row> {
    let raw = flares::build(&project.root, name, None)?;
    let steps = Steps {
        words: true,
        wasm_opt: Some(wasm_opt),
    };
    let ours = slim(&raw, steps)?.wasm;
    let floor = |kind: &str, runs| -> Result<Option<Vec<u8>>> {
        let path = project.file("floors").join(format!("{name}.{kind}.wat"));
        if !path.is_file() {
            return Ok(None);
        }
        let wasm = wat::parse_file(&path).with_context(|| format!("{}", path.display()))?;
        behaviour::compare_calls(&raw, &wasm, runs)
            .with_context(|| format!("{} is not the same flare", path.display()))?;
        // Code written by hand may be smaller than what it makes.
        let optimised = wasm_opt.optimise(&wasm)?;
        Ok(Some(if optimised.len() < wasm.len() {
            optimised
        } else {
            wasm
        }))
    };
    let safe = floor("safe", Runs::Well)?;
    // Without checks its behaviour is arbitrary for answers that it does not expect.
    let bare = floor("bare", Runs::First)?;
    let safe = safe.context("there is no floors/NAME.safe.wat")?;
    ensure!(!safe.is_empty(), "an empty floor");
    Ok(Row {
        name: name.to_owned(),
        ours: ours.len() as u64,
        safe: safe.len() as u64,
        bare: bare.map(|bare| bare.len() as u64),
    })
}

fn sum(rows: &[Row], limits: &Limits) -> u64 {
    limits.summed(rows).map(|row| row.ours).sum()
}

fn table(rows: &[Row], limits: &Limits) -> Table {
    let mut table = Table::new(&[
        "flare",
        "ours, slim",
        "by hand, safe",
        "ratio",
        "at most",
        "by hand, bare",
    ]);
    for row in rows {
        let limit = limits.of(&row.name);
        table.row(vec![
            row.name.clone(),
            thousands(row.ours),
            thousands(row.safe),
            format!("{:.3}", row.ratio()),
            limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.3}")),
            or_dash(row.bare),
        ]);
    }
    let safe: u64 = limits.summed(rows).map(|row| row.safe).sum();
    let sum = sum(rows, limits);
    table.row(vec![
        "the nine".to_owned(),
        thousands(sum),
        thousands(safe),
        format!("{:.3}", sum as f64 / safe.max(1) as f64),
        "-".to_owned(),
        "-".to_owned(),
    ]);
    table
}

/// The limits that are exceeded.
fn broken(rows: &[Row], limits: &Limits) -> Vec<String> {
    let mut broken = Vec::new();
    for row in rows {
        let limit = limits.of(&row.name).unwrap_or(0.0);
        if row.ratio() > limit {
            broken.push(format!(
                "{}: {} bytes, {:.3} times what it weighs by hand ({}), and at most {limit} times is allowed",
                row.name,
                row.ours,
                row.ratio(),
                row.safe
            ));
        }
    }
    let sum = sum(rows, limits);
    if sum > limits.sum {
        broken.push(format!(
            "all together: {} bytes, and at most {} are allowed",
            thousands(sum),
            thousands(limits.sum)
        ));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flare_above_its_ratio_and_a_sum_above_its_limit_are_broken() {
        let row = |name: &str, ours| Row {
            name: name.to_owned(),
            ours,
            safe: 200,
            bare: None,
        };
        let limits = |sum| Limits {
            sum,
            ratio: [("a".to_owned(), 1.15), ("b".to_owned(), 1.15)].into(),
            gallery: [("c".to_owned(), 1.5)].into(),
        };
        assert!(broken(&[row("a", 230), row("b", 200)], &limits(430)).is_empty());
        let one = broken(&[row("a", 231), row("b", 199)], &limits(430));
        assert!(
            one.len() == 1 && one[0].starts_with("a: 231 bytes, 1.155 times"),
            "{one:?}"
        );
        let all = broken(&[row("a", 230), row("b", 201)], &limits(430));
        assert!(
            all.len() == 1 && all[0].starts_with("all together: 431 bytes"),
            "{all:?}"
        );
        // One of the gallery has a ratio, too, and is in no sum.
        let rows = |ours| [row("a", 230), row("b", 200), row("c", ours)];
        assert!(broken(&rows(300), &limits(430)).is_empty());
        let gallery = broken(&rows(301), &limits(430));
        assert!(
            gallery.len() == 1 && gallery[0].starts_with("c: 301 bytes"),
            "{gallery:?}"
        );
    }
}
