//! Three things the edge can do for a flare, one line each.

use flaron_sdk::{crypto, id, response, time, FlareAction};

flaron_sdk::handle_request!(edge_ops);

fn edge_ops() -> FlareAction {
    let digest = crypto::hash("sha256", "hello").unwrap_or_default();
    let uuid = id::uuid_v7().unwrap_or_default();
    let now = time::now_rfc3339();

    let body =
        format!("sha256(\"hello\") = {digest}\nuuid v7        = {uuid}\nedge time      = {now}\n");
    response::set_status(200);
    response::set_header("content-type", "text/plain");
    response::set_body_str(&body);
    FlareAction::Respond
}
