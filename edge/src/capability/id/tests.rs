use std::collections::HashSet;

use super::*;

#[test]
fn uuids_have_their_version_and_variant() {
    let ids = IdGenerator::new(1);
    for (version, digit) in [("v4", '4'), ("v7", '7')] {
        let text = ids
            .uuid(format!("{{\"version\":\"{version}\"}}").as_bytes())
            .unwrap();
        assert_eq!(text.len(), 36);
        assert_eq!(text.chars().nth(14), Some(digit), "{text}");
        assert!("89ab".contains(text.chars().nth(19).unwrap()), "{text}");
        assert_eq!(text, text.to_lowercase());
    }
}

#[test]
fn uuid_v7_starts_with_the_time_and_is_ordered() {
    let ids = IdGenerator::new(1);
    let made: Vec<String> = (0..1000)
        .map(|_| ids.uuid(b"{\"version\":\"v7\"}").unwrap())
        .collect();
    assert!(made.is_sorted());
    let hex: String = made[0].chars().filter(|c| *c != '-').take(12).collect();
    let ms = u64::from_str_radix(&hex, 16).unwrap();
    assert!(now_ms().abs_diff(ms) < 5_000);
}

#[test]
fn uuid_arguments_are_strict() {
    let ids = IdGenerator::new(1);
    for bad in [
        "",
        "{}",
        "{\"version\":4}",
        "{\"version\":\"v4\",\"x\":1}",
        "\"v4\"",
    ] {
        assert!(
            matches!(ids.uuid(bad.as_bytes()), Err(IdError::Args(_))),
            "{bad}"
        );
    }
    assert_eq!(
        ids.uuid(b"{\"version\":\"v1\"}"),
        Err(IdError::Version("v1".into()))
    );
}

#[test]
fn ulids_are_ordered_and_say_the_time() {
    let ids = IdGenerator::new(1);
    let made: Vec<String> = (0..1000).map(|_| ids.ulid()).collect();
    assert!(made.is_sorted() && made.iter().all(|u| u.len() == 26));
    let ulid = ulid::Ulid::from_string(&made[0]).unwrap();
    assert!(now_ms().abs_diff(ulid.timestamp_ms()) < 5_000);
}

#[test]
fn ksuids_say_the_time() {
    use std::str::FromStr as _;
    let text = IdGenerator::new(1).ksuid();
    assert_eq!(text.len(), 27);
    let ksuid = svix_ksuid::Ksuid::from_str(&text).unwrap();
    let secs = u64::from(ksuid.timestamp_raw()) + 1_400_000_000;
    assert!((now_ms() / 1000).abs_diff(secs) < 5);
}

#[test]
fn nanoid_lengths() {
    let ids = IdGenerator::new(1);
    for (asked, length) in [
        (0, 21),
        (-1, 21),
        (i32::MIN, 21),
        (1, 1),
        (64, 64),
        (257, 256),
        (i32::MAX, 256),
    ] {
        let text = ids.nanoid(asked).unwrap();
        assert_eq!(text.len(), length, "{asked}");
        assert!(text.bytes().all(|b| NANOID_ALPHABET.contains(&b)), "{text}");
    }
    let symbols: HashSet<_> = NANOID_ALPHABET.iter().collect();
    assert_eq!(symbols.len(), 64);
}

#[test]
fn a_snowflake_is_time_node_and_sequence() {
    let ids = IdGenerator::new(0x2a5);
    let flake: u64 = ids.snowflake().parse().unwrap();
    assert_eq!((flake >> 12) & 1023, 0x2a5);
    let ms = (flake >> 22) + SNOWFLAKE_EPOCH_MS;
    assert!(now_ms().abs_diff(ms) < 5_000);
    assert!(flake < 1 << 63, "must be positive as a signed number");
}

#[test]
fn node_numbers_from_names() {
    let a = IdGenerator::for_node_name("node-a");
    assert_eq!(a.node(), IdGenerator::for_node_name("node-a").node());
    assert_ne!(a.node(), IdGenerator::for_node_name("node-b").node());
    assert!(a.node() <= SNOWFLAKE_MAX_NODE);
    assert_eq!(IdGenerator::new(u16::MAX).node(), SNOWFLAKE_MAX_NODE);
}

#[test]
fn unique_and_ordered_under_concurrency() {
    const THREADS: usize = 8;
    const EACH: usize = 5_000;
    let ids = IdGenerator::new(7);
    let mut seen: [HashSet<String>; 3] = Default::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let flakes: Vec<String> = (0..EACH).map(|_| ids.snowflake()).collect();
                    let ulids: Vec<String> = (0..EACH).map(|_| ids.ulid()).collect();
                    let v7 = (0..EACH).map(|_| ids.uuid(b"{\"version\":\"v7\"}").unwrap());
                    let numbers: Vec<u64> = flakes.iter().map(|f| f.parse().unwrap()).collect();
                    assert!(numbers.is_sorted() && ulids.is_sorted());
                    [flakes, ulids, v7.collect()]
                })
            })
            .collect();
        for worker in workers {
            for (all, made) in seen.iter_mut().zip(worker.join().unwrap()) {
                all.extend(made);
            }
        }
    });
    for all in seen {
        assert_eq!(all.len(), THREADS * EACH);
    }
}

#[test]
fn the_meter_stops_at_its_limit() {
    let ids = IdGenerator::new(1);
    let mut meter = SnowflakeMeter::default();
    for _ in 0..DEFAULT_SNOWFLAKES {
        meter.take(&ids).unwrap();
    }
    assert_eq!(meter.take(&ids), Err(IdError::SnowflakeLimit(100)));
    assert_eq!(meter.take(&ids), Err(IdError::SnowflakeLimit(100)));
    assert_eq!(
        SnowflakeMeter::new(0).take(&ids),
        Err(IdError::SnowflakeLimit(0))
    );
}
