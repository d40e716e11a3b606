//! Answers with the method and the URL of the request.

use flaron_sdk::{request, response, FlareAction};

flaron_sdk::handle_request!(echo);

fn echo() -> FlareAction {
    response::set_header("content-type", "text/plain");
    let method = request::method();
    if method.is_empty() {
        return FlareAction::PassThrough;
    }
    let url = request::url();
    if url.is_empty() {
        return FlareAction::PassThrough;
    }
    response::set_body_str(&format!("{method} {url}"));
    FlareAction::Respond
}
