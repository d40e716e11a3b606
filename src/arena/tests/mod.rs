//! The arena, by hand and against a model.

#![allow(
    unsafe_code,
    reason = "the tests read what is handed to the host, as the host does"
)]

mod ask;
mod claim;
#[cfg(all(
    lists_keys,
    feature = "arena-alloc",
    feature = "beam",
    feature = "request"
))]
mod exhaustive;
mod grow;
#[cfg(feature = "beam")]
mod kept;
mod lease;
#[cfg(all(feature = "beam", feature = "request"))]
mod members;
mod model;
mod nested;
#[cfg(heap)]
mod owned;
mod scratch;
mod str;

use proptest::prelude::*;
use std::string::{String, ToString};

use crate::text::Pieces;

// What the files of this folder use.
use crate::abi::Bytes;
#[cfg(all(feature = "beam", feature = "request"))]
use crate::arena::Members;
use crate::arena::alloc::{arena_refused, guest_alloc, reset_arena, top};
use crate::arena::claim::{
    claim, claim_decoded, claim_unless_empty, claim_unless_refused, claim_with,
};
use crate::arena::size::{ARENA_BYTES, SIZE, arena_bytes};
use crate::arena::storage::{self, LEASED, LIVE, PENDING, SCRATCH, TEXTS, host_write};
use crate::arena::{ArenaBytes, ArenaFull, ArenaStr, ForwardWriter, Text};
use crate::testing::{Host, arena_is_free, leave_free};
use crate::text::ask::{Ask, AsksTheHost};
use crate::text::piece::{Piece, Sealed, Sink};
use crate::text::{self, send};
use std::vec::Vec;
use std::{format, vec};

/// A block with these bytes, as a well-behaved host returns it.
pub(crate) fn host_returns(bytes: &[u8]) -> i64 {
    let address = guest_alloc(bytes.len().max(1) as i32);
    if address == 0 {
        return 0;
    }
    host_write(address, bytes);
    pack(address, bytes.len() as u32)
}

pub(crate) fn pack(address: i32, len: u32) -> i64 {
    i64::from(address) << 32 | i64::from(len)
}

pub(crate) fn leased(bytes: &[u8]) -> ArenaBytes {
    claim(host_returns(bytes)).expect("it fits")
}

/// Takes the first `n` bytes off a lease, one by one; all if it has fewer.
pub(crate) fn skip(mut lease: ArenaBytes, n: usize) -> ArenaBytes {
    for _ in 0..n.min(lease.len()) {
        let ([_], rest) = lease.split_first().expect("there is one");
        lease = rest;
    }
    lease
}

/// Where a lease begins, from the arena's first byte.
pub(crate) fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr() - storage::memory().addr()
}

/// How many bytes the host can have at most.
pub(crate) fn room() -> usize {
    (top() - LEASED.get()) as usize
}

/// What a lease on these bytes must read as: every byte that does not belong there is a `?`.
pub(crate) fn repaired(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    loop {
        match core::str::from_utf8(&bytes) {
            Ok(text) => return text.to_string(),
            Err(error) => bytes[error.valid_up_to()] = b'?',
        }
    }
}

/// What is sent.
pub(crate) fn sent(pieces: impl Pieces) -> Result<Vec<u8>, ArenaFull> {
    send::send(pieces, |built| {
        // SAFETY: read before anything else is done, as the host does.
        unsafe { &*Bytes::raw(built) }.to_vec()
    })
}

/// What the host is sent that is asked for the values of members: their names, and what answers for each. Between
/// `before` and `last`.
#[cfg(all(feature = "beam", feature = "request"))]
pub(crate) fn members_sent(
    before: &[u8],
    members: &mut [(&str, &mut dyn FnMut() -> i64)],
    last: &[u8],
) -> Option<Vec<u8>> {
    let text = Members::build(
        |text| text.bytes(b"behind"),
        last,
        |text| {
            for (name, answer) in members {
                text.member(name, crate::json::quoted, answer);
            }
            text.put(before);
        },
    );
    let (built, behind) = text?.payloads()?;
    // SAFETY: read before anything else is done, as the host does.
    let (built, behind) = unsafe { (&*Bytes::raw(built), &*Bytes::raw(behind)) };
    assert_eq!(behind, b"behind");
    Some(built.to_vec())
}

/// How many cases a property is tried with: `PROPTEST_CASES` of them where that is set. Miri is a thousand times
/// slower, and spends most of that on proptest's usual random numbers, which are made for cryptography.
pub(crate) fn cases(natively: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = natively;
    }
    if cfg!(miri) {
        config.cases = 3;
        config.rng_algorithm = proptest::test_runner::RngAlgorithm::XorShift;
    }
    config
}
