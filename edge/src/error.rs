//! The library's error type: a message for the flare's author.

use std::fmt;
use std::path::Path;

/// What went wrong, as a message that one can act on.
///
/// Everything that can fail before the first request (a missing file, a module that is not Wasm, an
/// unknown setting) ends up here, so the message says what was wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
}

impl Error {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
        }
    }

    /// The same error, with its context: `context: message`.
    pub(crate) fn within(self, context: impl fmt::Display) -> Self {
        Error::new(format!("{context}: {}", self.message))
    }

    /// The same error, with the file it is about, if there is one.
    pub(crate) fn within_file(self, file: Option<&Path>) -> Self {
        match file {
            Some(file) => self.within(file.display()),
            None => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
