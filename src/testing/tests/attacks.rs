//! What an author can do to leases and to the in-memory host with safe code alone: swapped, taken, replaced and
//! leaked values, iterators that live too long, panics in the middle of everything, hosts within hosts. No byte
//! changes under a lease, no two overlap, and what was not leaked comes back.

#![forbid(unsafe_code)]

use core::cell::{Cell, RefCell};
use core::mem;
use std::panic::panic_any;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, thread, vec};

use crate::testing::*;
use crate::{ArenaBytes, ArenaStr, Key, beam, crypto, json, request, secrets, spark, text};
use crate::{guest_alloc, reset_arena};

/// A host that answers everything with something that begins with this letter.
fn host_of(letter: char) -> Host {
    let host = Host::new();
    set(&host, letter);
    host
}

fn set(host: &Host, letter: char) {
    let all = letter.to_string().repeat(9);
    let answer = [("a", all.as_str()), ("b", "2")];
    host.method(&all)
        .requires_body(true)
        .body(format!("[\"{all}\",1]"))
        .url(&format!("https://example.com/{all}?a={all}&b=2"))
        .secret("secret", &all)
        .put_spark("k", &all, 0)
        .put_spark(&format!("k{letter}"), "", 0)
        .on_fetch("https://example.com/", 200, &answer, &all)
        .returns("encoding_base64_decode", &all);
}

/// Makes values by `make` while the host says different things, and mixes them up. `read` gives all that can be
/// read of one.
fn mix_up<T: 'static>(make: impl Fn() -> T, read: impl Fn(&T) -> String) {
    let host = host_of('a');
    let value = |letter| {
        set(&host, letter);
        let value = make();
        let content = read(&value);
        assert!(!content.is_empty());
        (value, content)
    };
    let ((mut a, in_a), (mut b, in_b), (c, in_c)) = (value('a'), value('b'), value('c'));
    assert!(in_a != in_b && in_b != in_c);

    mem::swap(&mut a, &mut b);
    assert_eq!((read(&a), read(&b)), (in_b.clone(), in_a.clone()));
    let old = mem::replace(&mut a, c);
    assert_eq!(
        (read(&a), read(&b), read(&old)),
        (in_c.clone(), in_a.clone(), in_b)
    );
    // In the order in which they were made, which is the wrong one.
    drop(old);
    assert_eq!((read(&a), read(&b)), (in_c.clone(), in_a.clone()));

    // One is leaked, and borrowed for ever.
    let leaked: &'static T = leak(a);
    let mut held = vec![Some(b)];
    for letter in ['d', 'e', 'f'] {
        let (new, content) = value(letter);
        held.push(Some(new));
        let taken = mem::take(&mut held[0]).unwrap();
        assert_eq!(read(&taken), in_a);
        held[0] = Some(taken);
        assert_eq!(read(held.last().unwrap().as_ref().unwrap()), content);
        // Another invocation of the instance, in which the last ones live on.
        reset_arena();
        assert_eq!(read(leaked), in_c);
    }
    // They are dropped while a panic goes up.
    let panicked = traps(|| {
        let _held = held;
        panic_any(())
    });
    let (next, content) = value('g');
    assert!(panicked);
    assert_eq!((read(leaked), read(&next)), (in_c, content));
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn leases_are_mixed_up() {
    mix_up(request::body, |bytes| text_of(bytes));
    mix_up(request::method, |text| text.to_string());
    mix_up(
        || request::body().into_iter(),
        |bytes| text_of(&bytes.clone().collect::<Vec<u8>>()),
    );
    mix_up(
        || request::body().clone(),
        |bytes| text_of(bytes.as_slice()),
    );
    mix_up(
        || text::build((request::method(), 1_u32)).unwrap(),
        |text| text.as_str().unwrap().to_string(),
    );
    mix_up(
        || text::build((request::method_piece(), 1_u32)).unwrap(),
        |text| text_of(text),
    );
}

#[test]
fn leases_in_other_types_are_mixed_up() {
    mix_up(
        || spark::get("k").unwrap(),
        |entry| text_of(&entry.value) + &entry.ttl_secs.to_string(),
    );
    mix_up(spark::list, |keys| keys.iter().join(",").to_string());
    // The newest of the keys, which outlives its list.
    mix_up(
        || spark::list().last().unwrap(),
        |key: &Key| key.to_string(),
    );
    mix_up(
        || secrets::get("secret").unwrap(),
        |secret| secret.to_string(),
    );
    mix_up(
        || secrets::get_bytes("secret").unwrap(),
        |secret| text_of(secret),
    );
    mix_up(request::query, |query| format!("{query:?}"));
    mix_up(request::target, |target| text_of(target.as_bytes()));
    mix_up(
        || json::Document::parse(request::body()).unwrap(),
        |document| format!("{:?}", document.root()),
    );
}

