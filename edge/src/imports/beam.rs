//! The import of `beam`.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use url::Url;
use wasmtime::{Caller, Linker};

use crate::contract::MODULE;
use crate::host::Host;
use crate::imports::memory::{arg, give, split};
use crate::telemetry::Span;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    l.func_wrap(
        MODULE,
        "beam_fetch",
        |mut caller: Caller<'_, Host>, url: i32, url_len: i32, options: i32, options_len: i32| {
            let (memory, host) = split(&mut caller);
            let url = arg(memory, host, "beam_fetch", url, url_len);
            let options = arg(memory, host, "beam_fetch", options, options_len);
            let answer = match (url, options) {
                (Some(url), Some(options)) => fetch(host, url, options),
                _ => None,
            };
            give(&mut caller, "beam_fetch", answer)
        },
    )?;
    Ok(())
}

fn fetch(host: &mut Host, url: &[u8], options: &[u8]) -> Option<Bytes> {
    let mut span = host.span.outward("beam_fetch");
    let mut headers = HeaderMap::new();
    span.inject(&mut headers);
    let (beam, clock) = host.beam();
    let result = clock.wait(|| beam.fetch_with(url, options, &headers));
    if span.is_on() {
        say_where(&mut span, url);
        match &result {
            Ok(answer) => say_status(&mut span, answer),
            Err(refusal) => span.fail("refused", &refusal.to_string()),
        }
    }
    host.ok_or_note("beam_fetch", result)
}

/// Adds the server of a fetch to the span, without the parts of the URL that may be secret.
fn say_where(span: &mut Span, url: &[u8]) {
    let url = str::from_utf8(url)
        .ok()
        .and_then(|url| Url::parse(url).ok());
    if let Some(url) = url
        && let Some(host) = url.host_str()
    {
        span.text("server.address", host);
        span.text("url.path", url.path());
    }
}

/// Adds the status of the response to the span.
fn say_status(span: &mut Span, answer: &[u8]) {
    #[derive(Deserialize)]
    struct Answer {
        status: u16,
    }
    if let Ok(Answer { status }) = serde_json::from_slice(answer) {
        span.number("http.response.status_code", status.into());
        if status >= 400 {
            span.fail(&status.to_string(), "");
        }
    }
}
