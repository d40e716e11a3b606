//! `If-None-Match`: against the tags that the list was built from, by the rules of RFC 9110.
#![no_main]

use flaron_sdk::request;
use flaron_sdk::testing::Host;
use libfuzzer_sys::fuzz_target;

/// What separates two tags of a list: elements may be empty.
const BETWEEN: [&str; 6] = [",", ", ", " ,\t", ",,", ", ,", "  , "];

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    // Half of them use only a few characters, so that they are often parts of each other.
    let few = b"a,W/ab";
    let tags: Vec<String> = rest
        .split(|byte| *byte == 0xff)
        .map(|tag| {
            let char = |byte: &u8| match how & 1 {
                0 => few[usize::from(*byte) % few.len()],
                _ => *byte,
            };
            let tag: Vec<u8> = tag.iter().map(char).filter(|byte| is_etagc(*byte)).collect();
            String::from_utf8_lossy(&tag).into_owned()
        })
        .collect();
    // The first one is searched for in a list of the others, or of all.
    let (wanted, others) = tags.split_first().unwrap();
    let listed = if how & 2 == 0 { others } else { &tags };
    let mut list = if how & 4 == 0 { String::new() } else { ", ".to_owned() };
    for (i, tag) in listed.iter().enumerate() {
        let between = if i == 0 { "" } else { BETWEEN[(i + usize::from(*how >> 4)) % 6] };
        let weak = if (usize::from(*how >> 3) + i) % 2 == 0 { "" } else { "W/" };
        list += &format!("{between}{weak}\"{tag}\"");
    }
    let host = Host::new();
    host.returns("req_header_get", &list);
    // According to the documentation, a tag is more than what may separate two others.
    if wanted.replace("W/", "").chars().all(|char| char == ',') && listed.len() > 1 {
        return;
    }
    let expected = listed.contains(wanted);
    assert_eq!(request::matches_etag(&format!("\"{wanted}\"")), expected, "{wanted:?} in {list:?}");
    assert_eq!(request::matches_etag(&format!("W/\"{wanted}\"")), expected, "{wanted:?} in {list:?}");

    host.returns("req_header_get", "*");
    assert!(request::matches_etag(&format!("\"{wanted}\"")));
    // Whatever the client sends, a tag that it does not contain is not found.
    host.returns("req_header_get", rest);
    let quoted = format!("\"{wanted}\"");
    if request::matches_etag(&quoted) {
        assert!(rest == b"*" || rest.windows(quoted.len()).any(|part| part == quoted.as_bytes()));
    }
});

/// Whether a tag may contain it (RFC 9110, section 8.8.3).
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}
