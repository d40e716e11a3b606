//! A key-value store over HTTP: `GET /kv`, and `GET`, `PUT`, `DELETE /kv/{key}`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, SparkError, request, response, spark, text};

flaron_sdk::handle_request!(serve);
flaron_sdk::panic_handler!();

fn serve() -> Result<FlareAction, Error> {
    let path = request::path().into_bytes();
    let method = request::method();
    match text::strip_prefix(&path, b"/kv") {
        Some(b"" | b"/") => {
            if method == "GET" {
                list()?;
            } else {
                method_not_allowed("GET")?;
            }
        }
        Some([b'/', key @ ..]) => {
            if method == "GET" {
                get(key)?;
            } else if method == "PUT" {
                put(key)?;
            } else if method == "DELETE" {
                delete(key)?;
            } else {
                method_not_allowed("GET, PUT, DELETE")?;
            }
        }
        _ => error(404, "not found")?,
    }
    Ok(FlareAction::Respond)
}

fn get(key: &[u8]) -> Result<(), Error> {
    match spark::get_pieces(key) {
        Some(entry) => {
            response::set_header("content-type", "application/octet-stream");
            response::set_body(&entry.value);
        }
        None => error(404, "no such key")?,
    }
    Ok(())
}

fn put(key: &[u8]) -> Result<(), Error> {
    match spark::set_keyed(key, request::body_piece(), 0) {
        Ok(()) => response::set_status(204),
        Err(SparkError::BadKey) => error(400, "bad key")?,
        Err(SparkError::TooLarge) => error(413, "the value is too large")?,
        Err(SparkError::QuotaExceeded) => error(507, "the store is full")?,
        Err(SparkError::NoCapability) => error(403, "this flare may not write")?,
        Err(_) => error(500, "the store failed")?,
    }
    Ok(())
}

fn delete(key: &[u8]) -> Result<(), Error> {
    spark::delete_pieces(key)?;
    response::set_status(204);
    Ok(())
}

fn list() -> Result<(), Error> {
    response::set_header("content-type", "application/json");
    response::set_body_pieces(spark::list_piece())?;
    Ok(())
}

fn method_not_allowed(allow: &str) -> Result<(), Error> {
    response::set_header("allow", allow);
    error(405, "method not allowed")
}

fn error(status: u16, message: &str) -> Result<(), Error> {
    response::set_status(status);
    response::set_header("content-type", "application/json");
    response::set_body_pieces(("{\"error\":\"", message, "\"}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec;

    use super::*;
    use flaron_sdk::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        host.writes_spark_kv(true).requires_body(true);
        host
    }

    fn ask(host: &Host, method: &str, path: &str) -> (u16, String) {
        host.method(method)
            .url(&(String::from("https://flare.example") + path));
        let response = host.run(serve);
        (response.status, response.text())
    }

    #[test]
    fn values_are_written_read_listed_and_deleted() {
        let host = host();
        assert_eq!(ask(&host, "GET", "/kv"), (200, "[]".into()));
        host.body("hello");
        assert_eq!(ask(&host, "PUT", "/kv/a").0, 204);
        assert_eq!(ask(&host, "GET", "/kv/a"), (200, "hello".into()));
        host.body("");
        assert_eq!(ask(&host, "PUT", "/kv/b.c").0, 204);
        assert_eq!(ask(&host, "GET", "/kv/b.c"), (200, "".into()));
        assert_eq!(ask(&host, "GET", "/kv/"), (200, r#"["a","b.c"]"#.into()));
        assert_eq!(ask(&host, "DELETE", "/kv/a").0, 204);
        assert_eq!(
            ask(&host, "GET", "/kv/a"),
            (404, r#"{"error":"no such key"}"#.into())
        );
    }

    #[test]
    fn refused_writes_have_a_status_and_store_nothing() {
        let host = host();
        assert_eq!(ask(&host, "PUT", "/kv/a%20b").0, 400);
        host.body(vec![b'z'; 70_000]);
        assert_eq!(ask(&host, "PUT", "/kv/big").0, 413);
        host.body(vec![b'z'; 300_000]);
        assert_eq!(
            ask(&host, "PUT", "/kv/big").0,
            500,
            "it does not fit into the arena"
        );
        assert_eq!(ask(&host, "GET", "/kv"), (200, "[]".into()));
        assert_eq!(ask(&host, "POST", "/kv/a").0, 405);
        assert_eq!(ask(&host, "PUT", "/kv").0, 405);
        assert_eq!(ask(&host, "GET", "/kvx").0, 404);
        host.writes_spark_kv(false).body("x");
        assert_eq!(ask(&host, "PUT", "/kv/a").0, 403);
    }
}
