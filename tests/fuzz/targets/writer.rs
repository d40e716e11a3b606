//! The JSON writer, into the arena's scratch and into buffers of any size: `serde_json` reads what was
//! written, and what does not fit is an error that changes nothing.
#![no_main]

use flaron_sdk::text::{self, Hex, TextBuf};
use flaron_sdk::{ARENA_BYTES, json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let [size, rest @ ..] = data else { return };
    let strings: Vec<_> = rest
        .split(|byte| *byte == 0xff)
        .map(String::from_utf8_lossy)
        .collect();
    let strings: Vec<&str> = strings.iter().map(|text| &**text).collect();
    let pairs: Vec<_> = strings.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let first = strings[0];
    let number = rest.iter().fold(0_u64, |sum, byte| sum << 7 ^ u64::from(*byte));
    let signed = number as i64;

    let pieces = || {
        (
            ("[", json::Str(first), ",", json::Array(&strings), ","),
            (json::Object(&pairs), ",", number, ",", signed),
            (",\"", Hex(number), "\",", signed as i8, ",", number as u16, "]"),
        )
    };
    let built = match text::build(pieces()) {
        Ok(built) => built,
        Err(_) => {
            // Each byte takes at most six, and each string is written up to three times.
            assert!(rest.len() * 3 * 6 + 512 > ARENA_BYTES);
            return;
        }
    };

    let read: Value = serde_json::from_slice(&built).expect("what is written is JSON");
    assert_eq!(read[0], first);
    assert_eq!(read[1], Value::from(strings.clone()));
    // If a name occurs more than once, `serde_json` uses the last.
    let object = read[2].as_object().unwrap();
    for (name, value) in pairs.iter().copied().collect::<std::collections::BTreeMap<_, _>>() {
        assert_eq!(object[name], value);
    }
    assert!(object.len() <= pairs.len());
    assert_eq!((read[3].as_u64(), read[4].as_i64()), (Some(number), Some(signed)));
    assert_eq!(read[5], format!("{number:x}"));
    assert_eq!((&read[6], &read[7]), (&(signed as i8).into(), &(number as u16).into()));

    // The SDK reads it, too.
    let mut copy = built.to_vec();
    let root = json::parse(&mut copy).unwrap();
    assert!(root.elements().next().unwrap() == *first);

    // The same into a buffer, after something else; or nothing at all.
    let mut buffer = vec![0xaa; usize::from(*size) * 8];
    let mut buf = TextBuf::new(&mut buffer);
    let _ = buf.push("before");
    let before = buf.as_bytes().to_vec();
    let fits = before.len() + built.len() <= usize::from(*size) * 8;
    assert_eq!(buf.push(pieces()).is_ok(), fits);
    assert!(buf.as_bytes().starts_with(&before));
    assert_eq!(&buf.as_bytes()[before.len()..], if fits { &built[..] } else { b"" });
});
