//! What text is built from, and in which direction each piece can be written.
//!
//! Most pieces are written [backward](Backward), which needs neither a buffer for digits nor the length of the
//! text. A piece that asks the host cannot be written that way, because the host's answer lands after what is
//! already there. A text that contains such a piece is written forward, including its other pieces.

#[cfg(lists_keys)]
use crate::arena::Key;
use crate::arena::{ArenaBytes, ArenaStr, BackwardWriter, ForwardWriter, Payload, Text};
use crate::text::number;

/// The destination of a text that is written from its last byte to its first.
pub trait Sink: Sized {
    /// Puts bytes in front of what is already there.
    fn bytes(self, bytes: &[u8]) -> Self;

    /// Puts the bytes of a lease in front, and drops it.
    #[inline(always)] // size: inline-step
    fn lease(self, lease: ArenaBytes) -> Self {
        self.bytes(&lease)
    }

    /// Puts one byte in front.
    #[inline(always)] // size: inline-step
    fn byte(self, byte: u8) -> Self {
        self.bytes(&[byte])
    }

    /// Puts a number of up to 32 bits in front, in decimal, and a minus sign before it if it is negative.
    #[inline] // size: inline-shared
    fn decimal_u32(self, number: u32, is_negative: bool) -> Self {
        number::decimal_u32(number, is_negative, self)
    }

    /// Puts a number of up to 64 bits in front, in decimal, and a minus sign before it if it is negative.
    #[inline] // size: inline-shared
    fn decimal_u64(self, number: u64, is_negative: bool) -> Self {
        number::decimal_u64(number, is_negative, self)
    }
}

impl Sink for BackwardWriter {
    #[inline(always)] // size: inline-step
    fn bytes(self, bytes: &[u8]) -> BackwardWriter {
        BackwardWriter::bytes(self, bytes)
    }

    #[inline(always)] // size: inline-step
    fn lease(self, lease: ArenaBytes) -> BackwardWriter {
        BackwardWriter::lease(self, lease)
    }

    #[inline(always)] // size: inline-step
    fn byte(self, byte: u8) -> BackwardWriter {
        BackwardWriter::byte(self, byte)
    }

    #[inline(always)] // size: inline-step
    fn decimal_u32(self, number: u32, is_negative: bool) -> BackwardWriter {
        BackwardWriter::decimal_u32(self, number, is_negative)
    }

    #[inline(always)] // size: inline-step
    fn decimal_u64(self, number: u64, is_negative: bool) -> BackwardWriter {
        BackwardWriter::decimal_u64(self, number, is_negative)
    }
}

/// Only this crate can make one, so nobody else can call what takes it as an argument.
#[derive(Clone, Copy)]
pub struct Sealed(());

/// The seal.
pub(super) const SEALED: Sealed = Sealed(());

/// The proof that pieces can be written backward, if there is one.
#[inline(always)] // size: inline-step
pub(crate) fn backward<P: Piece>(_: &P) -> Option<P::Backward> {
    P::backward(SEALED)
}

/// What [`Pieces`] can do. It cannot be implemented outside the crate, so that no foreign piece can call the
/// flare, or the host out of turn, while a text is being built.
pub trait Piece: Sized {
    /// Proof that the piece can be written backward. A piece that asks the host has none: its type has no
    /// values.
    type Backward: Copy;

    /// The proof, if there is one. (Known at compile time.)
    fn backward(_: Sealed) -> Option<Self::Backward>;

    /// Writes the piece in front of what is there.
    fn prepend_to<S: Sink>(self, sink: S, proof: Self::Backward) -> S;

    /// Writes the piece behind what is there.
    fn append_to(self, text: ForwardWriter) -> ForwardWriter;

    /// What is to be sent: a text of the pieces, or a lease as it is, for which no text has to be built.
    #[inline(always)] // size: inline-step
    fn payload(self, seal: Sealed) -> Option<Payload> {
        match Self::backward(seal) {
            Some(proof) => BackwardWriter::build(|text| self.prepend_to(text, proof)),
            None => ForwardWriter::build(|text| self.append_to(text)),
        }
    }
}

/// What text is built from.
///
/// - `&str`, `&&str`, `&[u8]`, `&[u8; N]`: their bytes;
/// - `bool`: `true` or `false`; `char`: its UTF-8;
/// - `u8` to `u64`, `i8` to `i64`, `usize`, `isize`: the number in decimal;
/// - [`Hex`](crate::text::Hex): a number in lowercase hexadecimal; [`Base64Url`](crate::text::Base64Url): bytes
///   in Base64url;
/// - [`ArenaStr`], [`ArenaBytes`], [`Text`], [`Key`](crate::Key), by value or by reference: their bytes
///   as they are, without linking the UTF-8 check;
/// - with the feature `json`, `json::Str`, `json::Bytes`, `json::Object`, `json::Array`, `json::Value`:
///   JSON;
/// - what the functions that end in `_piece` return: the host's answer;
/// - `Option` of a piece: the piece, or nothing;
/// - `()` and tuples of up to eight pieces: one after another; tuples nest.
#[must_use = "pieces do nothing until a text is built from them"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a piece of text",
    label = "not a piece of text",
    note = "pieces are `&str`, `&[u8]`, integers, `bool`, `char`, leases on what the host sent, what functions that end in `_piece` return, and tuples of up to eight pieces",
    note = "pass a `String` as `&*string`, and format a float with `write!` into a `text::TextBuf`"
)]
pub trait Pieces: Piece {}
impl<T: Piece> Pieces for T {}

/// A piece that does not ask the host.
pub trait Backward: Sized {
    /// Writes the piece in front of what is there.
    fn prepend_to<S: Sink>(self, sink: S) -> S;

