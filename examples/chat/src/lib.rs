//! Rooms with a count of who is there: `{"cmd":"join","room":"x"}`, `{"cmd":"leave"}`,
//! `{"cmd":"say","text":"…"}`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{WsSendError, json, plasma, ws};

flaron_sdk::ws_handlers!(on_open, on_message, on_close);
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

fn on_open() {
    let _ = ws::send_pieces(("{\"event\":\"welcome\",\"id\":\"", ws::conn_id(), "\"}"));
}

fn on_message() {
    let _ = obey();
}

fn on_close() {
    leave();
}

fn obey() -> Result<(), WsSendError> {
    let Ok(message) = json::Document::parse(ws::event_data()) else {
        return error("no such command");
    };
    let member = |name| message.root().get(name).and_then(|value| value.as_bytes());
    match (member("cmd"), member("room"), member("text")) {
        (Some(b"join"), Some(room), _) => join(room),
        (Some(b"leave"), ..) => {
            leave();
            ws::send_text("{\"event\":\"left\"}")
        }
        (Some(b"say"), _, Some(text)) => say(text),
        _ => error("no such command"),
    }
}

fn join(name: &[u8]) -> Result<(), WsSendError> {
    let Some(room) = Room::new(name).filter(|room| room.len != 0) else {
        return error("bad room");
    };
    leave();
    let Some(present) = room.change(1) else {
        return error("bad room");
    };
    ROOM.set(room);
    ws::send_pieces((
        "{\"event\":\"joined\",\"room\":",
        json::Bytes(name),
        ",\"present\":",
        present,
        "}",
    ))
}

fn leave() {
    let room = ROOM.replace(Room::NONE);
    if room.len != 0 {
        room.change(-1);
    }
}

fn say(text: &[u8]) -> Result<(), WsSendError> {
    let room = ROOM.get();
    if room.len == 0 {
        return error("join a room first");
    }
    ws::send_pieces((
        "{\"event\":\"said\",\"room\":",
        json::Bytes(room.name()),
        ",\"text\":",
        json::Bytes(text),
        "}",
    ))
}

fn error(message: &str) -> Result<(), WsSendError> {
    ws::send_pieces(("{\"event\":\"error\",\"message\":\"", message, "\"}"))
}
