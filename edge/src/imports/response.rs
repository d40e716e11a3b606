//! The imports of `response`.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use wasmtime::{Caller, Linker};

use crate::contract::MODULE;
use crate::host::Host;
use crate::host::response::{MAX_HEADER_BYTES, MAX_HEADERS};
use crate::http::headers::is_connection_header;
use crate::http::reply;
use crate::imports::define::text;
use crate::imports::memory::{arg, split};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    l.func_wrap(
        MODULE,
        "resp_set_status",
        |mut caller: Caller<'_, Host>, status: i32| set_status(caller.data_mut(), status),
    )?;
    l.func_wrap(
        MODULE,
        "resp_header_set",
        |mut caller: Caller<'_, Host>, name: i32, name_len: i32, value: i32, value_len: i32| {
            let (memory, host) = split(&mut caller);
            let name = arg(memory, host, "resp_header_set", name, name_len);
            let value = arg(memory, host, "resp_header_set", value, value_len);
            if let (Some(name), Some(value)) = (name, value) {
                header_set(host, name, value);
            }
        },
    )?;
    text(l, "resp_body_set", body_set)?;
    Ok(())
}

/// `resp_set_status`
fn set_status(host: &mut Host, status: i32) {
    match u16::try_from(status) {
        Ok(code @ 200..=999) => host.response.status = StatusCode::from_u16(code).ok(),
        _ => host.note("bad status", || {
            format!("the status {status} was ignored; a response has one from 200 to 999")
        }),
    }
}

/// `resp_header_set`
fn header_set(host: &mut Host, name: &[u8], value: &[u8]) {
    let Ok(name) = HeaderName::from_bytes(name) else {
        let name = String::from_utf8_lossy(name).into_owned();
        return host.note("bad header name", || {
            format!("the header name {name:?} is not valid; the header was dropped")
        });
    };
    // Rejects CR, LF and other control bytes, so that a value can never become another header.
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return host.note("bad header value", || {
            format!(
                "the value for {name} has bytes that a header must not have (a line break?); the \
                 header was dropped"
            )
        });
    };
    if is_connection_header(&name) {
        return host.note("connection header", || {
            format!("{name} was dropped: the edge itself sets the headers of the connection")
        });
    }
    if name == reply::ERROR {
        return host.note("reserved header", || {
            format!("{name} was dropped: with it the edge says that it answers itself")
        });
    }
    if !host.response.set_header(name.clone(), value) {
        host.note("too many headers", || {
            format!(
                "{name} was dropped: at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes \
                 in all"
            )
        });
    }
}

/// `resp_body_set`
fn body_set(host: &mut Host, body: &[u8]) {
    // The previous body is dropped first, to make room.
    host.response.body = None;
    match host.env.node.budget.try_hold(body.len()) {
        Some(held) => {
            host.response.over_budget = false;
            host.response.body = Some(held.keep(Bytes::copy_from_slice(body)));
        }
        None => {
            host.response.over_budget = true;
            host.note("no room", || {
                format!(
                    "the body of {} bytes was dropped, and the client gets 503: the node holds as \
                     much as it may (--memory)",
                    body.len()
                )
            });
        }
    }
}
