//! `flaron-edge replay`: sends recorded requests again and shows what differs.

use flaron_edge::{
    Content, Entry, Error, FlareConfig, Recorded, RecordedResponse, Result, Subject, bench_runtime,
    read_recording,
};

use crate::cli::args::{Ignore, ReplayArgs};
use crate::cli::output::outln;
use crate::cli::skeleton::unit_test;

/// How much of a difference is shown, in characters.
const SHOWN: usize = 200;

/// Sends the requests of a file to a flare again.
pub(crate) fn replay(args: &ReplayArgs) -> Result<()> {
    let recording = read_recording(&args.file)?;
    if args.unit_test {
        let config = FlareConfig::beside(&args.flare)?;
        for (at, recorded) in recording.iter().enumerate() {
            outln!("{}", unit_test(at + 1, recorded, &config, &args.flare));
        }
        return Ok(());
    }
    let edge = Subject::at(&args.flare)?
        .secrets(args.secrets.clone())
        .node()?
        .trace(true)
        .build()?;
    let runtime = bench_runtime()?;
    let mut different = 0;
    for (at, recorded) in recording.iter().enumerate() {
        let request = recorded.request.to_request()?;
        let response = runtime.block_on(edge.request(request));
        let entries = edge.entries();
        let Some(entry) = entries.last() else {
            return Err(Error::new(
                "the node did not log the request; this is a bug",
            ));
        };
        let differences = compare(recorded, &response, entry, &args.ignore);
        let verdict = match (differences.is_empty(), &recorded.response) {
            (true, Some(_)) => "same",
            (true, None) => "sent",
            (false, _) => "DIFFERENT",
        };
        outln!(
            "{:>3}  {} {}  {}  {verdict}",
            at + 1,
            recorded.request.method,
            recorded.request.target,
            response.status().as_u16()
        );
        for difference in &differences {
            outln!("     {difference}");
        }
        different += usize::from(!differences.is_empty());
    }
    match different {
        0 => Ok(()),
        _ => Err(Error::new(format!(
            "{different} of {} requests gave different results (--ignore says what may differ)",
            recording.len()
        ))),
    }
}

/// The differences, one line each.
fn compare(
    recorded: &Recorded,
    response: &http::Response<bytes::Bytes>,
    entry: &Entry,
    ignore: &[Ignore],
) -> Vec<String> {
    let Some(old) = &recorded.response else {
        return Vec::new();
    };
    let new = RecordedResponse::of(
        response.status().as_u16(),
        response.headers(),
        Some(response.body().clone()),
        entry,
    );
    let mut found = Vec::new();
    let mut say = |what: &str, old: &str, new: &str| found.push(format!("{what}: {old} -> {new}"));
    if old.status != new.status {
        say("status", &old.status.to_string(), &new.status.to_string());
    }
    if !ignore.contains(&Ignore::Headers) {
        let mut names: Vec<&String> = old
            .headers
            .iter()
            .chain(&new.headers)
            .map(|h| &h.0)
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| *name != "date") {
            let (before, now) = (field(&old.headers, name), field(&new.headers, name));
            if before != now {
                say(name, &before, &now);
            }
        }
    }
    if !ignore.contains(&Ignore::Body)
        && let (Some(before), Some(now)) = (&old.body, &new.body)
        && before != now
    {
        say("body", &text(before), &text(now));
    }
    if !ignore.contains(&Ignore::Log) && old.log != new.log {
        say("log", &format!("{:?}", old.log), &format!("{:?}", new.log));
    }
    if !ignore.contains(&Ignore::Calls) {
        let longer = old.calls.len().max(new.calls.len());
        // The calls after the first different one are likely to differ for the same reason.
        let first = (0..longer).find(|&at| old.calls.get(at) != new.calls.get(at));
        if let Some(at) = first {
            let call = |calls: &[(String, Vec<String>, Option<String>)]| match calls.get(at) {
                Some((name, arguments, result)) => {
                    let result = result
                        .as_ref()
                        .map_or(String::new(), |r| format!(" -> {r}"));
                    format!("{name}({}){result}", arguments.join(", "))
                }
                None => "none".to_owned(),
            };
            let what = format!("call {}", at + 1);
            say(&what, &call(&old.calls), &call(&new.calls));
        }
    }
    if old.error != new.error {
        let words = |error: &Option<String>| error.clone().unwrap_or_else(|| "none".to_owned());
        say("failure", &words(&old.error), &words(&new.error));
    }
    found
}

/// The values of a header, or `none`.
fn field(headers: &[(String, Content)], name: &str) -> String {
    let values: Vec<String> = headers
        .iter()
        .filter(|(of, _)| of == name)
        .map(|(_, value)| text(value))
        .collect();
    match values.is_empty() {
        true => "none".to_owned(),
        false => values.join(", "),
    }
}

fn text(content: &Content) -> String {
    let text = String::from_utf8_lossy(&content.0);
    let beginning: String = text.chars().take(SHOWN).collect();
    match beginning.len() == text.len() {
        true => format!("{beginning:?}"),
        false => format!("{beginning:?}… ({} bytes)", content.0.len()),
    }
}
