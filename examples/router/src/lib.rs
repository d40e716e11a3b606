//! A JSON API: `GET /`, `GET /users/{id}`, `GET /search?q=…&page=…`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::request::{self, Query};
use flaron_sdk::{Error, FlareAction, json, response, text};

flaron_sdk::handle_request!(route);
flaron_sdk::panic_handler!();

fn route() -> Result<FlareAction, Error> {
    response::set_header("content-type", "application/json");
    answer(&request::query())
}

fn answer(query: &Query) -> Result<FlareAction, Error> {
    let path = query.path();
    // With `|` and `&` there are fewer jumps than with `||` and `&&`, and so fewer bytes.
    let id = text::strip_prefix(path, b"/users/")
        .filter(|id| !id.is_empty() & text::split_once(id, b'/').is_none());
    let is_root = text::eq(path, b"/");
    let is_search = text::eq(path, b"/search");
    if !(is_root | is_search | id.is_some()) {
        error(404, "not found");
    } else if !request::method_is("GET") {
        response::set_header("allow", "GET");
        error(405, "use GET");
    } else if let Some(id) = id {
        user(id)?;
    } else if is_search {
        search(query)?;
    } else {
        response::set_body_str(json!({ "name": "demo-api", "version": 1 }));
    }
    Ok(FlareAction::Respond)
}

fn user(id: &[u8]) -> Result<(), Error> {
    match text::parse_u32(id) {
        Some(id) => response::set_body_pieces(("{\"id\":", id, ",\"name\":\"User ", id, "\"}"))?,
        None => error(400, "not a number"),
    }
    Ok(())
}

fn search(query: &Query) -> Result<(), Error> {
    let page = match query.get_bytes("page") {
        Some(page) => text::parse_u32(page),
        None => Some(1),
    };
    let Some(page) = page else {
        error(400, "not a number");
        return Ok(());
    };
    match query.get("q") {
        Some(q) => response::set_body_pieces((
            "{\"q\":",
            json::Str(q),
            ",\"page\":",
            page,
            ",\"results\":[]}",
        ))?,
        None => error(400, "q: not text"),
    }
    Ok(())
}

fn error(status: u16, message: &str) {
    response::set_status(status);
    let _ = response::set_body_pieces(("{\"error\":\"", message, "\"}"));
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    fn answer(method: &str, url: &str) -> (u16, String) {
        let host = Host::new();
        host.method(method).url(url);
        let response = host.run(route);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            response.header("allow"),
            (response.status == 405).then_some("GET")
        );
        (response.status, response.text())
    }

    fn get(path: &str) -> (u16, String) {
        answer("GET", &(String::from("https://flare.example") + path))
    }

    #[test]
    fn known_paths_answer_in_json() {
        assert_eq!(get("/"), (200, r#"{"name":"demo-api","version":1}"#.into()));
        assert_eq!(get("?x"), get("/"));
        assert_eq!(
            get("/users/42"),
            (200, r#"{"id":42,"name":"User 42"}"#.into())
        );
        assert_eq!(
            get("/search?q=caf%C3%A9+%22x%22&page=3"),
            (
                200,
                "{\"q\":\"caf\u{e9} \\\"x\\\"\",\"page\":3,\"results\":[]}".into()
            )
        );
        assert_eq!(get("/search?q=").1, r#"{"q":"","page":1,"results":[]}"#);
    }

    #[test]
    fn other_paths_and_methods_have_a_status() {
        for (path, status) in [
            ("/nope", 404),
            ("/users", 404),
            ("/users/", 404),
            ("/users/4/x", 404),
            ("/users/abc", 400),
            ("/users/4294967296", 400),
            ("/search", 400),
            ("/search?q=a&page=x", 400),
            ("/search?q=%C3%28", 400),
        ] {
            assert_eq!(get(path).0, status, "{path}");
        }
        assert_eq!(answer("POST", "https://a/users/4").0, 405);
        assert_eq!(answer("POST", "https://a/search?q=a").0, 405);
        assert_eq!(answer("POST", "https://a/").0, 405);
        assert_eq!(answer("POST", "https://a/nope").0, 404);
    }
}
