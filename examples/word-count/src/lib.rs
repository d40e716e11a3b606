//! Counts the words of a text, with the standard library.
#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use flaron_sdk::{Error, FlareAction, request, response};

flaron_sdk::handle_request!(count);

fn count() -> Result<FlareAction, Error> {
    response::set_header("content-type", "text/plain; charset=utf-8");
    if !request::method_is("POST") {
        response::set_status(405);
        response::set_header("allow", "POST");
        return Ok(FlareAction::Respond);
    }
    let body = request::try_body()?;
    match str::from_utf8(&body) {
        Ok(text) => response::set_body_str(&table(text)),
        Err(_) => {
            response::set_status(400);
            response::set_body_str("this is not UTF-8\n");
        }
    }
    Ok(FlareAction::Respond)
}

/// A line for each word: how often it occurs, and the word.
fn table(text: &str) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for word in text.split_ascii_whitespace() {
        *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
    }
    let mut words: Vec<(String, u32)> = counts.into_iter().collect();
    words.sort_by_key(|(_, count)| Reverse(*count));
    words
        .iter()
        .map(|(word, count)| format!("{count} {word}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flaron_sdk::testing::Host;

    fn answer(body: &[u8]) -> (u16, String) {
        let host = Host::new();
        host.method("POST").requires_body(true).body(body);
        let response = host.run(count);
        (response.status, response.text())
    }

    #[test]
    fn words_are_counted_most_frequent_first() {
        assert_eq!(
            answer("To be or not to be".as_bytes()),
            (200, "2 be\n2 to\n1 not\n1 or\n".into())
        );
        assert_eq!(answer(b""), (200, String::new()));
    }

    #[test]
    fn a_body_that_is_not_text_is_refused() {
        assert_eq!(answer(b"\xff").0, 400);
        let host = Host::new();
        let response = host.run(count);
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("POST"))
        );
    }
}
