//! This program as a compiler wrapper: cargo calls it in place of rustc when it builds a flare with line numbers.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::cli::output::errln;
use flaron_edge::{AS_COMPILER, NOT_WITH_LINES};

/// If cargo called this program as the compiler, runs the compiler and returns its exit code.
pub(crate) fn stand_in() -> Option<ExitCode> {
    std::env::var_os(AS_COMPILER)?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next()?;
    let status = Command::new(&compiler)
        .args(without_the_flag(arguments))
        .env_remove(AS_COMPILER)
        .status();
    Some(match status {
        Ok(status) => ExitCode::from(status.code().map_or(1, |code| code as u8)),
        Err(error) => {
            errln!("error: cannot run {}: {error}", compiler.to_string_lossy());
            ExitCode::FAILURE
        }
    })
}

/// The arguments without the flag, which may be one of them (`-CFLAG`) or two (`-C FLAG`).
fn without_the_flag(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept: Vec<OsString> = Vec::new();
    for argument in arguments {
        if argument == NOT_WITH_LINES {
            kept.pop();
        } else if argument.to_str().and_then(|text| text.strip_prefix("-C")) != Some(NOT_WITH_LINES)
        {
            kept.push(argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_however_it_is_written() {
        let left = |text: &str| {
            let arguments = text.split(' ').map(OsString::from);
            let kept: Vec<String> = without_the_flag(arguments)
                .into_iter()
                .map(|argument| argument.into_string().unwrap())
                .collect();
            kept.join(" ")
        };
        let flag = NOT_WITH_LINES;
        assert_eq!(
            left(&format!("a -C {flag} -C link-arg=-zx b")),
            "a -C link-arg=-zx b"
        );
        assert_eq!(left(&format!("a -C{flag} b")), "a b");
        assert_eq!(left("-vV"), "-vV");
    }
}
