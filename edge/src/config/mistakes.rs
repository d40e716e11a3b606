//! Finds what is wrong in a `flare.toml`, and reports each mistake with its place, in the terms of the file's author.
//!
//! The JSON schema, which editors use too, says which keys exist and what they hold, so a new setting gets its
//! messages from there. What the schema cannot express is checked by the code that uses the setting.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::capability::beam::check_host;
use crate::capability::spark::MAX_SITE_BYTES;
use crate::config::{check_route, schema};
use crate::error::Error;
use crate::http::origin::Origin;

/// Something wrong in the file.
pub(super) struct Mistake {
    /// Where, in bytes.
    place: Range<usize>,
    what: String,
    /// What to do, if `what` does not say it already.
    help: Option<String>,
}

/// All mistakes in the text, in the order of the file. `folder` is where files that it names are looked for; without
/// one they are not.
pub(super) fn mistakes(text: &str, folder: Option<&Path>) -> Vec<Mistake> {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        // After a syntax error the rest of the file is guesswork.
        Err(error) => return vec![syntax(text, &error)],
    };
    let root = schema::parsed();
    let mut found = Found {
        root,
        mistakes: Vec::new(),
    };
    found.table(table.get_ref(), root, "");
    found.meanings(table.get_ref(), folder);
    found.mistakes.sort_by_key(|mistake| mistake.place.start);
    found.mistakes
}

/// Formats the mistakes for the author: file and line, what is wrong, the line itself, what to do.
pub(super) fn shown(text: &str, file: Option<&Path>, mistakes: &[Mistake]) -> Error {
    let mut shown = String::new();
    for mistake in mistakes {
        if !shown.is_empty() {
            shown.push_str("\n\n");
        }
        let start = mistake.place.start.min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let _ = match file {
            Some(file) => write!(shown, "{}:{number}: ", file.display()),
            None => write!(shown, "line {number}: "),
        };
        shown.push_str(&mistake.what);
        let first = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(first..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        if !line.trim().is_empty() {
            let column = before.get(first..).unwrap_or_default().chars().count();
            let length = mistake
                .place
                .len()
                .min(line.len().saturating_sub(start - first));
            let marked = text.get(start..start + length).unwrap_or_default();
            let marks = "^".repeat(marked.chars().count().max(1));
            let margin = " ".repeat(column);
            // A tab would shift the line against its marks.
            let line = line.replace('\t', " ");
            let _ = write!(shown, "\n    {line}\n    {margin}{marks}");
        }
        if let Some(help) = &mistake.help {
            let _ = write!(shown, "\n{help}");
        }
    }
    Error::new(shown)
}

/// A syntax error.
fn syntax(text: &str, error: &toml::de::Error) -> Mistake {
    let place = error.span().unwrap_or(text.len()..text.len());
    let marked = text.get(place.clone()).unwrap_or_default();
    let (what, help) = match error.message() {
        "duplicate key" => (
            format!("`{marked}` is defined twice"),
            Some("a key, or a table such as [limits], can be defined only once".to_owned()),
        ),
        message => {
            // A literal string is only one of the ways to write a value.
            let message = message.trim_end_matches(", expected literal string");
            let help = if message.starts_with("key with no value") {
                Some("a setting is written key = value".to_owned())
            } else if !message.contains("must be quoted") {
                None
            } else if marked.starts_with(|c: char| c.is_ascii_digit()) {
                Some("write a number without its unit, or a string in quotes".to_owned())
            } else if ["yes", "no", "on", "off"].contains(&marked.to_lowercase().as_str()) {
                Some("write true or false".to_owned())
            } else {
                Some(format!("write \"{marked}\""))
            };
            (format!("this is not TOML: {message}"), help)
        }
    };
    Mistake { place, what, help }
}

/// Checks the file against its schema.
struct Found<'a> {
    root: &'a Value,
    mistakes: Vec<Mistake>,
}

impl<'a> Found<'a> {
    fn add(&mut self, place: Range<usize>, what: String, help: Option<String>) {
        self.mistakes.push(Mistake { place, what, help });
    }

