//! What a flare exports: the action it answers with, and the macros that make the exports.

/// What the host does once the handler of an HTTP flare has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FlareAction {
    /// Send the response that the flare built with [`response`](crate::response).
    Respond = 1,
    /// Forward the request to the origin, and apply what the flare set to the origin's response
    /// before it goes to the client.
    Transform = 2,
    /// Forward the request to the origin, and its response to the client, untouched.
    PassThrough = 3,
}

impl FlareAction {
    /// The action as `handle_request` returns it: in the high 32 bits; the low 32 bits are 0.
    pub const fn to_i64(self) -> i64 {
        (self as i64) << 32
    }
}

/// What an HTTP handler may return: a [`FlareAction`], or a `Result` of one.
///
/// An `Err` ends the invocation with a trap (on native targets, a panic): the host discards the
/// instance and answers the client with a 5xx status of its own. So a handler can use `?` for failures
/// that should not happen and need no response from the flare:
///
/// ```
/// # #[cfg(all(feature = "request", feature = "response"))]
/// # mod flare {
/// use flaron_sdk::{ArenaFull, FlareAction, request, response};
///
/// flaron_sdk::handle_request!(echo);
///
/// fn echo() -> Result<FlareAction, ArenaFull> {
///     response::set_body_pieces((request::method_piece(), " ", request::url_piece()))?;
///     Ok(FlareAction::Respond)
/// }
/// # }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "an HTTP handler returns `FlareAction`, or a `Result` of one, not `{Self}`",
    label = "this handler returns `{Self}`"
)]
pub trait Outcome {
    /// The action, as `handle_request` returns it.
    fn into_i64(self) -> i64;
}

impl Outcome for FlareAction {
    #[inline(always)] // size: inline-export
    fn into_i64(self) -> i64 {
        self.to_i64()
    }
}

impl<E> Outcome for Result<FlareAction, E> {
    #[inline(always)] // size: inline-export
    fn into_i64(self) -> i64 {
        match self {
            Ok(action) => action.to_i64(),
            #[cfg(all(target_family = "wasm", feature = "panic-message"))]
            Err(_) => panic!(
                "the handler returned an error: {}",
                core::any::type_name::<E>()
            ),
            #[cfg(not(all(target_family = "wasm", feature = "panic-message")))]
            Err(_) => crate::abi::trap("the handler returned an error"),
        }
    }
}

/// Exports `alloc`, through which the host allocates room for what it returns.
///
/// [`handle_request!`](crate::handle_request), [`ws_handlers!`](crate::ws_handlers) and
/// [`flare!`](crate::flare) contain it. Use it by itself, with
/// [`reset_arena`](crate::reset_arena), only to write the other exports by hand.
#[macro_export]
macro_rules! export_alloc {
    () => {
        // Only on Wasm: in a native program nobody looks for it, and a shared library's function of the same
        // name could take its place, or the other way round.
        // SAFETY: a Wasm module has no other function of this name; the linker would refuse it.
        /// Where the host writes what it returns.
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        pub extern "C" fn alloc(size: i32) -> i32 {
            $crate::guest_alloc(size)
        }
    };
}

/// Makes an HTTP flare from a handler: the name or path of a function without arguments that returns a
/// [`FlareAction`], or a `Result` of one ([`Outcome`](crate::Outcome)).
///
/// ```
/// # #[cfg(feature = "response")]
/// # mod flare {
/// use flaron_sdk::{FlareAction, response};
///
/// flaron_sdk::handle_request!(teapot);
///
/// fn teapot() -> FlareAction {
///     response::set_status(418);
///     FlareAction::Respond
/// }
/// # }
/// # fn main() {}
/// ```
///
/// If the handler returns an error, the flare traps. With `handle_request!(teapot => Status)` the error becomes
/// a response instead: see [`Status`](crate::Status).
///
/// The macro makes the exports `alloc` and `handle_request`; the latter frees the arena, calls the handler
/// and returns its action. For a flare that serves WebSockets too, use [`flare!`](crate::flare).
#[macro_export]
macro_rules! handle_request {
    ($handler:path => Status) => {
        $crate::handle_request!(|| $crate::Status::or_respond($handler()));
    };
    ($handler:expr $(,)?) => {
        $crate::__only_one_entry_macro!();
        $crate::export_alloc!();
        $crate::__export_http!($handler);
    };
}

