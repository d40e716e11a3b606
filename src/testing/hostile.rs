//! A host that does what no host should: every public function is driven through it, and nothing
//! panics, no lease leaves the arena, and all space comes back.

use core::any::Any;
use core::cell::Cell;
use proptest::prelude::*;
use std::boxed::Box;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::arena::tests::{cases, room};
use crate::testing::answer::{Answer, returned};
use crate::testing::dispatch::IMPORTS;
use crate::{beam, crypto, encoding, id, json, logging, plasma, request, response, secrets};
use crate::{reset_arena, spark, text, time, ws};

/// What the host does in a call.
#[derive(Debug, Clone)]
enum Evil {
    /// It returns this.
    Raw(i64),
    /// It allocates and returns well.
    Data(Vec<u8>),
    /// It allocates `size` bytes and returns another part of memory.
    Part { size: i32, skip: i32, len: u32 },
    /// It allocates all that is free, to the last byte, and returns this.
    All(i64),
    /// It allocates this, and then data that it returns.
    Twice(i32, Vec<u8>),
    /// It lets the flare begin anew in the middle of the call.
    Again(Vec<u8>),
}

impl Evil {
    fn answer(&self) -> i64 {
        let give = |data: &Vec<u8>| returned(Answer::of(data.clone()));
        match self {
            Evil::Raw(raw) => *raw,
            Evil::Data(data) => give(data),
            Evil::Part { size, skip, len } => {
                let address = crate::guest_alloc(*size);
                i64::from(address.wrapping_add(*skip)) << 32 | i64::from(*len)
            }
            Evil::All(raw) => {
                crate::guest_alloc(room() as i32);
                *raw
            }
            Evil::Twice(size, data) => {
                crate::guest_alloc(*size);
                give(data)
            }
            Evil::Again(data) => {
                let block = give(data);
                reset_arena();
                let url = returned(Answer::of("https://example.com/"));
                let url = crate::arena::claim::claim(url);
                let text = text::build("text");
                drop((url, text));
                block
            }
        }
    }
}

/// Makes every import do this, one after the other.
fn host_that_does(evil: Vec<Evil>) -> Host {
    let host = Host::new();
    let evil = Rc::new((evil, Cell::new(0)));
    for (import, _) in IMPORTS {
        let evil = evil.clone();
        host.on_raw(import, move |_| {
            let (all, next) = &*evil;
            next.set(next.get() + 1);
            all[(next.get() - 1) % all.len()].answer()
        });
    }
    host
}

/// Holds some of what it is given, and drops it later, out of order.
struct Hands {
    held: Vec<Box<dyn Any>>,
    turn: usize,
    hold: usize,
}

impl Hands {
    fn take(&mut self, thing: impl Any) {
        self.turn += 1;
        if self.hold != 0 && self.turn % self.hold == 0 {
            self.held.push(Box::new(thing));
        }
        if self.held.len() > 7 {
            self.held.swap_remove(self.turn % 7);
        }
    }

    fn text(&mut self, lease: crate::ArenaStr) {
        let _ = lease == "text";
        let read = lease.as_str().len();
        assert_eq!(read, format!("{lease}").len());
        assert!(core::str::from_utf8(lease.as_bytes()).is_ok());
        self.take(lease);
    }

    fn bytes(&mut self, lease: crate::ArenaBytes) {
        assert!(lease == lease.to_vec());
        self.take(lease);
    }

    fn keys(&mut self, mut keys: crate::Keys) {
        for key in keys.by_ref() {
            assert!(key.len() < crate::ARENA_BYTES && format!("{key:?}").len() > 1);
            self.take(key);
        }
        assert!(keys.next().is_none());
        self.take(keys);
    }

    fn shown<T: fmt::Debug>(&mut self, thing: T) {
        assert!(!format!("{thing:?}").is_empty());
    }
}

/// What there is, or nothing.
fn text_of(text: Result<crate::ArenaStr, crate::Error>) -> crate::ArenaStr {
    text.unwrap_or_else(|_| crate::ArenaBytes::default().into_text())
}

