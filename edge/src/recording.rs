//! Requests recorded in a file, one line of JSON each, with their outcome: to replay them, to measure them,
//! and to turn them into tests.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::journal::Entry;
use crate::sync::lock;

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The request.
    pub request: RecordedRequest,
    /// The response, if it is known. A file written by hand may have requests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<RecordedResponse>,
}

/// A request as the flare saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    /// The method. Default: GET.
    #[serde(default = "get")]
    pub method: String,
    /// The path and query.
    pub target: String,
    /// All headers, including `Authorization` and `Cookie`.
    #[serde(default)]
    pub headers: Vec<(String, Content)>,
    /// The body, up to the flare's `max_body_bytes`.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub body: Content,
}

/// The response to a request, and what the node logged about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, Content)>,
    /// The body; none if it came from the origin, because such bodies are streamed.
    pub body: Option<Content>,
    /// What the flare logged: level and text.
    #[serde(default)]
    pub log: Vec<(String, String)>,
    /// Its host calls: the import, its arguments, its result.
    #[serde(default)]
    pub calls: Vec<(String, Vec<String>, Option<String>)>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Bytes: in JSON a string, or, if they are not UTF-8, `{"base64": "…"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ContentForm", try_from = "ContentForm")]
pub struct Content(pub Bytes);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ContentForm {
    Text(String),
    Bytes { base64: String },
    // The format of `flaron-edge store export`.
    Named { text: String },
}

impl Content {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Content> for ContentForm {
    fn from(content: Content) -> Self {
        match std::str::from_utf8(&content.0) {
            Ok(text) => ContentForm::Text(text.to_owned()),
            Err(_) => ContentForm::Bytes {
                base64: BASE64_STANDARD.encode(&content.0),
            },
        }
    }
}

impl TryFrom<ContentForm> for Content {
    type Error = base64::DecodeError;

    fn try_from(form: ContentForm) -> std::result::Result<Self, Self::Error> {
        Ok(Content(match form {
            ContentForm::Text(text) | ContentForm::Named { text } => text.into(),
            ContentForm::Bytes { base64 } => BASE64_STANDARD.decode(base64)?.into(),
        }))
    }
}

impl RecordedRequest {
    /// A request for a path, with nothing else.
    pub fn get(target: &str) -> RecordedRequest {
        RecordedRequest {
            method: get(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Content::default(),
        }
    }

    /// A request to a node.
    pub(crate) fn of(request: &http::request::Parts, body: Bytes) -> RecordedRequest {
        let target = request.uri.path_and_query();
        RecordedRequest {
            method: request.method.to_string(),
            target: target.map_or("/", |target| target.as_str()).to_owned(),
            headers: headers(&request.headers),
            body: Content(body),
        }
    }

    /// The request, to be [sent](crate::Edge::request) again.
    ///
    /// # Errors
    ///
    /// When the method, the target or a header is invalid.
    pub fn to_request(&self) -> Result<http::Request<Bytes>> {
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, &*value.0);
        }
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", "localhost");
        }
        request
            .body(self.body.0.clone())
            .map_err(|error| Error::new(format!("{} {}: {error}", self.method, self.target)))
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, Content)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = Bytes::copy_from_slice(value.as_bytes());
            (name.to_string(), Content(value))
        })
        .collect()
}

impl RecordedResponse {
    /// A response, and its entry in the journal.
    pub fn of(status: u16, fields: &HeaderMap, body: Option<Bytes>, entry: &Entry) -> Self {
        let log = entry.lines.iter();
        let calls = entry.calls.iter().map(|call| {
            let (name, arguments, result) = call.what();
            (
                name.to_owned(),
                arguments.to_vec(),
                result.map(str::to_owned),
            )
        });
        RecordedResponse {
            status,
            headers: headers(fields),
            body: body.map(Content),
            log: log
                .map(|line| (line.level.name().to_owned(), line.text.clone()))
                .collect(),
            calls: calls.collect(),
            error: entry.error.clone(),
        }
    }
}

/// Reads a recording.
///
/// # Errors
///
/// When the file cannot be read, or a line is not a recorded request; the message names the line.
pub fn read_recording(file: &Path) -> Result<Vec<Recorded>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?;
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| {
                Error::new(format!(
                    "{}:{}: not a recorded request: {error}; a line is like \
                     {{\"request\": {{\"method\": \"GET\", \"target\": \"/\"}}}}",
                    file.display(),
                    at + 1
                ))
            })
        })
        .collect()
}

/// A file that requests are appended to.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    file: Mutex<File>,
}

impl Recorder {
    /// Opens or creates it, readable only by its owner: the headers contain credentials.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(crate) fn open(path: &Path) -> Result<Recorder> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(|error| Error::new(format!("cannot record to {}: {error}", path.display())))?;
        Ok(Recorder {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// Appends a request and its outcome.
    pub(crate) fn add(&self, recorded: &Recorded) {
        let line = match serde_json::to_string(recorded) {
            Ok(line) => line + "\n",
            Err(error) => return self.failed(&error),
        };
        // In one write, so that the lines of several requests do not mix.
        if let Err(error) = lock(&self.file).write_all(line.as_bytes()) {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        tracing::warn!("a request is missing in {}: {error}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let mut request = RecordedRequest::get("/a?b=1");
        request.headers.push(("x".into(), Content("é".into())));
        request.body = Content(Bytes::from_static(b"\xff\x00"));
        let recorded = Recorded {
            request,
            response: None,
        };
        let recorder = Recorder::open(&path).unwrap();
        recorder.add(&recorded);
        recorder.add(&recorded);
        assert_eq!(read_recording(&path).unwrap(), [recorded.clone(), recorded]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"body\":{\"base64\":\"/wA=\"}"), "{text}");
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        std::fs::write(
            &path,
            "{\"request\":{\"target\":\"/\"}}\n\n{\"reqest\":1}\n",
        )
        .unwrap();
        let error = read_recording(&path).unwrap_err().to_string();
        assert!(
            error.contains("r.jsonl:3: not a recorded request: unknown field"),
            "{error}"
        );
    }

    #[test]
    fn a_request_that_cannot_be_is_an_error() {
        let mut request = RecordedRequest::get("/");
        request.method = "A B".into();
        assert!(request.to_request().is_err());
    }
}
