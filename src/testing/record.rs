//! What the host keeps for a test to look at: the response, log lines, fetches, calls.

use core::fmt;
use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;

use crate::entry::FlareAction;

/// What a handler made of a request: see [`Host::run`](crate::testing::Host::run).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The action that the handler returned.
    pub action: FlareAction,
    /// The status code; 200 if the handler set none.
    pub status: u16,
    /// The headers that the handler set, in the order in which each was first set.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        lossy(&self.body)
    }
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// By `logging::info`.
    Info,
    /// By `logging::warn`.
    Warn,
    /// By `logging::error`.
    Error,
}

/// A line that the flare logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// How serious it is.
    pub level: Level,
    /// The text, cut where the host cuts it.
    pub text: String,
}

/// A fetch that the flare made, as the host understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// The URL.
    pub url: String,
    /// The method; `GET` if the flare gave none.
    pub method: String,
    /// The headers, in the order in which the flare gave them.
    pub headers: Vec<(String, String)>,
    /// The body, if there was one.
    pub body: Option<String>,
}

impl Fetch {
    /// The value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }
}

/// A call of an import.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The import's name in the ABI.
    pub import: &'static str,
    /// The arguments that are text or bytes.
    pub bytes: Vec<Vec<u8>>,
    /// The arguments that are numbers.
    pub numbers: Vec<i64>,
}

impl Call {
    /// The argument number `index` of those that are text or bytes, as text.
    ///
    /// # Panics
    ///
    /// When there is no such argument.
    pub fn text(&self, index: usize) -> String {
        lossy(&self.bytes[index])
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = f.debug_tuple(self.import);
        for bytes in &self.bytes {
            call.field(&lossy(bytes));
        }
        for number in &self.numbers {
            call.field(number);
        }
        call.finish()
    }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

pub(crate) fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    let found = headers
        .iter_mut()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    match found {
        Some(header) => value.clone_into(&mut header.1),
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}
