//! What is said to other nodes, and what is believed of what they say.

use std::collections::BTreeMap;

use super::*;
use crate::capability::plasma::crdt::{Fact, KeyState, Stamp};
use crate::capability::plasma::wire;

#[test]
fn values_of_all_sizes_go_through_the_wire() {
    let id = ("site \"with\"\n anything/".to_owned(), "key".to_owned());
    let stamp = Stamp {
        time: 77 << 16,
        actor: "a~1".into(),
    };
    for size in [
        0,
        1,
        INLINE_BYTES,
        INLINE_BYTES + 1,
        64 * 1024,
        3 * INLINE_BYTES,
    ] {
        let value: Arc<[u8]> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        let key = KeyState {
            base: stamp.clone(),
            value: Some(value.clone()),
            sums: BTreeMap::new(),
        };
        let entries = wire::encode(&id, &key, |_| true);
        assert!(entries.iter().all(|(_, text)| text.len() < 40_000));
        let map: BTreeMap<_, _> = entries.iter().cloned().collect();
        let (name, _) = entries.last().unwrap();
        let get = |n: &str| map.get(n).map(String::as_str);
        let fact = wire::decode(name, get).unwrap();
        assert_eq!(
            fact,
            Fact::Base {
                id: id.clone(),
                stamp: stamp.clone(),
                value: Some(value)
            }
        );
        for (missing, _) in &entries {
            assert_eq!(wire::head(missing).as_deref(), Some(name.as_str()));
            let fact = wire::decode(name, |n| if n == missing { None } else { get(n) });
            assert_eq!(fact, None, "without {missing}");
        }
    }
}

#[test]
fn pieces_of_two_values_are_not_put_together() {
    let id = (SITE.to_owned(), "k".to_owned());
    let written = |time, byte| {
        let key = KeyState {
            base: Stamp {
                time,
                actor: "a~1".into(),
            },
            value: Some(vec![byte; 2 * INLINE_BYTES].into()),
            sums: BTreeMap::new(),
        };
        wire::encode(&id, &key, |_| true)
    };
    let (old, new) = (written(1, b'o'), written(2, b'n'));
    let mut entries: BTreeMap<_, _> = old.iter().cloned().collect();
    let head = &old.last().unwrap().0;
    // The new value's entries come one after the other; until the last has come there is no value.
    for (name, text) in &new {
        let fact = wire::decode(head, |n| entries.get(n).map(String::as_str));
        assert_eq!(
            fact.is_some(),
            entries[&old[0].0] == old[0].1,
            "before {name}"
        );
        entries.insert(name.clone(), text.clone());
    }
    let fact = wire::decode(head, |n| entries.get(n).map(String::as_str)).unwrap();
    let Fact::Base { value, .. } = fact else {
        panic!("{fact:?}")
    };
    assert_eq!(&*value.unwrap(), [b'n'; 2 * INLINE_BYTES]);
}

#[test]
fn what_other_nodes_say_is_checked() {
    let get = |text: &'static str| move |_: &str| Some(text);
    for text in [
        "",
        "{}",
        r#"{"site":"s","key":"bad key","stamp":{"time":1,"actor":"a"}}"#,
        r#"{"site":"s","key":"k","stamp":{"time":18446744073709551615,"actor":"a"}}"#,
        r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"},"value":"!"}"#,
        r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"},"pieces":4000000000}"#,
    ] {
        assert_eq!(wire::decode("b00", get(text)), None, "{text}");
    }
    assert_eq!(wire::decode("s00", get(r#"{"site":"s","key":"k"}"#)), None);
    for name in ["", "actor", "x1", "v1", "\u{1f980}"] {
        assert_eq!(wire::head(name), None, "{name}");
    }
    let good = r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"}}"#;
    assert!(wire::decode("b00", get(good)).is_some());
}
