use super::*;

fn view(allowed: &[&str]) -> SecretView {
    let mut store = SecretStore::empty();
    store.insert("a", "value-of-a").unwrap();
    store.insert("b", "value-of-b").unwrap();
    SecretView::new(Arc::new(store), allowed.iter().map(|s| s.to_string()))
}

#[test]
fn only_allowed_names_are_readable() {
    let view = view(&["a", "absent"]);
    assert_eq!(view.get(b"a").unwrap(), b"value-of-a");
    assert_eq!(
        view.get(b"b"),
        Err(SecretRefusal::NotAllowed { name: "b".into() })
    );
    assert_eq!(
        view.get(b"absent"),
        Err(SecretRefusal::NotSet {
            name: "absent".into()
        })
    );
    assert_eq!(view.missing().collect::<Vec<_>>(), ["absent"]);
}

#[test]
fn a_name_outside_the_list_is_answered_alike_whether_it_is_set_or_not() {
    let view = view(&[]);
    assert!(matches!(
        view.get(b"a"),
        Err(SecretRefusal::NotAllowed { .. })
    ));
    assert!(matches!(
        view.get(b"nowhere"),
        Err(SecretRefusal::NotAllowed { .. })
    ));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let view = view(&["a"]);
    for name in [&b""[..], b"a b", b"a\n", b"\xff\xfe", &[b'a'; 257]] {
        assert_eq!(view.get(name), Err(SecretRefusal::BadName), "{name:?}");
    }
}

#[test]
fn nothing_prints_a_value() {
    let mut store = SecretStore::empty();
    store.insert("name", "hunter2").unwrap();
    let shown = format!("{store:?}");
    assert!(
        shown.contains("name") && !shown.contains("hunter2"),
        "{shown}"
    );
    let view = SecretView::new(Arc::new(store), ["name".to_owned()]);
    let shown = format!("{view:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_broken_file_is_reported_without_its_values() {
    for text in [
        "good = \"fine\"\nbad = hunter2",
        "bad = \"hunter2",
        "good = \"x\"\n[hunter2]\nbad = \"hunter2\" hunter2",
    ] {
        let error = SecretStore::from_toml_str(text).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("line"), "{error}");
    }
    let error = SecretStore::from_toml_str("a = \"x\"\nb = 7")
        .unwrap_err()
        .to_string();
    assert!(error.contains("`b` is not a string"), "{error}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let mut store = SecretStore::from_toml_str("KEY = \"file\"\nother = \"file\"").unwrap();
    store
        .add_env([
            ("FLARON_SECRET_KEY".to_owned(), "env".to_owned()),
            ("PATH".to_owned(), "/bin".to_owned()),
        ])
        .unwrap();
    assert_eq!(store.names().collect::<Vec<_>>(), ["KEY", "other"]);
    let view = SecretView::new(Arc::new(store), ["KEY".to_owned(), "other".to_owned()]);
    assert_eq!(view.get(b"KEY").unwrap(), b"env");
    assert_eq!(view.get(b"other").unwrap(), b"file");
}

#[test]
fn bad_names_and_giant_values_are_refused_on_the_way_in() {
    let mut store = SecretStore::empty();
    assert!(matches!(
        store.insert("", "x"),
        Err(SecretsError::Name { .. })
    ));
    assert!(matches!(
        store.insert("a b", "x"),
        Err(SecretsError::Name { .. })
    ));
    let giant = vec![0; MAX_VALUE_BYTES + 1];
    assert!(matches!(
        store.insert("a", giant),
        Err(SecretsError::TooLong { .. })
    ));
    store.insert("a", vec![0; MAX_VALUE_BYTES]).unwrap();
}

#[test]
fn the_file_is_read_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.toml");
    std::fs::write(&path, "token = \"t\"\n").unwrap();
    let store = SecretStore::load(Some(&path)).unwrap();
    assert!(store.names().any(|n| n == "token"));
    let gone = SecretStore::load(Some(&dir.path().join("none.toml"))).unwrap_err();
    assert!(gone.to_string().contains("none.toml"), "{gone}");
}
