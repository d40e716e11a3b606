//! The imports of `ws`.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use crate::contract::MODULE;
use crate::host::Host;
use crate::host::socket::close_code::{NORMAL, may_be_sent};
use crate::host::socket::{MAX_QUEUED, MESSAGE_TOO_LARGE, SEND_ERROR, SEND_LIMIT_REACHED, WsEvent};
use crate::imports::define::data;
use crate::imports::memory::{Answer, arg, split};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    l.func_wrap(
        MODULE,
        "ws_send",
        |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            match arg(memory, host, "ws_send", ptr, len) {
                Some(bytes) => send(host, bytes),
                None => SEND_ERROR,
            }
        },
    )?;
    l.func_wrap(
        MODULE,
        "ws_close_conn",
        |mut caller: Caller<'_, Host>, code: i32| close_conn(caller.data_mut(), code),
    )?;
    data(l, "ws_conn_id", conn_id)?;
    data(l, "ws_event_type", event_type)?;
    data(l, "ws_event_data", event_data)?;
    l.func_wrap(MODULE, "ws_close_code", |mut caller: Caller<'_, Host>| {
        close_code(caller.data_mut())
    })?;
    Ok(())
}

/// `ws_send`: bytes that are UTF-8 are sent as a text message, others as a binary one.
fn send(host: &mut Host, bytes: &[u8]) -> i32 {
    let limits = &host.env.config.limits;
    let (max_sends, max_bytes) = (limits.max_ws_sends, limits.max_ws_message_bytes);
    let Some(socket) = &mut host.socket else {
        host.note("no socket", || {
            "ws_send failed: this invocation has no WebSocket connection".to_owned()
        });
        return SEND_ERROR;
    };
    if !socket.open {
        host.note("closed socket", || {
            "ws_send failed: the connection is closed".to_owned()
        });
        return SEND_ERROR;
    }
    if bytes.len() > max_bytes {
        host.note("large message", || {
            format!(
                "ws_send refused a message of {} bytes (limits.max_ws_message_bytes is \
                 {max_bytes})",
                bytes.len()
            )
        });
        return MESSAGE_TOO_LARGE;
    }
    if socket.sends >= max_sends || socket.queued + bytes.len() > MAX_QUEUED {
        host.note("send limit", || {
            format!(
                "ws_send refused: at most {max_sends} messages (limits.max_ws_sends) and \
                 {MAX_QUEUED} bytes in one event"
            )
        });
        return SEND_LIMIT_REACHED;
    }
    let budget = &host.env.node.budget;
    let Some(held) = budget.try_hold_more(socket.queued, bytes.len()) else {
        host.note("no room", || {
            format!(
                "ws_send failed: the node has no room for {} more bytes (--memory)",
                bytes.len()
            )
        });
        return SEND_ERROR;
    };
    socket.sends += 1;
    socket.queued += bytes.len();
    socket.queue.push(held.keep(Bytes::copy_from_slice(bytes)));
    0
}

/// `ws_close_conn`: messages sent before are still delivered; the connection is closed when the
/// event ends.
fn close_conn(host: &mut Host, code: i32) {
    let valid = u16::try_from(code).ok().filter(|&code| may_be_sent(code));
    if valid.is_none() {
        host.note("bad close code", || {
            format!(
                "ws_close_conn({code}): endpoints must not send this code, so 1000 was sent; use 1000 \
                 or one from 3000 to 4999"
            )
        });
    }
    if let Some(socket) = &mut host.socket
        && socket.open
    {
        socket.open = false;
        socket.closing = Some(valid.unwrap_or(NORMAL));
    }
}

/// `ws_conn_id`
fn conn_id(host: &mut Host) -> Answer {
    let socket = host.socket.as_ref()?;
    Some(Bytes::copy_from_slice(socket.id.as_bytes()))
}

/// `ws_event_type`
fn event_type(host: &mut Host) -> Answer {
    let name = host.socket.as_ref()?.event.name();
    Some(Bytes::from_static(name.as_bytes()))
}

/// `ws_event_data`: the message; no result in other events.
fn event_data(host: &mut Host) -> Answer {
    let socket = host.socket.as_ref()?;
    (socket.event == WsEvent::Message).then(|| socket.data.clone())
}

/// `ws_close_code`
fn close_code(host: &mut Host) -> i32 {
    host.socket
        .as_ref()
        .map_or(0, |socket| i32::from(socket.close_code))
}
