//! A key-value store over HTTP: `GET /kv`, and `GET`, `PUT`, `DELETE /kv/{key}`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, SparkError, request, response, spark};

flaron_sdk::handle_request!(serve);
flaron_sdk::panic_handler!();

fn serve() -> Result<FlareAction, Error> {
    let path = request::path().into_bytes();
    let method = request::method().into_bytes();
    match path.strip_prefix(b"/kv") {
        Some(b"" | b"/") if method == b"GET" => list()?,
        Some(b"" | b"/") => method_not_allowed("GET")?,
        Some([b'/', key @ ..]) => match &*method {
            b"GET" => get(key)?,
            b"PUT" => put(key)?,
            b"DELETE" => {
                spark::delete_pieces(key)?;
                response::set_status(204);
            }
            _ => method_not_allowed("GET, PUT, DELETE")?,
        },
        _ => error(404, "not found")?,
    }
    Ok(FlareAction::Respond)
}

fn get(key: &[u8]) -> Result<(), Error> {
    match spark::get_pieces(key) {
        Some(entry) => {
            response::set_header("content-type", "application/octet-stream");
            response::set_body_pieces(entry.value)?;
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