    /// Resolves a schema: follows a reference, and drops the alternative `null`, which TOML does not have.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        let schema = match schema["anyOf"].as_array() {
            Some(any) => any
                .iter()
                .find(|one| one["type"] != "null")
                .unwrap_or(schema),
            None => schema,
        };
        let name = schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.root["$defs"][name])
    }

    /// The keys and values of a table, whose name is empty for the file itself.
    fn table(&mut self, table: &DeTable<'_>, schema: &'a Value, name: &str) {
        let known = schema["properties"].as_object();
        for (key, value) in table {
            let key_name = key.get_ref().as_ref();
            if let Some(known) = known {
                match known.get(key_name) {
                    Some(schema) => self.value(key_name, value, schema, name),
                    None => {
                        let (what, help) = self.unknown(key_name, schema, name);
                        self.add(key.span(), what, help);
                    }
                }
            } else {
                // The author chooses these keys.
                self.value(key_name, value, &schema["additionalProperties"], name);
            }
        }
    }

    /// Describes a key that does not exist here: which table it belongs to, or which key was probably meant.
    fn unknown(&self, key: &str, schema: &Value, table: &str) -> (String, Option<String>) {
        let place = match table {
            "" => String::new(),
            table => format!(" under [{table}]"),
        };
        let what = format!("unknown key `{key}`{place}");
        let has = |schema: &Value| schema["properties"].get(key).is_some();
        if !table.is_empty() && has(self.root) {
            let help = format!("`{key}` belongs at the top of the file, above the first [table]");
            return (what, Some(help));
        }
        for (name, part) in self.root["properties"].as_object().into_iter().flatten() {
            let part = self.root["$defs"].get(
                part["$ref"]
                    .as_str()
                    .and_then(|path| path.rsplit('/').next())
                    .unwrap_or_default(),
            );
            if name != table && part.is_some_and(has) {
                return (what, Some(format!("`{key}` belongs under [{name}]")));
            }
        }
        let known = schema["properties"].as_object().into_iter().flatten();
        let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
        let help = nearest(key, &known)
            .unwrap_or_else(|| format!("the known keys are: {}", known.join(", ")));
        (what, Some(help))
    }

    /// Checks one value, and everything in it.
    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, schema: &'a Value, table: &str) {
        let schema = self.meant(schema);
        let wrong = |expected: String| {
            let kind = kind(value.get_ref());
            format!("`{key}` must be {expected}, but is {kind}")
        };
        if let Some(words) = words(schema) {
            match value.get_ref() {
                DeValue::String(text) if words.contains(&text.as_ref()) => {}
                DeValue::String(text) => {
                    let what = format!("`{key}` cannot be \"{text}\"");
                    let all = format!("it can be {}", any_of(&words));
                    self.add(
                        value.span(),
                        what,
                        Some(nearest(text, &words).unwrap_or(all)),
                    );
                }
                _ => self.add(value.span(), wrong(any_of(&words)), None),
            }
            return;
        }
        let types = &schema["type"];
        let is = |name: &str| {
            types == name
                || types
                    .as_array()
                    .is_some_and(|types| types.iter().any(|one| one == name))
        };
        match value.get_ref() {
            DeValue::Boolean(_) if is("boolean") => {}
            DeValue::String(_) if is("string") => {}
            DeValue::Integer(_) if is("integer") => self.number(key, value, schema),
            DeValue::Array(items) if is("array") => {
                // All lists here are lists of strings.
                for item in items.iter().filter(|item| !item.get_ref().is_str()) {
                    let kind = kind(item.get_ref());
                    let what =
                        format!("`{key}` must be a list of quoted strings, but contains {kind}");
                    self.add(item.span(), what, None);
                }
            }
            DeValue::Table(inner) if is("object") => {
                let name = match table {
                    "" => key.to_owned(),
                    table => format!("{table}.{key}"),
                };
                self.table(inner, schema, &name);
            }
            found => {
                let (expected, help) = if is("boolean") {
                    (
                        "true or false".to_owned(),
                        without_quotes(found, &["true", "false"]),
                    )
                } else if is("integer") {
                    (number_words(key, schema), plain_number(key, found))
                } else if is("array") {
                    let help = matches!(found, DeValue::String(_)).then(|| {
                        format!("write {key} = [\"{}\"]", found.as_str().unwrap_or_default())
                    });
                    ("a list of strings".to_owned(), help)
                } else if is("object") {
                    let name = match table {
                        "" => key.to_owned(),
                        table => format!("{table}.{key}"),
                    };
                    (format!("a table: [{name}] on its own line"), None)
                } else {
                    ("a quoted string".to_owned(), None)
                };
                self.add(value.span(), wrong(expected), help);
            }
        }
    }

    /// Checks the range of a whole number.
    fn number(&mut self, key: &str, value: &Spanned<DeValue<'_>>, schema: &Value) {
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|it| i128::from_str_radix(it.as_str(), it.radix()).ok());
        let (least, most) = range(schema);
        if !number.is_some_and(|number| number >= least && number <= most) {
            let what = format!("`{key}` must be {}", number_words(key, schema));
            let is_large = number.is_none_or(|number| number > most);
            let is_said = most != i64::MAX.into();
            let help = (is_large && !is_said).then(|| format!("the largest is {most}"));
            self.add(value.span(), what, help);
        }
    }

    /// Checks what the schema cannot express: routes, origins, hosts, files.
    fn meanings(&mut self, table: &DeTable<'_>, folder: Option<&Path>) {
        let text = |key: &str| {
            let value = table.get(key)?;
            Some((value.span(), value.get_ref().as_str()?))
        };
        if let Some((place, site)) = text("site")
            && (site.is_empty() || site.len() > MAX_SITE_BYTES)
        {
            let what = format!(
                "`site` must be 1 to {MAX_SITE_BYTES} bytes long, but has {}",
                site.len()
            );
            self.add(place, what, None);
        }
        if let Some((place, origin)) = text("origin")
            && let Err(error) = Origin::parse(origin)
        {
            self.add(place, error.to_string(), None);
        }
        if let (Some((place, seed)), Some(folder)) = (text("seed"), folder)
            && !folder.join(seed).is_file()
        {
            let what = format!(
                "`seed` names a file that does not exist: {}",
                folder.join(seed).display()
            );
            let help = "the path is relative to the folder of flare.toml; `flaron-edge kv export` prints such a file";
            self.add(place, what, Some(help.to_owned()));
        }
        let routes = table
            .get("routes")
            .and_then(|routes| routes.get_ref().as_array());
        for route in routes.into_iter().flatten() {
            if let Some(Err(error)) = route.get_ref().as_str().map(check_route) {
                self.add(route.span(), error.to_string(), None);
            }
        }
        let hosts = table
            .get("beam")
            .and_then(|beam| beam.get_ref().get("hosts"));
        for (from, to) in hosts
            .and_then(|hosts| hosts.get_ref().as_table())
            .into_iter()
            .flatten()
        {
            if let Some(Err(error)) = to
                .get_ref()
                .as_str()
                .map(|to| check_host(from.get_ref(), to))
            {
                self.add(to.span(), error.to_string(), None);
            }
        }
    }
}

