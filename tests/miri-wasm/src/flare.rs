//! A flare that holds on to whatever it gets, and looks at each step whether all of it reads as before.

use core::cell::Cell;

use flaron_sdk::beam::{self, FetchOptions, FetchResponse};
use flaron_sdk::text::{self, Hex, Text};
use flaron_sdk::{ArenaBytes, ArenaStr, FlareAction, Key, Keys};
use flaron_sdk::{
    crypto, encoding, id, json, logging, plasma, request, reset_arena, response, secrets, spark, ws,
};

use crate::{Global, below};

flaron_sdk::handle_request!(handler);

/// Some steps, then an invocation as the host begins it.
pub fn run(count: u64) {
    reset_arena();
    steps(count);
    handle_request();
}

fn handler() -> FlareAction {
    steps(3);
    FlareAction::Respond
}

pub fn steps(count: u64) {
    for _ in 0..count {
        step();
        check();
    }
}

/// Drops everything.
pub fn let_go() {
    for place in &HELD.0 {
        place.take();
    }
}

enum Held {
    Bytes(ArenaBytes),
    Str(ArenaStr),
    Text(Text),
    Key(Key),
    #[allow(dead_code, reason = "it is there to be dropped")]
    Keys(Keys),
    Document(json::Document),
    Response(FetchResponse),
    Secret(secrets::Secret),
    #[cfg(feature = "heap")]
    Heap(alloc::vec::Vec<u8>),
    #[cfg(feature = "heap")]
    Aligned(alloc::vec::Vec<Aligned>),
}

#[cfg(feature = "heap")]
#[repr(align(32))]
struct Aligned([u8; 40]);

impl Held {
    /// Something by which one content is told from another (FNV-1a).
    fn sum(&self) -> u64 {
        let sum = |bytes: &[u8]| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            })
        };
        match self {
            Held::Keys(_) => 0,
            Held::Bytes(lease) => sum(lease),
            Held::Str(text) => sum(text.as_bytes()),
            Held::Text(text) => sum(text),
            Held::Key(key) => {
                assert!(core::str::from_utf8(key.as_bytes()).is_ok());
                sum(key.as_bytes())
            }
            Held::Document(document) => {
                let strings = document.root().elements();
                strings.fold(0, |all, one| all ^ sum(one.as_bytes().unwrap_or_default()))
            }
            Held::Response(response) => {
                sum(response.body_bytes()) ^ sum(response.header_bytes("a").unwrap_or_default())
            }
            Held::Secret(secret) => sum(secret.as_bytes()),
            #[cfg(feature = "heap")]
            Held::Heap(block) => sum(block),
            #[cfg(feature = "heap")]
            Held::Aligned(block) => {
                assert_eq!(block.as_ptr().addr() % 32, 0);
                block.iter().fold(0, |all, one| all ^ sum(&one.0))
            }
        }
    }
}

const PLACES: usize = 10;
static HELD: Global<[Cell<Option<(Held, u64)>>; PLACES]> =
    Global([const { Cell::new(None) }; PLACES]);

fn place() -> &'static Cell<Option<(Held, u64)>> {
    &HELD.0[below(PLACES as u64) as usize]
}

/// Holds something, in the place of something else; that is forgotten now and then.
fn hold(held: Held) {
    let place = place();
    if below(300) == 0 {
        core::mem::forget(place.take());
    }
    let sum = held.sum();
    place.set(Some((held, sum)));
}

fn check() {
    for place in &HELD.0 {
        if let Some((held, sum)) = place.take() {
            assert!(held.sum() == sum, "it has changed");
            place.set(Some((held, sum)));
        }
    }
}

/// Takes something that is held, of this kind.
macro_rules! take {
    ($kind:ident) => {
        match place().take() {
            Some((Held::$kind(held), _)) => Some(held),
            _ => None,
        }
    };
}

