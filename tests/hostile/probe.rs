//! A flare that calls every function of the SDK, for a host that answers whatever it likes.
//!
//! Everything a call gives, values and errors, is shown to the host through the imports of `probe`:
//! it knows where the arena is, what may change in it, and what text is.
#![no_std]

use core::fmt::{Debug, Display, Write};
use core::{error::Error, mem};

use flaron_sdk::json::Document;
use flaron_sdk::text::{self, Hex, Text, TextBuf};
use flaron_sdk::{
    ARENA_BYTES, ArenaBytes, ArenaStr, FetchOptions, FetchResponse, FlareAction, SparkEntry,
    SparkError, arena_refused, beam, crypto, encoding, id, json, logging, plasma, request,
    reset_arena, response, secrets, spark, time, ws,
};

flaron_sdk::handle_request!(handle);
flaron_sdk::panic_handler!();

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
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn arena_bytes() -> usize {
    ARENA_BYTES
}

/// What an invocation begins with.
#[unsafe(no_mangle)]
pub extern "C" fn reset() {
    reset_arena();
}

/// How many calls there are.
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
    let held = request::body();
    let kept = text::build(("kept ", Hex(0xfeed_beef), "."));
    if let Some((_, call)) = CALLS.get(call) {
        call();
    }
    if let Ok(kept) = kept {
        unsafe { host::kept(kept.as_ptr(), kept.len()) };
    }
    unsafe { host::held(held.as_ptr(), held.len()) };
}

/// Whatever a call gives.
trait Show {
    fn show(self);
}