/// The words that a schema allows, if it allows only certain words.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(all) = schema["enum"].as_array() {
        return Some(all.iter().filter_map(Value::as_str).collect());
    }
    let all = schema["oneOf"].as_array()?;
    Some(all.iter().filter_map(|one| one["const"].as_str()).collect())
}

/// Words in quotes, as in `"a", "b" or "c"`.
fn any_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// Suggests the most similar word, if one is similar enough.
fn nearest(word: &str, known: &[&str]) -> Option<String> {
    let (nearest, distance) = known
        .iter()
        .map(|known| (known, strsim::damerau_levenshtein(word, known)))
        .min_by_key(|&(_, distance)| distance)?;
    let likely = distance <= (word.len() / 2).max(1);
    likely.then(|| format!("did you mean `{nearest}`?"))
}

/// A value's type, as authors of TOML call it.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The smallest and the largest number that a schema allows.
fn range(schema: &Value) -> (i128, i128) {
    let bound = |name: &str| schema[name].as_i64().map(i128::from);
    let most = match schema["format"].as_str() {
        Some("uint32") => u32::MAX.into(),
        // TOML's largest integer.
        _ => i64::MAX.into(),
    };
    (
        bound("minimum").unwrap_or(0),
        bound("maximum").unwrap_or(most),
    )
}

/// The unit of a number, from the end of its key.
fn unit(key: &str) -> Option<&'static str> {
    let (_, unit) = key.rsplit_once('_')?;
    Some(match unit {
        "ms" => "milliseconds",
        "secs" => "seconds",
        "bytes" => "bytes",
        "mib" => "MiB",
        _ => return None,
    })
}

/// Describes the numbers that a setting takes.
fn number_words(key: &str, schema: &Value) -> String {
    let of = unit(key).map_or_else(String::new, |unit| format!(" of {unit}"));
    match range(schema) {
        (least, most) if most == i64::MAX.into() => format!("a whole number{of}, {least} or more"),
        (least, most) => format!("a whole number{of} from {least} to {most}"),
    }
}

/// What to write instead of `"true"`.
fn without_quotes(found: &DeValue<'_>, words: &[&str]) -> Option<String> {
    let text = found.as_str()?;
    words
        .contains(&text)
        .then(|| format!("write {text} without quotes"))
}

/// What to write instead of a number in quotes, perhaps with a unit: `"1.5 s"`, `"10 MiB"`.
fn plain_number(key: &str, found: &DeValue<'_>) -> Option<String> {
    let text = match found {
        DeValue::String(text) => text.trim(),
        DeValue::Float(number) => number.as_str(),
        _ => return None,
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, written) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let written = written.trim().to_ascii_lowercase();
    let (own, units): (f64, &[(&str, f64)]) = match unit(key) {
        Some("milliseconds") => (1.0, &[("ms", 1.0), ("s", 1e3), ("m", 6e4), ("min", 6e4)]),
        Some("seconds") => (1e3, &[("ms", 1.0), ("s", 1e3), ("m", 6e4), ("min", 6e4)]),
        Some("bytes") | Some("MiB") => (
            if unit(key) == Some("MiB") {
                1048576.0
            } else {
                1.0
            },
            &[
                ("b", 1.0),
                ("kb", 1e3),
                ("kib", 1024.0),
                ("k", 1024.0),
                ("mb", 1e6),
                ("mib", 1048576.0),
                ("m", 1048576.0),
                ("gb", 1e9),
                ("gib", 1073741824.0),
                ("g", 1073741824.0),
            ],
        ),
        _ => (1.0, &[]),
    };
    let factor = match written.is_empty() {
        true => own,
        false => units.iter().find(|(name, _)| *name == written)?.1,
    };
    let plain = number * factor / own;
    // If it is not a whole number, there is nothing to suggest.
    (plain.fract() == 0.0 && plain < 1e15).then(|| format!("write {key} = {plain}"))
}

#[cfg(test)]
mod tests;
