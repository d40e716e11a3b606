//! What is on disk after a restart.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

#[test]
fn a_store_is_reopened_with_its_deadlines() {
    let dir = tempfile::tempdir().unwrap();
    let config = SparkConfig {
        path: Some(dir.path().join("made/spark.redb")),
        ..SparkConfig::default()
    };
    let (store, now) = with_clock(config.clone());
    let mut s = session(&store);
    s.set(b"short", b"1", 10).unwrap();
    s.set(b"long", b"2", 100).unwrap();
    s.set(b"forever", b"3", 0).unwrap();
    let busy = Spark::open(config.clone()).unwrap_err();
    assert!(busy.to_string().contains("another process"), "{busy}");
    drop(s);
    drop(store);
    let later = now.load(Ordering::SeqCst) + 10_000;
    let store = Spark::open_with_clock(config, Arc::new(move || later)).unwrap();
    let mut s = session(&store);
    assert_eq!(list(&mut s), ["forever", "long"]);
    assert_eq!(s.get(b"long").unwrap().unwrap(), b"\x5a\0\0\x002");
}

#[test]
fn a_file_that_is_no_store_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.redb");
    std::fs::write(&path, b"not a store").unwrap();
    let error = Spark::open(SparkConfig {
        path: Some(path),
        ..SparkConfig::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("spark.redb"), "{error}");
}

/// The child of [`answered_writes_survive_kill_9`]: writes for ever, and says after each answer
/// which write it was. Does nothing unless it is started as that child.
#[test]
fn kill_9_child() {
    let Some(path) = std::env::var_os("SPARK_KILL_TEST") else {
        return;
    };
    let store = Spark::open(SparkConfig {
        path: Some(path.into()),
        ..SparkConfig::default()
    })
    .unwrap();
    // stdout, past the test harness's capture.
    let mut out = std::fs::File::options()
        .write(true)
        .open("/dev/stdout")
        .unwrap();
    for i in 0u32.. {
        let mut s = session(&store);
        let value = i.to_le_bytes().repeat(1 + i as usize % 300);
        s.set(format!("k{}", i % 50).as_bytes(), &value, 3600)
            .unwrap();
        writeln!(out, "answered {i}").unwrap();
    }
}

#[test]
fn answered_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.redb");
    let mut last: Option<u32> = None;
    // Several lives on one file, each cut off at another point.
    for writes in [1, 60, 137] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "capability::spark::tests::disk::kill_9_child",
                "--nocapture",
            ])
            .env("SPARK_KILL_TEST", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answered = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("answered ")?.1.parse::<u32>().ok());
        last = answered.by_ref().find(|i| *i >= writes);
        child.kill().unwrap();
        // What it said between the last line read and its death was answered, too.
        last = answered.last().or(last);
        child.wait().unwrap();

        let store = Spark::open(SparkConfig {
            path: Some(path.clone()),
            ..SparkConfig::default()
        })
        .unwrap();
        let last = last.expect("the child wrote nothing");
        for i in last.saturating_sub(49)..=last {
            let got = session(&store)
                .get(format!("k{}", i % 50).as_bytes())
                .unwrap()
                .unwrap();
            let newest = u32::from_le_bytes(got[4..8].try_into().unwrap());
            // One write more may have reached the disk before its answer was heard.
            assert!(
                newest == i || newest == last + 1,
                "k{}: {newest}, not {i}",
                i % 50
            );
            assert_eq!(got.len(), 4 + 4 * (1 + newest as usize % 300));
        }
    }
    assert!(last.is_some());
}