impl Show for () {
    fn show(self) {}
}
impl Show for bool {
    fn show(self) {}
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

/// Keys: some are dropped at once, some outlive the iterator, one is forgotten by nobody.
impl Show for flaron_sdk::Keys {
    fn show(mut self) {
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
    request::url();
    request::header("X-A");
    request::body();
    response::set_status(599);
    response::set_header("a", "b");
    response::set_header_bytes("a", &request::body());
    response::set_header_pieces("a", request::header("b"));
    response::set_header_pieces(&request::method(), (request::url(), i64::MIN, u64::MAX));
    response::set_body(&request::body());
    response::set_body_str(&request::method());
    response::set_body_pieces((request::method(), " ", request::url(), Some(request::body())));
    response::set_body_pieces((request::method_piece(), " ", request::url_piece(), u64::MAX));
    response::set_body_pieces(request::url_piece());
    response::set_header_pieces("a", (request::url(), request::method_piece(), request::body(), 7_u8));
    beam::fetch("https://a/", None);
    beam::fetch(&request::url(), Some(&FetchOptions::new()));
    beam::fetch("https://a/", Some(&FetchOptions::new().with_method(&request::method())
        .with_header(&request::method(), &request::url()).with_header("b", "c")
        .with_headers(&[("\"", "\\"), ("\u{7f}\u{0}", "\u{2028}")]).with_body(&request::url())));
    {
        let many = (0..9).fold(FetchOptions::new(), |options, n| {
            options.with_header(["a", "b", "c", "d", "e", "f", "g", "h", "i"][n], "x")
        });
        beam::fetch("https://a/", Some(&many)).show();
        beam::fetch_raw("https://a/", Some(&many))
    };
    beam::fetch_json("https://a/", FETCH);
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
    spark::get(&request::url());
    spark::get_string("k");
    spark::get_u64("k");
    spark::set("k", &request::body(), u32::MAX);
    spark::set_pieces("k", (request::body(), Hex(u64::MAX), "|", -1), 1);
    spark::delete("k");
    spark::list();
    {
        let (one, other) = (spark::list(), plasma::list());
        one.show();
        other
    };
    spark::pull("n", &["a", "b"]);
    spark::pull(&request::method(), &[&request::url(), "\"\\\u{1}", &request::method()]);
    plasma::get("k");
    plasma::get_string("k");
    plasma::set("k", &request::body());
    plasma::set_pieces("k", (request::method(), 1_u32));
    plasma::delete("k");
    plasma::increment("k", i64::MAX);
    plasma::decrement("k", i64::MIN);
    plasma::list();
    secrets::get("n");
    secrets::get_bytes("n");
    {
        let (one, other) = (secrets::get("a"), secrets::get_bytes("b"));
        one.show();
        other
    };
    crypto::hash("md5", "a");
    crypto::hash(&request::method(), &request::url());
    crypto::hash_json("{\"algorithm\":\"md5\",\"input\":\"\"}");
    crypto::hmac("n", &request::url());
    crypto::hmac_json("{\"secret_key\":\"n\",\"input\":\"\"}");
    crypto::sign_jwt("HS256", "n", &[]);
    crypto::sign_jwt(&request::method(), "n", &[("a", &request::url()), (&request::url(), "\t")]);
    crypto::sign_jwt_json("{\"algorithm\":\"HS256\",\"secret_key\":\"n\",\"claims\":{}}");
    logging::warn_pieces((crypto::hash_json_piece("{}"), crypto::hmac_json_piece("{}"),
        crypto::sign_jwt_json_piece("{}")));
    crypto::encrypt_aes("n", &request::url());
    crypto::decrypt_aes("n", "YQ==");
    crypto::decrypt_aes("n", &request::url());
    crypto::random_bytes(0);
    crypto::random_bytes(u32::MAX);
    encoding::base64_encode(&request::body());
    encoding::base64_decode(&request::url());
    encoding::hex_encode(&request::body());
    encoding::hex_decode(&request::url());
    encoding::url_encode(&request::url());
    encoding::url_decode(&request::url());
    plasma::set_pieces("k", (encoding::base64_encode_piece(&request::body()), ".",
        encoding::hex_encode_piece(b"a"), "?", encoding::url_encode_piece(&request::url())));
    id::uuid_v4();
    id::uuid_v7();
    id::ulid();
    id::nanoid(u32::MAX);
    id::ksuid();
    id::snowflake();
    text::build((id::uuid_v4_piece(), id::uuid_v7_piece(), id::ulid_piece(), id::nanoid_piece(9),
        id::ksuid_piece(), id::snowflake_piece()));
    time::now(time::format::HTTP);
    time::now(&request::method());
    time::now_ms();
    time::now_unix();
    time::now_rfc3339();
    time::now_http();
    spark::set_pieces("k", (time::now_ms_piece(), time::now_unix_piece(), time::now_rfc3339_piece(),
        time::now_http_piece()), 1);
    logging::info(&request::method());
    logging::warn("a");
    logging::error("a");
    logging::info_pieces((request::method(), request::body()));
    logging::warn_pieces(request::url());
    logging::error_pieces(("a", b"\xff", 1_u32, i8::MIN));
    ws::send(&request::body());
    ws::send_text(&request::method());
    ws::send_pieces((request::method(), request::body()));
    ws::send_pieces((ws::conn_id_piece(), "|", ws::event_type_piece(), "|", ws::event_data_piece()));
    ws::close(u16::MAX);
    ws::conn_id();
    ws::event_type();
    ws::event_data();
    ws::event_text();
    ws::message();
    ws::close_code();
    Document::parse(request::body());
    {
        // In a buffer of the flare's own.
        let mut buffer = [b' '; 256];
        let body = request::body();
        let len = body.len().min(buffer.len());
        buffer[..len].copy_from_slice(&body[..len]);
        json::parse(&mut buffer).map(value)
    };
    text::build((request::method(), json::Str(&request::url()), json::Array(&[&request::url()])));
    text::build(json::Object(&[(&request::url(), &request::method())]));
    {
        // Scratch and leases in turn, given back out of order.
        let a = text::build(request::body());
        let b = request::body();
        let c = text::build(("c", &*b));
        let d = request::url();
        drop(a);
        let e = text::build(("e", d.as_str()));
        drop(b);
        let f = request::url();
        drop(d);
        c.show();
        e.show();
        f
    };
    {
        // The host may allocate in a call that gives nothing, and return that from another.
        ws::close(1000);
        let built = text::build(("built ", Hex(0xbead)));
        let body = request::body();
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
    text::from_utf8(&request::body());
    {
        let mut buffer = [0; 64];
        let mut text = TextBuf::new(&mut buffer);
        text.push((request::method(), request::body())).show();
        text.push((request::method_piece(), ";")).show();
        text.push("more").show();
        write!(text, "{}", request::url()).show();
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
        request::url()
    };
    {
        reset_arena();
        let method = request::method();
        reset_arena();
        request::url().show();
        method
    };
    // The last one: what is forgotten costs its space for good.
    {
        mem::forget(request::method());
        mem::forget(text::build(request::url()));
        mem::forget(spark::list().next());
        request::url()
    };
}
