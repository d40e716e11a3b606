//! A JSON API: `GET /`, `GET /users/{id}`, `GET /search?q=…&page=…`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, json, request, response, text};

flaron_sdk::handle_request!(route);
flaron_sdk::panic_handler!();

fn route() -> Result<FlareAction, Error> {
    response::set_header("content-type", "application/json");
    let path = request::path().into_bytes();
    match &*path {
        b"/" if is_get() => response::set_body_str(json!({ "name": "demo-api", "version": 1 })),
        b"/search" if is_get() => search()?,
        b"/" | b"/search" => method_not_allowed(),
        path => match path.strip_prefix(b"/users/") {
            Some(id) if !id.is_empty() && text::split_once(id, b'/').is_none() => {
                if is_get() {
                    user(id)?;
                } else {
                    method_not_allowed();
                }
            }
            _ => error(404, "not found"),
        },
    }
    Ok(FlareAction::Respond)
}

fn is_get() -> bool {
    request::method_is("GET")
}

fn user(id: &[u8]) -> Result<(), Error> {
    match text::parse_u32(id) {
        Some(id) => response::set_body_pieces(("{\"id\":", id, ",\"name\":\"User ", id, "\"}"))?,
        None => error(400, "the id is a number"),
    }
    Ok(())
}

fn search() -> Result<(), Error> {
    let query = request::query();
    let page = match query.get_bytes("page") {
        Some(page) => text::parse_u32(page),
        None => Some(1),
    };
    match (query.get("q"), page) {
        (Some(q), Some(page)) => {
            response::set_body_pieces((
                "{\"q\":",
                json::Str(q),
                ",\"page\":",
                page,
                ",\"results\":[]}",
            ))?;
        }
        (None, _) => error(400, "q is missing, or no text"),
        (_, None) => error(400, "page is a number"),
    }
    Ok(())
}

fn method_not_allowed() {
    response::set_header("allow", "GET");
    error(405, "method not allowed");
}

fn error(status: u16, message: &str) {
    response::set_status(status);
    let _ = response::set_body_pieces(("{\"error\":\"", message, "\"}"));
}
