use super::*;
use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free, traps};
use crate::{arena_refused, text};

#[test]
fn each_event_sees_what_belongs_to_it() {
    let host = Host::new();
    host.connection_id("c-7");
    host.open(|| {
        assert_eq!((&*event_type(), &*conn_id()), ("open", "c-7"));
        assert_eq!((&*event_data(), close_code()), (&b""[..], 0));
        assert!(message().is_none());
    });
    host.message(b"\xffhi", || {
        let pieces = (event_type_piece(), "|", conn_id_piece(), event_data_piece());
        assert_eq!(text::build(pieces).unwrap(), b"message|c-7\xffhi");
        assert_eq!((&*event_type(), &*conn_id()), ("message", "c-7"));
        assert_eq!(event_data(), b"\xffhi");
        assert_eq!(message().unwrap(), b"\xffhi");
        assert_eq!(&*event_text(), "?hi");
        assert_eq!(close_code(), 0);
    });
    host.message(b"", || {
        assert_eq!(event_type(), "message");
        assert_eq!(event_data(), b"");
        assert!(message().is_none());
    });
    host.close(1001, || {
        assert_eq!((&*event_type(), &*conn_id()), ("close", "c-7"));
        assert_eq!((&*event_data(), close_code()), (&b""[..], 1001));
        assert_eq!(send(b"late"), Err(WsSendError::SendError));
    });
    assert!(!arena_refused());
    assert!(arena_is_free());
}

#[test]
fn outside_of_an_event_there_is_nothing() {
    let _host = Host::new();
    assert!(traps(conn_id) && traps(event_type));
    assert!(try_conn_id().is_err() && try_event_type().is_err() && try_event_data().is_err());
    assert_eq!(&*event_text(), "");
    assert_eq!(close_code(), 0);
    assert_eq!(send(b""), Err(WsSendError::SendError));
}

#[test]
fn messages_are_sent_in_order() {
    let host = Host::new();
    host.open(|| {
        send(b"\xff").unwrap();
        send_text("text").unwrap();
        send_pieces(("n", 1_u8)).unwrap();
        send_pieces(()).unwrap();
    });
    host.message(b"more", || send(&event_data()).unwrap());
    assert_eq!(host.sent(), [&b"\xff"[..], b"text", b"n1", b"", b"more"]);
    assert!(arena_is_free());
}

#[test]
fn nothing_is_sent_after_the_flare_has_closed() {
    let host = Host::new();
    host.open(|| {
        close(1008);
        close(1011);
        assert_eq!(send(b"late"), Err(WsSendError::SendError));
    });
    host.message(b"", || {
        assert_eq!(send(b"later"), Err(WsSendError::SendError))
    });
    assert_eq!(host.closed(), Some(1008));
    assert!(host.sent().is_empty());
    host.open(|| send(b"a new connection").unwrap());
    assert_eq!((host.closed(), host.sent().len()), (None, 1));
}

#[test]
fn the_host_refuses_by_its_rules() {
    let host = Host::new();
    host.limits(|limits| {
        limits.max_ws_sends = 2;
        limits.max_ws_message_bytes = 3;
    });
    host.open(|| {
        assert_eq!(send(b"1234"), Err(WsSendError::MessageTooLarge));
        assert_eq!((send(b"123"), send(b"")), (Ok(()), Ok(())));
        assert_eq!(send(b""), Err(WsSendError::SendLimitReached));
    });
    host.message(b"", || assert_eq!(send(b""), Ok(()), "a new event"));
}

#[test]
fn each_code_is_its_error_and_says_so() {
    let host = Host::new();
    for (code, error, text) in [
        (
            1,
            WsSendError::SendLimitReached,
            "ws send: per-invocation rate limit reached: this event may send no more",
        ),
        (
            2,
            WsSendError::MessageTooLarge,
            "ws send: message too large",
        ),
        (
            3,
            WsSendError::SendError,
            "ws send: write failed: the client may be gone",
        ),
        (4, WsSendError::Unknown(4), "ws send: unknown error code 4"),
        (
            -1,
            WsSendError::Unknown(-1),
            "ws send: unknown error code -1",
        ),
    ] {
        host.fails_with("ws_send", code);
        assert_eq!(send(b""), Err(error));
        assert_eq!(send_text(""), Err(error));
        assert_eq!(send_pieces(""), Err(error));
        assert_error(error, text);
    }
    assert_error(WsSendError::ArenaFull, ARENA_FULL);
}

#[test]
fn close_codes_are_16_bits() {
    let host = Host::new();
    host.open(|| close(u16::MAX));
    assert_eq!(host.calls_of("ws_close_conn")[0].numbers, [65_535]);
    host.fails_with("ws_close_code", 0x1_03e8);
    assert_eq!(close_code(), 1000);
}

#[test]
fn what_does_not_fit_is_refused() {
    let host = Host::new();
    host.message(b"123456789", || {
        let _full = leave_free(8);
        assert_eq!(event_type(), "message");
        assert!(!arena_refused());
        assert!(traps(conn_id) && arena_refused());
        assert!(traps(event_data) && traps(event_text) && arena_refused());
        assert!(try_event_data().is_err_and(|error| error.is_arena_full()));
        assert_eq!(event_type(), "message");
        assert!(message().is_none() && arena_refused());
        assert_eq!(event_type(), "message");
        assert!(!arena_refused(), "that was the message's refusal");
        assert_eq!(send_pieces("123456789"), Err(WsSendError::ArenaFull));
    });
    assert!(host.sent().is_empty());
}
