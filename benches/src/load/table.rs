//! What was measured, as a table.

use std::fmt::Write as _;

use wasmtime::Result;
use wasmtime::error::Context as _;

use crate::load::round::Round;

/// The file with the results, and what is around them there.
pub(super) const RESULTS: &str = "edge/README.md";
const BEGIN: &str = "<!-- load: written by `flaron-benches load --write` -->\n";
const END: &str = "<!-- load: end -->\n";

/// One of the columns: what it is called, how it is read off a round, how it is written, and what is
/// right for us.
struct Column {
    title: &'static str,
    of: fn(&Round) -> Option<f64>,
    unit: &'static str,
}

const COLUMNS: [Column; 5] = [
    Column {
        title: "requests per second",
        of: Round::per_second,
        unit: "",
    },
    Column {
        title: "p50",
        of: Round::p50_micros,
        unit: " µs",
    },
    Column {
        title: "p99",
        of: Round::p99_micros,
        unit: " µs",
    },
    Column {
        title: "server's CPU per request",
        of: Round::cpu_micros,
        unit: " µs",
    },
    Column {
        title: "memory",
        of: Round::memory_mib,
        unit: " MiB",
    },
];

/// The medians of all servers, the edge first, and for each of the others the ratios: the edge's
/// number by that of the other.
pub(super) fn table(rounds: &[(&str, Vec<Round>)]) -> String {
    let mut text = String::from("| |");
    for column in &COLUMNS {
        let _ = write!(text, " {} |", column.title);
    }
    text.push_str(" failed |\n|---|");
    text.push_str(&"--:|".repeat(COLUMNS.len() + 1));
    text.push('\n');
    for (name, rounds) in rounds {
        let _ = write!(text, "| `{name}` |");
        for column in &COLUMNS {
            let _ = match median(rounds.iter().filter_map(column.of)) {
                Some(value) => write!(text, " {value:.0}{} |", column.unit),
                None => write!(text, " ? |"),
            };
        }
        let errors: u64 = rounds.iter().map(|round| round.errors).sum();
        let _ = writeln!(text, " {errors} |");
    }
    let Some(((_, ours), others)) = rounds.split_first() else {
        return text;
    };
    for (name, theirs) in others {
        let _ = write!(text, "| ratio to `{name}` |");
        for column in &COLUMNS {
            let pairs = ours.iter().zip(theirs);
            let ratios =
                pairs.filter_map(|(ours, theirs)| Some((column.of)(ours)? / (column.of)(theirs)?));
            let _ = match median(ratios) {
                Some(ratio) => write!(text, " {ratio:.2} |"),
                None => write!(text, " ? |"),
            };
        }
        text.push_str(" |\n");
    }
    text
}

/// A file's text with the results between the marks.
///
/// # Errors
///
/// When the marks are not in it.
pub(super) fn put(old: &str, results: &str) -> Result<String> {
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.with_context(|| format!("{RESULTS} has no line {BEGIN}… and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::flares;

    fn round(requests: u64, p99: u64) -> Round {
        Round {
            requests,
            micros: 2_000_000,
            p50: 100,
            p99,
            errors: 0,
            cpu: Some(Duration::from_secs(1)),
            memory: Some(10 << 20),
        }
    }

    #[test]
    fn the_table_has_medians_and_the_median_of_the_ratios() {
        let ours = vec![round(200, 50), round(4000, 90), round(600, 10)];
        let theirs = vec![round(100, 100), round(1000, 100), round(200, 100)];
        let nowhere = vec![Round {
            memory: None,
            ..round(100, 100)
        }];
        let text = table(&[("ours", ours), ("theirs", theirs), ("nowhere", nowhere)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "| | requests per second | p50 | p99 | server's CPU per request | memory | failed |",
                "|---|--:|--:|--:|--:|--:|--:|",
                "| `ours` | 300 | 100 µs | 50 µs | 1667 µs | 10 MiB | 0 |",
                "| `theirs` | 100 | 100 µs | 100 µs | 5000 µs | 10 MiB | 0 |",
                "| `nowhere` | 50 | 100 µs | 100 µs | 10000 µs | ? | 0 |",
                // The pairs' ratios are 2, 4 and 3.
                "| ratio to `theirs` | 3.00 | 1.00 | 0.50 | 0.33 | 1.00 | |",
                "| ratio to `nowhere` | 2.00 | 1.00 | 0.50 | 0.50 | ? | |",
            ]
        );
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn results_take_the_place_of_the_old_ones() {
        let text = put(&format!("a\n{BEGIN}old\n{END}b\n"), "new").unwrap();
        assert_eq!(text, format!("a\n{BEGIN}\nnew\n{END}b\n"));
        assert!(put("a\n", "new").is_err());
        let readme = fs::read_to_string(flares::root().join(RESULTS)).unwrap();
        assert!(put(&readme, "new").is_ok(), "the marks are in {RESULTS}");
    }
}
