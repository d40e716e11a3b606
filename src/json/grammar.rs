//! The grammar of JSON (RFC 8259) as one table of steps, which [`flatten`](crate::json::flatten) goes
//! by.
//!
//! A *state* tells which bytes may come next. Its *steps* are those bytes, each with the state that it
//! leads to. In the table a state is the place where its steps begin: its *offset*, which the compiler
//! works out from [`GRAMMAR`].

use Last::{Ends, GoesOn};
use Next::{Byte, Nowhere, Text, To};
use State::{
    AfterMinus, AfterPoint, Colon, Complete, E, ESign, Escaped, Exponent, F, Fa, Fal, Fals,
    Fraction, Integer, N, NameOrClose, NextName, Nu, Nul, Space, T, Tr, Tru, Value, ValueOrClose,
    Zero,
};

/// What may come next. In the order of [`GRAMMAR`], because there a state's steps may go on in those
/// of the next one, and because the code tells some by their order: see [`LAST_COMPLETE`] and
/// [`LAST_SPACED`].
#[derive(Clone, Copy)]
enum State {
    /// In a whole number that does not begin with 0.
    Integer,
    /// Behind a number's leading 0.
    Zero,
    /// Behind a value that is no number.
    Complete,
    /// In the digits behind a point.
    Fraction,
    /// In the digits of an exponent.
    Exponent,
    /// Behind a member's name.
    Colon,
    /// Behind an object's opening brace.
    NameOrClose,
    /// Behind a comma in an object.
    NextName,
    /// Behind an array's opening bracket.
    ValueOrClose,
    /// Where a value must begin.
    Value,
    AfterPoint,
    E,
    ESign,
    AfterMinus,
    T,
    Tr,
    Tru,
    F,
    Fa,
    Fal,
    Fals,
    N,
    Nu,
    Nul,
    /// Behind a backslash.
    Escaped,
    /// White space.
    Space,
}

/// What a step leads to.
#[derive(Clone, Copy)]
enum Next {
    /// A state.
    To(State),
    /// A string, and behind it a state.
    Text(State),
    /// No other state: what was escaped is this byte.
    Byte(u8),
    /// No other state: white space.
    Nowhere,
}

/// Bytes, and what each leads to.
type Steps = &'static [(u8, Next)];

/// Whether the next state's steps may be taken, too.
#[derive(Clone, Copy)]
enum Last {
    GoesOn,
    Ends,
}

/// Each state and its steps. The digits 2 to 9 are spelt like 1. What follows a comma in an object is
/// decided elsewhere.
#[rustfmt::skip]
const GRAMMAR: &[(State, Steps, Last)] = &[
    (Integer, &[(b'0', To(Integer)), (b'1', To(Integer))], GoesOn),
    (Zero, &[(b'.', To(AfterPoint)), (b'e', To(E)), (b'E', To(E))], GoesOn),
    (Complete, &[(b',', To(NextName)), (b'}', To(Complete)), (b']', To(Complete))], Ends),
    (Fraction, &[
        (b'0', To(Fraction)), (b'1', To(Fraction)), (b'e', To(E)), (b'E', To(E)),
        (b',', To(NextName)), (b'}', To(Complete)), (b']', To(Complete)),
    ], Ends),
    (Exponent, &[
        (b'0', To(Exponent)), (b'1', To(Exponent)),
        (b',', To(NextName)), (b'}', To(Complete)), (b']', To(Complete)),
    ], Ends),
    (Colon, &[(b':', To(Value))], Ends),
    (NameOrClose, &[(b'}', To(Complete))], GoesOn),
    (NextName, &[(b'"', Text(Colon))], Ends),
    (ValueOrClose, &[(b']', To(Complete))], GoesOn),
    (Value, &[
        (b'"', Text(Complete)), (b'{', To(NameOrClose)), (b'[', To(ValueOrClose)),
        (b'1', To(Integer)), (b'0', To(Zero)), (b'-', To(AfterMinus)),
        (b't', To(T)), (b'f', To(F)), (b'n', To(N)),
    ], Ends),
    (AfterPoint, &[(b'0', To(Fraction)), (b'1', To(Fraction))], Ends),
    (E, &[(b'+', To(ESign)), (b'-', To(ESign))], GoesOn),
    (ESign, &[(b'0', To(Exponent)), (b'1', To(Exponent))], Ends),
    (AfterMinus, &[(b'0', To(Zero)), (b'1', To(Integer))], Ends),
    (T, &[(b'r', To(Tr))], Ends),
    (Tr, &[(b'u', To(Tru))], Ends),
    (Tru, &[(b'e', To(Complete))], Ends),
    (F, &[(b'a', To(Fa))], Ends),
    (Fa, &[(b'l', To(Fal))], Ends),
    (Fal, &[(b's', To(Fals))], Ends),
    (Fals, &[(b'e', To(Complete))], Ends),
    (N, &[(b'u', To(Nu))], Ends),
    (Nu, &[(b'l', To(Nul))], Ends),
    (Nul, &[(b'l', To(Complete))], Ends),
    (Escaped, &[
        (b'"', Byte(b'"')), (b'\\', Byte(b'\\')), (b'n', Byte(b'\n')), (b'/', Byte(b'/')),
        (b'r', Byte(b'\r')), (b't', Byte(b'\t')), (b'b', Byte(0x08)), (b'f', Byte(0x0c)),
    ], Ends),
    (Space, &[(b' ', Nowhere), (b'\n', Nowhere), (b'\r', Nowhere), (b'\t', Nowhere)], Ends),
];

