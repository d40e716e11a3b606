use super::*;
use crate::arena::tests::leased;
use crate::testing::arena_is_free;
use std::format;
use std::vec::Vec;

fn keys(json: &str) -> Keys {
    Keys::new(leased(json.as_bytes()))
}

#[test]
fn keys_are_read_out_of_json() {
    for (json, expected) in [
        ("[]", &[][..]),
        (" [ ] ", &[]),
        (r#"["a"]"#, &["a"]),
        ("\t[ \"a\" ,\r\n\"b\" ] ", &["a", "b"]),
        (r#"["","\"\\\/\b\f\n\r\t"]"#, &["", "\"\\/\x08\x0c\n\r\t"]),
        (
            r#"["\u00e9\ud83d\ude00","é"]"#,
            &["\u{e9}\u{1f600}", "\u{e9}"],
        ),
        // What is not JSON has some keys, or none.
        ("", &[]),
        (r#"["a" "b"]"#, &["a"]),
        (r#"["a",,"b"]"#, &["a"]),
        (r#"["a",]"#, &["a"]),
        (r#"["a","b"#, &[]),
        (r#"["a"],"#, &["a"]),
        (r#"["a"#, &[]),
        ("[\"a\",\"\n\"]", &["a", "\n"]),
        ("[", &[]),
        // At anything but a string they end.
        ("null", &[]),
        (r#""a""#, &[]),
        (r#"{"a":"b"}"#, &[]),
        (r#"[["a"],"b"]"#, &[]),
        (r#"["a",1,"b"]"#, &["a"]),
        (r#"["a",["b"]]"#, &["a"]),
        (r#"["a",{"b":"c"},"d"]"#, &["a"]),
    ] {
        let mut keys = keys(json);
        let found: Vec<Key> = keys.by_ref().collect();
        assert_eq!(found, expected, "{json}");
        assert!(keys.next().is_none(), "once it has ended it stays so");
        drop((found, keys));
        assert!(arena_is_free(), "{json}");
    }
}

#[test]
fn keys_that_are_not_utf8_end_the_list() {
    // A byte that stands for the end of a string ends one: what comes of it is text all the same.
    let mut keys = Keys::new(leased(b"[\"a\",\"\xff\",\"b\"]"));
    assert_eq!(keys.next().unwrap(), "a");
    assert!(keys.all(|key| core::str::from_utf8(key.as_bytes()).is_ok()));
    let mut keys = Keys::new(leased(b"[\"a\",\"\xc3\",\"b\"]"));
    assert_eq!(keys.next().unwrap(), "a");
    assert!(keys.next().is_none() && keys.next().is_none());
}

#[test]
fn a_key_outlives_the_list_and_the_list_its_keys() {
    let mut list = keys(r#"["one","two","three"]"#);
    let one = list.next().unwrap();
    drop(list.next());
    let three = list.next().unwrap();
    drop(list);
    drop(leased(&[1; 1000]));
    let other = leased(&[2; 64]);
    assert_eq!((&*one, &*three), ("one", "three"));
    drop(one);
    assert_eq!(three, "three");
    drop(three);
    assert_eq!(other, [2; 64]);
    drop(other);
    assert!(arena_is_free());
}

#[test]
fn a_key_shows_its_text() {
    let key = keys(r#"["a\n"]"#).next().unwrap();
    assert_eq!(format!("{key} {key:?}"), "a\n \"a\\n\"");
    assert_eq!(
        (AsRef::<str>::as_ref(&key), AsRef::<[u8]>::as_ref(&key)),
        ("a\n", &b"a\n"[..])
    );
    assert!(key == "a\n" && key != "a");
}

#[test]
fn a_list_can_be_asked_and_shown_without_being_read() {
    let mut keys = keys(r#"["a","b","c"]"#);
    assert_eq!((keys.len(), keys.is_empty()), (3, false));
    assert!(keys.contains("b") && keys.contains(&std::string::String::from("c")));
    assert!(!keys.contains("d"));
    assert_eq!(format!("{keys:?}"), r#"["a", "b", "c"]"#);

    // What has been read is no longer left; a copy goes its own way and may outlive the list.
    let first = keys.next().unwrap();
    let mut rest = keys.clone();
    assert!(keys.len() == 2 && !keys.contains("a"));
    drop(keys);
    assert_eq!(rest.next().as_deref(), Some("b"));
    let copy = first.clone();
    drop(first);
    assert_eq!(copy, "a");
    assert!(!arena_is_free());
    drop((rest, copy));
    assert!(arena_is_free());
}

#[test]
fn they_are_joined() {
    let mut list = keys(r#"["a","","\u00e9"]"#);
    assert_eq!(list.join(", "), "a, , \u{e9}");
    let first = list.next().unwrap();
    assert_eq!(list.join(""), "\u{e9}");
    assert_eq!(keys("[]").join(","), "");
    assert_eq!(list.iter().count(), 2);
    assert!((&list).into_iter().eq(list.iter()));
    assert!(Keys::default().is_empty() && Key::default().is_empty());
    assert_eq!(first, "a");
    drop((list, first));
    assert!(arena_is_free());
}
