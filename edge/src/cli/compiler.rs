//! This program as a compiler wrapper: cargo calls it in place of rustc when it builds a flare with line numbers.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::cli::output::errln;
use flaron_edge::{AS_COMPILER, NOT_WITH_LINES};

/// If cargo called this program as the compiler, runs the compiler and returns its exit code.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let stack = std::env::var(AS_COMPILER).ok()?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next()?;
    let status = Command::new(&compiler)
        .args(for_development(arguments, stack.parse().unwrap_or(0)))
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

/// The arguments without [`NOT_WITH_LINES`], and with at least this much stack. A flag may be one argument (`-CFLAG`)
/// or two (`-C FLAG`).
fn for_development(arguments: impl Iterator<Item = OsString>, stack: u32) -> Vec<OsString> {
    let mut kept: Vec<OsString> = Vec::new();
    for argument in arguments {
        let flag = argument.to_str().unwrap_or_default();
        if flag == NOT_WITH_LINES {
            kept.pop();
        } else if flag.strip_prefix("-C") != Some(NOT_WITH_LINES) {
            let larger = with_stack(flag, stack);
            kept.push(larger.map_or(argument, OsString::from));
        }
    }
    kept
}

/// A flag that sets the stack's size, if it sets a smaller one, with this one.
fn with_stack(flag: &str, stack: u32) -> Option<String> {
    const SIZE: &str = "link-arg=-zstack-size=";
    let (before, size) = flag.split_once(SIZE)?;
    let is_smaller = size.parse::<u32>().is_ok_and(|size| size < stack);
    is_smaller.then(|| format!("{before}{SIZE}{stack}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_however_it_is_written() {
        let left = |text: &str| {
            let arguments = text.split(' ').map(OsString::from);
            let kept: Vec<String> = for_development(arguments, 4096)
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
        // A larger stack stays.
        let sizes = |one: u32, other: u32| {
            format!("-Clink-arg=-zstack-size={one} -C link-arg=-zstack-size={other}")
        };
        assert_eq!(left(&sizes(8192, 16)), sizes(8192, 4096));
        assert_eq!(left(&sizes(16, 16384)), sizes(4096, 16384));
    }
}
