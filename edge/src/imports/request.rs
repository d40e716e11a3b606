//! The imports of `request`.

use bytes::Bytes;
use http::{HeaderName, header};
use wasmtime::Linker;

use crate::host::Host;
use crate::host::request::is_withheld;
use crate::imports::define::{data, text_data};
use crate::imports::memory::Answer;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    data(l, "req_method", method)?;
    data(l, "req_url", url)?;
    text_data(l, "req_header_get", header_get)?;
    data(l, "req_body", body)?;
    Ok(())
}

/// `req_method`
fn method(host: &mut Host) -> Answer {
    let method = host.request.method.as_str();
    Some(Bytes::copy_from_slice(method.as_bytes()))
}

/// `req_url`
fn url(host: &mut Host) -> Answer {
    Some(host.request.url().into())
}

/// `req_header_get`: several values of a name are joined as HTTP specifies.
fn header_get(host: &mut Host, name: &[u8]) -> Answer {
    let name = HeaderName::from_bytes(name).ok()?;
    let headers = &host.request.headers;
    if is_withheld(&name) && !host.env.config.requires_raw_auth {
        if headers.contains_key(&name) {
            host.note("withheld header", || {
                format!(
                    "{name} was withheld; to read it, put `requires_raw_auth = true` into flare.toml"
                )
            });
        }
        return None;
    }
    let mut values = headers.get_all(&name).iter();
    let first = values.next()?;
    let mut joined = first.as_bytes().to_vec();
    let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
    for value in values {
        joined.extend_from_slice(separator);
        joined.extend_from_slice(value.as_bytes());
    }
    Some(joined.into())
}

/// `req_body`
fn body(host: &mut Host) -> Answer {
    if host.request.body.is_none() {
        host.note("no body", || {
            "the body was withheld; to read it, put `requires_body = true` into flare.toml"
                .to_owned()
        });
        return None;
    }
    host.request.body.clone()
}
