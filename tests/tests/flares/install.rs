//! However the tools are installed, they are optimised for speed and unwind on panics; and the repository's
//! flares are optimised for size, whoever builds them.
//!
//! Building the tools takes minutes, so the test makes a repository with the same profiles and trivial
//! programs. What counts are the flags that cargo passes to rustc.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use flaron_tests::cargo::{cargo, workspace};

/// The files that set the profiles, and trivial programs.
fn repository(root: &Path) {
    let write = |file: &str, text: &str| {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    for file in [
        ".cargo/config.toml",
        "edge/.cargo/config.toml",
        "size-report/.cargo/config.toml",
    ] {
        write(file, &fs::read_to_string(workspace().join(file)).unwrap());
    }
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let profiles = &manifest[manifest.find("[profile.release]").unwrap()..];
    let members = r#"members = ["edge", "size-report", "examples/hello"]"#;
    write(
        "Cargo.toml",
        &format!("[workspace]\n{members}\nresolver = \"3\"\n\n{profiles}"),
    );
    for (folder, name) in [("edge", "flaron-edge"), ("size-report", "flaron-size")] {
        let package =
            format!("[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n");
        write(&format!("{folder}/Cargo.toml"), &package);
        write(&format!("{folder}/src/main.rs"), "fn main() {}\n");
    }
    write(
        "examples/hello/Cargo.toml",
        "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n",
    );
    write("examples/hello/src/lib.rs", "");
}

/// The flags for code generation that cargo gives to rustc for the crate.
fn flags(command: &mut Command, krate: &str) -> Vec<String> {
    let output = command.arg("-v").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {said}");
    let line = said
        .lines()
        .find(|line| line.contains(&format!("--crate-name {krate} ")));
    let line = line.unwrap_or_else(|| panic!("{command:?} did not compile {krate}: {said}"));
    let mut flags = Vec::new();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if word == "-C" {
            flags.extend(words.next().map(str::to_owned));
        }
    }
    flags
}

#[track_caller]
fn assert_tool(flags: &[String]) {
    assert!(flags.iter().any(|flag| flag == "opt-level=3"), "{flags:?}");
    for wrong in [
        "panic=abort",
        "lto=fat",
        "lto",
        "codegen-units=1",
        "strip=symbols",
    ] {
        assert!(!flags.iter().any(|flag| flag == wrong), "{flags:?}");
    }
}

#[track_caller]
fn assert_flare(flags: &[String]) {
    for right in [
        "opt-level=z",
        "panic=abort",
        "lto=fat",
        "codegen-units=1",
        "strip=symbols",
    ] {
        assert!(flags.iter().any(|flag| flag == right), "{right}: {flags:?}");
    }
}

/// The archives that `cargo binstall` looks for are those of the release.
#[test]
fn releases_are_found_where_they_are_put() {
    let read = |file: &str| fs::read_to_string(workspace().join(file)).unwrap();
    let workflow = read(".github/workflows/release.yml");
    // On a tag `v0.1.0` this is `flaron-v0.1.0-TARGET`, with the programs in a folder of that name.
    assert!(workflow.contains("tags: [\"v*\"]"));
    assert!(workflow.contains(r#"name="flaron-${GITHUB_REF_NAME}-${{ matrix.target }}""#));
    assert!(workflow.contains(r#"tar -czf "$name.tar.gz" "$name""#));
    // A released program makes flares with the SDK of its own release: the build reads the variable that the
    // workflow sets.
    assert!(workflow.contains(
        "FLARON_SDK: ${{ github.server_url }}/${{ github.repository }}#${{ github.ref_name }}"
    ));
    assert!(read("edge/src/scaffold.rs").contains(r#"option_env!("FLARON_SDK")"#));
    let docker = read("Dockerfile");
    for (manifest, program) in [
        ("edge/Cargo.toml", "flaron-edge"),
        ("size-report/Cargo.toml", "flaron-size"),
    ] {
        let manifest = read(manifest);
        let name = "flaron-v{ version }-{ target }";
        for line in [
            format!("pkg-url = \"{{ repo }}/releases/download/v{{ version }}/{name}.tar.gz\""),
            format!("bin-dir = \"{name}/{{ bin }}{{ binary-ext }}\""),
            "pkg-fmt = \"tgz\"".to_owned(),
            format!("name = \"{program}\""),
        ] {
            assert!(
                manifest.lines().any(|other| other == line),
                "{program}: {line}"
            );
        }
        assert!(workflow.contains(&format!("-p {program}")), "{program}");
        assert!(
            docker.contains(&format!("/src/target/server/{program} ")),
            "{program}"
        );
    }
}

#[test]
fn the_tools_are_fast_and_unwind_and_flares_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    repository(&root);
    let elsewhere = folder.path();
    let count = Cell::new(0);
    let install = |from: &Path, krate: &str, arguments: &[&str]| {
        let mut command = cargo(from);
        command
            .args(["install", "--root"])
            .arg(folder.path().join("installed"));
        command.arg("--force");
        // A folder of its own for each, so that cargo builds and says how; and so that what is
        // fetched with git is not kept.
        count.set(count.get() + 1);
        command
            .arg("--target-dir")
            .arg(folder.path().join(format!("target-{}", count.get())));
        command.env("CARGO_HOME", folder.path().join("cargo-home"));
        flags(command.args(arguments), krate)
    };
    for (path, krate) in [("edge", "flaron_edge"), ("size-report", "flaron_size")] {
        assert_tool(&install(&root, krate, &["--path", path]));
        let absolute = root.join(path);
        assert_tool(&install(
            elsewhere,
            krate,
            &["--path", absolute.to_str().unwrap()],
        ));
    }

    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(&root);
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "all"]);
    let url = format!("file://{}", root.display());
    assert_tool(&install(
        elsewhere,
        "flaron_edge",
        &["--git", &url, "flaron-edge"],
    ));
    assert_tool(&install(
        elsewhere,
        "flaron_size",
        &["--git", &url, "flaron-size"],
    ));

    // Natively, since for Wasm panics abort anyway.
    let target = folder.path().join("target-flare");
    let mut build = cargo(&root);
    build.args(["build", "--release", "--package", "hello", "--target-dir"]);
    assert_flare(&flags(build.arg(target), "hello"));
}
