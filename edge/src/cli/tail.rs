//! `flaron-edge tail`: follows the log of a running node.

use std::path::Path;

use flaron_edge::{Error, Plain, Result};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::cli::args::{Format, TailArgs};
use crate::cli::kv::{connect, running};
use crate::cli::output::{is_read, outln};

/// Prints the node's invocations until the node stops.
pub(crate) fn tail(args: &TailArgs) -> Result<()> {
    let runtime = flaron_edge::bench_runtime()?;
    runtime.block_on(follow(args))
}

async fn follow(args: &TailArgs) -> Result<()> {
    let host = match &args.node {
        Some(host) => host
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned(),
        None => running(&args.data).ok_or_else(|| not_there(&args.data))?,
    };
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(format!("the node at {host} does not answer: {error}"))
    };
    let mut sender = connect(&host).await.map_err(|error| match args.node {
        Some(_) => failed(&error),
        // It was killed, and has left its address in the folder.
        None => Error::new(format!(
            "no node is using the data folder {} any more: the last one, at {host}, does not answer ({error})",
            args.data.display()
        )),
    })?;
    let request = http::Request::get("/_edge/events")
        .header("host", &host)
        .body(http_body_util::Full::default())
        .map_err(|error| failed(&error))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    if !response.status().is_success() {
        return Err(Error::new(format!(
            "the node at {host} answers {}: its status page is off, or it runs on another machine",
            response.status()
        )));
    }
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        // An event may come in two pieces.
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(line) = shown(&String::from_utf8_lossy(&event), args) {
                outln!("{line}");
                if !is_read() {
                    return Ok(());
                }
            }
        }
    }
    outln!("The node has stopped");
    Ok(())
}

fn not_there(data: &Path) -> Error {
    Error::new(format!(
        "no node is using the data folder {}; name another with --data, or the node with --node HOST:PORT",
        data.display()
    ))
}

/// The text to print for an event, if it passes the filters.
fn shown(event: &str, args: &TailArgs) -> Option<String> {
    let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
    if event.contains("event: missed") {
        let missed = format!("… {data} more that were too many to show");
        return (args.format == Format::Text).then_some(missed);
    }
    let entry: Value = serde_json::from_str(data).ok()?;
    let flare = args.flare.as_deref();
    if flare.is_some_and(|flare| entry["flare"] != flare) {
        return None;
    }
    let status = entry["status"].as_u64().map(|status| status.to_string());
    if let Some(wanted) = &args.status {
        // `5` and `50` match as prefixes.
        let status = status.clone().unwrap_or_default();
        let wanted = wanted.trim_end_matches(['x', 'X']);
        if !status.starts_with(wanted) {
            return None;
        }
    }
    if args.failed && entry["error"].is_null() {
        return None;
    }
    Some(match args.format {
        Format::Json => data.to_owned(),
        Format::Text => text(&entry, status.as_deref()),
    })
}

/// An entry as the node itself prints it.
fn text(entry: &Value, status: Option<&str>) -> String {
    let word = |value: &Value| Plain(value.as_str().unwrap_or_default()).to_string();
    let mut text = format!(
        "{}  {} {} {} {:.2} ms",
        word(&entry["flare"]),
        word(&entry["method"]),
        word(&entry["path"]),
        status.unwrap_or("-"),
        entry["duration_us"].as_f64().unwrap_or_default() / 1000.0
    );
    for line in entry["lines"].as_array().into_iter().flatten() {
        text += &format!("\n    {:<5} {}", word(&line["level"]), word(&line["text"]));
    }
    for note in entry["notes"].as_array().into_iter().flatten() {
        text += &format!("\n    note  {}", word(note));
    }
    if !entry["error"].is_null() {
        text += &format!("\n    FAILED {}", word(&entry["error"]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> TailArgs {
        TailArgs {
            data: ".flaron".into(),
            node: None,
            flare: None,
            status: None,
            failed: false,
            format: Format::Text,
        }
    }

    const EVENT: &str = "data: {\"flare\":\"shop\",\"method\":\"GET\",\"path\":\"/\\u001b\",\"status\":502,\"duration_us\":1500.0,\
         \"lines\":[{\"level\":\"warn\",\"text\":\"hm\"}],\"notes\":[\"n\"],\"error\":\"trap\"}\n\n";

    #[test]
    fn an_event_is_printed_as_the_node_does() {
        let text = shown(EVENT, &args()).unwrap();
        let expected = "shop  GET /\\u{1b} 502 1.50 ms\n    warn  hm\n    note  n\n    FAILED trap";
        assert_eq!(text, expected);
        assert_eq!(shown(": alive\n\n", &args()), None);
        let missed = shown("event: missed\ndata: 7\n\n", &args()).unwrap();
        assert!(missed.contains('7'), "{missed}");
    }

    #[test]
    fn what_is_not_wanted_is_not_printed() {
        let with = |change: &dyn Fn(&mut TailArgs)| {
            let mut args = args();
            change(&mut args);
            shown(EVENT, &args).is_some()
        };
        assert!(with(&|args| args.flare = Some("shop".into())));
        assert!(!with(&|args| args.flare = Some("other".into())));
        assert!(with(&|args| args.status = Some("5xx".into())));
        assert!(!with(&|args| args.status = Some("404".into())));
        assert!(with(&|args| args.failed = true));
    }
}
