//! `Authorization`: its scheme and what follows it, and name and password, against `base64`.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flaron_sdk::request;
use flaron_sdk::testing::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    let scheme: String = "bAsIc"
        .chars()
        .zip(0..)
        .map(
            |(char, bit)| {
                if how >> bit & 1 == 0 { char.to_ascii_lowercase() } else { char.to_ascii_uppercase() }
            },
        )
        .collect();
    let header: Vec<u8> = match how >> 5 & 3 {
        0 => rest.to_vec(),
        1 => [scheme.as_bytes(), b" ", STANDARD.encode(rest).as_bytes()].concat(),
        2 => [scheme.as_bytes(), b"\t ", rest].concat(),
        _ => {
            let bytes = b"Basic basicBEARER  \t=aA+/";
            rest.iter().map(|byte| bytes[usize::from(*byte) % bytes.len()]).collect()
        }
    };
    let host = Host::new();
    host.returns("req_header_get", &header);

    // Control characters, of which a header has none but the tab, separate as spaces do.
    let at = header.iter().position(|byte| *byte <= b' ');
    let (found, behind) = header.split_at(at.unwrap_or(header.len()));
    let spaces = behind.iter().take_while(|byte| **byte <= b' ').count();
    let behind = &behind[spaces..];
    for scheme in ["Basic", "bearer", "b", ""] {
        let expected = (at.is_some() && found.eq_ignore_ascii_case(scheme.as_bytes())).then_some(behind);
        let credentials = request::credentials(scheme).map(|found| found.into_bytes());
        assert_eq!(credentials.as_deref(), expected, "{scheme}");
    }
    let expected =
        at.filter(|_| found.eq_ignore_ascii_case(b"basic")).and_then(|_| STANDARD.decode(behind).ok());
    assert_eq!(request::basic_credentials().as_deref(), expected.as_deref());
    assert_ne!(flaron_sdk::guest_alloc(flaron_sdk::ARENA_BYTES as i32), 0, "everything is free again");
    flaron_sdk::reset_arena();
});