fn step() {
    match below(35) {
        0 => {
            // Compared with itself before anybody has read it: reading it repairs its bytes.
            let url = request::try_url().unwrap_or_default();
            assert!(below(2) == 0 || url == url);
            hold(Held::Str(url));
        }
        1 => hold(Held::Bytes(request::try_body().unwrap_or_default())),
        2 => drop(request::header("x").map(|value| hold(Held::Str(value)))),
        3 => {
            let Ok(mut keys) = spark::try_list() else {
                return;
            };
            for _ in 0..below(4) {
                keys.next().into_iter().for_each(|key| hold(Held::Key(key)));
            }
            hold(Held::Keys(keys));
        }
        4 => {
            if let Ok(document) = json::Document::parse(request::try_body().unwrap_or_default()) {
                hold(Held::Document(document));
            }
        }
        5 => {
            if let Ok(response) = beam::fetch("u", None) {
                hold(Held::Response(response));
            }
        }
        6 => {
            let options = FetchOptions::new().with_method("X").with_header("a", "b");
            if let Ok(response) = beam::fetch("u", Some(&options)) {
                hold(Held::Response(response));
            }
        }
        7 => drop(secrets::get("k").map(|secret| hold(Held::Secret(secret)))),
        8 => hold_text(text::build(("a", 12_u8, Hex(77), json::Str("q\"\n")))),
        9 => {
            let pieces = (
                request::try_method().unwrap_or_default(),
                request::url_piece(),
            );
            hold_text(text::build(("a", request::url_piece(), 7_u8, pieces)));
        }
        10 => {
            let pieces = (request::header("b"), id::ulid_piece(), -5_i8);
            let _ = response::set_body_pieces((request::url_piece(), "x", pieces));
        }
        11 => drop(response::set_body_pieces(
            request::try_body().unwrap_or_default(),
        )),
        12 => {
            let url = request::try_url().unwrap_or_default();
            let _ = spark::set_pieces(&url, (&url, "x"), 0);
            hold(Held::Str(url));
        }
        13 => drop(spark::get("k").map(|entry| hold(Held::Bytes(entry.value)))),
        14 => drop(spark::get_u64("k")),
        15 => drop(plasma::increment("k", 1)),
        16 => drop(crypto::hash("sha256", "x\"").map(|hash| hold(Held::Str(hash)))),
        17 => {
            if let Ok(bytes) = crypto::random_bytes(4) {
                hold(Held::Bytes(bytes));
            }
        }
        18 => reset_arena(),
        // The host may do this at any time.
        19 => drop(flaron_sdk::guest_alloc(below(40) as i32)),
        20..=25 => drop(place().take()),
        26 => {
            if let Some(lease) = take!(Bytes) {
                let pieces = (request::url_piece(), lease, "z", ws::conn_id_piece());
                let _ = response::set_body_pieces(pieces);
            }
        }
        27 => drop(take!(Bytes).map(|lease| hold(Held::Str(lease.into_text())))),
        28 => {
            if let Some(text) = take!(Str) {
                assert!(text == text && text == *text);
                hold(Held::Bytes(text.into_bytes()));
            }
        }
        29 => {
            if let Some(mut text) = take!(Text) {
                text.reverse();
                logging::info(text.as_str().unwrap_or_default());
                hold(Held::Text(text));
            }
        }
        30 => {
            let mut buffer = [0; 40];
            let mut text = text::TextBuf::new(&mut buffer);
            let _ = (text.push((request::url_piece(), 7_u8)), text.push("abc"));
            core::hint::black_box(text.as_bytes().len());
        }
        31 => {
            let pieces = (json::Array(&["a", "b"]), id::nanoid_piece(3));
            hold_text(text::build((encoding::hex_encode_piece(b"a"), pieces)));
        }
        32 => {
            let url = ("u", request::url_piece());
            let response = match below(2) {
                0 => beam::forward(url, &["a", "b"]),
                _ => beam::forward("u", &["a"]),
            };
            if let Ok(response) = response {
                hold(Held::Response(response));
            }
        }
        #[cfg(feature = "heap")]
        33 => {
            let mut block = alloc::vec::Vec::new();
            for n in 0..below(40) {
                if block.try_reserve(1).is_err() {
                    break;
                }
                block.push(n as u8);
                // Something comes to lie behind it, so that it has to move.
                if n % 8 == 7 && below(3) == 0 {
                    hold(Held::Str(request::try_url().unwrap_or_default()));
                }
            }
            hold(Held::Heap(block));
        }
        #[cfg(feature = "heap")]
        34 => {
            let mut block = alloc::vec::Vec::<Aligned>::new();
            if block.try_reserve_exact(1).is_ok() {
                block.push(Aligned([crate::random() as u8; 40]));
                hold(Held::Aligned(block));
            }
            if let Some(mut block) = take!(Heap) {
                if block.try_reserve_exact(10).is_ok() {
                    block.extend_from_slice(b"0123456789");
                }
                hold(Held::Heap(block));
            }
        }
        _ => {}
    }
}

fn hold_text(text: Result<Text, flaron_sdk::ArenaFull>) {
    if let Ok(text) = text {
        hold(Held::Text(text));
    }
}
