//! Pieces, numbers and buffers.

use super::*;
use crate::arena::ArenaFull;
use crate::bytes::number::parse_u64;
use crate::testing::{arena_is_free, assert_error, leave_free};
use core::fmt::Write;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};

fn built(pieces: impl Pieces) -> String {
    String::from_utf8(build(pieces).unwrap().to_vec()).unwrap()
}

#[test]
fn numbers_are_decimal() {
    assert_eq!(
        built((0_u8, " ", u8::MAX, " ", 0_i8, " ", i8::MIN)),
        "0 255 0 -128"
    );
    assert_eq!(
        built((u16::MAX, " ", i16::MIN, " ", i16::MAX)),
        "65535 -32768 32767"
    );
    assert_eq!(built((u32::MAX, " ", i32::MIN)), "4294967295 -2147483648");
    assert_eq!(
        built((u64::MAX, " ", i64::MIN)),
        "18446744073709551615 -9223372036854775808"
    );
    assert_eq!(
        built((usize::MAX, " ", isize::MIN)),
        format!("{} {}", usize::MAX, isize::MIN)
    );
    assert_eq!(
        built((Hex(0), " ", Hex(0xa9), " ", Hex(u64::MAX))),
        "0 a9 ffffffffffffffff"
    );
}

#[test]
fn pieces_come_one_after_the_other() {
    assert_eq!(built(()), "");
    assert_eq!(built(("a",)), "a");
    assert_eq!(
        built(("a", &b"b"[..], b"c", 3_u8, Some("e"), None::<&str>)),
        "abc3e"
    );
    assert_eq!(
        built((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8)),
        "12345678"
    );
    assert_eq!(
        built((("a", ("b", "c")), ((), "d"), "e", "f", "g", "h", "i")),
        "abcdefghi"
    );
    assert!(arena_is_free());
}

#[test]
fn a_text_that_does_not_fit_is_an_error_wherever_it_ends() {
    let _full = leave_free(8);
    assert_eq!(build(("1234", "56789")), Err(ArenaFull));
    assert_eq!(build(("123456789", "")), Err(ArenaFull));
    assert_eq!(build(("", "123456789", 1_u8)), Err(ArenaFull));
    assert_eq!(
        build((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 89_u8)),
        Err(ArenaFull)
    );
    assert_eq!(build((u64::MAX, "")), Err(ArenaFull));
    assert_eq!(built(("1234", "5678")), "12345678");
}

#[test]
fn a_number_wants_room_for_the_longest_of_its_size() {
    let full = leave_free(24);
    assert_eq!(built((u64::MAX, "abc")), "18446744073709551615abc");
    assert_eq!(build((u64::MAX, "abcd")), Err(ArenaFull));
    assert_eq!(built(("abcd", u64::MAX)), "abcd18446744073709551615");
    assert_eq!(build(("abcde", u64::MAX)), Err(ArenaFull));
    assert_eq!(build((7_u64, "abcd")), Err(ArenaFull));
    drop(full);
    let _full = leave_free(16);
    assert_eq!(built((i32::MIN, "abcde")), "-2147483648abcde");
    assert_eq!(build((7_u32, "abcdef")), Err(ArenaFull));
    assert_eq!(build(i64::MIN), Err(ArenaFull));
    assert_eq!(built(("abcde", i32::MIN)), "abcde-2147483648");
}

#[test]
fn a_buffer_takes_pieces_whole_or_not_at_all() {
    let mut buffer = [0; 8];
    let mut text = TextBuf::new(&mut buffer);
    assert_eq!(text.as_bytes(), b"");
    assert_eq!(text.push(("a", 12_u8)), Ok(()));
    assert_eq!(text.push("123456"), Err(TextFull));
    assert_eq!(text.as_str(), Some("a12"));
    assert_eq!(text.push(("b", (), b"\xc3")), Ok(()));
    assert_eq!((text.as_bytes(), text.as_str()), (&b"a12b\xc3"[..], None));
    assert_eq!(text.push(("x", "yz")), Ok(()));
    assert_eq!(text.push(()), Ok(()));
    assert_eq!(text.push(0_u8), Err(TextFull));
    assert_eq!(text.as_bytes(), b"a12b\xc3xyz");
    assert_error(TextFull, "the text does not fit into its buffer");
}

#[test]
fn a_buffer_can_be_written_to() {
    let mut buffer = [0; 8];
    let mut text = TextBuf::new(&mut buffer);
    write!(text, "{}-{:02x}", 7, 10).unwrap();
    assert_eq!(text.as_str(), Some("7-0a"));
    assert!(write!(text, "12345").is_err());
    assert_eq!(text.as_str(), Some("7-0a"));
    let mut text = TextBuf::new(&mut []);
    assert_eq!((text.push(()), text.push("a")), (Ok(()), Err(TextFull)));
}

/// A piece that may be missing is written as what it may be: one that asks nobody needs no place in the arena.
#[test]
fn an_optional_piece_goes_straight_to_its_buffer() {
    let _full = leave_free(0);
    let mut buffer = [0; 8];
    let mut text = TextBuf::new(&mut buffer);
    text.push((Some("a"), None::<&str>, Some(7_u32))).unwrap();
    assert_eq!(text.as_bytes(), b"a7");
}

proptest! {
    #![proptest_config(crate::arena::tests::cases(1000))]

    #[test]
    fn numbers_are_written_and_read_as_rust_does(
        a in any::<u64>(), b in any::<i64>(), c in any::<u32>(), d in any::<i16>(), shift in 0..64
    ) {
        let (a, b) = (a >> shift, b >> shift);
        prop_assert_eq!(built((a, " ", b, " ", c, " ", d)), format!("{a} {b} {c} {d}"));
        prop_assert_eq!(built(Hex(a)), format!("{a:x}"));
        prop_assert_eq!(parse_u64(a.to_string().as_bytes()), Some(a));
    }
}

#[test]
fn a_buffer_shows_its_text() {
    let mut room = [0; 8];
    let mut text = TextBuf::new(&mut room);
    text.push("a\n").unwrap();
    assert_eq!(format!("{text:?}"), "\"a\\n\"");
}