#[test]
fn answers_and_options_are_mixed_up() {
    let fetch = || beam::fetch("https://example.com/", None).unwrap();
    mix_up(fetch, |response| format!("{response:?}"));
    mix_up(|| fetch().headers, |headers| format!("{headers:?}"));
    mix_up(
        || {
            beam::FetchOptions::new()
                .with_method(request::method())
                .with_header("a", request::url())
        },
        |options| format!("{options:?}"),
    );
    mix_up(
        || {
            let mut headers = beam::FetchHeaders::default();
            headers.insert("a", request::method());
            headers.insert("a", request::url());
            headers
        },
        |headers| format!("{headers:?}"),
    );
}

/// What a text is kept as in options: with a lease, with a copy, and borrowed.
#[test]
fn texts_of_options_are_mixed_up() {
    mix_up(
        || beam::FetchText::from(request::method()),
        |text| text.to_string(),
    );
    mix_up(
        || beam::FetchText::from(request::method()).clone(),
        |text| text.to_string(),
    );
    mix_up(
        || beam::FetchText::from(request::method().to_string()),
        |text| text.to_string(),
    );
}

#[test]
fn the_claims_of_tokens_are_mixed_up() {
    let mac = "30".repeat(32);
    let claims = || {
        // A token whose subject is the method.
        let host = Host {
            not_send: PhantomData,
        };
        host.returns("crypto_hmac", &mac);
        let claims = format!("{{\"sub\":\"{}\",\"exp\":9999999999}}", request::method());
        let [head, claims, mac] = [
            br#"{"alg":"HS256"}"#.as_slice(),
            claims.as_bytes(),
            &[b'0'; 32],
        ]
        .map(|part| text::build(text::Base64Url(part)).unwrap());
        let token = text::build((&head, ".", &claims, ".", &mac)).unwrap();
        crypto::verify_jwt("key", ArenaStr::from(token.as_str().unwrap())).unwrap()
    };
    mix_up(claims, |claims| claims.text("sub").unwrap().to_string());
    mix_up(
        || claims().into_document().unwrap(),
        |document| format!("{:?}", document.root()),
    );
}

/// The defaults, which lease nothing, take the place of what leases something, and the other way round.
#[test]
fn leases_on_nothing_take_the_place_of_others() {
    let _host = host_of('a');
    let mut keys = spark::list();
    let (mut bytes, mut text) = (request::body(), request::method());
    let mut key = keys.next().unwrap();
    let mut secret = secrets::get("secret").unwrap();
    for _ in 0..3 {
        let taken = (
            mem::take(&mut bytes),
            mem::take(&mut text),
            mem::take(&mut key),
            mem::take(&mut keys),
            mem::take(&mut secret),
        );
        assert!(bytes.is_empty() && text.is_empty() && key.is_empty() && keys.is_empty());
        assert!(secret.is_empty());
        let _other = request::url();
        (bytes, text, key, keys, secret) = taken;
        reset_arena();
        assert!(text == "a".repeat(9) && key == "k");
        assert_eq!(bytes, *format!("[\"{text}\",1]").as_bytes());
        assert_eq!(secret, *text);
        assert_eq!(keys.iter().join(" "), "ka");
    }
    drop((bytes, text, key, keys, secret));
    assert!(arena_is_free());
}

/// Iterators are kept while other calls are made, other invocations come and go, and leases are dropped.
#[test]
fn iterators_live_through_calls_and_invocations() {
    let host = host_of('a');
    host.put_spark("k2", "", 0).put_spark("k3", "", 0);
    let other_calls = || {
        drop(request::url());
        reset_arena();
        drop((text::build("x".repeat(40).as_str()), request::body()));
    };

    let mut keys = spark::list();
    let mut found: Vec<Key> = Vec::new();
    while let Some(key) = keys.next() {
        other_calls();
        let rest = keys.clone();
        mem::forget(mem::replace(&mut keys, rest));
        if found.len() % 2 == 1 {
            found.remove(0);
        }
        found.push(key);
    }
    drop(keys);
    other_calls();
    assert_eq!(found.last().unwrap(), "ka");

    let query = request::query();
    let mut pairs = query.pairs();
    other_calls();
    assert_eq!(pairs.next(), Some((&b"a"[..], &b"aaaaaaaaa"[..])));
    let rest = pairs.clone();
    other_calls();
    assert_eq!(rest.collect::<Vec<_>>(), [(&b"b"[..], &b"2"[..])]);

    let response = beam::fetch("https://example.com/", None).unwrap();
    let mut headers = response.headers.iter();
    other_calls();
    assert_eq!(headers.next(), Some(("a", "aaaaaaaaa")));
    other_calls();
    assert_eq!((headers.next(), headers.next()), (Some(("b", "2")), None));

    let document = json::Document::parse(request::body()).unwrap();
    let mut elements = document.root().elements();
    other_calls();
    assert_eq!(elements.next().unwrap().as_str(), Some("aaaaaaaaa"));
    other_calls();
    assert_eq!(elements.next().unwrap().as_u64(), Some(1));

    let mut bytes = request::method().into_iter_bytes();
    while let Some(byte) = bytes.next() {
        other_calls();
        assert_eq!(byte, b'a');
        mem::forget(bytes.clone());
    }
}

