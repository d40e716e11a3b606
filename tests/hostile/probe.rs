//! A flare that calls every function of the SDK, for a host that answers whatever it likes.
//!
//! Everything that a call returns, values and errors, is passed to the host through the imports of `probe`:
//! the host knows where the arena is, what in it may change, and what valid text is.
#![no_std]

use core::fmt::{Debug, Display, Write};
use core::{error::Error, mem, panic::PanicInfo};

use flaron_sdk::json::Document;
use flaron_sdk::text::{self, Hex, Text, TextBuf};
use flaron_sdk::{
    ARENA_BYTES, ArenaBytes, ArenaStr, FetchOptions, FetchResponse, FlareAction, SparkEntry,
    SparkError, arena_refused, beam, crypto, encoding, id, json, logging, plasma, request,
    reset_arena, response, secrets, spark, time, ws,
};

flaron_sdk::handle_request!(handle);

/// A panic is not a documented trap, but would look like one.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let file = info.location().map_or("", |location| location.file());
    unsafe { host::panicked(file.as_ptr(), file.len()) }
    core::arch::wasm32::unreachable()
}

/// The documented trap: a handler's error.
fn handle() -> Result<FlareAction, SparkError> {
    spark::set("k", b"v", 0)?;
    Ok(FlareAction::Respond)
}

mod host {
    #[link(wasm_import_module = "probe")]
    unsafe extern "C" {
        /// The next answer is one that `hold` keeps.
        pub safe fn honest();
        pub fn bytes(start: *const u8, len: usize);
        pub fn text(start: *const u8, len: usize);
        pub fn held(start: *const u8, len: usize);
        pub fn kept(start: *const u8, len: usize);
        /// The source file in which something panicked. Does not return.
        pub fn panicked(start: *const u8, len: usize);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn arena_bytes() -> usize {
    ARENA_BYTES
}

/// The start of an invocation.
#[unsafe(no_mangle)]
pub extern "C" fn reset() {
    reset_arena();
}

/// The number of calls.
#[unsafe(no_mangle)]
pub extern "C" fn calls() -> usize {
    CALLS.len()
}

/// A call's source, packed.
#[unsafe(no_mangle)]
pub extern "C" fn source(call: usize) -> u64 {
    let source = CALLS.get(call).map_or("", |call| call.0);
    (source.as_ptr() as u64) << 32 | source.len() as u64
}

/// One invocation: something is held while the call is made, and must be the same afterwards.
#[unsafe(no_mangle)]
pub extern "C" fn probe(call: usize) {
    reset_arena();
    host::honest();
    let held = body();
    let kept = text::build(("kept ", Hex(0xfeed_beef), "."));
    if let Some((_, call)) = CALLS.get(call) {
        call();
    }
    if let Ok(kept) = kept {
        unsafe { host::kept(kept.as_ptr(), kept.len()) };
    }
    unsafe { host::held(held.as_ptr(), held.len()) };
}

/// What calls are given of the request: nothing if the host refuses, so that the calls are made.
fn method() -> ArenaStr {
    request::try_method().unwrap_or_default()
}

fn url() -> ArenaStr {
    request::try_url().unwrap_or_default()
}

fn body() -> ArenaBytes {
    request::try_body().unwrap_or_default()
}

/// Anything that a call returns.
trait Show {
    fn show(self);
}

impl Show for () {
    fn show(self) {}
}
impl Show for bool {
    fn show(self) {
        if self {
            number(1);
        }
    }
}
impl Show for &[u8] {
    fn show(self) {
        unsafe { host::bytes(self.as_ptr(), self.len()) }
    }
}
impl Show for &str {
    fn show(self) {
        unsafe { host::text(self.as_ptr(), self.len()) }
    }
}
impl Show for ArenaBytes {
    fn show(self) {
        (&*self).show();
        self.into_text().show();
    }
}
impl Show for ArenaStr {
    fn show(self) {
        self.as_str().show();
        // It is the same again, and as bytes.
        self.as_str().show();
        assert!(self == *self);
        assert!(self.into_bytes().len() <= ARENA_BYTES);
    }
}
impl Show for Text {
    fn show(self) {
        (&*self).show();
        self.as_str().show();
    }
}
impl Show for secrets::Secret {
    fn show(self) {
        (&*self).show();
        write(&self);
    }
}
impl Show for secrets::SecretBytes {
    fn show(self) {
        (&*self).show();
        write(&self);
    }
}
impl Show for SparkEntry {
    fn show(self) {
        number(i64::from(self.ttl_secs));
        self.value.show();
    }
}
impl Show for FetchResponse {
    fn show(self) {
        number(i64::from(self.status));
        for (name, value) in self.headers().take(100) {
            name.show();
            value.show();
        }
        for name in ["content-type", "X-Long", "", "\"", "\u{1f600}"] {
            self.header(name).show();
            self.header_bytes(name).show();
        }
        self.body().show();
        self.body_bytes().show();
    }
}
impl Show for request::Query {
    fn show(self) {
        for (name, value) in self.pairs().take(100) {
            name.show();
            value.show();
        }
        self.path().show();
        for name in ["a", "", "\u{e9}", "a=", "&"] {
            self.get(name).show();
            self.get_bytes(name).show();
        }
        write(&self);
    }
}
impl Show for request::Target {
    fn show(self) {
        for part in [self.as_bytes(), self.path(), self.query(), self.search()] {
            part.show();
        }
        self.into_query().show();
    }
}
impl Show for crypto::Claims {
    fn show(self) {
        for name in ["exp", "status", ""] {
            self.text(name).show();
            self.text_bytes(name).show();
            self.number(name).show();
        }
        self.into_document().show();
    }
}
impl Show for Document {
    fn show(self) {
        value(self.root());
    }
}
impl<T: Show> Show for Option<T> {
    fn show(self) {
        match self {
            Some(value) => value.show(),
            None => arena_refused().show(),
        }
    }
}
impl<T: Show, E: Error> Show for Result<T, E> {
    fn show(self) {
        match self {
            Ok(value) => value.show(),
            Err(error) => {
                display(&error);
                write(&error);
            }
        }
    }
}
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Show for $number {
            fn show(self) {
                number(self as i64);
            }
        }
    )*};
}
numbers!(u16, u32, u64, i64);

