//! Answers with the method and the URL of the request.

use flaron_sdk::{request, response, FlareAction};

flaron_sdk::handle_request!(echo);

fn echo() -> FlareAction {
    let body = format!("{} {}", request::method(), request::url());
    response::set_status(200);
    response::set_header("content-type", "text/plain");
    response::set_body_str(&body);
    FlareAction::Respond
}
