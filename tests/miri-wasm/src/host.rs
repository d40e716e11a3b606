//! A host that does everything a host may do, and returns what none should.

use core::cell::Cell;

use crate::{Global, below, flare, random};
use flaron_sdk::{ARENA_BYTES, guest_alloc, request, reset_arena};

/// How deep the flare has been entered from an import.
static DEPTH: Global<Cell<u32>> = Global(Cell::new(0));
/// Whether the host has nothing for anybody.
static IS_EMPTY: Global<Cell<bool>> = Global(Cell::new(false));

/// Answers as a well-behaved host has them, to one import or another.
const ANSWERS: [&[u8]; 8] = [
    b"[\"a\",\"bc\",\"\\u00e9\",\"\"]",
    b"{\"status\":200,\"headers\":{\"a\":\"b\"},\"body\":\"c\\nd\"}",
    b"{\"status\":200,\"body\":\"0123456789abcdefghij0123456789\"}",
    b"[\"0123456789abcdef0123456789\",\"\xc3\xa9\",\"\xff\"]",
    b"deadbeef",
    b"12345",
    b"\x01\x02\x03\x04value",
    b"a\xffb\xc3\xa9\xed\xa0\x80zz",
];

/// Allocates a block, writes into it, and gives it as an import returns it.
fn give(len: usize, byte: impl Fn(usize) -> u8) -> i64 {
    let address = guest_alloc(len.max(1) as i32);
    if address == 0 {
        return 0;
    }
    let start: *mut u8 = core::ptr::with_exposed_provenance_mut(address as u32 as usize);
    for at in 0..len {
        // SAFETY: `alloc` has just given the block, and the flare has not been entered since.
        unsafe { start.add(at).write(byte(at)) }
    }
    i64::from(address) << 32 | len as i64
}

fn give_noise(len: u64) -> i64 {
    let first = random() as u8;
    give(len as usize, |at| first.wrapping_add(at as u8))
}

fn give_answer() -> i64 {
    let answer = ANSWERS[below(8) as usize];
    give(answer.len(), |at| answer[at])
}

/// Allocates all that is free, to the last byte, and returns nothing of it. That the arena refused larger blocks is
/// what another call is told.
fn give_nothing_of_all() -> i64 {
    let sizes = (1..=ARENA_BYTES as i32 / 8).rev();
    sizes.map(|n| 8 * n).find(|size| guest_alloc(*size) != 0);
    let before = IS_EMPTY.0.replace(true);
    drop(request::header("x"));
    IS_EMPTY.0.set(before);
    0
}

/// What an import that returns data returns.
fn answer() -> i64 {
    if IS_EMPTY.0.get() {
        return 0;
    }
    match below(14) {
        0 => 0,
        1 => give_noise(below(40)),
        2 => {
            guest_alloc(below(30) as i32);
            give_noise(below(40))
        }
        // A part of what was allocated.
        3 => give_noise(24) + ((below(9) as i64) << 32) - below(9) as i64,
        4 => random() as i64,
        // Returned after the flare was entered: it may not be the host's any more.
        5 => {
            let block = give_noise(8);
            enter();
            block
        }
        6 => {
            enter();
            give_answer()
        }
        7 => {
            enter();
            give_noise(below(60))
        }
        8 => {
            reset_arena();
            give_noise(16)
        }
        9 => give_nothing_of_all(),
        _ => give_answer(),
    }
}

/// Enters the flare, as far as a host may go.
fn enter() {
    let depth = DEPTH.0.get();
    if depth < 2 {
        DEPTH.0.set(depth + 1);
        if below(2) == 0 {
            reset_arena();
        }
        flare::steps(below(4));
        DEPTH.0.set(depth);
    }
}

/// Reads an argument, as a host does.
fn read(argument: *const u8, len: usize) {
    let mut sum = 0_u32;
    for at in 0..len {
        // SAFETY: the SDK promises that it can be read: that is what Miri is asked.
        sum += u32::from(unsafe { *argument.add(at) });
    }
    core::hint::black_box(sum);
}

/// What an import without data may do meanwhile.
fn meanwhile() {
    if below(4) == 0 {
        guest_alloc(below(30) as i32);
        enter();
    }
}

/// The imports, by their kinds: the bytes are read, then each does what its kind does.
macro_rules! imports {
    ($($kind:ident {
        $(fn $name:ident($($bytes:ident $len:ident),*; $($number:ident: $type:ty),*) $(-> $result:ty)?;)*
    })*) => {$($(
        // SAFETY: the SDK calls it by this name; nothing else has it.
        #[unsafe(no_mangle)]
        extern "C" fn $name($($bytes: *const u8, $len: usize,)* $($number: $type),*) $(-> $result)? {
            $(read($bytes, $len);)*
            let _ = ($($number,)*);
            does!($kind)
        }
    )*)*};
}

macro_rules! does {
    (data) => {
        answer()
    };
    (status) => {{
        meanwhile();
        0
    }};
    (nothing) => {
        meanwhile()
    };
}

imports! {
    data {
        fn req_method(;) -> i64;
        fn req_url(;) -> i64;
        fn req_header_get(name len;) -> i64;
        fn req_body(;) -> i64;
        fn beam_fetch(url len, options options_len;) -> i64;
        fn crypto_hash(arguments len;) -> i64;
        fn crypto_hmac(arguments len;) -> i64;
        fn crypto_sign_jwt(arguments len;) -> i64;
        fn crypto_encrypt_aes(arguments len;) -> i64;
        fn crypto_decrypt_aes(arguments len;) -> i64;
        fn crypto_random_bytes(; length: i32) -> i64;
        fn encoding_base64_encode(data len;) -> i64;
        fn encoding_base64_decode(text len;) -> i64;
        fn encoding_hex_encode(data len;) -> i64;
        fn encoding_hex_decode(text len;) -> i64;
        fn encoding_url_encode(text len;) -> i64;
        fn encoding_url_decode(text len;) -> i64;
        fn id_uuid(arguments len;) -> i64;
        fn id_ulid(;) -> i64;
        fn id_ksuid(;) -> i64;
        fn id_nanoid(; length: i32) -> i64;
        fn id_snowflake(;) -> i64;
        fn snowflake_id(;) -> i64;
        fn timestamp(arguments len;) -> i64;
        fn spark_get(key len;) -> i64;
        fn spark_list(;) -> i64;
        fn plasma_get(key len;) -> i64;
        fn plasma_increment(key len; delta: i64) -> i64;
        fn plasma_decrement(key len; delta: i64) -> i64;
        fn plasma_list(;) -> i64;
        fn secret_get(name len;) -> i64;
        fn ws_conn_id(;) -> i64;
        fn ws_event_type(;) -> i64;
        fn ws_event_data(;) -> i64;
    }

    status {
        fn spark_set(key len, value value_len; ttl_secs: i32) -> i32;
        fn spark_pull(origin len, keys keys_len;) -> i32;
        fn plasma_set(key len, value value_len;) -> i32;
        fn plasma_delete(key len;) -> i32;
        fn ws_send(data len;) -> i32;
        fn ws_close_code(;) -> i32;
    }

    nothing {
        fn resp_set_status(; status: i32);
        fn resp_header_set(name len, value value_len;);
        fn resp_body_set(body len;);
        fn log_info(message len;);
        fn log_warn(message len;);
        fn log_error(message len;);
        fn spark_delete(key len;);
        fn ws_close_conn(; code: i32);
    }
}
