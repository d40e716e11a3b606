//! Running a handler: each time a new invocation.

use crate::arena;
use crate::entry::{FlareAction, Outcome};
use crate::testing::Host;
use crate::testing::record::Response;
use crate::testing::state::{Socket, State, Used, with};

impl Host {
    /// Runs the handler of an HTTP flare, as a new invocation.
    ///
    /// # Panics
    ///
    /// When the handler returns an error, which traps on a real host.
    pub fn run<T: Outcome>(&self, handler: impl FnOnce() -> T) -> Response {
        self.begin();
        let action = match handler().into_i64() >> 32 {
            2 => FlareAction::Transform,
            3 => FlareAction::PassThrough,
            _ => FlareAction::Respond,
        };
        with(|state| Response {
            action,
            ..state.response.clone()
        })
    }

    /// Runs a handler of the event `open`, on a new connection.
    pub fn open(&self, handler: impl FnOnce()) {
        with(|state| {
            state.socket = Socket {
                id: state.socket.id.clone(),
                ..Socket::default()
            }
        });
        self.event("open", &[], 0, handler);
    }

    /// Runs a handler of the event `message`, with this data.
    pub fn message(&self, data: impl AsRef<[u8]>, handler: impl FnOnce()) {
        self.event("message", data.as_ref(), 0, handler);
    }

    /// Runs a handler of the event `close`: the client has closed with this code.
    pub fn close(&self, code: u16, handler: impl FnOnce()) {
        self.event("close", &[], code, handler);
    }

    fn event(&self, event: &'static str, data: &[u8], code: u16, handler: impl FnOnce()) {
        self.begin();
        with(|state| {
            let socket = &mut state.socket;
            socket.event = event;
            socket.data = data.to_vec();
            socket.close_code = code;
            // What the flare itself has closed stays so.
            socket.open = event != "close" && socket.closed.is_none();
        });
        handler();
    }

    fn begin(&self) {
        with(|state| {
            state.used = Used::default();
            state.response = State::default().response;
        });
        arena::reset_arena();
    }
}