/// Makes a WebSocket flare from three handlers, for `open`, `message` and `close`: the names or paths
/// of functions without arguments that return nothing.
///
/// ```
/// # #[cfg(feature = "ws")]
/// # mod flare {
/// use flaron_sdk::ws;
///
/// flaron_sdk::ws_handlers!(on_open, on_message, on_close);
///
/// fn on_open() {
///     let _ = ws::send_text("welcome");
/// }
/// fn on_message() {
///     let _ = ws::send_pieces(ws::event_data());
/// }
/// fn on_close() {}
/// # }
/// # fn main() {}
/// ```
///
/// The macro makes the exports `alloc`, `ws_open`, `ws_message` and `ws_close`; each of the last three
/// frees the arena and calls its handler. For a flare that serves HTTP too, use
/// [`flare!`](crate::flare).
#[macro_export]
macro_rules! ws_handlers {
    ($open:expr, $message:expr, $close:expr $(,)?) => {
        $crate::__only_one_entry_macro!();
        $crate::export_alloc!();
        $crate::__export_ws!($open, $message, $close);
    };
}

/// Makes one flare that serves both HTTP and WebSockets.
///
/// ```
/// # #[cfg(all(feature = "response", feature = "ws"))]
/// # mod flare {
/// use flaron_sdk::{FlareAction, response, ws};
///
/// flaron_sdk::flare! {
///     request: page,
///     open: on_open,
///     message: on_message,
///     close: on_close,
/// }
///
/// fn page() -> FlareAction {
///     response::set_body_str("connect with a WebSocket");
///     FlareAction::Respond
/// }
/// fn on_open() {}
/// fn on_message() {
///     let _ = ws::send_pieces(ws::event_data());
/// }
/// fn on_close() {}
/// # }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! flare {
    (
        request: $handler:expr,
        open: $open:expr,
        message: $message:expr,
        close: $close:expr $(,)?
    ) => {
        $crate::__only_one_entry_macro!();
        $crate::export_alloc!();
        $crate::__export_http!($handler);
        $crate::__export_ws!($open, $message, $close);
    };
}

/// Gives a `#![no_std]` flare its panic handler: one `unreachable` instruction, at which the host
/// ends the invocation. Nothing of the panic's message is linked. Only with the feature `panic-message`, which
/// is for development and costs kilobytes, the message is logged first, as an error.
///
/// A flare that uses `std` already has a panic handler and does not call this macro. On native targets
/// (`cargo test`, rust-analyzer) the macro uses the handler of `std`.
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[cfg(not(target_family = "wasm"))]
        extern crate std as _;

        #[cfg(target_family = "wasm")]
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::entry::before_panic(info);
            ::core::arch::wasm32::unreachable()
        }
    };
}

/// What a flare does with a panic before it traps: nothing, or log it.
#[doc(hidden)]
#[inline(always)] // size: inline-export
pub fn before_panic(info: &core::panic::PanicInfo<'_>) {
    #[cfg(feature = "panic-message")]
    crate::panic_message::log(info);
    #[cfg(not(feature = "panic-message"))]
    let _ = info;
}

/// What each export does first.
#[doc(hidden)]
#[inline(always)] // size: inline-export
pub fn begin() {
    #[cfg(all(
        feature = "panic-message-std",
        target_family = "wasm",
        not(target_os = "none")
    ))]
    crate::panic_message::hook();
    crate::arena::reset_arena();
}

/// If it is defined twice, the compiler's error shows this constant's name, which says what is wrong; the clash
/// of two `alloc` alone would not.
#[doc(hidden)]
#[macro_export]
macro_rules! __only_one_entry_macro {
    () => {
        #[allow(
            non_upper_case_globals,
            dead_code,
            reason = "its name is the message; nobody reads its value"
        )]
        const one_crate_has_one_of__handle_request__ws_handlers__or_flare_for_both: () = ();
    };
}

/// Calls a handler. Because the handler is passed as an argument, an error about its type points at the name
/// that the author wrote, provided that the macros took it as an `expr`: an `ident` has the macro's place.
#[doc(hidden)]
#[inline(always)] // size: inline-export
pub fn call_http<T: Outcome>(handler: fn() -> T) -> i64 {
    handler().into_i64()
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_http {
    ($handler:expr) => {
        // On native targets a trap is a panic, which a test may catch: hence `C-unwind`, which in Wasm is `C`.
        // SAFETY: as for `alloc`.
        /// What the host calls with each request.
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        pub extern "C-unwind" fn handle_request() -> i64 {
            $crate::entry::begin();
            $crate::entry::call_http($handler)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_ws {
    ($open:expr, $message:expr, $close:expr) => {
        $crate::__export_ws!(ws_open => $open);
        $crate::__export_ws!(ws_message => $message);
        $crate::__export_ws!(ws_close => $close);
    };
    ($export:ident => $handler:expr) => {
        // SAFETY: as for `alloc`.
        /// What the host calls with each event of its kind.
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        pub extern "C-unwind" fn $export() -> i64 {
            const HANDLER: fn() = $handler;
            $crate::entry::begin();
            HANDLER();
            0
        }
    };
}

#[cfg(test)]
mod tests;
