use super::*;
use crate::FlareAction;
use crate::testing::{Host, leave_free};

#[test]
fn the_response_is_what_was_set_last() {
    let host = Host::new();
    let response = host.run(|| {
        set_status(201);
        set_status(404);
        set_header("X-One", "1");
        set_header("x-two", "2");
        set_header("x-one", "3");
        set_body(b"first");
        set_body_str("second");
        FlareAction::Respond
    });
    assert_eq!(response.status, 404);
    assert_eq!(response.header("X-ONE"), Some("3"));
    assert_eq!(response.headers.len(), 2);
    assert_eq!(response.header("x-three"), None);
    assert_eq!(response.text(), "second");
}

#[test]
fn a_response_of_which_nothing_was_set_is_200_and_empty() {
    let response = Host::new().run(|| FlareAction::Transform);
    assert_eq!(response.action, FlareAction::Transform);
    assert_eq!(response.status, 200);
    assert!(response.headers.is_empty() && response.body.is_empty());
}

#[test]
fn an_error_may_be_answered_with_a_status() {
    let host = Host::new();
    let response = host.run(|| {
        set_status(200);
        set_header("x-one", "1");
        set_body_str("half of it");
        Status::or_respond(Err::<FlareAction, _>(Status(404)))
    });
    assert_eq!(
        (response.action, response.status),
        (FlareAction::Respond, 404)
    );
    assert_eq!(response.header("x-one"), Some("1"));
    assert!(response.body.is_empty());

    let fails = || -> Result<FlareAction, Status> { Err(ArenaFull)? };
    let response = host.run(|| Status::or_respond(fails()));
    assert_eq!(response.status, 500, "an error of the SDK");

    let response = host.run(|| Status::or_respond(Ok::<_, Status>(FlareAction::PassThrough)));
    assert_eq!(response.action, FlareAction::PassThrough);
}

#[test]
fn every_status_reaches_the_host_as_it_is() {
    let host = Host::new();
    for status in [0, 200, 599, u16::MAX] {
        set_status(status);
        let calls = host.calls_of("resp_set_status");
        assert_eq!(calls.last().unwrap().numbers, [i64::from(status)]);
    }
}

#[test]
fn bodies_are_bytes() {
    let host = Host::new();
    let response = host.run(|| {
        set_body(b"\0\xff\xfe");
        FlareAction::Respond
    });
    assert_eq!(response.body, b"\0\xff\xfe");
}

#[test]
fn values_of_headers_may_be_bytes() {
    let host = Host::new();
    set_header_bytes("x-name", b"caf\xe9");
    let call = &host.calls_of("resp_header_set")[0];
    assert_eq!(call.bytes, [b"x-name".to_vec(), b"caf\xe9".to_vec()]);
}

#[test]
fn pieces_are_sent_as_one_and_take_no_space() {
    let host = Host::new();
    let response = host.run(|| {
        set_header_pieces("x-count", (1_u8, "/", -2_i64)).unwrap();
        set_body_pieces(("hits: ", 42_u64, "\n")).unwrap();
        FlareAction::Respond
    });
    assert_eq!(response.header("x-count"), Some("1/-2"));
    assert_eq!(response.text(), "hits: 42\n");
    assert!(crate::testing::arena_is_free());
}

#[test]
fn pieces_may_take_all_that_is_free_and_no_more() {
    let host = Host::new();
    let full = leave_free(16);
    // A number wants room for the longest of its size: 11 bytes.
    assert_eq!(set_body_pieces((5678_u32, "12345")), Ok(()));
    assert_eq!(set_body_pieces((5678_u32, "123456")), Err(ArenaFull));
    assert_eq!(
        set_body_pieces(("123456789012", 5678_u32)),
        Ok(()),
        "what comes before it may take the rest of that"
    );
    assert_eq!(set_body_pieces(("123456789012", 56789_u32)), Err(ArenaFull));
    drop(full);
    let _full = leave_free(8);
    assert_eq!(set_header_pieces("x", "123456789"), Err(ArenaFull));
    assert_eq!(set_header_pieces("x", "12345678"), Ok(()));
    assert_eq!(
        host.calls_of("resp_body_set").len(),
        2,
        "nothing is sent cut off"
    );
    assert_eq!(host.calls_of("resp_header_set").len(), 1);
}
