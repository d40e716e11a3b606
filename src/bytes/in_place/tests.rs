//! Text rewritten where it lies.

use super::*;

const STOPS: [u8; 2] = *b"\"\\";

#[test]
fn the_first_stop_is_found_wherever_it_is() {
    let bytes = b"\"\\#!\xa2][\0\x01\x80\xdc\xffa";
    // Miri takes minutes for all of them, and has nothing to find in them.
    let bytes = &bytes[..if cfg!(miri) { 5 } else { bytes.len() }];
    for &a in bytes {
        for &b in bytes {
            for &c in bytes {
                for &d in bytes {
                    let word = [a, b, c, d];
                    let found = word.iter().position(|byte| STOPS.contains(byte));
                    let stop = find_in_word(u32::from_ne_bytes(word), STOPS);
                    assert_eq!(stop, found.unwrap_or(4), "{word:?}");
                }
            }
        }
    }
}

/// Reads a byte, which there is.
fn next<'a>(text: InPlace<'a>, expected: u8) -> WithRoom<'a> {
    let (byte, text) = text.next().unwrap();
    assert_eq!(byte, expected);
    text
}

#[test]
fn a_run_is_moved_to_where_the_text_has_got_to() {
    for skipped in 0..6 {
        for len in skipped..20 {
            let mut bytes = std::vec![b'x'; len];
            bytes.extend(b"\\yz\"abc");
            let start = bytes.as_ptr().addr();
            let mut text = InPlace::new(&mut bytes);
            for _ in 0..skipped {
                text = next(text, b'x').skip();
            }
            text.keep_until(STOPS);
            text.write_kept();
            text = next(text, b'\\').skip();
            assert_eq!(text.written_to() - start, len - skipped);
            text = next(text, b'y').keep(b'!').unwrap().skip();
            text.keep_until(STOPS);
            text.write_kept();
            text = next(text, b'"').write(b'.');
            text.keep_until(STOPS);
            text.write_kept();
            let written = text.written_to() - start;
            // Of the last three bytes some may be left.
            let mut rest = std::vec::Vec::new();
            while let Some((byte, behind)) = text.next() {
                rest.push(byte);
                text = behind.skip();
            }
            assert!(b"abc".ends_with(&rest), "{rest:?}");
            let expected = "x".repeat(len - skipped) + "!z.abc";
            let left = expected.len() - rest.len();
            assert_eq!(bytes[..written], expected.as_bytes()[..left]);
        }
    }
}

#[test]
fn what_is_looked_at_is_read_if_something_comes_of_it() {
    let mut bytes = *b"abcdef";
    let text = next(InPlace::new(&mut bytes), b'a');
    let (none, text) = text.read_if(|ahead| ahead.take(9).last().filter(|last| *last != b'f'));
    assert_eq!(none, None);
    let (two, text) = text.read_if(|ahead| Some([ahead.next()?, ahead.next()?]));
    assert_eq!(two, Some(*b"bc"));
    let text = next(text.write(b'!'), b'd').write(b'?');
    let (more, text) = next(text, b'e').read_if(|ahead| ahead.nth(1));
    assert_eq!(more, None);
    let text = next(text.write(b'.'), b'f').skip();
    let rest = text.next_or_rest().err().unwrap();
    assert_eq!(rest, b"def");
    rest.fill(b'-');
    assert_eq!(&bytes, b"!?.---");
    assert!(
        InPlace::new(&mut [])
            .next_or_rest()
            .is_err_and(|rest| rest.is_empty())
    );
}

#[test]
fn what_is_written_never_overtakes_what_is_read() {
    let mut bytes = *b"abcd";
    // There is room for one byte, and so it stays, whatever is kept.
    assert!(next(InPlace::new(&mut bytes), b'a').keep(1).is_none());
    let mut bytes = *b"abcd";
    let start = bytes.as_ptr().addr();
    let mut text = next(InPlace::new(&mut bytes), b'a').write(2);
    text = next(text, b'b').skip();
    let with_room = next(text, b'c').keep(3).unwrap();
    text = with_room.write(4);
    text.write_kept();
    assert_eq!(text.written_to() - start, 3);
    text = next(text, b'd').write(5);
    assert_eq!(text.written_to() - start, 4);
    assert!(text.next().is_none());
    assert_eq!(bytes, [2, 4, 3, 5]);
}
