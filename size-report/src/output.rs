//! Printing to standard output, and writing files.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Prints `text`. It is not an error if the reader leaves early (`cargo size | head -3`): the exit code still says
/// whether a check failed.
///
/// # Errors
///
/// When standard output cannot be written to for another reason, such as a full disk.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The same, with a line break behind it.
///
/// # Errors
///
/// As [`print()`].
pub fn print_line(text: impl Display) -> io::Result<()> {
    print(format_args!("{text}\n"))
}

/// Writes a file, and says so.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}