trait IntoIterBytes {
    fn into_iter_bytes(self) -> crate::ArenaBytesIter;
}

impl IntoIterBytes for ArenaStr {
    fn into_iter_bytes(self) -> crate::ArenaBytesIter {
        self.into_bytes().into_iter()
    }
}

/// Calls the flare and the host whenever it is asked for something, and panics in the end.
struct Meddler<'a> {
    left: Cell<usize>,
    held: &'a RefCell<Vec<ArenaBytes>>,
}

impl Meddler<'_> {
    fn meddle(&self) {
        self.held.borrow_mut().push(request::body());
        guest_alloc(16);
        if self.left.get() % 3 == 1 {
            self.held.borrow_mut().remove(0);
            reset_arena();
        }
        assert_ne!(self.left.replace(self.left.get() - 1), 1, "enough");
    }
}

impl Iterator for Meddler<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.meddle();
        Some(b'm')
    }
}

impl AsRef<str> for Meddler<'_> {
    fn as_ref(&self) -> &str {
        self.meddle();
        "mmm"
    }
}

impl AsRef<[u8]> for Meddler<'_> {
    fn as_ref(&self) -> &[u8] {
        self.meddle();
        b"mmm"
    }
}

/// The author's code runs while a lease grows or is compared: from an iterator, or an `as_ref`.
#[test]
fn the_authors_code_may_meddle_and_panic_where_it_is_called() {
    let _host = host_of('a');
    let held = RefCell::new(Vec::new());
    let meddler = |left| Meddler {
        left: Cell::new(left),
        held: &held,
    };
    let mut bytes = ArenaBytes::default();
    assert!(traps(|| bytes.extend(meddler(9))));
    assert_eq!(bytes, b"mmmmmmmm");
    let mut text = ArenaStr::default();
    assert!(traps(|| text.extend(meddler(7).map(char::from))));
    assert_eq!(text, "mmmmmm");

    let other = meddler(99);
    assert!(text != other && bytes != other && !spark::list().contains(&other));
    assert!(request::body() != other && request::method() != other);
    let last = meddler(1);
    assert!(traps(|| bytes == last) && traps(|| text == meddler(1)));
    for body in held.borrow().iter() {
        assert_eq!(*body, b"[\"aaaaaaaaa\",1]");
    }
    assert!(bytes == b"mmmmmmmm" && text == "mmmmmm");
    drop((bytes, text));
    held.borrow_mut().clear();
    assert!(arena_is_free());
}

/// Panics when it is dropped, after it has used the flare and the host.
struct Bomb(Option<ArenaStr>);

impl Drop for Bomb {
    fn drop(&mut self) {
        let other = request::url();
        drop(self.0.take());
        drop(other);
        if !thread::panicking() {
            panic_any(());
        }
    }
}

#[test]
fn what_panics_when_it_is_dropped_gives_its_leases_back() {
    let host = host_of('a');
    let kept = request::method();
    assert!(traps(|| drop((
        Bomb(Some(request::url())),
        request::body()
    ))));
    assert!(traps(|| {
        let _bomb = Bomb(Some(request::url()));
        text::build((request::method(), request::url_piece())).map(drop)
    }));
    let response = host.catch_trap(|| {
        host.run(|| {
            let _lease = request::body();
            crate::abi::trap("meant") as crate::FlareAction
        })
    });
    assert_eq!(response.unwrap_err(), "meant");
    assert_eq!(kept, "a".repeat(9));
    drop(kept);
    assert!(arena_is_free());
}

/// A hook that panics, in each kind of call: one without arguments, with arguments that are built, and in the
/// middle of a text.
#[test]
fn a_hook_may_panic_and_nothing_stays_behind() {
    let host = host_of('a');
    host.on("req_url", |_| {
        guest_alloc(24);
        panic_any(())
    });
    host.on("secret_get", |call| {
        assert_eq!(call.text(0), "kept");
        panic_any(())
    });
    let kept = request::method();
    let built = text::build("kept").unwrap();
    assert!(traps(request::url));
    assert!(traps(|| secrets::get(built.as_str().unwrap())));
    assert!(traps(|| text::build(("x", request::url_piece())).map(drop)));
    assert!(traps(|| crate::response::set_body_pieces((
        request::method(),
        request::url_piece()
    ))));
    assert!(kept == "a".repeat(9) && built == "kept");
    host.off("req_url");
    assert_eq!(
        request::url(),
        "https://example.com/aaaaaaaaa?a=aaaaaaaaa&b=2"
    );
    drop((kept, built));
    assert!(arena_is_free());
}

