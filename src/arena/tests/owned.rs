//! Leases and what owns its text or bytes.

#![allow(
    clippy::nonminimal_bool,
    clippy::op_ref,
    clippy::cmp_owned,
    clippy::unnecessary_to_owned,
    reason = "what can be compared with what is what is tested"
)]

use std::borrow::Cow;
use std::boxed::Box;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::string::String;
use std::sync::Arc;

use crate::arena::tests::*;

fn text(text: &str) -> ArenaStr {
    leased(text.as_bytes()).into_text()
}

#[test]
fn texts_become_what_owns_them() {
    assert_eq!(String::from(text("a")), "a");
    assert_eq!(String::from(&text("a")), "a");
    assert_eq!(Vec::<u8>::from(text("a")), b"a");
    assert_eq!(*Box::<str>::from(text("a")), *"a");
    assert_eq!(*Rc::<str>::from(text("a")), *"a");
    assert_eq!(*Arc::<str>::from(&text("a")), *"a");
    let owned: Cow<str> = text("a").into();
    assert!(matches!(owned, Cow::Owned(owned) if owned == "a"));
    let lease = text("a");
    assert!(matches!((&lease).into(), Cow::Borrowed("a")));
    let mut joined: String = [text("a"), text("b")].into_iter().collect();
    joined.extend([text("c")]);
    joined += &text("d");
    assert_eq!(joined, "abcd");
    // What is no text is repaired, as wherever it is read as text.
    assert_eq!(String::from(leased(b"a\xff").into_text()), "a?");
    drop(lease);
    assert!(arena_is_free());
}

#[test]
fn bytes_become_what_owns_them() {
    assert_eq!(Vec::from(leased(b"\xff")), b"\xff");
    assert_eq!(Vec::from(&leased(b"\xff")), b"\xff");
    assert_eq!(*Box::<[u8]>::from(leased(b"a")), *b"a");
    let owned: Cow<[u8]> = leased(b"a").into();
    assert!(matches!(owned, Cow::Owned(owned) if owned == b"a"));
    let lease = leased(b"a");
    assert!(matches!((&lease).into(), Cow::Borrowed(b"a")));
    let all: Vec<u8> = lease.into_iter().chain(leased(b"b")).collect();
    assert_eq!(all, b"ab");
    assert!(arena_is_free());
}

#[test]
fn they_compare_in_both_directions() {
    let (lease, owned) = (text("a"), String::from("a"));
    assert!(lease == owned && owned == lease && *"a" == lease && "a" == lease);
    assert!(lease == *"a" && lease == "a" && lease == &owned && lease == text("a"));
    assert!(Cow::Borrowed("a") == lease && lease == Cow::Borrowed("a"));
    assert!(Box::<str>::from("a") == lease && lease == Box::<str>::from("a"));
    assert!(owned != text("b") && text("b") != owned);
    assert!(Some(text("a")) == Some(text("a")) && Some(text("a")).as_deref() == Some("a"));

    let (lease, owned) = (leased(b"a"), vec![b'a']);
    assert!(lease == owned && owned == lease && lease == *b"a" && lease == b"a"[..]);
    assert!(b"a"[..] == lease && &b"a"[..] == lease && *b"a" == lease && lease == leased(b"a"));
}

#[test]
fn they_are_keys_of_maps_and_sets() {
    let map: HashMap<ArenaStr, u8> = HashMap::from([(text("a"), 1)]);
    assert_eq!(map.get("a"), Some(&1));
    let set: BTreeSet<ArenaStr> = [text("b"), text("a")].into();
    assert!(set.contains("b") && set.first().unwrap() == "a");
    let set: HashSet<ArenaBytes> = [leased(b"a")].into();
    assert!(set.contains(&b"a"[..]));
}