// The offsets that the code names.
// size: json-offsets
pub(crate) const COMPLETE: u32 = offset(Complete);
pub(crate) const NEXT_NAME: u32 = offset(NextName);
pub(crate) const VALUE: u32 = offset(Value);
pub(crate) const ESCAPED: u32 = offset(Escaped);
pub(crate) const SPACE: u32 = offset(Space);

/// Up to here a state has a complete value behind it, which a number may go on.
pub(crate) const LAST_COMPLETE: u32 = offset(Exponent);
/// Up to here white space may be before each of a state's steps; further on are those in the middle of
/// a number or a word.
pub(crate) const LAST_SPACED: u32 = offset(Value);

/// Added to the state behind a string while the string lasts. It is odd, and no offset is; with it
/// added, each is behind `LAST_SPACED`.
pub(crate) const IN_STRING: u32 = 39;
const _: () = assert!(IN_STRING % 2 == 1 && COMPLETE + IN_STRING > LAST_SPACED);

/// Where white space leads to: to no other state. No offset is odd, and none of a string's is that small.
pub(crate) const NOWHERE: u32 = 1;

/// Set in what a state's last step leads to.
pub(crate) const LAST: u8 = 0x80;

/// Whether a string lasts; see [`IN_STRING`].
pub(crate) const fn in_string(state: u32) -> bool {
    state & 1 != 0
}

/// Where a state's steps begin in [`STEPS`], in bytes.
const fn offset(state: State) -> u32 {
    let (mut steps, mut before) = (0, 0);
    while before < state as usize {
        steps += GRAMMAR[before].1.len();
        before += 1;
    }
    2 * steps as u32
}

// size: json-grammar
/// The table: each step is two bytes, the one that it takes and what that leads to. Any number of 7 bits
/// is the offset of one, which needs no check.
pub(crate) static STEPS: [u8; 128] = {
    let mut table = [0; 128];
    let (mut at, mut state) = (0, 0);
    while state < GRAMMAR.len() {
        let (name, steps, last) = GRAMMAR[state];
        assert!(
            name as usize == state,
            "the grammar is in the order of the states"
        );
        let mut step = 0;
        while step < steps.len() {
            let (byte, next) = steps[step];
            let next = match next {
                To(state) => offset(state),
                Text(behind) => offset(behind) + IN_STRING,
                Byte(byte) => byte as u32,
                Nowhere => NOWHERE,
            };
            assert!(next < LAST as u32, "what a step leads to has 7 bits");
            table[at] = byte;
            table[at + 1] = next as u8;
            at += 2;
            step += 1;
        }
        if matches!(last, Ends) {
            table[at - 1] |= LAST;
        }
        state += 1;
    }
    // Nothing leads to the rest, which has an end all the same.
    assert!(at == table.len() - 2);
    table[at + 1] = LAST;
    table
};
