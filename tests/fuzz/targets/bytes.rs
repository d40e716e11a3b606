//! Numbers, splitting and trimming of bytes: against `core`.
#![no_main]

use flaron_sdk::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    // Three of four inputs are digits, near the limits or not.
    let bytes: Vec<u8> = match how & 3 {
        0 => rest.to_vec(),
        1 => rest.iter().map(|byte| b'0' + byte % 10).collect(),
        2 => {
            let limits = [u64::MAX, u64::from(u32::MAX), i64::MAX as u64, 1 << 63, u64::MAX / 10, 0];
            let number = u128::from(limits[usize::from(how >> 2) % 6]);
            let change = rest.iter().take(2).fold(0, |sum, byte| sum << 8 | u128::from(*byte));
            let number = if rest.len() % 2 == 0 { number + change } else { number.saturating_sub(change) };
            number.to_string().into_bytes()
        }
        _ => rest.iter().map(|byte| b"0019-+ ,\t"[usize::from(*byte) % 9]).collect(),
    };
    let number = std::str::from_utf8(&bytes).ok().filter(|text| !text.starts_with('+'));
    let unsigned = number.filter(|text| !text.starts_with('-'));
    assert_eq!(text::parse_u64(&bytes), unsigned.and_then(|text| text.parse().ok()));
    assert_eq!(text::parse_u32(&bytes), unsigned.and_then(|text| text.parse().ok()));
    assert_eq!(text::parse_i64(&bytes), number.and_then(|text| text.parse().ok()));
    let negative = [b"-", &bytes[..]].concat();
    let expected = unsigned.and_then(|text| format!("-{text}").parse().ok());
    assert_eq!(text::parse_i64(&negative), expected);

    let at = how >> 2;
    assert!(text::split(&bytes, at).eq(bytes.split(|byte| *byte == at)));
    let found = bytes.iter().position(|byte| *byte == at);
    assert_eq!(text::split_once(&bytes, at), found.map(|found| (&bytes[..found], &bytes[found + 1..])));
    let space = |byte: &u8| !b" \t".contains(byte);
    let (first, last) = (bytes.iter().position(space), bytes.iter().rposition(space));
    let (first, last) = (first.unwrap_or(bytes.len()), last.map_or(0, |last| last + 1));
    assert_eq!(text::trim_start(&bytes), &bytes[first..]);
    assert_eq!(text::trim_end(&bytes), &bytes[..last]);
    assert_eq!(text::trim(&bytes), bytes.get(first..last).unwrap_or_default());
    let (left, right) = bytes.split_at(bytes.len() / 2);
    assert_eq!(text::eq_ignore_case(left, right), left.to_ascii_lowercase() == right.to_ascii_lowercase());
    assert!(text::eq_ignore_case(&bytes.to_ascii_uppercase(), &bytes));
});
