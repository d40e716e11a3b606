use super::*;
use crate::testing::Host;

#[test]
fn the_action_is_in_the_high_half() {
    assert_eq!(FlareAction::Respond.to_i64(), 1 << 32);
    assert_eq!(FlareAction::Transform.to_i64(), 2 << 32);
    assert_eq!(FlareAction::PassThrough.to_i64(), 3 << 32);
}

fn transform() -> FlareAction {
    FlareAction::Transform
}

fn pass() -> Result<FlareAction, ()> {
    Ok(FlareAction::PassThrough)
}

fn fail() -> Result<FlareAction, ()> {
    Err(())
}

#[test]
fn a_handler_returns_an_action_or_a_result_of_one() {
    assert_eq!(call_http(transform), 2 << 32);
    assert_eq!(call_http(pass), 3 << 32);
    let host = Host::new();
    assert_eq!(host.run(transform).action, FlareAction::Transform);
    assert_eq!(host.run(pass).action, FlareAction::PassThrough);
}

#[test]
#[should_panic(expected = "the handler returned an error")]
fn an_error_ends_the_invocation() {
    call_http(fail);
}

/// A native program's own functions, with the names of two exports.
#[cfg(not(target_family = "wasm"))]
#[allow(unsafe_code, reason = "it takes these names for the whole program")]
mod program {
    // SAFETY: no other function of the program has these names; that the macros' have them on Wasm
    // alone is what is tested.
    #[unsafe(no_mangle)]
    pub(super) extern "C" fn alloc(_size: i32) -> i32 {
        -1
    }
    // SAFETY: as above.
    #[unsafe(no_mangle)]
    pub(super) extern "C" fn handle_request() -> i64 {
        -1
    }
}

/// Were the exports there under their names too, this would not compile; and a shared library's function
/// could take the place of `alloc`.
#[cfg(all(feature = "ws", feature = "logging", not(target_family = "wasm")))]
#[test]
fn in_a_native_program_the_exports_have_no_names() {
    assert_eq!((program::alloc(8), program::handle_request()), (-1, -1));
    assert!(flare::alloc(8) > 0);
    assert_eq!(flare::handle_request(), 1 << 32);
}

/// A flare as its author writes it.
#[cfg(all(feature = "ws", feature = "logging"))]
#[allow(unreachable_pub, reason = "the macro makes exports, which are public")]
mod flare {
    crate::flare! {
        request: on_request,
        open: on_open,
        message: on_message,
        close: handlers::on_close,
    }

    fn on_request() -> crate::FlareAction {
        crate::FlareAction::Respond
    }
    fn on_open() {
        crate::ws::send_text("open").unwrap();
    }
    fn on_message() {
        crate::ws::send(&crate::ws::event_data()).unwrap();
    }
    mod handlers {
        pub fn on_close() {
            crate::logging::info("closed");
        }
    }
}

#[test]
#[cfg(all(feature = "ws", feature = "logging"))]
fn exports_free_the_arena_and_call_their_handler() {
    let host = Host::new();
    assert_ne!(flare::alloc(100), 0);
    assert_eq!(flare::handle_request(), 1 << 32);
    assert!(crate::testing::arena_is_free());
    assert_eq!(flare::alloc(0), 0);
    host.open(|| assert_eq!(flare::ws_open(), 0));
    host.message("hi", || assert_eq!(flare::ws_message(), 0));
    host.close(1000, || assert_eq!(flare::ws_close(), 0));
    assert_eq!(host.sent(), [b"open".to_vec(), b"hi".to_vec()]);
    assert_eq!(host.logs().len(), 1);
}
