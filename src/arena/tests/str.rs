//! Leases as text.

use proptest::prelude::*;

use crate::arena::tests::*;

#[test]
fn invalid_utf8_is_repaired_where_it_lies() {
    for bytes in [
        &b""[..],
        b"plain",
        "\u{e9}\u{20ac}\u{1f600}".as_bytes(),
        b"\xff",
        b"a\xffb\xfe",
        b"\x80\xbf",
        b"\xc0\x80", // too long
        b"\xc1\xbf",
        b"\xc3", // cut off
        b"\xe2\x82",
        b"\xe2\x82A",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80", // a surrogate
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80", // beyond U+10FFFF
        b"\xf5\x80\x80\x80",
        b"\xc3\xa9\xc3\xc3\xa9",
    ] {
        let text = leased(bytes).into_text();
        assert_eq!(text.raw(), bytes);
        assert_eq!(text.as_str(), repaired(bytes));
        assert_eq!(
            &*text,
            repaired(bytes),
            "a second look finds nothing to repair"
        );
        assert_eq!(text.into_bytes(), repaired(bytes).as_bytes());
    }
    assert!(arena_is_free());
}

#[test]
fn text_compares_its_bytes_as_they_are() {
    let text = leased(b"a\xff").into_text();
    assert!(text != "a?");
    assert_eq!(&*text, "a?");
    assert!(text == "a?");
    // Compared with itself it is read as text first.
    let other = leased(b"b\xff").into_text();
    assert!(other == other.as_str() && text != other);
    // The deref of the one must not change what the other has been read as meanwhile.
    let itself = leased(b"c\xff").into_text();
    assert!(itself == itself);
    assert_eq!(itself.raw(), b"c?");
}

#[test]
fn leases_show_what_they_hold() {
    let bytes = leased(b"a\n");
    assert_eq!(format!("{bytes:?}"), "[97, 10]");
    assert_eq!(AsRef::<[u8]>::as_ref(&bytes), b"a\n");
    let text = bytes.into_text();
    assert_eq!(format!("{text} {text:?}"), "a\n \"a\\n\"");
    assert_eq!(
        (AsRef::<str>::as_ref(&text), AsRef::<[u8]>::as_ref(&text)),
        ("a\n", &b"a\n"[..])
    );
    let built = text::build(("b\n", 1_u8)).unwrap();
    assert_eq!(format!("{built:?}"), "\"b\\n1\"");
    assert_eq!(AsRef::<[u8]>::as_ref(&built), b"b\n1");
    let bytes = text::build(&b"\xff"[..]).unwrap();
    assert_eq!(
        (format!("{bytes:?}"), bytes.as_str()),
        ("[255]".to_string(), None)
    );
    assert_eq!(
        (built.as_str(), built == "b\n1", built == bytes),
        (Some("b\n1"), true, false)
    );
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_bytes_read_as_text(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), Just(0xc3), Just(0xa9), Just(0xf0), Just(0x9f), Just(0xed)], 0..40
    )) {
        let text = leased(&bytes).into_text();
        prop_assert_eq!(&*text, repaired(&bytes));
        prop_assert_eq!(text::from_utf8(&bytes), core::str::from_utf8(&bytes).ok());
    }
}

#[test]
fn text_and_bytes_are_ordered_hashed_and_joined_as_what_they_are() {
    use std::borrow::Borrow;
    use std::collections::{BTreeMap, HashMap};

    let text = |text: &str| leased(text.as_bytes()).into_text();
    assert!(text("a") < text("b") && leased(b"b") > leased(b"a"));
    assert!("a" == text("a") && *"a" == text("a") && "b" != text("a"));
    let bytes: &[u8] = b"a";
    assert!(*bytes == leased(b"a") && bytes == leased(b"a"));
    assert_eq!(text("a").cmp(&text("a")), std::cmp::Ordering::Equal);

    let counts = HashMap::from([(text("x"), 1), (text("y"), 2)]);
    assert_eq!(counts.get("y"), Some(&2));
    let sorted = BTreeMap::from([(leased(b"x"), 1)]);
    assert_eq!(sorted.get(&b"x"[..]), Some(&1));
    assert_eq!([text("a"), text("b")].join("-"), "a-b");
    let borrowed: &str = counts.keys().next().unwrap().borrow();
    assert_eq!(borrowed.len(), 1);

    assert!(crate::arena::ArenaStr::default().is_empty());
    drop((counts, sorted));
    assert!(arena_is_free());
}
