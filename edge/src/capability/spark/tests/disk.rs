//! What is on disk after a restart.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;
use crate::capability::kv::wall_clock;
use crate::capability::store::Store;
use crate::capability::store::simulated::{Disk, Random};
use crate::capability::store::tmpfs::Tmpfs;

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

/// The child process of [`answered_writes_survive_kill_9`]: writes in a loop, and prints the number
/// of each write once it is acknowledged. Does nothing unless it is started as that child.
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
    // Write to the process's stdout, which the test harness does not capture.
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
    // Several lives on one file, each cut off at a different point.
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
        // What it printed between the last line read and its death was acknowledged, too.
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
            // One more write may have reached the disk before its answer was read.
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

fn on(disk: &Arc<Disk>) -> Result<Arc<Spark>, OpenError> {
    let store = Store::open_with("simulated".to_owned(), disk.opener());
    let store = store.map_err(|e| OpenError::store("spark", e))?;
    Spark::start(store, SparkConfig::default(), wall_clock())
}

/// Power failures with torn writes: what was acknowledged is there afterwards, and nothing that was
/// never written is.
#[test]
fn answered_writes_survive_power_cuts() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let disk = Arc::new(Disk::default());
        let mut acknowledged = std::collections::BTreeMap::new();
        for cut in 0..5u8 {
            let store = on(&disk).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let mut s = session(&store);
            for (key, value) in &acknowledged {
                let key: &String = key;
                let found = s.get(key.as_bytes()).unwrap().map(|v| v[4..].to_vec());
                assert_eq!(found.as_ref(), Some(value), "seed {seed}: {key}");
            }
            for i in 0..random.below(20) {
                let (key, value) = (format!("k{}", random.below(30)), vec![cut, i as u8]);
                s.set(key.as_bytes(), &value, 0).unwrap();
                acknowledged.insert(key, value);
            }
            // The process dies with the power: nothing is written on its way out.
            disk.set_full(true);
            drop(s);
            drop(store);
            disk.crash(&mut random);
            disk.set_full(false);
        }
    }
}

/// A disk that was full for a while: redb once refused all work from then on, until a restart.
#[test]
fn a_disk_that_was_full_works_again() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk).unwrap();
    let mut s = session(&store);
    s.set(b"before", b"1", 0).unwrap();
    disk.set_full(true);
    assert_eq!(code(s.set(b"meanwhile", b"2", 0)), 6);
    s.delete(b"before").unwrap_err();
    let problems = store.problems();
    assert!(problems[0].what.contains("cannot write"), "{problems:?}");
    disk.set_full(false);
    s.set(b"after", b"3", 0).unwrap();
    assert!(store.problems().is_empty(), "{:?}", store.problems());
    assert_eq!(s.get(b"before").unwrap().unwrap(), b"\0\0\0\x001");
    assert_eq!(s.get(b"after").unwrap().unwrap(), b"\0\0\0\x003");
}

/// A nearly full disk accepts small writes: that does not mean that it works again.
#[test]
fn a_disk_that_is_nearly_full_does_not_work_again() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk).unwrap();
    let mut s = session(&store);
    s.set(b"before", b"1", 0).unwrap();
    disk.set_room(Some(60_000));
    let large = vec![7; 60_000];
    assert_eq!(code(s.set(b"large", &large, 0)), 6);
    let is_told = || {
        store
            .problems()
            .iter()
            .any(|p| p.what.contains("cannot write"))
    };
    for small in 0..3 {
        s.set(b"small", &[small], 0).unwrap();
        assert!(is_told(), "though the next large write will fail");
        store.store.probe();
        assert!(
            store.store.fault().is_some(),
            "a probe of the size fails, too"
        );
    }
    assert_eq!(code(s.set(b"large", &large, 0)), 6);
    disk.set_room(None);
    s.set(b"small", b"4", 0).unwrap();
    assert!(is_told(), "nobody knows yet");
    store.store.probe();
    assert_eq!(store.store.fault(), None);
    s.set(b"large", &large, 0).unwrap();
    assert!(!is_told(), "{:?}", store.problems());
    assert_eq!(s.get(b"before").unwrap().unwrap(), b"\0\0\0\x001");
}

/// A store that failed, and that nobody writes to, notices on its own when it works again.
#[test]
fn a_disk_that_was_full_is_noticed_to_work_again_while_nobody_writes() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk).unwrap();
    disk.set_full(true);
    assert_eq!(code(session(&store).set(b"k", b"1", 0)), 6);
    disk.set_full(false);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !store.problems().is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?}",
            store.problems()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A store that cannot be created leaves nothing behind that would be taken for one.
#[test]
fn a_store_is_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.redb");
    let config = || SparkConfig {
        path: Some(path.clone()),
        ..SparkConfig::default()
    };
    let half = dir.path().join("spark.redb.new");
    std::fs::create_dir(&half).unwrap();
    assert!(Spark::open(config()).is_err());
    assert!(!path.exists());
    std::fs::remove_dir(&half).unwrap();
    // A store that was half created when the power failed.
    std::fs::write(&half, vec![0; 73_728]).unwrap();
    let store = Spark::open(config()).unwrap();
    session(&store).set(b"k", b"1", 0).unwrap();
    assert!(!half.exists());
}

fn config_on(tmpfs: &Tmpfs) -> SparkConfig {
    SparkConfig {
        path: Some(tmpfs.path().join("spark.redb")),
        ..SparkConfig::default()
    }
}

#[test]
#[ignore = "needs root, for a tmpfs of its own"]
fn a_node_that_began_on_a_full_file_system_begins_once_there_is_room() {
    let tmpfs = Tmpfs::mount(3).expect("root may mount");
    let filler = tmpfs.path().join("filler");
    let filled = std::fs::write(&filler, vec![0; 4 << 20]);
    assert!(filled.is_err(), "3 MiB were enough");
    let told = Spark::open(config_on(&tmpfs)).unwrap_err().to_string();
    assert!(told.contains("No space left"), "{told}");
    std::fs::remove_file(&filler).unwrap();
    let store = Spark::open(config_on(&tmpfs)).unwrap();
    session(&store).set(b"k", b"1", 0).unwrap();
}

/// The same as on the simulated disk, on a real file system.
#[test]
#[ignore = "needs root, for a tmpfs of its own"]
fn a_file_system_that_was_full_works_again() {
    let tmpfs = Tmpfs::mount(3).expect("root may mount");
    {
        let config = config_on(&tmpfs);
        let store = Spark::open(config).unwrap();
        let mut s = session(&store);
        s.set(b"before", b"1", 0).unwrap();
        let filler = tmpfs.path().join("filler");
        let mut failed = false;
        std::fs::write(&filler, vec![0; 1 << 20]).unwrap();
        for i in 0..200 {
            failed |= s.set(format!("k{i}").as_bytes(), &[7; 60_000], 0).is_err();
        }
        assert!(failed, "3 MiB were enough");
        // Nearly full: small writes succeed, and the store does not yet count as healthy.
        s.set(b"small", b"2", 0).unwrap();
        assert!(!store.problems().is_empty(), "the next large write fails");
        s.set(b"large", &[7; 60_000], 0).unwrap_err();
        std::fs::remove_file(&filler).unwrap();
        s.delete(b"k1").unwrap();
        s.set(b"large", &[7; 60_000], 0).unwrap();
        assert!(store.problems().is_empty(), "{:?}", store.problems());
        s.set(b"after", b"3", 0).unwrap();
        assert_eq!(s.get(b"before").unwrap().unwrap(), b"\0\0\0\x001");
    }
}