/// Calls every public function that calls the host.
fn drive(hold: usize) {
    let mut hands = Hands {
        held: Vec::new(),
        turn: 0,
        hold,
    };
    let h = &mut hands;
    h.text(text_of(request::try_method()));
    h.text(text_of(request::try_url()));
    request::header("accept")
        .into_iter()
        .for_each(|it| h.text(it));
    h.bytes(request::try_body().unwrap_or_default());

    for lease in [
        request::cookie("a"),
        request::credentials("Bearer"),
        request::first_of("a"),
    ] {
        lease.into_iter().for_each(|it| h.text(it));
    }
    request::basic_credentials()
        .into_iter()
        .for_each(|it| h.bytes(it));
    h.shown(request::matches_etag("\"a\""));
    if let Ok(target) = request::try_target() {
        assert!(target.as_bytes().starts_with(target.path()));
        assert!(target.search().ends_with(target.query()));
        h.take(target);
    }
    if let Ok(target) = request::try_target() {
        let query = target.into_query();
        h.shown((query.path(), query.get("a"), query.pairs().count()));
        h.take(query);
    }

    response::set_status(200);
    response::set_header("a", "b");
    response::set_header_bytes("a", &request::try_body().unwrap_or_default());
    h.shown(response::set_header_pieces(
        "a",
        ("b", text_of(request::try_url())),
    ));
    response::set_body(b"body");
    response::set_body_str("body");
    h.shown(response::set_body_pieces((
        text_of(request::try_method()),
        &request::try_body().unwrap_or_default(),
        1_u8,
    )));

    // Texts that ask, with all that can come between.
    h.shown(response::set_body_pieces((
        (request::method_piece(), text_of(request::try_url()), 1_u8),
        (
            ws::conn_id_piece(),
            ws::event_type_piece(),
            ws::event_data_piece(),
        ),
        (
            &request::try_body().unwrap_or_default(),
            request::header("a"),
            -1,
        ),
        (id::uuid_v4_piece(), id::uuid_v7_piece(), id::ulid_piece()),
        (
            id::nanoid_piece(3),
            id::ksuid_piece(),
            id::snowflake_piece(),
        ),
        (time::now_ms_piece(), time::now_unix_piece()),
        (time::now_rfc3339_piece(), time::now_http_piece()),
    )));
    h.shown(response::set_header_pieces(
        "a",
        (request::url_piece(), "b"),
    ));
    h.shown(logging::info_pieces((
        (crypto::hash_json_piece("{}"), crypto::hmac_json_piece("{}")),
        (
            crypto::sign_jwt_json_piece("{}"),
            text_of(request::try_url()),
        ),
        encoding::base64_encode_piece(b"a"),
        (
            encoding::hex_encode_piece(b"a"),
            encoding::url_encode_piece("a"),
        ),
    )));
    text::build((
        text_of(request::try_method()),
        request::url_piece(),
        text_of(request::try_method()),
    ))
    .into_iter()
    .for_each(|it| h.take(it));

    let options = beam::FetchOptions::new()
        .with_method("POST")
        .with_header("a", "b")
        .with_body("c");
    for response in [
        beam::fetch("https://a/", None),
        beam::fetch("https://a/", Some(&options)),
        beam::fetch_json("https://a/", "{}"),
    ] {
        let Ok(response) = response else { continue };
        assert!((100..1000).contains(&response.status));
        let headers = response
            .headers()
            .map(|(name, value)| name.len() + value.len());
        assert!(headers.sum::<usize>() < crate::ARENA_BYTES);
        assert!(
            response
                .header("a")
                .is_none_or(|value| value.len() < crate::ARENA_BYTES)
        );
        assert!(
            response
                .header_bytes("A")
                .is_none_or(|value| value.len() < crate::ARENA_BYTES)
        );
        assert!(response.body().len() <= response.body_bytes().len());
        h.shown(&response);
        h.take(response);
    }
    beam::fetch_raw("https://a/", None)
        .into_iter()
        .for_each(|it| h.bytes(it));
    beam::fetch_raw("https://a/", Some(&options))
        .into_iter()
        .for_each(|it| h.bytes(it));
    beam::fetch_raw_json("https://a/", "{}")
        .into_iter()
        .for_each(|it| h.bytes(it));

    h.shown(beam::forward(("https://a/", 1_u8), &["a", "b"]).map(|response| response.status));
    h.shown(beam::fetch_pieces(request::url_piece(), "{}").map(|response| response.status));

    spark::get_pieces(("k", 1_u8))
        .into_iter()
        .for_each(|entry| h.bytes(entry.value));
    h.shown(spark::set_keyed(("k", 1_u8), request::body_piece(), 1));
    h.shown(spark::delete_pieces(request::header_piece("a")));
    h.shown(response::set_body_pieces(spark::list_piece()));
    plasma::get_pieces(("k", 1_u8))
        .into_iter()
        .for_each(|it| h.bytes(it));
    h.shown(plasma::set_keyed(request::url_piece(), "v"));
    h.shown(plasma::delete_pieces("k"));
    h.shown((
        plasma::increment_pieces(request::url_piece(), 1),
        plasma::decrement_pieces("k", 1),
    ));
    h.shown(response::set_body_pieces(plasma::list_piece()));
    spark::get("k")
        .into_iter()
        .for_each(|entry| h.bytes(entry.value));
    spark::get_string("k").into_iter().for_each(|it| h.text(it));
    h.shown(spark::get_u64("k"));
    h.shown(spark::set("k", b"v", 1));
    h.shown(spark::set_pieces("k", ("v", 1_u8), 1));
    spark::delete("k");
    spark::try_list().into_iter().for_each(|it| h.keys(it));
    h.shown(spark::pull("node", &["a", "b"]));

    plasma::get("k").into_iter().for_each(|it| h.bytes(it));
    plasma::get_string("k")
        .into_iter()
        .for_each(|it| h.text(it));
    h.shown(plasma::set("k", b"v"));
    h.shown(plasma::set_pieces("k", "v"));
    h.shown(plasma::delete("k"));
    h.shown((plasma::increment("k", 1), plasma::decrement("k", 1)));
    plasma::try_list().into_iter().for_each(|it| h.keys(it));

    if let Some(secret) = secrets::get("s") {
        assert!(secret.len() < crate::ARENA_BYTES);
        h.take(secret);
    }
    if let Some(secret) = secrets::get_bytes("s") {
        assert!(secret.len() < crate::ARENA_BYTES);
        h.take(secret);
    }

    for text in [
        crypto::hash("sha256", "a"),
        crypto::hash_json("{}"),
        crypto::hmac("k", "a"),
        crypto::hmac_json("{}"),
        crypto::sign_jwt("HS256", "k", [("a", "b")]),
        crypto::sign_jwt_json("{}"),
        crypto::encrypt_aes("k", "a").ok(),
        encoding::url_decode("a"),
        id::uuid_v4(),
        id::uuid_v7(),
        id::ulid(),
        id::nanoid(3),
        id::ksuid(),
        id::snowflake(),
        id::snowflake_unmetered(),
    ] {
        text.into_iter().for_each(|it| h.text(it));
    }
    h.shown(crypto::random_u32());
    h.shown(crypto::verify_hmac("k", b"a", b"b"));
    h.shown(crypto::verify_hmac_pieces("k", (1_u8, "a"), b"b"));
    h.shown(crypto::verify_hmac_pieces(
        "k",
        ("a", request::method_piece()),
        b"b",
    ));
    if let Some(token) = request::credentials("Bearer") {
        h.shown(crypto::verify_jwt("k", token).map(|claims| claims.number("exp")));
    }
    crypto::decrypt_aes("k", "YQ==")
        .into_iter()
        .for_each(|it| h.bytes(it));
    crypto::random_bytes(3)
        .into_iter()
        .for_each(|it| h.bytes(it));
    encoding::base64_decode("YQ==")
        .into_iter()
        .for_each(|it| h.bytes(it));
    encoding::hex_decode("00")
        .into_iter()
        .for_each(|it| h.bytes(it));
    h.text(text_of(encoding::try_base64_encode(b"a")));
    h.text(text_of(encoding::try_hex_encode(b"a")));
    h.text(text_of(encoding::try_url_encode("a")));

    h.text(text_of(time::try_now("http")));
    h.text(text_of(time::try_now_rfc3339()));
    h.text(text_of(time::try_now_http()));
    h.shown((time::try_now_ms(), time::try_now_unix()));

    logging::info("a");
    logging::warn("a");
    logging::error("a");
    h.shown(logging::info_pieces(("a", text_of(request::try_url()))));
    h.shown(logging::warn_pieces(1_u8));
    h.shown(logging::error_pieces(()));

    h.shown((
        ws::send(b"a"),
        ws::send_text("a"),
        ws::send_pieces(("a", text_of(ws::try_conn_id()))),
    ));
    ws::close(1000);
    h.text(text_of(ws::try_conn_id()));
    h.text(text_of(ws::try_event_type()));
    h.text(text_of(
        ws::try_event_data().map(crate::ArenaBytes::into_text),
    ));
    h.bytes(ws::try_event_data().unwrap_or_default());
    ws::message().into_iter().for_each(|it| h.bytes(it));
    h.shown(ws::close_code());

    if let Ok(document) = json::Document::parse(request::try_body().unwrap_or_default()) {
        h.shown(&document);
        h.take(document);
    }
    text::build((text_of(request::try_url()), text_of(request::try_method())))
        .into_iter()
        .for_each(|it| h.take(it));
    h.shown(crate::arena_refused());
}

