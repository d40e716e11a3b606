//! The ABI's JSON form of a response, built while the body arrives, so that a large body is held once and not
//! twice.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use serde::Serialize;

/// The beginning of the JSON: what is known before the body.
#[derive(Serialize)]
struct Head {
    status: u16,
    headers: BTreeMap<String, String>,
    body: &'static str,
}

/// The JSON, and the bytes of the body that are not in it yet.
pub(super) struct Envelope {
    json: Vec<u8>,
    /// The beginning of a character whose remaining bytes have not arrived.
    rest: Vec<u8>,
}

impl Envelope {
    /// Begins with a response's status and headers. `size` is the expected length of the body.
    ///
    /// # Errors
    ///
    /// A serialisation error.
    pub(super) fn new(status: u16, from: &HeaderMap, size: usize) -> serde_json::Result<Envelope> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in from {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                // The ABI's map has one value per name; HTTP allows lists to be joined with commas.
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        let head = serde_json::to_vec(&Head {
            status,
            headers,
            body: "",
        })?;
        let mut json = Vec::with_capacity(head.len() + size);
        // The end of the JSON is written last.
        json.extend_from_slice(head.strip_suffix(END).unwrap_or(&head));
        Ok(Envelope {
            json,
            rest: Vec::new(),
        })
    }

    /// The next part of the body. What is not UTF-8 becomes U+FFFD.
    pub(super) fn push(&mut self, part: &[u8]) {
        let joined;
        let part = match std::mem::take(&mut self.rest) {
            rest if rest.is_empty() => part,
            rest => {
                joined = [&rest, part].concat();
                &joined
            }
        };
        let mut chunks = part.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.escape(chunk.valid());
            let invalid = chunk.invalid();
            let is_last = chunks.peek().is_none();
            match str::from_utf8(invalid) {
                Err(error) if is_last && error.error_len().is_none() => {
                    self.rest = invalid.to_vec()
                }
                Err(_) => self.escape("\u{fffd}"),
                Ok(_) => {}
            }
        }
    }

    fn escape(&mut self, text: &str) {
        let begin = self.json.len();
        // Writing text to memory cannot fail. It is written in quotes.
        let _ = serde_json::to_writer(&mut self.json, text);
        self.json.remove(begin);
        self.json.pop();
    }

    /// Reserves capacity for this many bytes. Memory that is not written to uses no physical pages.
    pub(super) fn reserve(&mut self, size: usize) {
        self.json
            .reserve_exact(size.saturating_sub(self.json.len()));
    }

    /// The length of the JSON so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.json.len()
    }

    /// The complete JSON.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.rest.is_empty() {
            self.escape("\u{fffd}");
        }
        self.json.extend_from_slice(END);
        self.json
    }
}

/// How the JSON ends.
const END: &[u8] = b"\"}";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_json_does_not_depend_on_where_the_parts_end() {
        let mut headers = HeaderMap::new();
        headers.append("x-list", "a".parse().unwrap());
        headers.append("x-list", "b".parse().unwrap());
        for body in [
            &b""[..],
            b"plain",
            b"\"quoted\" \\ \n \x01",
            "äöü 🦀 \u{2028}".as_bytes(),
            b"\xff\xfe\xf0\x9f\xa6\x80",
            // Truncated characters, in the middle and at the end.
            b"\xf0\x9f\xa6x\xc3",
            b"\xe2\x82\xe2\x82\xac\xed\xa0\x80\xf0\x9f",
        ] {
            let expected = json!({
                "status": 200,
                "headers": { "x-list": "a, b" },
                "body": String::from_utf8_lossy(body),
            });
            for size in 1..=body.len().max(1) {
                let mut envelope = Envelope::new(200, &headers, 0).unwrap();
                for part in body.chunks(size) {
                    envelope.push(part);
                }
                let json: Value = serde_json::from_slice(&envelope.finish()).unwrap();
                assert_eq!(json, expected, "in parts of {size}");
            }
        }
    }
}
