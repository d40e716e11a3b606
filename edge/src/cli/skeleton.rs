//! Turns a recorded request into a unit test of the flare, as a starting point.

use std::fmt::Write as _;
use std::path::Path;

use flaron_edge::{Content, FlareConfig, Recorded};

/// The test for a request, as Rust source.
pub(crate) fn unit_test(
    number: usize,
    recorded: &Recorded,
    config: &FlareConfig,
    flare: &Path,
) -> String {
    let request = &recorded.request;
    let name: String = format!("{} {}", request.method, request.target)
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    let mut text = format!("#[test]\nfn {name}_{number}() {{\n    let host = Host::new();\n");
    let host = request.headers.iter().find(|(name, _)| name == "host");
    let host = host.map_or("localhost".into(), |(_, host)| {
        String::from_utf8_lossy(&host.0)
    });
    let url = format!("http://{host}{}", request.target);
    let _ = writeln!(text, "    host.method({:?}).url({url:?});", request.method);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "host") {
        let value = String::from_utf8_lossy(&value.0);
        let _ = writeln!(text, "    host.header({name:?}, {value:?});");
    }
    if !request.body.0.is_empty() {
        let _ = writeln!(text, "    host.body({});", literal(&request.body));
    }
    for (name, granted) in [
        ("requires_body", config.requires_body),
        ("requires_raw_auth", config.requires_raw_auth),
        ("writes_spark_kv", config.writes_spark_kv),
        ("writes_plasma_kv", config.writes_plasma_kv),
    ] {
        if granted {
            let _ = writeln!(text, "    host.{name}(true);");
        }
    }
    let Some(response) = &recorded.response else {
        let _ = writeln!(text, "    host.run({});\n}}", handler(flare));
        return text;
    };
    // Calls whose results do not come from a store or service need no preparation.
    let told = |name: &str| {
        !["req_", "resp_", "log_"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    let calls: Vec<_> = response.calls.iter().filter(|call| told(&call.0)).collect();
    if !calls.is_empty() {
        text.push_str("    // The flare made these host calls; set up what they return (host.put_spark,\n    // host.secret, host.on_fetch, host.returns, …):\n");
    }
    for (name, arguments, result) in calls {
        let result = result.as_deref().unwrap_or("nothing");
        let _ = writeln!(
            text,
            "    //   {name}({}) -> {result}",
            arguments.join(", ")
        );
    }
    let _ = writeln!(text, "    let response = host.run({});", handler(flare));
    let _ = writeln!(
        text,
        "    assert_eq!(response.status, {});",
        response.status
    );
    for (name, value) in &response.headers {
        // The server adds these; they do not come from the flare.
        if ["date", "content-length", "x-flaron-error"].contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(&value.0);
        let _ = writeln!(
            text,
            "    assert_eq!(response.header({name:?}), Some({value:?}));"
        );
    }
    if let Some(body) = &response.body {
        let _ = match std::str::from_utf8(&body.0) {
            Ok(body) => writeln!(text, "    assert_eq!(response.text(), {body:?});"),
            Err(_) => writeln!(text, "    assert_eq!(response.body, {});", literal(body)),
        };
    }
    text.push_str("}\n");
    text
}

/// Bytes as Rust: a string, or a byte string.
fn literal(content: &Content) -> String {
    match std::str::from_utf8(&content.0) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("b\"{}\"", content.0.escape_ascii()),
    }
}

/// The path of the flare's handler, seen from its module of tests.
fn handler(flare: &Path) -> String {
    let source = std::fs::read_to_string(flare.join("src/lib.rs")).unwrap_or_default();
    let named = ["handle_request!(", "request:"].iter().find_map(|before| {
        let rest = source.split_once(before)?.1.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)))?;
        (end > 0).then(|| rest[..end].to_owned())
    });
    ["super", named.as_deref().unwrap_or("handler")].join("::")
}
