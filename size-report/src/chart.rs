//! Charts as SVG, made to sit in a README: they bring their own background, and follow the
//! reader's light or dark setting.

use std::fmt::Write;

use crate::format::thousands;
use crate::report::Row;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Room for the names of the flares.
const NAMES: f64 = 130.0;

/// Colours are classes, so that the dark setting can change them in one place.
const STYLE: &str = "
  .paper { fill: #ffffff; stroke: #d8dee4 }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .faint { fill: #59636e; font-size: 11px }
  .strong { font-weight: 600 }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .span { stroke: #afb8c1; stroke-width: 1 }
  .limit { stroke: #1f2328; stroke-width: 2 }
  .over { stroke: #d1242f; stroke-width: 2 }
  .c0 { fill: #0969da } .c1 { fill: #b35900 } .c2 { fill: #8250df }
  .c3 { fill: #1a7f37 } .c4 { fill: #cf222e }
  .soft { fill: #80b3f0 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .faint { fill: #9198a1 }
    .grid { stroke: #2a313a } .span { stroke: #59636e }
    .limit { stroke: #f0f6fc } .over { stroke: #ff7b72 }
    .c0 { fill: #58a6ff } .c1 { fill: #e3933a } .c2 { fill: #bc8cff }
    .c3 { fill: #3fb950 } .c4 { fill: #ff7b72 }
    .soft { fill: #1f4f8f }
  }
";

/// Bars of the flares' sizes, raw and after `wasm-opt`, with a tick where the budget is.
pub fn sizes(rows: &[Row], made_with: &str) -> String {
    const ROW: f64 = 36.0;
    let (left, right) = (MARGIN + NAMES, WIDTH - MARGIN - 110.0);
    let top = 78.0;
    let largest = rows
        .iter()
        .flat_map(|row| [Some(row.measured.raw.bytes), row.budget.raw])
        .flatten()
        .max()
        .unwrap_or(1) as f64;
    let x = |bytes: u64| left + (right - left) * bytes as f64 / largest;

    let mut svg = Svg::new(top + ROW * rows.len() as f64 + 34.0);
    svg.text(
        MARGIN,
        30.0,
        "title",
        "Sizes of the example flares, in bytes",
    );
    svg.rect(left, 43.0, 12.0, 10.0, "c0");
    svg.text(left + 18.0, 52.0, "faint", "after wasm-opt -Oz");
    svg.rect(left + 140.0, 43.0, 12.0, 10.0, "soft");
    svg.text(left + 158.0, 52.0, "faint", "straight from cargo");
    svg.line(left + 286.0, 42.0, left + 286.0, 54.0, "limit");
    svg.text(left + 294.0, 52.0, "faint", "budget");
    for (i, row) in rows.iter().enumerate() {
        let y = top + ROW * i as f64;
        let raw = row.measured.raw.bytes;
        svg.text(left - 10.0, y + 17.0, "end", &row.measured.name);
        let mut bars = vec![("soft", Some(raw), row.budget.raw)];
        bars.insert(
            0,
            (
                "c0",
                row.measured.opt.as_ref().map(|opt| opt.bytes),
                row.budget.opt,
            ),
        );
        for (line, (class, bytes, budget)) in bars.into_iter().enumerate() {
            let y = y + 14.0 * line as f64;
            let Some(bytes) = bytes else { continue };
            svg.rect(left, y, x(bytes) - left, 11.0, class);
            if let Some(budget) = budget {
                let class = if bytes > budget { "over" } else { "limit" };
                svg.line(x(budget), y - 1.0, x(budget), y + 12.0, class);
            }
            let end = x(bytes.max(budget.unwrap_or(0)));
            let text = match budget {
                Some(budget) => format!("{} of {}", thousands(bytes), thousands(budget)),
                None => thousands(bytes),
            };
            svg.text(end + 8.0, y + 10.0, "faint", &text);
        }
    }
    let bottom = top + ROW * rows.len() as f64 + 18.0;
    svg.text(MARGIN, bottom, "faint", made_with);
    svg.finish()
}

/// One SDK in the comparison: its name, and its bytes for each flare (in the flares' order).
pub struct Series {
    pub name: String,
    pub bytes: Vec<Option<u64>>,
}

/// Sizes of the same flares with several SDKs: a row per flare, a mark per SDK. The axis is
/// logarithmic, and marks have a place, not a length, so that nothing looks shorter than it is.
/// The first series is ours, the last is named by number too.
pub fn peers(flares: &[String], series: &[Series], notes: &[String]) -> String {
    const ROW: f64 = 34.0;
    let (left, right) = (MARGIN + NAMES + 40.0, WIDTH - MARGIN - 60.0);
    let top = 96.0;
    let bottom = top + ROW * flares.len() as f64;
    let all = || series.iter().flat_map(|s| s.bytes.iter().flatten());
    let low = all().min().map_or(100.0, |&bytes| bytes as f64 * 0.85);
    let high = all().max().map_or(1000.0, |&bytes| bytes as f64 * 1.1);
    let x = |bytes: f64| left + (right - left) * (bytes / low).ln() / (high / low).ln();

    let mut svg = Svg::new(bottom + 20.0 + 16.0 * notes.len() as f64);
    svg.text(
        MARGIN,
        30.0,
        "title",
        "The same flare, by SDK: bytes of the .wasm as the toolchain makes it",
    );
    let mut legend = MARGIN + 6.0;
    for (i, series) in series.iter().enumerate() {
        svg.mark(i, legend, 53.0);
        svg.text(
            legend + 12.0,
            57.0,
            if i == 0 { "strong" } else { "" },
            &series.name,
        );
        legend += 34.0 + 6.6 * series.name.chars().count() as f64;
    }
    for tick in [
        200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    ] {
        let tick_x = x(f64::from(tick));
        if (left..=right).contains(&tick_x) {
            svg.line(tick_x, top - 10.0, tick_x, bottom - 8.0, "grid");
            svg.text(
                tick_x,
                top - 15.0,
                "faint middle",
                &thousands(u64::from(tick as u32)),
            );
        }
    }
    for (row, flare) in flares.iter().enumerate() {
        let y = top + ROW * row as f64 + 8.0;
        svg.text(MARGIN + NAMES - 10.0, y + 4.0, "end", flare);
        let here: Vec<(usize, u64)> = series
            .iter()
            .enumerate()
            .filter_map(|(i, s)| Some((i, (*s.bytes.get(row)?)?)))
            .collect();
        let (Some(min), Some(max)) = (
            here.iter().map(|h| h.1).min(),
            here.iter().map(|h| h.1).max(),
        ) else {
            continue;
        };
        svg.line(x(min as f64), y, x(max as f64), y, "span");
        // From left to right, a mark that would lie on the one before it steps down a little.
        let mut order: Vec<_> = here
            .iter()
            .map(|&(i, bytes)| (x(bytes as f64), i, bytes))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut last = (f64::NEG_INFINITY, 0.0);
        for (at, i, bytes) in order {
            let crowded = at - last.0 < 11.0 && last.1 == 0.0;
            let down = if crowded { 9.0 } else { 0.0 };
            last = (at, down);
            svg.mark(i, at, y + down);
            let label = thousands(bytes);
            if i == 0 {
                svg.text(at - 10.0, y + down + 4.0, "strong end", &label);
            } else if i + 1 == series.len() {
                // Beside its mark where nothing else stands on its line, else below it.
                if bytes == max || crowded {
                    svg.text(at + 10.0, y + down + 4.0, "faint", &label);
                } else {
                    svg.text(at, y + down + 17.0, "faint middle", &label);
                }
            }
        }
    }
    for (i, note) in notes.iter().enumerate() {
        svg.text(MARGIN, bottom + 18.0 + 16.0 * i as f64, "faint", note);
    }
    svg.finish()
}

/// The little of SVG that is needed.
struct Svg {
    out: String,
}

impl Svg {
    fn new(height: f64) -> Self {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n"
        );
        let _ = writeln!(out, "<style>{STYLE}</style>");
        let _ = writeln!(
            out,
            "<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            WIDTH - 1.0,
            height - 1.0
        );
        Self { out }
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let _ = writeln!(
            self.out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"
        );
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let _ = writeln!(
            self.out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\" class=\"{class}\"/>"
        );
    }

    fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, class: &str) {
        let _ = writeln!(
            self.out,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"
        );
    }

    /// The mark of series `i`: another shape for each, for those who do not see the colours.
    fn mark(&mut self, i: usize, x: f64, y: f64) {
        let _ = match i {
            0 => writeln!(
                self.out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\" class=\"c0\"/>"
            ),
            1 => writeln!(
                self.out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\" class=\"c1\"/>",
                x - 4.5,
                y - 4.5
            ),
            2 => writeln!(
                self.out,
                "<path d=\"M{x:.1} {:.1}l5.5 10h-11z\" class=\"c2\"/>",
                y - 5.5
            ),
            3 => writeln!(
                self.out,
                "<path d=\"M{x:.1} {:.1}l-5.5 -10h11z\" class=\"c3\"/>",
                y + 5.5
            ),
            _ => writeln!(
                self.out,
                "<path d=\"M{x:.1} {:.1}l6 6l-6 6l-6 -6z\" class=\"c4\"/>",
                y - 6.0
            ),
        };
    }

    fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_chart_names_every_flare_and_sdk_once_and_escapes_text() {
        let flares = ["hello".to_string(), "echo".to_string()];
        let series = [
            Series {
                name: "ours".into(),
                bytes: vec![Some(350), Some(700)],
            },
            Series {
                name: "C & co".into(),
                bytes: vec![Some(564), None],
            },
        ];
        let svg = peers(&flares, &series, &["a <note>".into()]);
        for text in ["hello", "echo", ">ours<", "C &amp; co", "a &lt;note&gt;"] {
            assert_eq!(svg.matches(text).count(), 1, "{text}");
        }
        // Legend and one flare; echo has no C.
        assert_eq!(svg.matches("class=\"c1\"").count(), 2);
        assert!(svg.ends_with("</svg>\n"));
    }
}
