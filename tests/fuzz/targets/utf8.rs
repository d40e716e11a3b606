//! The UTF-8 check against `core`'s, and the repair of invalid text from a host.
#![no_main]

use flaron_sdk::testing::Host;
use flaron_sdk::{ARENA_BYTES, request, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_eq!(text::from_utf8(data), std::str::from_utf8(data).ok());

    let host = Host::new();
    host.returns("req_url", data);
    let Ok(url) = request::try_url() else {
        assert!(data.len() > ARENA_BYTES);
        return;
    };
    let repaired: &str = &url;
    // The result is UTF-8, has the same length, is unchanged where the input was UTF-8, and has `?` elsewhere.
    assert_eq!(std::str::from_utf8(repaired.as_bytes()), Ok(repaired));
    let mut expected = Vec::new();
    for chunk in data.utf8_chunks() {
        expected.extend(chunk.valid().bytes());
        expected.extend(chunk.invalid().iter().map(|_| b'?'));
    }
    assert_eq!(repaired.as_bytes(), expected);
    // Repairing it again changes nothing.
    assert_eq!(url.as_str(), repaired);
    assert_eq!(url.as_str().as_ptr(), repaired.as_ptr());
});