/// Keys: some are dropped at once, and some outlive the iterator.
impl Show for flaron_sdk::Keys {
    fn show(mut self) {
        number(self.len() as i64);
        (self.is_empty() || self.contains("hits")).show();
        let first = self.next();
        let mut last = None;
        for key in (&mut self).take(1000) {
            (&*key).show();
            last = Some(key);
        }
        self.next().map(|key| (&*key).show()).show();
        drop(self);
        for key in [first, last].into_iter().flatten() {
            (&*key).show();
            display(&key);
        }
    }
}

fn number(number: i64) {
    let mut buffer = [0; 24];
    let mut text = TextBuf::new(&mut buffer);
    let _ = text.push(number);
    text.as_bytes().show();
}

fn write(value: &dyn Debug) {
    let mut buffer = [0; 100];
    let mut text = TextBuf::new(&mut buffer);
    let _ = write!(text, "{value:?}");
    text.as_str().show();
}

fn display(value: &dyn Display) {
    let mut buffer = [0; 100];
    let mut text = TextBuf::new(&mut buffer);
    let _ = write!(text, "{value}");
    text.as_str().show();
}

/// A JSON value: everything that can be asked of it, down along its first members and elements.
fn value(mut value: json::Value<'_>) {
    loop {
        value.is_null().show();
        value.as_bool().show();
        value.as_i64().show();
        value.as_u64().show();
        value.as_number().show();
        value.as_str().show();
        value.as_bytes().show();
        value.get("status").and_then(|value| value.as_str()).show();
        for (name, _) in value.members().take(50) {
            name.show();
        }
        for element in value.elements().take(50) {
            element.as_bytes().show();
        }
        let member = value.members().next().map(|(_, value)| value);
        match member.or(value.elements().next()) {
            Some(inner) => value = inner,
            None => return,
        }
    }
}

