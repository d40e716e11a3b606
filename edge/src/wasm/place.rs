//! Where in its source a flare was when it failed: functions, files and lines, as far as the module
//! has names for them.

use std::fmt::{self, Write as _};
use std::path::Path;

use wasmtime::WasmBacktrace;

/// How many of a flare's functions are listed.
const NAMED: usize = 6;

/// A function that was running, or was waiting for one it had called.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    /// As written in the source, or as the linker names it.
    function: String,
    /// `FILE:LINE:COLUMN`
    at: Option<String>,
    own: bool,
}

impl Frame {
    /// `root` is the flare's folder; paths in it are shown relative to it.
    fn new(
        name: &str,
        file: Option<&str>,
        line: Option<u32>,
        column: Option<u32>,
        root: Option<&Path>,
    ) -> Frame {
        let function = format!("{:#}", rustc_demangle::demangle(name));
        let inside = root
            .zip(file)
            .map(|(root, file)| Path::new(file).strip_prefix(root));
        let inside = inside.map(Result::ok);
        let own = match inside {
            Some(inside) => inside.is_some(),
            None => is_own(&function, file.unwrap_or_default()),
        } && !is_panic(&function);
        let at = file.map(|file| {
            let inside = inside.flatten();
            let mut at = inside.unwrap_or(Path::new(file)).display().to_string();
            for number in [line, column].into_iter().flatten() {
                let _ = write!(at, ":{number}");
            }
            at
        });
        Frame { function, at, own }
    }

    fn describe(&self) -> String {
        match &self.at {
            Some(at) => format!("{} ({at})", self.function),
            None => self.function.clone(),
        }
    }
}

/// Whether a function is part of the panic machinery, which nobody wants to see.
fn is_panic(function: &str) -> bool {
    let name = function.trim_start_matches("__rustc::");
    ["rust_begin_unwind", "rust_panic", "__rust_start_panic"].contains(&name)
}

/// Whether a function belongs to the flare, if the flare's folder is not known, and not to the SDK, the
/// standard library or another crate.
fn is_own(function: &str, file: &str) -> bool {
    let function = function.trim_start_matches(['<', '&', '_']);
    let crates = ["core::", "alloc::", "std::", "flaron_sdk::"];
    let folders = ["/rustc/", "/.cargo/registry/", "/.cargo/git/"];
    !crates.iter().any(|name| function.starts_with(name))
        && !folders.iter().any(|folder| file.contains(folder))
}

/// Where in the guest an error happened.
#[derive(Debug)]
pub(crate) struct Place {
    /// `in inner (src/lib.rs:3:5) < outer (src/lib.rs:9:5)`: the flare's own functions. Without names, a
    /// function's number and an offset in the module.
    pub(crate) own: String,
    /// The function outside the flare that its innermost function had called.
    called: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.own)?;
        match &self.called {
            Some(called) => write!(f, ", which called {called}"),
            None => Ok(()),
        }
    }
}

impl Place {
    /// As far as the engine knows it; `root` is the flare's folder, and `moved` by how many bytes its code was moved
    /// before it was compiled.
    pub(crate) fn of(error: &wasmtime::Error, root: Option<&Path>, moved: usize) -> Option<Place> {
        let backtrace = error.downcast_ref::<WasmBacktrace>()?;
        let mut frames = Vec::new();
        for frame in backtrace.frames() {
            let name = frame.func_name();
            if frame.symbols().is_empty() {
                frames.extend(name.map(|name| Frame::new(name, None, None, None, root)));
            }
            for symbol in frame.symbols() {
                let Some(name) = symbol.name().or(name) else {
                    continue;
                };
                let (file, line, column) = (symbol.file(), symbol.line(), symbol.column());
                frames.push(Frame::new(name, file, line, column, root));
            }
        }
        if frames.is_empty() {
            let frame = backtrace.frames().first()?;
            let own = match frame.module_offset() {
                Some(offset) => {
                    let offset = offset.saturating_sub(moved);
                    format!("in function {} at {offset:#x}", frame.func_index())
                }
                None => format!("in function {}", frame.func_index()),
            };
            return Some(Place { own, called: None });
        }
        Some(Place::from_frames(&frames))
    }

    /// The innermost frame comes first.
    fn from_frames(frames: &[Frame]) -> Place {
        let first_own = frames.iter().position(|frame| frame.own);
        let own: Vec<String> = match first_own {
            Some(_) => frames.iter().filter(|frame| frame.own).collect::<Vec<_>>(),
            None => frames.iter().collect(),
        }
        .into_iter()
        .take(NAMED)
        .map(Frame::describe)
        .collect();
        let called = first_own.and_then(|at| frames[..at].last());
        Place {
            own: format!("in {}", own.join(" < ")),
            called: called.map(Frame::describe),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, file: &str, line: u32) -> Frame {
        Frame::new(name, Some(file), Some(line), Some(5), Some(Path::new("/f")))
    }

    #[test]
    fn the_flares_own_functions_come_first() {
        let frames = [
            frame("_RNvCs1_7___rustc17rust_begin_unwind", "/f/src/lib.rs", 4),
            frame(
                "_ZN4core6option13unwrap_failed17h0123456789abcdefE",
                "/rustc/1/library/core/src/option.rs",
                9,
            ),
            frame("_ZN4cart5third17h0123456789abcdefE", "/f/src/lib.rs", 20),
            frame("second", "/f/src/deep.rs", 15),
            frame("call_http", "/root/.cargo/git/x/entry.rs", 1),
            frame("handle_request", "/sdk/src/entry.rs", 3),
        ];
        assert_eq!(
            Place::from_frames(&frames).to_string(),
            "in cart::third (src/lib.rs:20:5) < second (src/deep.rs:15:5), which called \
             core::option::unwrap_failed (/rustc/1/library/core/src/option.rs:9:5)"
        );
    }

    #[test]
    fn in_a_file_of_unknown_origin_names_tell() {
        let frame = |name| Frame::new(name, None, None, None, None);
        let frames = [
            frame("core::panicking::panic"),
            frame("flaron_sdk::entry::call_http"),
            frame("cart::answer"),
        ];
        assert_eq!(
            Place::from_frames(&frames).to_string(),
            "in cart::answer, which called flaron_sdk::entry::call_http"
        );
    }

    #[test]
    fn without_own_functions_the_others_are_named() {
        let frames = [frame("claim", "/sdk/src/arena.rs", 7)];
        assert_eq!(
            Place::from_frames(&frames).to_string(),
            "in claim (/sdk/src/arena.rs:7:5)"
        );
    }
}
