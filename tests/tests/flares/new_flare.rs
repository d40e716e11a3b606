//! `flaron-edge new`: where the SDK comes from, and that impossible requests are refused without leaving
//! files behind. The new flares themselves are tested in `templates.rs`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use flaron_tests::cargo::{edge_binary, ensure_wasm_target, flares_dir, workspace};

fn new(folder: &Path, arguments: &[&str]) -> Output {
    ensure_wasm_target();
    let mut command = Command::new(edge_binary());
    command.arg("new").args(arguments).current_dir(folder);
    command.env("CARGO_TARGET_DIR", flares_dir().join("new"));
    command.output().unwrap()
}

#[track_caller]
fn made(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A git repository with the SDK alone, as it might be on a server.
fn git_repository(folder: &Path) -> String {
    let sdk = folder.join("sdk");
    fs::create_dir(&sdk).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .args(["src", "build.rs", "README.md", "MIGRATING.md"])
        .arg(&sdk)
        .current_dir(workspace())
        .status();
    assert!(copied.unwrap().success());
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let (package, _) = manifest.split_once("\n[workspace]\n").unwrap();
    let package = package.replace("[lints]\nworkspace = true\n", "");
    fs::write(sdk.join("Cargo.toml"), package).unwrap();
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "commit",
            "--quiet",
            "-m",
            "all",
        ],
        &["tag", "v1"],
    ] {
        let done = Command::new("git")
            .arg("-C")
            .arg(&sdk)
            .args(arguments)
            .status();
        assert!(done.unwrap().success(), "{arguments:?}");
    }
    format!("file://{}", sdk.display())
}

#[test]
fn the_sdk_comes_from_git_too() {
    let folder = tempfile::tempdir().unwrap();
    let url = git_repository(folder.path());
    made(&new(folder.path(), &["first", "--sdk", &url]));
    made(&new(
        folder.path(),
        &["second", "--sdk", &format!("{url}#v1")],
    ));
    let manifest = fs::read_to_string(folder.path().join("second/Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!("git = \"{url}\", rev = \"v1\"")),
        "{manifest}"
    );
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let gone = format!("file://{}/nowhere", folder.path().display());
    for (arguments, says) in [
        (
            &["flaron-sdk"][..],
            "choose another name, such as flaron-sdk-flare",
        ),
        (&["2fast"], "beginning with a letter"),
        (&["mine", "--sdk", "nowhere"], "git URL"),
        (
            &["mine", "--template", "htpp"],
            "there is no template \"htpp\"",
        ),
        (
            &["mine", "--sdk", &gone],
            "does not build with the SDK at `git =",
        ),
        (
            &["mine", "--sdk", "0.1@nowhere"],
            "does not build with the SDK at `version = \"0.1\"",
        ),
    ] {
        let output = new(folder.path(), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{arguments:?}"
        );
    }
}
