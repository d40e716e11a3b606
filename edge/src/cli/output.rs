//! Printing. `println!` panics when the reader has gone, as in `flaron-edge inspect FILE | head -1`. Here that is
//! not an error, and the command runs to its end: somebody may be waiting for its exit code.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the reader of standard output has gone.
static UNREAD: AtomicBool = AtomicBool::new(false);
/// Whether something could not be printed for another reason, such as a full disk.
static FAILED: AtomicBool = AtomicBool::new(false);

/// As `print!`.
macro_rules! out {
    ($($what:tt)*) => { $crate::cli::output::print(format_args!($($what)*)) };
}
/// As `println!`.
macro_rules! outln {
    ($($what:tt)*) => { $crate::cli::output::print(format_args!("{}\n", format_args!($($what)*))) };
}
/// As `eprint!`.
macro_rules! err {
    ($($what:tt)*) => { $crate::cli::output::warn(format_args!($($what)*)) };
}
/// As `eprintln!`.
macro_rules! errln {
    ($($what:tt)*) => { $crate::cli::output::warn(format_args!("{}\n", format_args!($($what)*))) };
}
pub(crate) use {err, errln, out, outln};

/// Standard output, which swallows everything once its reader has gone.
pub(crate) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        heard(io::stdout().write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        heard(io::stdout().flush(), ())
    }
}

/// The result of a write; if the reader has gone, the same as if it had succeeded.
fn heard<T>(result: io::Result<T>, as_if: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            UNREAD.store(true, Ordering::Relaxed);
            Ok(as_if)
        }
        result => result,
    }
}

/// Whether standard output still has a reader.
pub(crate) fn is_read() -> bool {
    !UNREAD.load(Ordering::Relaxed)
}

/// Whether something could not be printed (and standard error said so).
pub(crate) fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// Prints to standard output.
pub(crate) fn print(what: Arguments<'_>) {
    let printed = Output.write_fmt(what).and_then(|()| Output.flush());
    if let Err(error) = printed
        && !FAILED.swap(true, Ordering::Relaxed)
    {
        warn(format_args!("error: cannot print: {error}\n"));
    }
}

/// Prints to standard error. If that fails, there is nobody to tell.
pub(crate) fn warn(what: Arguments<'_>) {
    let _ = io::stderr().write_fmt(what);
}
