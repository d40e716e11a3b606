//! Builds and measures the probes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use flaron_build::{Build, WASM_TARGET};

use crate::command::prices::generate::generate;
use crate::command::prices::probes::{EMPTY, Probe, package, read_probes};
use crate::command::prices::{Price, Prices};
use crate::project::Project;
use crate::wasm::wasm_opt::WasmOpt;

/// Generates, builds and measures all probes.
pub(super) fn measure(project: &Project) -> Result<Prices> {
    let probes = read_probes(&project.file("probes.toml"))?.probe;
    let wasm_opt = WasmOpt::find(Some(&project.root))?;
    let built = build_all(project, &probes, "probes")?;
    if wasm_opt.is_some() {
        eprintln!("wasm-opt on {} probes", built.len());
    }
    let sizes = weigh(&built, wasm_opt.as_ref())?;
    let of = |name: &str| {
        let size = sizes.get(&package(name))?;
        Some((size.raw as i64, size.opt.map(|opt| opt as i64)))
    };
    let (empty_raw, empty_opt) = of(EMPTY).context("there is no empty flare to compare with")?;
    let (mut prices, mut failed) = (Vec::new(), Vec::new());
    for probe in probes.iter().filter(|probe| probe.name != EMPTY) {
        let Some((raw, opt)) = of(&probe.name) else {
            failed.push(probe.name.clone());
            continue;
        };
        prices.push(Price {
            group: probe.group.clone(),
            name: probe.name.clone(),
            raw: raw - empty_raw,
            opt: opt.zip(empty_opt).map(|(opt, empty)| opt - empty),
        });
    }
    Ok(Prices {
        rustc: flaron_build::rustc_version(&project.root)?,
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

/// Generates and builds probes, in a folder of this name; by package.
pub(in crate::command) fn build_all(
    project: &Project,
    probes: &[Probe],
    folder: &str,
) -> Result<BTreeMap<String, Vec<u8>>> {
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    let dir = project.scratch()?.join(folder);
    generate(project, probes, &dir)?;

    // One cargo run for each set of features: in one run all probes would get the union of them,
    // and with it a heap none of them asked for.
    let mut by_features: BTreeMap<BTreeSet<&str>, Vec<String>> = BTreeMap::new();
    for probe in probes {
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
        match build(&dir, &packages, &rustflags) {
            Ok(wasm) => built.extend(wasm),
            // One feature that is broken is no reason to have no prices at all.
            Err(error) => eprintln!("error: {error:#}"),
        }
    }
    Ok(built)
}

/// Builds some probes in one cargo run.
fn build(dir: &Path, packages: &[&str], rustflags: &[String]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut build = Build::isolated(dir)
        .flare()
        .args(["--quiet"])
        .target_dir(&dir.join("target"))
        .rustflags(rustflags);
    for package in packages {
        build = build.package(package);
    }
    let artifacts = build.run()?;
    let mut built = BTreeMap::new();
    for package in packages {
        let wasm = artifacts.wasm_of_package(package)?.read()?;
        built.insert((*package).to_owned(), wasm);
    }
    Ok(built)
}

/// What a probe weighs.
struct Size {
    raw: u64,
    opt: Option<u64>,
}

/// Weighs in as many threads as there are cores: `wasm-opt` takes its time.
fn weigh(
    built: &BTreeMap<String, Vec<u8>>,
    wasm_opt: Option<&WasmOpt>,
) -> Result<BTreeMap<String, Size>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<_> = built.iter().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut sizes = Vec::new();
        while let Some((name, wasm)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let opt = wasm_opt.map(|wasm_opt| wasm_opt.optimise(wasm)).transpose();
            let size = Size {
                raw: wasm.len() as u64,
                opt: opt
                    .with_context(|| format!("probe {name}"))?
                    .map(|opt| opt.len() as u64),
            };
            sizes.push((name.to_string(), size));
        }
        Ok(sizes)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sizes = BTreeMap::new();
        for worker in workers {
            let done: Result<Vec<_>> = worker.join().expect("weighing does not panic");
            sizes.extend(done?);
        }
        Ok(sizes)
    })
}