/// Hosts within hosts: in the middle of a call, of an invocation, and of a text.
#[test]
fn a_host_may_be_replaced_while_leases_live() {
    let host = host_of('a');
    let (method, keys, built) = (
        request::method(),
        spark::list(),
        text::build("built").unwrap(),
    );
    {
        let _inner = host_of('b');
        assert_eq!(request::method(), "b".repeat(9));
    }
    host.url("https://example.com/");
    assert_eq!(request::method(), "b".repeat(9), "a thread has one host");

    // The hook of a host that is forgotten while it runs.
    let host = Host::new();
    host.on("req_url", |call| {
        let new = Host::new();
        new.method("NEW");
        let url = request::url();
        assert_eq!(new.calls_of("req_url").len(), 1);
        Some([call.import.as_bytes(), b" ", url.as_bytes()].concat())
    });
    let asked = text::build((request::url_piece(), " ", request::method_piece())).unwrap();
    assert_eq!(asked, "req_url https://example.com/ NEW");

    assert_eq!(method, "a".repeat(9));
    assert_eq!(keys.iter().join(","), "k,ka");
    assert_eq!(built, "built");
    drop((method, keys, built, asked));
    assert!(arena_is_free());
}

/// Uses the host when it is dropped: it is captured by a hook.
struct Guard(Rc<Cell<u32>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let host = Host {
            not_send: PhantomData,
        };
        host.method("DROPPED");
        assert!(host.calls().len() < 9 && request::method() == "DROPPED");
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn what_a_hook_holds_may_use_the_host_when_it_is_dropped() {
    let dropped = Rc::new(Cell::new(0));
    let host = Host::new();
    let hook = |host: &Host| {
        let guard = Guard(dropped.clone());
        host.on("req_url", move |_| {
            let _ = &guard;
            None
        });
    };
    hook(&host);
    hook(&host);
    assert_eq!(dropped.get(), 1, "the second took its place");
    host.off("req_url");
    assert_eq!(dropped.get(), 2);
    hook(&host);
    let _other = Host::new();
    assert_eq!(dropped.get(), 3, "the host was forgotten");
}

#[test]
fn limits_may_be_changed_by_who_uses_the_host() {
    let host = Host::new();
    host.limits(|limits| {
        limits.max_fetch_requests = host.method("M").calls().len() as u32 + 3;
        host.limits(|inner| inner.max_kv_reads = 1);
    });
    let mut limits = (0, 0);
    host.limits(|all| limits = (all.max_fetch_requests, all.max_kv_reads));
    assert_eq!(
        limits,
        (3, Limits::default().max_kv_reads),
        "the outer ones stay"
    );
}

/// Each thread has its own arena and its own host, and what is made on one stays there. (That nothing can be taken
/// elsewhere, `compile-fail/leases_stay_on_their_thread.rs` shows.)
#[test]
fn threads_do_not_see_each_other() {
    let threads: Vec<_> = ('a'..='d')
        .map(|letter| {
            thread::spawn(move || {
                let host = host_of(letter);
                let mut held = Vec::new();
                for n in 0..if cfg!(miri) { 8 } else { 400_u32 } {
                    let text =
                        text::build((request::method_piece(), n, request::method())).unwrap();
                    held.push((text, spark::list(), request::method()));
                    if n % 5 == 4 {
                        held.swap_remove(n as usize % held.len());
                        held.truncate(6);
                    }
                    for (text, keys, method) in &held {
                        assert!(text.starts_with(method.as_bytes()));
                        assert!(method.chars().all(|char| char == letter));
                        assert_eq!(keys.iter().join(""), format!("kk{letter}"));
                    }
                }
                assert!(host.calls().len() > 20);
                // One is leaked on a thread that ends.
                let leaked: &'static ArenaStr = leak(request::method());
                leaked.as_str()
            })
        })
        .collect();
    let _host = host_of('e');
    let own = request::method();
    for (thread, letter) in threads.into_iter().zip('a'..) {
        assert_eq!(thread.join().unwrap(), letter.to_string().repeat(9));
    }
    assert_eq!(own, "e".repeat(9));
}

/// Errors and results that hold no lease may go anywhere.
#[test]
fn what_holds_no_lease_may_change_threads() {
    fn anywhere<T: Send + Sync + 'static>(_: &T) {}
    let host = host_of('a');
    anywhere(&crate::ArenaFull);
    anywhere(&spark::set("", b"", 0).unwrap_err());
    anywhere(&beam::fetch("https://nowhere/", None).unwrap_err());
    anywhere(&host.run(|| crate::FlareAction::Respond));
    anywhere(&host.calls());
}
