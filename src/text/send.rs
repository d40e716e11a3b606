//! Building texts to be kept by the flare, or to be sent in a host call.

#[cfg(any(feature = "crypto", test))]
use crate::arena::ArenaBytes;
#[cfg(all(feature = "beam", feature = "request"))]
use crate::arena::Members;
#[cfg(any(sends, calls, test))]
use crate::arena::Payload;
#[cfg(any(calls, test))]
use crate::arena::alloc::refuse_argument;
#[cfg(any(feature = "crypto", test))]
use crate::arena::claim::claim;
use crate::arena::{ArenaFull, Text};
#[cfg(any(feature = "spark", feature = "plasma", feature = "beam"))]
use crate::arena::{BackwardWriter, ForwardWriter};
#[cfg(any(sends, calls, test))]
use crate::text::piece::Pieces;
use crate::text::piece::{Piece, SEALED};

/// Builds `pieces` and keeps them.
pub(super) fn keep<P: Piece>(pieces: P) -> Result<Text, ArenaFull> {
    match P::backward(SEALED) {
        Some(proof) => Text::write_backward(|text| pieces.prepend_to(text, proof)),
        None => Text::write_forward(|text| pieces.append_to(text)),
    }
}

#[cfg(any(sends, test))]
/// Builds `pieces` and passes them to `send`, which makes a host call that returns no data.
/// The text is gone afterwards.
#[inline(always)] // size: inline-step
pub(crate) fn send<R>(
    pieces: impl Pieces,
    send: impl FnOnce(Payload) -> R,
) -> Result<R, ArenaFull> {
    // size: match-payload
    match pieces.payload(SEALED) {
        Some(payload) => Ok(send(payload)),
        None => Err(ArenaFull),
    }
}

/// Builds `pieces` for a host call, before which nothing is built, leased or asked for: it would take their place.
#[cfg(any(feature = "crypto", test))]
#[inline(always)] // size: inline-step
pub(crate) fn build(pieces: impl Pieces) -> Result<Payload, ArenaFull> {
    pieces.payload(SEALED).ok_or(ArenaFull)
}

/// Builds two texts, one after the other, for a host call that follows at once. The host may write its answer
/// over them: it has read them by then.
#[cfg(any(feature = "spark", feature = "plasma", feature = "beam"))]
#[inline(always)] // size: inline-step
pub(crate) fn pair<P: Pieces, Q: Pieces>(
    first: P,
    second: Q,
) -> Result<(Payload, Payload), ArenaFull> {
    let mut middle = 0;
    let both = match (P::backward(SEALED), Q::backward(SEALED)) {
        // size: pair-backward
        (Some(first_proof), Some(second_proof)) => BackwardWriter::build(|text| {
            let text = second.prepend_to(text, second_proof);
            middle = text.mark();
            first.prepend_to(text, first_proof)
        }),
        _ => ForwardWriter::build(|text| {
            let text = first.append_to(text);
            middle = text.mark();
            second.append_to(text)
        }),
    };
    Ok(both.ok_or(ArenaFull)?.split_at(middle))
}

/// Builds an object of what the host answers, and `pieces`, for a host call that follows at once: see [`Members`].
#[cfg(all(feature = "beam", feature = "request"))]
#[inline(always)] // size: inline-step
pub(crate) fn behind<P: Pieces>(
    pieces: P,
    last: &[u8],
    write: impl FnOnce(&mut Members),
) -> Option<(Payload, Payload)> {
    let members = match P::backward(SEALED) {
        Some(proof) => Members::build(|text| pieces.prepend_to(text, proof), last, write),
        None => {
            let built = ForwardWriter::build(|text| pieces.append_to(text))?;
            Members::build(|text| text.payload(built), last, write)
        }
    };
    members?.payloads()
}

/// Builds `pieces` and passes them to `call`, which makes a host call that returns data.
/// The text is gone afterwards.
///
/// It is not kept during the call: as with [`pair`], the host may write its answer over it. A host that asks
/// for room knows how long its answer is, so by then it has read what it answers.
#[cfg(any(feature = "crypto", test))]
pub(crate) fn call(pieces: impl Pieces, call: impl FnOnce(Payload) -> i64) -> Option<ArenaBytes> {
    claim(returned(pieces, call))
}

/// Like [`call`], but returns what the host call returned.
#[cfg(any(calls, test))]
#[inline(always)] // size: inline-step
pub(crate) fn returned(pieces: impl Pieces, call: impl FnOnce(Payload) -> i64) -> i64 {
    // size: unkept-arguments
    match pieces.payload(SEALED) {
        Some(text) => call(text),
        None => {
            refuse_argument();
            0
        }
    }
}