const FETCH: &str = json!({ "method": "PUT", "headers": { "a": "b" }, "body": "\u{1f600}\n" });

macro_rules! calls {
    ($($call:expr;)*) => {
        static CALLS: &[(&str, fn())] = &[$((stringify!($call), || $call.show()),)*];
    };
}

calls! {
    request::method();
    request::try_method();
    request::url();
    request::try_url();
    request::header("X-A");
    request::method_is("GET");
    request::path();
    request::target();
    request::try_target();
    request::query();
    request::cookie("k");
    request::cookie(&url());
    request::credentials("Bearer");
    request::credentials(&method());
    request::basic_credentials();
    request::first_of("x-forwarded-for");
    request::matches_etag("W/\"k\"");
    request::matches_etag(&url());
    response::set_body_pieces((request::header_piece("X-A"), "|", request::body_piece()));
    response::set_body_pieces(request::body_piece());
    response::set_header_pieces("a", request::header_piece(&method()));
    {
        // A part of the URL, between what lies before and behind it.
        let (before, target) = (url(), request::try_target());
        let behind = body();
        if let Ok(target) = &target {
            response::set_body_pieces((target, "#", &*before)).show();
        }
        drop(before);
        behind.show();
        target
    };
    request::body();
    request::try_body();
    response::set_status(599);
    response::set_header("a", "b");
    response::set_header_bytes("a", &body());
    response::set_header_pieces("a", request::header("b"));
    response::set_header_pieces(&method(), (url(), i64::MIN, u64::MAX));
    response::set_body(&body());
    response::set_body_str(&method());
    response::set_body_pieces((method(), " ", url(), Some(body())));
    response::set_body_pieces((request::method_piece(), " ", request::url_piece(), u64::MAX));
    response::set_body_pieces(request::url_piece());
    response::set_header_pieces("a", (url(), request::method_piece(), body(), 7_u8));
    beam::fetch("https://a/", None);
    beam::fetch(&url(), Some(&FetchOptions::new()));
    beam::fetch("https://a/", Some(&FetchOptions::new().with_method(&method())
        .with_header(&method(), &url()).with_header("b", "c")
        .with_headers(&[("\"", "\\"), ("\u{7f}\u{0}", "\u{2028}")]).with_body(&url())));
    {
        let many = (0..9).fold(FetchOptions::new(), |options, n| {
            options.with_header(["a", "b", "c", "d", "e", "f", "g", "h", "i"][n], "x")
        });
        beam::fetch("https://a/", Some(&many)).show();
        beam::fetch_raw("https://a/", Some(&many))
    };
    beam::fetch_json("https://a/", FETCH);
    beam::fetch_pieces(("https://a/", url(), -1), ("{\"body\":", json::Str(&url()), "}"));
    beam::fetch_pieces(request::url_piece(), FETCH);
    beam::forward(("https://a/", 7_u8), &["accept", "\"\\\u{1}", "b"]);
    beam::forward(request::url_piece(), &[]);
    beam::fetch_raw("https://a/", None);
    beam::fetch_raw("https://a/", Some(&FetchOptions::new().with_body("\r")));
    beam::fetch_raw_json("https://a/", FETCH);
    {
        // Two answers at once, and given back in the order in which they came.
        let first = beam::fetch("https://a/", None);
        let second = beam::fetch("https://b/", None);
        first.show();
        second
    };
    spark::get("k");
    spark::get(&url());
    spark::get_string("k");
    spark::get_u64("k");
    spark::set("k", &body(), u32::MAX);
    spark::set_pieces("k", (body(), Hex(u64::MAX), "|", -1), 1);
    spark::get_pieces(("k", method(), 1_u32));
    spark::get_pieces((request::method_piece(), ":", request::url_piece()));
    spark::set_keyed(("k", url()), (body(), "|", Hex(u64::MAX)), 1);
    spark::set_keyed(request::method_piece(), (request::url_piece(), request::body_piece()), u32::MAX);
    spark::delete("k");
    spark::delete_pieces(("k", url()));
    spark::delete_pieces((request::url_piece(), "."));
    spark::list();
    spark::try_list();
    spark::set_pieces("k", (spark::list_piece(), plasma::list_piece()), 1);
    {
        let (one, other) = (spark::try_list(), plasma::try_list());
        one.show();
        other
    };
    spark::pull("n", &["a", "b"]);
    spark::pull(&method(), &[&url(), "\"\\\u{1}", &method()]);
    plasma::get("k");
    plasma::get_string("k");
    plasma::set("k", &body());
    plasma::set_pieces("k", (method(), 1_u32));
    plasma::get_pieces(("k", url()));
    plasma::get_pieces(request::url_piece());
    plasma::set_keyed(("k", 1_u8), (method(), body()));
    plasma::set_keyed((request::url_piece(), "k"), request::body_piece());
    plasma::delete("k");
    plasma::delete_pieces(("k", url()));
    plasma::delete_pieces((request::method_piece(), request::url_piece()));
    plasma::increment("k", i64::MAX);
    plasma::decrement("k", i64::MIN);
    plasma::increment_pieces(("k", url()), i64::MIN);
    plasma::increment_pieces((request::url_piece(), "k"), 1);
    plasma::decrement_pieces(("k", url()), i64::MAX);
    plasma::decrement_pieces(request::method_piece(), -1);
    plasma::list();
    plasma::try_list();
    secrets::get("n");
    secrets::get_bytes("n");
    {
        let (one, other) = (secrets::get("a"), secrets::get_bytes("b"));
        one.show();
        other
    };
    crypto::hash("md5", "a");
    crypto::hash(&method(), &url());
    crypto::hash_json("{\"algorithm\":\"md5\",\"input\":\"\"}");
    crypto::hmac("n", &url());
    crypto::hmac_json("{\"secret_key\":\"n\",\"input\":\"\"}");
    crypto::sign_jwt("HS256", "n", &[("", ""); 0]);
    crypto::sign_jwt(&method(), "n", &[("a", &url()), ("\t", &url())]);
    crypto::sign_jwt(&method(), "n", &[("a", url())]);
    crypto::sign_jwt_json("{\"algorithm\":\"HS256\",\"secret_key\":\"n\",\"claims\":{}}");
    logging::warn_pieces((crypto::hash_json_piece("{}"), crypto::hmac_json_piece("{}"),
        crypto::sign_jwt_json_piece("{}")));
    crypto::encrypt_aes("n", &url());
    crypto::decrypt_aes("n", "YQ==");
    crypto::decrypt_aes("n", &url());
    crypto::random_bytes(0);
    crypto::random_bytes(u32::MAX);
    crypto::random_u32();
    crypto::verify_hmac("n", &body(), &body());
    crypto::verify_hmac(&method(), &url().into_bytes(), b"00");
    crypto::verify_hmac_pieces("n", (&body(), 7_u8, &url()), b"00");
    crypto::verify_hmac_pieces("n", (request::url_piece(), &body()), b"00");
    crypto::verify_jwt("n", url());
    crypto::verify_jwt(&method(), url());
    crypto::equal(&body(), &url().into_bytes());
    encoding::base64_encode(&body());
    encoding::try_base64_encode(&body());
    encoding::base64_decode(&url());
    encoding::hex_encode(&body());
    encoding::try_hex_encode(&body());
    encoding::hex_decode(&url());
    encoding::url_encode(&url());
    encoding::try_url_encode(&url());
    encoding::url_decode(&url());
    plasma::set_pieces("k", (encoding::base64_encode_piece(&body()), ".",
        encoding::hex_encode_piece(b"a"), "?", encoding::url_encode_piece(&url())));
    id::uuid_v4();
    id::uuid_v7();
    id::ulid();
    id::nanoid(u32::MAX);
    id::ksuid();
    id::snowflake();
    id::snowflake_unmetered();
    text::build((id::uuid_v4_piece(), id::uuid_v7_piece(), id::ulid_piece(), id::nanoid_piece(9),
        id::ksuid_piece(), id::snowflake_piece(), id::snowflake_unmetered_piece()));
    time::now(time::format::HTTP);
    time::now(&method());
    time::try_now(time::format::HTTP);
    time::try_now(&method());
    time::now_ms();
    time::try_now_ms();
    time::now_unix();
    time::try_now_unix();
    time::now_rfc3339();
    time::try_now_rfc3339();
    time::now_http();
    time::try_now_http();
    spark::set_pieces("k", (time::now_ms_piece(), time::now_unix_piece(), time::now_rfc3339_piece(),
        time::now_http_piece()), 1);
    logging::info(&method());
    logging::warn("a");
    logging::error("a");
    logging::info_pieces((method(), body()));
    logging::warn_pieces(url());
    logging::error_pieces(("a", b"\xff", 1_u32, i8::MIN));
    ws::send(&body());
    ws::send_text(&method());
    ws::send_pieces((method(), body()));
    ws::send_pieces((ws::conn_id_piece(), "|", ws::event_type_piece(), "|", ws::event_data_piece()));
    ws::close(u16::MAX);
    ws::conn_id();
    ws::try_conn_id();
    ws::event_type();
    ws::try_event_type();
    ws::event_data();
    ws::try_event_data();
    ws::event_text();
    ws::message();
    ws::close_code();
    Document::parse(body());
    {
        // In a buffer of the flare's own.
        let mut buffer = [b' '; 256];
        let body = body();
        let len = body.len().min(buffer.len());
        buffer[..len].copy_from_slice(&body[..len]);
        json::parse(&mut buffer).map(value)
    };
    text::build((method(), json::Str(&url()), json::Array(&[&url()])));
    text::build(json::Object(&[(&url(), &method())]));
    text::build(text::Base64Url(&body()));
    {
        // In a buffer of the flare's own.
        let mut buffer = [b'A'; 256];
        let body = body();
        let len = body.len().min(buffer.len());
        buffer[..len].copy_from_slice(&body[..len]);
        text::decode_base64url(&mut buffer).map_or(0, |bytes| bytes.len() as u32)
    };
    {
        // Scratch and leases in turn, given back out of order.
        let a = text::build(body());
        let b = body();
        let c = text::build(("c", &*b));
        let d = url();
        drop(a);
        let e = text::build(("e", d.as_str()));
        drop(b);
        let f = url();
        drop(d);
        c.show();
        e.show();
        f
    };
    {
        // The host may allocate in a call that gives nothing, and return that from another.
        ws::close(1000);
        let built = text::build(("built ", Hex(0xbead)));
        let body = body();
        if let Ok(built) = &built {
            assert!(*built == "built bead");
        }
        body.show();
        logging::info("a");
        let more = text::build(("more", 1_u32));
        spark::get("k").show();
        if let Ok(more) = &more {
            assert!(*more == "more1");
        }
        more.show();
        built
    };
    text::from_utf8(&body());
    {
        let mut buffer = [0; 64];
        let mut text = TextBuf::new(&mut buffer);
        text.push((method(), body())).show();
        text.push((request::method_piece(), ";")).show();
        text.push("more").show();
        write!(text, "{}", url()).show();
        text.as_str().show();
        text.as_bytes().show()
    };
    {
        // Nothing is free, and then all of it is again.
        let mut got = [const { None }; 40];
        for place in &mut got {
            *place = request::header("a");
        }
        for (n, lease) in got.iter().flatten().enumerate() {
            if n % 7 == 0 { lease.as_str().show() }
        }
        for place in got.iter_mut().step_by(2) {
            *place = None;
        }
        url()
    };
    {
        reset_arena();
        let method = method();
        reset_arena();
        url().show();
        method
    };
    // The last one: what is forgotten costs its space for good.
    {
        mem::forget(method());
        mem::forget(text::build(url()));
        mem::forget(spark::try_list().map(|mut keys| keys.next()));
        url()
    };
}
