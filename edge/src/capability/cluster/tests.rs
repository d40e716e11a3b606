use crate::capability::cluster::{ClusterKeys, sealed};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn keys_are_one_or_two_of_64_digits() {
    let other = KEY.replace("00", "aa");
    for good in [
        KEY.to_owned(),
        format!(" {KEY}\n"),
        format!("{KEY},{other}"),
        format!("{KEY}\n{other}\n"),
    ] {
        ClusterKeys::parse(&good).unwrap();
    }
    for bad in [
        String::new(),
        KEY[1..].to_owned(),
        KEY.replace('0', "g"),
        "00".repeat(32),
        format!("{KEY},{KEY}"),
        format!("{KEY},{other},{}", other.replace("aa", "bb")),
    ] {
        let error = ClusterKeys::parse(&bad).unwrap_err().to_string();
        assert!(error.contains("new-key"), "{error}");
        assert!(bad.is_empty() || !error.contains(&bad), "a key is not told");
    }
    assert!(!format!("{:?}", ClusterKeys::parse(KEY)).contains("0102"));
    let made = ClusterKeys::generate().unwrap();
    assert_ne!(made, ClusterKeys::generate().unwrap());
    ClusterKeys::parse(&made).unwrap();
}

#[test]
fn a_sealed_message_opens_with_its_key_purpose_and_context_alone() {
    let keys = ClusterKeys::parse(KEY).unwrap();
    let sealed = sealed::seal(&keys, "a purpose", b"context", b"message").unwrap();
    let open = |keys: &ClusterKeys, purpose, context: &[u8], sealed: &[u8]| {
        sealed::open(keys, purpose, context, sealed)
    };
    assert_eq!(
        open(&keys, "a purpose", b"context", &sealed).unwrap(),
        b"message"
    );
    assert!(open(&keys, "another", b"context", &sealed).is_none());
    assert!(open(&keys, "a purpose", b"", &sealed).is_none());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(open(&keys, "a purpose", b"context", &changed).is_none());
        assert!(open(&keys, "a purpose", b"context", &sealed[..at]).is_none());
    }
    let other = ClusterKeys::parse(&ClusterKeys::generate().unwrap()).unwrap();
    assert!(open(&other, "a purpose", b"context", &sealed).is_none());
}
