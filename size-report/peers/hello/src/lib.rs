//! Answers every request with one line of text.

use flaron_sdk::{response, FlareAction};

flaron_sdk::handle_request!(hello);

fn hello() -> FlareAction {
    response::set_header("content-type", "text/plain");
    response::set_body_str("hello from the edge");
    FlareAction::Respond
}
