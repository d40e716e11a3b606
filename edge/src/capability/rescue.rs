//! `flaron-edge store`: checks what can be read in a data folder, exports it, and starts over.
//!
//! All of it works on a copy of each file, so that no attempt can make the damage worse.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use redb::{TableDefinition, TableError};
use serde_json::Value;

use crate::capability::kv::now_ms;
use crate::capability::plasma::decode_stored_plasma;
use crate::capability::spark::decode_stored_spark;
use crate::capability::store::{builder, guarded};

/// The stores of a data folder: the file, the table with its entries, and how an entry is shown.
const STORES: [(&str, &str, Decode); 2] = [
    ("spark.redb", "entries.2", decode_stored_spark),
    ("plasma.redb", "keys.2", decode_stored_plasma),
];

/// An entry by site, key and stored bytes, as JSON; `None` if it is damaged.
type Decode = fn(&str, &str, &[u8]) -> Option<Value>;

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// The file.
    pub file: PathBuf,
    /// How many entries can be read.
    pub entries: u64,
    /// What is damaged; empty if nothing is.
    pub damage: Vec<String>,
}

/// Reads all stores in a data folder, and reports what is damaged.
///
/// # Errors
///
/// A message: the folder has no store, a node is using it, or it cannot be copied.
pub fn check(folder: &Path) -> Result<Vec<StoreReport>, String> {
    read(folder, &mut |_| Ok(()))
}

/// Like [`check`], and also writes each readable entry as a line of JSON.
///
/// # Errors
///
/// As for [`check`], and if `out` cannot be written to.
pub fn export(folder: &Path, out: &mut dyn Write) -> Result<Vec<StoreReport>, String> {
    read(folder, &mut |entry| {
        writeln!(out, "{entry}").map_err(|e| format!("cannot write the entries: {e}"))
    })
}

/// Renames damaged stores, in the same folder, so that the node starts with new ones. Returns the
/// old and new names.
///
/// # Errors
///
/// As for [`check`], and if a file cannot be renamed.
pub fn reset(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let reports = check(folder)?.into_iter();
    let damaged = reports.filter(|report| !report.damage.is_empty());
    damaged
        .map(|report| rename(report.file, "damaged"))
        .collect()
}

/// Renames the store of this name as [`reset`] does, whether it is damaged or not: for example, if the
/// node's clock was wrong when it wrote the entries.
///
/// # Errors
///
/// As for [`reset`], and if the folder has no such store.
pub fn reset_store(folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), String> {
    let file = folder.join(format!("{name}.redb"));
    match check(folder)?.iter().find(|report| report.file == file) {
        Some(report) if report.damage.is_empty() => rename(file, "old"),
        Some(_) => rename(file, "damaged"),
        None => Err(format!("there is no {}", file.display())),
    }
}

fn rename(file: PathBuf, because: &str) -> Result<(PathBuf, PathBuf), String> {
    let mut aside = file.clone().into_os_string();
    aside.push(format!(".{because}-{}", now_ms() / 1000));
    let aside = PathBuf::from(aside);
    std::fs::rename(&file, &aside).map_err(|e| format!("cannot rename {}: {e}", file.display()))?;
    Ok((file, aside))
}

type Take<'a> = &'a mut dyn FnMut(Value) -> Result<(), String>;

fn read(folder: &Path, take: Take<'_>) -> Result<Vec<StoreReport>, String> {
    let mut reports = Vec::new();
    for (name, table, decode) in STORES {
        let file = folder.join(name);
        if file.exists() {
            reports.push(read_file(file, table, decode, take)?);
        }
    }
    if reports.is_empty() {
        return Err(format!(
            "there is no spark.redb or plasma.redb in {}",
            folder.display()
        ));
    }
    Ok(reports)
}

fn read_file(
    file: PathBuf,
    table: &str,
    decode: Decode,
    take: Take<'_>,
) -> Result<StoreReport, String> {
    let mut report = StoreReport {
        entries: 0,
        damage: Vec::new(),
        file,
    };
    let file = &report.file;
    if let Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) =
        guarded(|| Ok(builder().open_read_only(file)))
    {
        return Err(format!("{} is in use: stop the node first", file.display()));
    }
    if std::fs::metadata(file).is_ok_and(|file| file.len() == 0) {
        report.damage.push("the file is empty".to_owned());
        return Ok(report);
    }
    let mut copy = file.clone().into_os_string();
    copy.push(format!(".check-{}", std::process::id()));
    let copy = Removed(PathBuf::from(copy));
    std::fs::copy(file, &copy.0)
        .map_err(|e| format!("cannot make a copy of {} next to it: {e}", file.display()))?;
    let opened = guarded(|| {
        let mut database = builder().open(&copy.0).map_err(|e| e.to_string())?;
        let is_well = database.check_integrity().map_err(|e| e.to_string())?;
        Ok((database, is_well))
    });
    let database = match opened {
        Ok((database, is_well)) => {
            if !is_well {
                report
                    .damage
                    .push("its pages do not match their checksums".to_owned());
            }
            database
        }
        Err(what) => {
            report.damage.push(what);
            // A store that fails the check may still be readable in part.
            match guarded(|| builder().open(&copy.0).map_err(|e| e.to_string())) {
                Ok(database) => database,
                Err(_) => return Ok(report),
            }
        }
    };
    let found = guarded(|| entries(&database, table));
    match found {
        Ok((found, failed)) => {
            for ((site, key), stored) in found {
                match decode(&site, &key, &stored) {
                    Some(Value::Object(mut entry)) => {
                        report.entries += 1;
                        entry.insert("site".to_owned(), site.into());
                        entry.insert("key".to_owned(), key.into());
                        take(Value::Object(entry))?;
                    }
                    _ => report
                        .damage
                        .push(format!("the entry of `{key}` of `{site}` is damaged")),
                }
            }
            report.damage.extend(failed);
        }
        Err(what) => report.damage.push(what),
    }
    Ok(report)
}

type Found = BTreeMap<(String, String), Vec<u8>>;

/// The entries, read from both ends up to where reading fails.
fn entries(database: &Database, table: &str) -> Result<(Found, Option<String>), String> {
    let mut found = Found::new();
    let mut failed = None;
    let definition: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new(table);
    let txn = database.begin_read().map_err(|e| e.to_string())?;
    let table = match txn.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok((found, None)),
        table => table.map_err(|e| e.to_string())?,
    };
    for backwards in [false, true] {
        let mut range = table.iter().map_err(|e| e.to_string())?;
        let ended = guarded(|| {
            while let Some(item) = if backwards {
                range.next_back()
            } else {
                range.next()
            } {
                let (id, stored) = item.map_err(|e| e.to_string())?;
                let (site, key) = id.value();
                let id = (site.to_owned(), key.to_owned());
                if found.insert(id, stored.value().to_vec()).is_some() && backwards {
                    break;
                }
            }
            Ok(())
        });
        match ended {
            Ok(()) => break,
            Err(what) => failed = Some(what),
        }
    }
    let told = guarded(|| table.len().map_err(|e| e.to_string())).unwrap_or(0);
    if failed.is_none() && told != found.len() as u64 {
        failed = Some(format!(
            "the store records {told} entries, but has {}",
            found.len()
        ));
    }
    Ok((found, failed))
}

/// A file that is deleted when this is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // It is a copy: leaving it behind does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