/// Drives everything, holding nothing, everything, and some of it.
fn survives(evil: Vec<Evil>) {
    for hold in if cfg!(miri) { 3..4 } else { 0..3 } {
        let _host = host_that_does(evil.clone());
        drive(hold);
        reset_arena();
        assert!(arena_is_free(), "all space comes back");
    }
}

/// Data that is not what the flare expects.
fn adversarial() -> Vec<Vec<u8>> {
    // Miri is a thousand times slower.
    let many = if cfg!(miri) { 50 } else { 4_000 };
    let deep = |open: &str, close: &str| [open.repeat(many), close.repeat(many)].concat();
    let texts = [
        "",
        "null",
        "0",
        "-0",
        "1e999999",
        "[]",
        "{}",
        "\"\"",
        "\"a\"",
        "[\"a\"]",
        "[\"a\",\"b\"",
        "[\"a\",1]",
        "[[\"a\"]]",
        "[\"\\ud800\",\"\\udc00\\ud800\",\"\\u0000\"]",
        "[\"\\ud83d\\ude00\"]",
        "{\"status\":200}",
        "{\"status\":200,\"headers\":{\"a\":\"b\"},\"body\":\"c\"}",
        "{\"status\":200,\"headers\":{\"a\":{\"a\":\"b\"}},\"body\":[\"c\"]}",
        "{\"status\":200,\"status\":201,\"headers\":[],\"headers\":{},\"body\":1,\"body\":\"\"}",
        "{\"status\":99999999999999999999}",
        "{\"status\":-1}",
        "{\"status\":\"200\"}",
        "{\"body\":\"\\ud800\"}",
        "{\"headers\":{\"a\":\"\\udfff\"},\"status\":200,\"body\":\"\\ud800\\ud800\"}",
        "open",
        "message",
        "close",
        "0",
        "18446744073709551616",
        "0g",
        "abc",
        "ff",
        "\u{0}",
        "\u{feff}",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.extend([
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        deep("[\"a\",", "").into_bytes(),
        "1".repeat(many).into_bytes(),
        format!("[{}\"a\"{}]", " ".repeat(4 * many), "\n".repeat(4 * many)).into_bytes(),
        format!("{{\"status\":200,\"body\":\"{}\"}}", "\\u0041".repeat(many)).into_bytes(),
        vec![0xff; 1000],
        vec![0x80; 7],
        vec![0xc3; 8],
        b"[\"\xc3\",\"\xff\"]".to_vec(),
        b"{\"status\":200,\"headers\":{\"\xc3\":\"\xc3\"},\"body\":\"\xc3\"}".to_vec(),
        b"{\"status\":200,\"body\":\"\xfe\xff\"}".to_vec(),
        // Times to live: none, cut off, the longest.
        vec![1, 2, 3],
        vec![0xff; 4],
        vec![0, 0, 0, 0, b'7'],
        // Counters.
        vec![0xff; 8],
        vec![1; 9],
    ]);
    all
}

#[test]
fn no_answer_is_survived() {
    survives(vec![Evil::Raw(0)]);
}

#[test]
fn what_takes_all_room_and_is_not_returned_is_survived() {
    let data = || Evil::Data(b"a".to_vec());
    for raw in [0, -1, 4096 << 32 | 8] {
        let all = || Evil::All(raw);
        // In turns, so that a call meets first one of them, then another.
        for evil in [
            vec![all(), Evil::Raw(0), data(), data(), Evil::Raw(-1)],
            vec![data(), all(), data()],
            vec![all(), data()],
            vec![all()],
        ] {
            survives(evil);
            if cfg!(miri) {
                return;
            }
        }
    }
}

/// How many answers a host gives in turns. Under Miri, which needs ten seconds for all calls, each
/// answer meets some of the calls; natively it meets every one.
const IN_TURNS: usize = if cfg!(miri) { 9 } else { 1 };

#[test]
fn status_codes_of_every_kind_are_survived() {
    let codes: Vec<i64> = (-2..20)
        .chain([i32::MIN.into(), i32::MAX.into(), i64::MIN, i64::MAX])
        .collect();
    for codes in codes.chunks(IN_TURNS) {
        survives(codes.iter().copied().map(Evil::Raw).collect());
    }
}

#[test]
fn data_of_every_kind_is_survived() {
    for data in adversarial().chunks(IN_TURNS) {
        let all = |evil: fn(Vec<u8>) -> Evil| data.iter().cloned().map(evil).collect();
        survives(all(Evil::Data));
        survives(all(Evil::Again));
        survives(all(|data| Evil::Twice(24, data)));
    }
}

#[test]
fn pointers_of_every_kind_are_survived() {
    let sizes = [1, 8, 24, crate::ARENA_BYTES as i32];
    let skips = [0, 1, 4, 8, 24, -1, -8, -4096, i32::MIN, i32::MAX, 1 << 20];
    let lens = [0, 1, 4, 8, 25, 1 << 18, 1 << 30, u32::MAX - 7, u32::MAX];
    for size in if cfg!(miri) { &sizes[2..3] } else { &sizes } {
        for skip in if cfg!(miri) { &skips[..5] } else { &skips } {
            let parts = lens.map(|len| Evil::Part {
                size: *size,
                skip: *skip,
                len,
            });
            survives(parts.to_vec());
        }
    }
}

fn evil() -> impl Strategy<Value = Evil> {
    let data = prop_oneof![
        prop::sample::select(adversarial()),
        prop::collection::vec(any::<u8>(), 0..40),
        "[\\[\\]{}:,\"\\\\ua08 ]{0,20}".prop_map(String::into_bytes),
    ];
    prop_oneof![
        any::<i64>().prop_map(Evil::Raw),
        any::<i64>().prop_map(Evil::All),
        (4090..4200_i64, 0..40_i64).prop_map(|(at, len)| Evil::Raw(at << 32 | len)),
        data.clone().prop_map(Evil::Data),
        (-10..100, -20..120, prop_oneof![0..60_u32, any::<u32>()])
            .prop_map(|(size, skip, len)| Evil::Part { size, skip, len }),
        (-1..100, data.clone()).prop_map(|(size, data)| Evil::Twice(size, data)),
        data.prop_map(Evil::Again),
    ]
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn whatever_a_host_does_is_survived(evil in prop::collection::vec(evil(), 1..12)) {
        survives(evil);
    }
}
