use std::sync::Arc;

use crate::capability::plasma::{Plasma, PlasmaConfig, PlasmaLimits, PlasmaSession};
use crate::capability::rescue::{check, export, reset, reset_store};
use crate::capability::spark::{Spark, SparkConfig, SparkLimits, SparkSession};

const KEYS: usize = 60;

fn spark_config(folder: &std::path::Path) -> SparkConfig {
    SparkConfig {
        path: Some(folder.join("spark.redb")),
        ..SparkConfig::default()
    }
}

fn plasma_config(folder: &std::path::Path) -> PlasmaConfig {
    PlasmaConfig {
        path: Some(folder.join("plasma.redb")),
        ..PlasmaConfig::new("n")
    }
}

fn spark_session(store: &Arc<Spark>) -> SparkSession {
    let limits = SparkLimits {
        writes_allowed: true,
        ..SparkLimits::default()
    };
    SparkSession::new(Some(store.clone()), "s", limits, None)
}

fn plasma_session(plasma: &Arc<Plasma>) -> PlasmaSession {
    let limits = PlasmaLimits {
        writes_allowed: true,
        ..PlasmaLimits::default()
    };
    PlasmaSession::new(Some(plasma.clone()), "s", limits)
}

fn value(i: usize) -> Vec<u8> {
    format!("value {i} ").repeat(100).into_bytes()
}

fn fill(folder: &std::path::Path) {
    let spark = Spark::open(spark_config(folder)).unwrap();
    let plasma = Plasma::open(plasma_config(folder)).unwrap();
    for i in 0..KEYS {
        let key = format!("k{i}");
        spark_session(&spark)
            .set(key.as_bytes(), &value(i), 0)
            .unwrap();
        plasma_session(&plasma)
            .set(key.as_bytes(), &value(i))
            .unwrap();
    }
    plasma_session(&plasma).increment(b"counter", 5).unwrap();
}

#[test]
fn a_folder_that_is_well_is_told_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    assert!(check(dir.path()).unwrap_err().contains("there is no"));
    fill(dir.path());
    let mut lines = Vec::new();
    let reports = export(dir.path(), &mut lines).unwrap();
    assert!(reports.iter().all(|report| report.damage.is_empty()));
    assert_eq!(reports[0].entries, KEYS as u64);
    assert_eq!(reports[1].entries, KEYS as u64 + 1);
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 2 * KEYS + 1);
    assert!(lines.contains(r#""counter":5"#), "{lines}");
    assert_eq!(reset(dir.path()).unwrap(), []);
    let open = Spark::open(spark_config(dir.path())).unwrap();
    assert!(check(dir.path()).unwrap_err().contains("in use"));
    assert!(
        reset_store(dir.path(), "plasma")
            .unwrap_err()
            .contains("in use")
    );
    drop(open);
    // An undamaged store is renamed if it is named explicitly; its contents are still there.
    let (file, aside) = reset_store(dir.path(), "plasma").unwrap();
    assert!(!file.exists() && aside.exists());
    assert!(
        reset_store(dir.path(), "plasma")
            .unwrap_err()
            .contains("there is no")
    );
    Plasma::open(plasma_config(dir.path())).unwrap();
    assert_eq!(check(dir.path()).unwrap()[1].entries, 0);
}

/// Checks that a message names the file and says what to do.
#[track_caller]
fn assert_helps(error: &dyn std::error::Error, file: &str) {
    let told = error.to_string();
    assert!(told.contains(file), "{told}");
    assert!(told.contains("`flaron-edge store "), "{told}");
}

/// Whichever byte of the files is changed: no value is wrong, nothing panics, every message names
/// the file, and after a reset there is a working store.
#[test]
fn damage_is_told_and_never_a_wrong_value() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let names = ["spark.redb", "plasma.redb"];
    let whole = names.map(|name| std::fs::read(dir.path().join(name)).unwrap());
    for round in 0..60usize {
        let folder = tempfile::tempdir().unwrap();
        for (name, whole) in names.iter().zip(&whole) {
            let mut bytes = whole.clone();
            match round % 4 {
                0 => bytes.truncate(bytes.len() * (round + 1) / 70),
                1 => bytes[round * 67 % 4096] ^= 0xff,
                _ => {
                    // A run of bytes somewhere in the part that is used.
                    let at = (round * 7919 * 13) % (bytes.len() - 600);
                    bytes[at..at + 1 + round * 9].fill(0x5a);
                }
            }
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        match Spark::open(spark_config(folder.path())) {
            Ok(spark) => {
                for i in 0..KEYS {
                    let found = spark_session(&spark).get(format!("k{i}").as_bytes());
                    if let Ok(Some(found)) = found {
                        assert_eq!(found[4..], value(i), "round {round}: a wrong value");
                    }
                }
            }
            Err(error) => assert_helps(&error, "spark.redb"),
        }
        match Plasma::open(plasma_config(folder.path())) {
            Ok(plasma) => {
                for i in 0..KEYS {
                    let found = plasma_session(&plasma).get(format!("k{i}").as_bytes());
                    if let Ok(Some(found)) = found {
                        assert_eq!(found, value(i), "round {round}: a wrong value");
                    }
                }
            }
            Err(error) => assert_helps(&error, "plasma.redb"),
        }
        for report in check(folder.path()).unwrap() {
            assert!(report.file.starts_with(folder.path()));
        }
        reset(folder.path()).unwrap();
        Spark::open(spark_config(folder.path())).unwrap();
        Plasma::open(plasma_config(folder.path())).unwrap();
    }
}

#[test]
fn an_empty_file_beside_a_used_one_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spark.redb"), b"").unwrap();
    drop(Spark::open(spark_config(dir.path())).expect("an unused folder is a new one"));
    std::fs::write(dir.path().join("plasma.redb"), b"").unwrap();
    let error = Plasma::open(plasma_config(dir.path())).unwrap_err();
    assert!(error.to_string().contains("plasma.redb"), "{error}");
    assert!(error.to_string().contains("empty"), "{error}");
    let damaged = check(dir.path()).unwrap();
    assert_eq!(damaged[1].damage.len(), 1, "{damaged:?}");
    assert_eq!(reset(dir.path()).unwrap().len(), 1);
    Plasma::open(plasma_config(dir.path())).unwrap();
}
