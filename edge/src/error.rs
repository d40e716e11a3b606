//! The one error type of the library: a message meant for the flare's developer.

use std::fmt;

/// What went wrong, in words a developer can act on.
///
/// Everything that can fail before the first request (a file that is not there, a module that is
/// not Wasm, a setting that does not exist) ends here, so the message says what was wrong, where,
/// and what to do.
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

    /// The same error, with the place it happened in: `context: message`.
    pub(crate) fn within(self, context: impl fmt::Display) -> Self {
        Error::new(format!("{context}: {}", self.message))
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