    /// Writes the piece behind what is there. By default it is written backward, beyond the text, and then moved
    /// up to it.
    #[inline(always)] // size: inline-step
    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        text.payload(BackwardWriter::build(|end| self.prepend_to(end)))
    }

    /// What is to be sent.
    #[inline(always)] // size: inline-step
    fn payload(self) -> Option<Payload> {
        BackwardWriter::build(|text| self.prepend_to(text))
    }
}

/// The proof of a piece that does not ask the host.
#[derive(Clone, Copy)]
pub struct AsksNobody(());

impl AsksNobody {
    /// The only one.
    pub(crate) const PROOF: AsksNobody = AsksNobody(());
}

impl<T: Backward> Piece for T {
    type Backward = AsksNobody;

    #[inline(always)] // size: inline-step
    fn backward(_: Sealed) -> Option<AsksNobody> {
        Some(AsksNobody::PROOF)
    }

    #[inline(always)] // size: inline-step
    fn prepend_to<S: Sink>(self, sink: S, _: AsksNobody) -> S {
        Backward::prepend_to(self, sink)
    }

    #[inline(always)] // size: inline-step
    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        Backward::append_to(self, text)
    }

    #[inline(always)] // size: inline-step
    fn payload(self, _: Sealed) -> Option<Payload> {
        Backward::payload(self)
    }
}

/// Pieces that are bytes by another name.
macro_rules! bytes_pieces {
    ($([$($generics:tt)*] $type:ty, $self:ident => $bytes:expr;)*) => {$(
        impl $($generics)* Backward for $type {
            #[inline(always)] // size: inline-step
            fn prepend_to<S: Sink>($self, sink: S) -> S {
                sink.bytes($bytes)
            }

            #[inline(always)] // size: inline-step
            fn append_to($self, text: ForwardWriter) -> ForwardWriter {
                text.bytes($bytes)
            }
        }
    )*};
}

bytes_pieces! {
    [] &[u8], self => self;
    [] &str, self => self.as_bytes();
    [<const N: usize>] &[u8; N], self => self;
    [] &ArenaStr, self => self.raw();
    [] &ArenaBytes, self => self;
    [] &Text, self => self;
    [] Text, self => &self;
    [] &&str, self => self.as_bytes();
    [] bool, self => if self { b"true" } else { b"false" };
    [] char, self => self.encode_utf8(&mut [0; 4]).as_bytes();
}
#[cfg(lists_keys)]
bytes_pieces! {
    [] &Key, self => self.as_bytes();
    [] Key, self => self.as_bytes();
}

/// Leases: they are freed as soon as they are written, and before the call if they are the only piece.
macro_rules! lease_pieces {
    ($($type:ty, $self:ident => $bytes:expr;)*) => {$(
        impl Backward for $type {
            #[inline(always)] // size: inline-step
            fn prepend_to<S: Sink>($self, sink: S) -> S {
                sink.lease($bytes)
            }

            #[inline(always)] // size: inline-step
            fn append_to($self, text: ForwardWriter) -> ForwardWriter {
                text.lease($bytes)
            }

            #[inline(always)] // size: inline-step
            fn payload($self) -> Option<Payload> {
                Some(Payload::from($bytes))
            }
        }
    )*};
}

lease_pieces! {
    ArenaBytes, self => self;
    ArenaStr, self => self.into_bytes();
}

impl<T: Piece> Piece for Option<T> {
    type Backward = T::Backward;

    #[inline(always)] // size: inline-step
    fn backward(seal: Sealed) -> Option<T::Backward> {
        T::backward(seal)
    }

    #[inline(always)] // size: inline-step
    fn prepend_to<S: Sink>(self, sink: S, proof: T::Backward) -> S {
        match self {
            Some(piece) => piece.prepend_to(sink, proof),
            None => sink,
        }
    }

    #[inline(always)] // size: inline-step
    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        match self {
            Some(piece) => piece.append_to(text),
            None => text,
        }
    }
}

impl Backward for () {
    #[inline(always)] // size: inline-step
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink
    }

    #[inline(always)] // size: inline-step
    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        text
    }
}

/// Tuples: written backward, the last piece comes first; written forward, it comes last.
macro_rules! tuple_pieces {
    ($($piece:ident $at:tt)* ; $($last:tt)*) => {
        impl<$($piece: Piece),*> Piece for ($($piece,)*) {
            type Backward = ($($piece::Backward,)*);

            #[inline(always)] // size: inline-step
            fn backward(seal: Sealed) -> Option<Self::Backward> {
                Some(($($piece::backward(seal)?,)*))
            }

            #[inline(always)] // size: inline-step
            fn prepend_to<Out: Sink>(self, sink: Out, proof: Self::Backward) -> Out {
                $(let sink = self.$last.prepend_to(sink, proof.$last);)*
                sink
            }

            #[inline(always)] // size: inline-step
            fn append_to(self, text: ForwardWriter) -> ForwardWriter {
                $(let text = self.$at.append_to(text);)*
                text
            }
        }
    };
}
tuple_pieces!(A 0; 0);
tuple_pieces!(A 0 B 1; 1 0);
tuple_pieces!(A 0 B 1 C 2; 2 1 0);
tuple_pieces!(A 0 B 1 C 2 D 3; 3 2 1 0);
tuple_pieces!(A 0 B 1 C 2 D 3 E 4; 4 3 2 1 0);
tuple_pieces!(A 0 B 1 C 2 D 3 E 4 F 5; 5 4 3 2 1 0);
tuple_pieces!(A 0 B 1 C 2 D 3 E 4 F 5 G 6; 6 5 4 3 2 1 0);
tuple_pieces!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7; 7 6 5 4 3 2 1 0);
