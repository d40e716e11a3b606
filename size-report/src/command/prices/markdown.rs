//! `PRICES.md`: how prices are written there, read back and compared.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::command::prices::Prices;
use crate::format::thousands;
use flaron_build::table::{Format, Table};

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
                "PRICES.md was measured with {}, and this is {}: only its list of functions is checked",
                written.rustc, self.rustc
            ));
        } else if !same_wasm_opt {
            let here = self.wasm_opt.as_deref().unwrap_or("no wasm-opt");
            notes.push(format!("PRICES.md was measured with {}, and this is {here}: prices after wasm-opt are not checked", written.wasm_opt));
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
                    "{name}: is in PRICES.md, but no longer among the probes"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::prices::Price;
    use crate::command::prices::probes::EMPTY;

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
        assert!(differences[1].starts_with("request::method: is in PRICES.md, but no longer"));
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
}
