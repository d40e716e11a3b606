use super::*;
use crate::testing::{Host, arena_is_free, leave_free};
use crate::{arena_refused, text};

#[test]
fn each_kind_has_its_shape() {
    let _host = Host::new();
    let v4 = uuid_v4().unwrap();
    assert_eq!((v4.len(), &v4[14..15]), (36, "4"));
    let v7 = uuid_v7().unwrap();
    assert_eq!((v7.len(), &v7[14..15]), (36, "7"));
    assert_eq!(ulid().unwrap().len(), 26);
    assert_eq!(ksuid().unwrap().len(), 27);
    assert_eq!(nanoid(0).unwrap().len(), 21);
    assert_eq!(nanoid(5).unwrap().len(), 5);
    assert!(snowflake().unwrap().parse::<u64>().is_ok());
}

#[test]
fn pieces_are_ids_too() {
    let host = Host::new();
    let all = (
        (uuid_v4_piece(), uuid_v7_piece(), ulid_piece()),
        (nanoid_piece(5), ksuid_piece()),
    );
    let text = text::build(all).unwrap();
    assert_eq!(text.len(), 36 + 36 + 26 + 5 + 27);
    assert_eq!((text[14], text[36 + 14]), (b'4', b'7'));
    let text = text::build(("a", snowflake_piece())).unwrap();
    assert!(text.as_str().unwrap()[1..].parse::<u64>().is_ok());
    let calls = host.calls();
    assert_eq!(calls[0].text(0), r#"{"version":"v4"}"#);
    assert_eq!(calls[1].text(0), r#"{"version":"v7"}"#);
    assert_eq!(
        (calls[3].import, &*calls[3].numbers),
        ("id_nanoid", &[5][..])
    );
}

#[test]
fn no_two_are_the_same() {
    let _host = Host::new();
    assert!(uuid_v4() != uuid_v4() && uuid_v7() != uuid_v7() && ulid() != ulid());
    assert!(ksuid() != ksuid() && nanoid(21) != nanoid(21) && snowflake() != snowflake());
    assert!(arena_is_free());
}

#[test]
fn arguments_are_those_of_the_abi() {
    let host = Host::new();
    let _ = (uuid_v4(), uuid_v7(), nanoid(7), nanoid(u32::MAX));
    let calls = host.calls();
    assert_eq!(calls[0].text(0), r#"{"version":"v4"}"#);
    assert_eq!(calls[1].text(0), r#"{"version":"v7"}"#);
    assert_eq!(calls[2].numbers, [7]);
    assert_eq!(calls[3].numbers, [-1]);
}

#[test]
fn snowflakes_are_metered() {
    let host = Host::new();
    for _ in 0..100 {
        assert!(snowflake().is_some());
    }
    assert!(snowflake().is_none() && !arena_refused());
    assert_eq!(host.calls_of("snowflake_id").len(), 101);
    assert!(host.calls_of("id_snowflake").is_empty());
    for _ in 0..101 {
        assert!(snowflake_unmetered().unwrap().parse::<u64>().is_ok());
    }
    assert_eq!(host.calls_of("id_snowflake").len(), 101);
    let text = text::build(("a", snowflake_unmetered_piece())).unwrap();
    assert!(text.as_str().unwrap()[1..].parse::<u64>().is_ok());
}

#[test]
fn what_the_host_does_not_give_is_none() {
    let host = Host::new();
    let imports = [
        "id_uuid",
        "id_ulid",
        "id_ksuid",
        "id_nanoid",
        "snowflake_id",
    ];
    for import in imports {
        host.on(import, |_| None);
    }
    let all = || {
        [
            uuid_v4(),
            uuid_v7(),
            ulid(),
            nanoid(0),
            ksuid(),
            snowflake(),
        ]
    };
    assert!(all().iter().all(Option::is_none) && !arena_refused());
    for import in imports {
        host.off(import);
    }
    let _full = leave_free(8);
    assert!(all().iter().all(Option::is_none) && arena_refused());
}
