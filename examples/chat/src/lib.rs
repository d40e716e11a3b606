//! Rooms with a count of who is there: `{"cmd":"join","room":"x"}`, `{"cmd":"leave"}`,
//! `{"cmd":"say","text":"…"}`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{json, plasma, text::Pieces, ws};

flaron_sdk::ws_handlers!(welcome, obey, leave);
flaron_sdk::panic_handler!();

const MAX_ROOM: usize = 32;

/// A room's name; empty if it is none.
#[derive(Clone, Copy)]
struct Room {
    name: [u8; MAX_ROOM],
    len: usize,
}

impl Room {
    const NONE: Room = Room {
        name: [0; MAX_ROOM],
        len: 0,
    };

    /// The room of this name, if a room can have it.
    fn new(name: &[u8]) -> Option<Room> {
        let mut room = Room::NONE;
        room.len = name.len();
        room.name.get_mut(..name.len())?.copy_from_slice(name);
        Some(room)
    }

    fn name(&self) -> &[u8] {
        self.name.get(..self.len).unwrap_or_default()
    }

    /// Changes how many are in it, and tells how many there are.
    fn change(&self, by: i64) -> Option<i64> {
        plasma::increment_pieces(("room:", self.name()), by)
    }
}

flaron_sdk::state! {
    /// The room that this connection is in.
    static ROOM: Room = Room::NONE;
}

fn welcome() {
    send(("{\"event\":\"welcome\",\"id\":\"", ws::conn_id(), "\"}"));
}

fn obey() {
    let message = ws::message().and_then(|data| json::Document::parse(data).ok());
    let Some(message) = &message else {
        return error("no such command");
    };
    let message = message.root();
    let command = message.get("cmd").unwrap_or_default();
    if command == "leave" {
        leave();
        return send("{\"event\":\"left\"}");
    }
    if command == "join"
        && let Some(room) = message.get("room").and_then(|room| room.as_bytes())
    {
        return join(room);
    }
    if command == "say"
        && let Some(text) = message.get("text").and_then(|text| text.as_bytes())
    {
        return say(text);
    }
    error("no such command");
}

fn join(name: &[u8]) {
    let Some(room) = Room::new(name).filter(|room| room.len != 0) else {
        return error("bad room");
    };
    leave();
    let Some(present) = room.change(1) else {
        return error("bad room");
    };
    ROOM.set(room);
    send((
        "{\"event\":\"joined\",\"room\":",
        json::Bytes(name),
        ",\"present\":",
        present,
        "}",
    ));
}

fn leave() {
    let room = ROOM.replace(Room::NONE);
    if room.len != 0 {
        room.change(-1);
    }
}

fn say(text: &[u8]) {
    let room = ROOM.get();
    if room.len == 0 {
        return error("join a room first");
    }
    send((
        "{\"event\":\"said\",\"room\":",
        json::Bytes(room.name()),
        ",\"text\":",
        json::Bytes(text),
        "}",
    ));
}

/// Whom nothing can be sent to is gone, or has been sent too much.
fn send(message: impl Pieces) {
    let _ = ws::send_pieces(message);
}

fn error(message: &str) {
    send(("{\"event\":\"error\",\"message\":\"", message, "\"}"));
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        host.writes_plasma_kv(true);
        host.open(welcome);
        host
    }

    fn say(host: &Host, message: &str) -> String {
        host.message(message, obey);
        String::from_utf8(host.sent().pop().unwrap()).unwrap()
    }

    #[test]
    fn a_connection_is_in_one_room_at_a_time() {
        let host = host();
        assert_eq!(
            host.sent()[0],
            br#"{"event":"welcome","id":"connection-1"}"#
        );
        assert!(say(&host, r#"{"cmd":"say","text":"hi"}"#).contains("error"));
        host.put_counter("room:x", 1);
        assert_eq!(
            say(&host, r#"{"cmd":"join","room":"x"}"#),
            r#"{"event":"joined","room":"x","present":2}"#
        );
        assert_eq!(
            say(&host, r#"{"cmd":"say","text":"h\"i\n\u00e9"}"#),
            "{\"event\":\"said\",\"room\":\"x\",\"text\":\"h\\\"i\\u000a\u{e9}\"}"
        );
        assert_eq!(
            say(&host, r#"{"cmd":"join","room":"y"}"#),
            r#"{"event":"joined","room":"y","present":1}"#
        );
        assert_eq!(host.counter("room:x"), Some(1));
        assert_eq!(say(&host, r#"{"cmd":"leave"}"#), r#"{"event":"left"}"#);
        assert_eq!(host.counter("room:y"), Some(0));
    }

    #[test]
    fn who_closes_has_left() {
        let host = host();
        say(&host, r#"{"cmd":"join","room":"x"}"#);
        host.close(1000, leave);
        assert_eq!(host.counter("room:x"), Some(0));
        host.close(1000, leave);
        assert_eq!(host.counter("room:x"), Some(0), "once");
    }

    #[test]
    fn what_is_no_command_is_an_error() {
        let host = host();
        let long = String::from(r#"{"cmd":"join","room":""#) + &"x".repeat(33) + r#""}"#;
        for bad in [
            "nonsense",
            "{}",
            "[]",
            r#"{"cmd":"fly"}"#,
            r#"{"cmd":"join","room":""}"#,
            r#"{"cmd":"join","room":"a b"}"#,
            r#"{"cmd":"join"}"#,
            &long,
        ] {
            assert!(
                say(&host, bad).starts_with(r#"{"event":"error","message":""#),
                "{bad}"
            );
        }
    }
}
