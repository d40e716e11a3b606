//! The tables: for the terminal, for a pull request (Markdown), for programs (JSON).

use serde::Serialize;

use crate::flares::Measured;
use crate::format::{change, or_dash, thousands};
use crate::gate::{Baseline, Budgets, Sizes, Verdict};
use crate::project::Settings;
use flaron_build::table::{Format, Table};

/// The report of `cargo size`, as it is written in JSON.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// What the flares are, for the heading.
    #[serde(skip)]
    pub title: &'a str,
    pub settings: &'a Settings,
    pub flares: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'a Verdict>,
}

/// One flare with its limits.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    #[serde(flatten)]
    pub measured: &'a Measured,
    pub budget: Sizes,
    pub baseline: Sizes,
}

impl<'a> Report<'a> {
    pub fn new(
        title: &'a str,
        measured: &'a [Measured],
        budgets: &Budgets,
        baseline: Option<&Baseline>,
        settings: &'a Settings,
        verdict: Option<&'a Verdict>,
    ) -> Self {
        let row = |measured: &'a Measured| Row {
            measured,
            budget: budgets.get(&measured.name).copied().unwrap_or_default(),
            baseline: baseline
                .and_then(|b| b.flares.get(&measured.name))
                .copied()
                .unwrap_or_default(),
        };
        Self {
            title,
            settings,
            flares: measured.iter().map(row).collect(),
            verdict,
        }
    }

    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// Both tables and what they were measured with.
    pub fn render(&self, format: Format) -> String {
        let made_with = self.made_with();
        let sizes = self.sizes().render(format);
        let parts = self.parts().render(format);
        match format {
            Format::Text => format!("{sizes}\n{parts}\n{made_with}\n"),
            Format::Markdown => format!(
                "### {}, in bytes\n\n{sizes}\n\
                 <details><summary>What the bytes are</summary>\n\n{parts}\n</details>\n\n{made_with}\n",
                self.title
            ),
        }
    }

    fn made_with(&self) -> String {
        let wasm_opt = self
            .settings
            .wasm_opt
            .as_deref()
            .unwrap_or("not measured after wasm-opt");
        format!(
            "{}; {wasm_opt}; gzip -9, brotli 11 and the parts are of the file as cargo built it",
            self.settings.rustc
        )
    }

    /// How large each flare is, and how large it may be.
    fn sizes(&self) -> Table {
        // Files of which only the size is checked are not made smaller.
        let is_slim = self.flares.iter().any(|row| row.measured.slim.is_some());
        let slim = |bytes: Option<u64>| is_slim.then(|| or_dash(bytes));
        let mut headers = vec![
            "flare", "raw", "budget", "baseline", "change", "wasm-opt", "budget", "baseline",
            "change",
        ];
        headers.extend(is_slim.then_some("slim"));
        headers.extend(["gzip", "brotli"]);
        let mut table = Table::new(&headers);
        for row in &self.flares {
            let raw = Some(row.measured.raw.bytes);
            let opt = row.measured.opt.as_ref().map(|opt| opt.bytes);
            let four = |size: Option<u64>, budget, baseline: Option<u64>| {
                let change = match (baseline, size) {
                    (Some(before), Some(after)) => change(before, after),
                    _ => "-".to_string(),
                };
                // A limit that is broken must be seen in the table too.
                let broken = matches!((size, budget), (Some(size), Some(budget)) if size > budget);
                let mark = if broken { "!" } else { "" };
                [
                    or_dash(size),
                    format!("{mark}{}", or_dash(budget)),
                    or_dash(baseline),
                    change,
                ]
            };
            let mut cells = vec![row.measured.name.clone()];
            cells.extend(four(raw, row.budget.raw, row.baseline.raw));
            cells.extend(four(opt, row.budget.opt, row.baseline.opt));
            cells.extend(slim(row.measured.slim));
            cells.push(thousands(row.measured.raw.gzip));
            cells.push(thousands(row.measured.raw.brotli));
            table.row(cells);
        }
        let sum = |size: &dyn Fn(&Row) -> Option<u64>| or_dash(self.flares.iter().map(size).sum());
        let dash = || "-".to_string();
        let total_change = |size: &dyn Fn(&Row) -> Option<u64>,
                            baseline: &dyn Fn(&Row) -> Option<u64>| {
            let before: Option<u64> = self.flares.iter().map(baseline).sum();
            let after: Option<u64> = self.flares.iter().map(size).sum();
            before
                .zip(after)
                .map_or_else(dash, |(before, after)| change(before, after))
        };
        let raw: &dyn Fn(&Row) -> Option<u64> = &|row| Some(row.measured.raw.bytes);
        let opt: &dyn Fn(&Row) -> Option<u64> =
            &|row| row.measured.opt.as_ref().map(|opt| opt.bytes);
        let mut cells = vec![
            "all".to_string(),
            sum(raw),
            sum(&|row| row.budget.raw),
            sum(&|row| row.baseline.raw),
            total_change(raw, &|row| row.baseline.raw),
            sum(opt),
            sum(&|row| row.budget.opt),
            sum(&|row| row.baseline.opt),
            total_change(opt, &|row| row.baseline.opt),
        ];
        cells.extend(slim(self.flares.iter().map(|row| row.measured.slim).sum()));
        cells.push(sum(&|row| Some(row.measured.raw.gzip)));
        cells.push(sum(&|row| Some(row.measured.raw.brotli)));
        table.row(cells);
        table
    }

    /// What each flare's bytes are: a column for every section that any flare has.
    fn parts(&self) -> Table {
        let mut sections: Vec<&str> = vec!["code", "data"];
        for section in self
            .flares
            .iter()
            .flat_map(|row| &row.measured.raw.sections)
        {
            if !sections.contains(&section.name.as_str()) {
                sections.push(&section.name);
            }
        }
        let mut headers = vec!["flare"];
        // As sections and as counts both are there: "import" in bytes, "imports" in number.
        headers.extend(&sections);
        headers.extend(["functions", "imports", "exports", "pages"]);
        let mut table = Table::new(&headers);
        for row in &self.flares {
            let raw = &row.measured.raw;
            let mut cells = vec![row.measured.name.clone()];
            cells.extend(sections.iter().map(|name| thousands(raw.section(name))));
            cells.extend([raw.functions, raw.imports, raw.exports].map(|count| count.to_string()));
            cells.push(match row.budget.memory_pages {
                Some(budget) => format!("{} of {budget}", raw.memory_pages),
                None => raw.memory_pages.to_string(),
            });
            table.row(cells);
        }
        table
    }
}

