//! What passes the gate and what does not.

use std::fs;

use crate::flares::Measured;
use crate::gate::baseline::{Baseline, bless, read_baseline, write_baseline};
use crate::gate::budget::{Budgets, Sizes, read_budgets};
use crate::gate::{Finding, Verdict, gate};
use crate::project::Settings;
use crate::wasm::measure::Measure;

fn settings(rustc: &str, wasm_opt: Option<&str>) -> Settings {
    Settings {
        rustc: rustc.into(),
        wasm_opt: wasm_opt.map(Into::into),
        wasm_opt_flags: Vec::new(),
        rustflags: vec!["-Clink-arg=-zstack-size=4096".into()],
        profile: toml::Table::new(),
    }
}

fn flare(name: &str, raw: u64, opt: Option<u64>, memory_pages: u64) -> Measured {
    let measure = |bytes| Measure {
        bytes,
        gzip: 0,
        brotli: 0,
        sections: Vec::new(),
        functions: 0,
        imports: 0,
        exports: 0,
        memory_pages,
        default_stack: false,
    };
    Measured {
        name: name.into(),
        raw: measure(raw),
        opt: opt.map(measure),
        slim: None,
    }
}

fn sizes(raw: u64, opt: u64, memory_pages: u64) -> Sizes {
    Sizes {
        raw: Some(raw),
        opt: Some(opt),
        memory_pages: Some(memory_pages),
    }
}

fn budgets() -> Budgets {
    Budgets::from([
        ("echo".into(), sizes(740, 615, 6)),
        ("hello".into(), sizes(375, 310, 6)),
    ])
}

fn measured() -> Vec<Measured> {
    vec![
        flare("echo", 730, Some(600), 5),
        flare("hello", 350, Some(300), 5),
    ]
}

fn blessed() -> Baseline {
    bless(None, &measured(), settings("rustc 1", Some("132")), true).unwrap()
}

fn check(measured: &[Measured], baseline: &Baseline, now: &Settings) -> Verdict {
    gate(measured, &budgets(), Some(baseline), now, true)
}

#[test]
fn what_was_blessed_passes() {
    let verdict = check(&measured(), &blessed(), &settings("rustc 1", Some("132")));
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn a_flare_over_its_budget_fails_by_name_and_amount() {
    let mut measured = measured();
    measured[0] = flare("echo", 3000, Some(2615), 7);
    let verdict = check(&measured, &blessed(), &settings("another", Some("132")));
    let said: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "echo: 3,000 bytes, 2,260 over its budget of 740",
            "echo: 2,615 bytes after wasm-opt, 2,000 over its budget of 615",
            "echo: 7 pages of initial memory, 1 over its budget of 6",
        ]
    );
}

#[test]
fn a_budget_is_the_largest_size_allowed() {
    let measured = [
        flare("echo", 740, Some(615), 6),
        flare("hello", 375, Some(310), 6),
    ];
    assert!(check(&measured, &blessed(), &settings("another", Some("132"))).passed());
}

#[test]
fn growth_and_shrinking_within_the_budget_fail_under_the_same_rustc() {
    let measured = [
        flare("echo", 731, Some(600), 5),
        flare("hello", 350, Some(298), 5),
    ];
    let verdict = check(&measured, &blessed(), &settings("rustc 1", Some("132")));
    let said: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "echo: 731 bytes, 1 more than the baseline of 730");
    assert!(
        said[1].starts_with("hello: 298 bytes after wasm-opt, 2 less than the baseline of 300")
    );
}

#[test]
fn another_rustc_is_held_to_the_budgets_only_and_says_so() {
    let measured = [
        flare("echo", 731, Some(600), 5),
        flare("hello", 350, Some(298), 5),
    ];
    let verdict = check(&measured, &blessed(), &settings("rustc 2", Some("132")));
    assert!(verdict.passed());
    assert_eq!(
        verdict.notes,
        ["the baseline was made with rustc 1, this is rustc 2: sizes are held to the budgets only"]
    );
}

#[test]
fn another_wasm_opt_or_none_still_compares_what_cargo_made() {
    let measured = [
        flare("echo", 731, Some(590), 5),
        flare("hello", 350, Some(298), 5),
    ];
    let verdict = check(&measured, &blessed(), &settings("rustc 1", Some("131")));
    assert_eq!(verdict.findings.len(), 1);
    assert!(verdict.notes[0].contains("131"));

    let measured = [flare("echo", 731, None, 5), flare("hello", 350, None, 5)];
    let verdict = check(&measured, &blessed(), &settings("rustc 1", None));
    assert_eq!(verdict.findings.len(), 1);
    assert!(verdict.notes[0].contains("cargo size setup"));
}

#[test]
fn flares_without_budget_or_baseline_and_entries_without_flare_fail() {
    let measured = [
        flare("echo", 730, Some(600), 5),
        flare("new", 10, Some(10), 5),
    ];
    let now = settings("rustc 1", Some("132"));
    let verdict = check(&measured, &blessed(), &now);
    let new = || "new".to_string();
    let gone = |file| Finding::Gone {
        flare: "hello".into(),
        file,
    };
    assert_eq!(
        verdict.findings,
        [
            Finding::NoBudget { flare: new() },
            Finding::NotBlessed { flare: new() },
            gone("budgets.toml"),
            gone("baseline.toml"),
        ]
    );
    // If only some flares were requested, the others are not reported as missing.
    assert!(gate(&measured[..1], &budgets(), Some(&blessed()), &now, false).passed());
}

#[test]
fn without_a_baseline_the_budgets_hold() {
    let now = settings("rustc 1", Some("132"));
    let verdict = gate(&measured(), &budgets(), None, &now, true);
    assert!(verdict.passed());
    assert!(verdict.notes[0].contains("--bless"));
    let over = [flare("echo", 741, None, 5)];
    assert!(!gate(&over, &budgets(), None, &now, false).passed());
}

#[test]
fn blessing_keeps_what_was_not_measured_and_forgets_what_is_gone() {
    let now = || settings("rustc 1", Some("132"));
    let smaller = [flare("echo", 700, Some(500), 5)];
    let some = bless(Some(&blessed()), &smaller, now(), false).unwrap();
    assert_eq!(some.flares["echo"], sizes(700, 500, 5));
    assert_eq!(some.flares["hello"], sizes(350, 300, 5));
    let all = bless(Some(&blessed()), &smaller, now(), true).unwrap();
    assert!(!all.flares.contains_key("hello"));
}

#[test]
fn blessing_never_mixes_compilers_and_never_loses_opt_sizes() {
    let one = [flare("echo", 700, Some(500), 5)];
    let other = settings("rustc 2", Some("132"));
    assert!(bless(Some(&blessed()), &one, other.clone(), false).is_err());
    assert!(bless(Some(&blessed()), &one, other, true).is_ok());
    let error = bless(Some(&blessed()), &one, settings("rustc 1", None), true).unwrap_err();
    assert!(error.to_string().contains("would lose them"));
}

#[test]
fn a_baseline_survives_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("baseline.toml");
    assert_eq!(read_baseline(&path).unwrap(), None);
    write_baseline(&path, &blessed(), "cargo size --bless").unwrap();
    assert_eq!(read_baseline(&path).unwrap(), Some(blessed()));
}

#[test]
fn a_misspelled_budget_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("budgets.toml");
    fs::write(&path, "[hello]\nraww = 3").unwrap();
    assert!(read_budgets(&path).is_err());
}
