//! Three things the edge can do for a flare, one line each.

use flaron_sdk::{crypto, id, response, time, FlareAction};

flaron_sdk::handle_request!(edge_ops);

fn edge_ops() -> FlareAction {
    response::set_header("content-type", "text/plain");
    report().map_or(FlareAction::PassThrough, |report| {
        response::set_body_str(&report);
        FlareAction::Respond
    })
}

fn report() -> Option<String> {
    let digest = crypto::hash("sha256", "hello")?;
    let uuid = id::uuid_v7()?;
    let now = time::now_rfc3339();
    (!now.is_empty()).then(|| {
        format!("sha256(\"hello\") = {digest}\nuuid v7        = {uuid}\nedge time      = {now}\n")
    })
}