/// The gate's findings and notes, and what to do about them. `help` says which commands.
pub fn verdict(verdict: &Verdict, help: &str) -> String {
    let mut out = String::new();
    for note in &verdict.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    for finding in &verdict.findings {
        out.push_str(&format!("error: {finding}\n"));
    }
    if !verdict.passed() {
        out.push_str(help);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let wasm = wat::parse_str(
            r#"(module (memory (export "memory") 5) (func (export "handle_request") (result i64) (i64.const 1)))"#,
        );
        Measured::of("hello", &wasm.unwrap(), None).unwrap()
    }

    fn settings() -> Settings {
        Settings {
            rustc: "rustc 1".into(),
            wasm_opt: None,
            wasm_opt_flags: Vec::new(),
            rustflags: Vec::new(),
            profile: toml::Table::new(),
        }
    }

    #[test]
    fn the_report_marks_a_broken_budget_and_shows_the_change() {
        let measured = [measured()];
        let size = measured[0].raw.bytes;
        let budgets = Budgets::from([(
            "hello".into(),
            Sizes {
                raw: Some(size - 1),
                ..Sizes::default()
            },
        )]);
        let baseline = Baseline {
            settings: settings(),
            flares: [(
                "hello".into(),
                Sizes {
                    raw: Some(size - 4),
                    ..Sizes::default()
                },
            )]
            .into(),
        };
        let settings = settings();
        let report = Report::new(
            "Sizes",
            &measured,
            &budgets,
            Some(&baseline),
            &settings,
            None,
        );
        let text = report.render(Format::Text);
        let row = text.lines().nth(1).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            cells[..5],
            [
                "hello",
                &size.to_string(),
                &format!("!{}", size - 1),
                &(size - 4).to_string(),
                "+4"
            ]
        );
        assert!(text.contains("not measured after wasm-opt"));
        assert!(!text.contains("slim"));
    }

    #[test]
    fn what_was_made_smaller_has_a_column() {
        let mut measured = [measured()];
        measured[0].slim = Some(31);
        let settings = settings();
        let report = Report::new("Sizes", &measured, &Budgets::new(), None, &settings, None);
        let text = report.render(Format::Text);
        let column =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let lines: Vec<Vec<String>> = text.lines().take(3).map(column).collect();
        assert_eq!(lines[0][9], "slim");
        assert_eq!((&lines[1][9][..], &lines[2][9][..]), ("31", "31"));
        assert_eq!(lines[0].len(), lines[1].len());
    }

    #[test]
    fn json_has_every_section_and_they_sum_up() {
        let measured = [measured()];
        let settings = settings();
        let report = Report::new("Sizes", &measured, &Budgets::new(), None, &settings, None);
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let raw = &json["flares"][0]["raw"];
        let sections = raw["sections"].as_array().unwrap();
        let sum: u64 = sections.iter().map(|s| s["bytes"].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), raw["bytes"].as_u64());
        assert_eq!(json["settings"]["rustc"], "rustc 1");
    }
}
