//! The hexadecimal decoder, through `crypto::random_bytes`.
#![no_main]

use flaron_sdk::testing::Host;
use flaron_sdk::{ARENA_BYTES, RandomBytesError, crypto};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Half of the inputs are mapped to nearly hexadecimal characters.
    let text: Vec<u8> = if data.first().is_some_and(|byte| byte & 1 == 0) {
        let digits = b"0123456789abcdefABCDEFgG:/`@";
        data.iter().map(|byte| digits[usize::from(byte >> 1) % digits.len()]).collect()
    } else {
        data.to_vec()
    };
    let digits: Option<Vec<u8>> = text
        .iter()
        .map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    let expected = digits.filter(|digits| digits.len() % 2 == 0).map(|digits| {
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>()
    });

    let host = Host::new();
    host.returns("crypto_random_bytes", &text);
    match crypto::random_bytes(data.len() as u32) {
        Ok(bytes) => {
            assert_eq!(Some(&bytes[..]), expected.as_deref());
            // Exactly what was cut off is free again.
            host.returns("crypto_random_bytes", "5a5a5a5a5a5a5a5a");
            let _second = crypto::random_bytes(8);
            assert_eq!(Some(&bytes[..]), expected.as_deref());
        }
        Err(RandomBytesError::BadHex) => assert_eq!(expected, None),
        Err(error) => {
            assert_eq!(error, RandomBytesError::ArenaFull);
            assert!(text.len() > ARENA_BYTES);
        }
    }
    let all = flaron_sdk::guest_alloc(ARENA_BYTES as i32);
    assert_ne!(all, 0, "everything is free again");
    flaron_sdk::reset_arena();
});
