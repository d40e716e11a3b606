//! `flaron-edge store` and `flaron-edge new-key`.

use std::path::Path;

use flaron_edge::cluster::ClusterKeys;
use flaron_edge::rescue::{self, StoreReport};
use flaron_edge::{Error, Result, StoreName};

use crate::cli::args::StoreAction;
use crate::cli::output::{Output, errln, outln};

/// Prints a new key.
pub(crate) fn new_key() -> Result<()> {
    let key = ClusterKeys::generate()
        .map_err(|error| Error::new(format!("the system has no random bytes: {error}")))?;
    outln!("{}", *key);
    Ok(())
}

/// Checks, exports or resets a data folder.
pub(crate) fn store(action: StoreAction, folder: &Path, only: Option<StoreName>) -> Result<()> {
    let reports = match action {
        StoreAction::Reset => return reset(folder, only),
        _ if only.is_some() => {
            return Err(Error::new(
                "--store goes with `flaron-edge store reset`; check and export read both stores",
            ));
        }
        StoreAction::Check => rescue::check(folder),
        StoreAction::Export => rescue::export(folder, &mut Output),
    }
    .map_err(Error::new)?;
    report(&reports)
}

fn reset(folder: &Path, only: Option<StoreName>) -> Result<()> {
    let renamed = match only {
        Some(name) => rescue::reset_store(folder, &name.to_string()).map(|renamed| vec![renamed]),
        None => rescue::reset(folder),
    }
    .map_err(Error::new)?;
    for (from, to) in &renamed {
        outln!("{} is now {}", from.display(), to.display());
    }
    if renamed.is_empty() {
        outln!(
            "No file is damaged; nothing was renamed (--store plasma or --store spark renames a store \
             that is not damaged)"
        );
    }
    Ok(())
}

/// Prints the reports; an error if something is damaged.
fn report(reports: &[StoreReport]) -> Result<()> {
    let mut damaged = 0;
    for report in reports {
        errln!("{}: {} entries", report.file.display(), report.entries);
        for damage in &report.damage {
            errln!("  {damage}");
        }
        damaged += usize::from(!report.damage.is_empty());
    }
    match damaged {
        0 => Ok(()),
        _ => Err(Error::new(
            "some data is damaged: `store export` prints what can be read, `store reset` moves damaged \
             files aside",
        )),
    }
}
