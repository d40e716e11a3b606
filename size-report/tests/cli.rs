//! The program as it is run: on made-up modules, and on a made-up repository with a real build.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tool(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flaron-size"))
        .args(args)
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env_remove("WASM_OPT")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts an exit code, showing what was said if it is another.
#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}\n{}",
        stdout(output),
        stderr(output)
    );
}

fn write(dir: &Path, path: &str, contents: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

/// A flare with `nops` instructions that do nothing.
fn flare(nops: usize) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "flaron/v1" "resp_set_status" (func $status (param i32)))
            (memory (export "memory") 5)
            (func $handler (export "handle_request") (result i64)
                {} (call $status (i32.const 200)) (i64.const 4294967296)))"#,
        "nop ".repeat(nops)
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn check_holds_a_file_to_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = flare(10);
    write(dir.path(), "mine.wasm", &wasm);
    let size = wasm.len();

    assert_code(
        &tool(
            dir.path(),
            &["check", "mine.wasm", "--budget", &size.to_string()],
        ),
        0,
    );
    assert_code(
        &tool(
            dir.path(),
            &["check", "mine.wasm", "--budget", "2KiB", "--max-pages", "5"],
        ),
        0,
    );

    let over = tool(
        dir.path(),
        &["check", "mine.wasm", "--budget", &(size - 3).to_string()],
    );
    assert_code(&over, 1);
    let said = stderr(&over);
    assert!(
        said.contains(&format!(
            "mine: {size} bytes, 3 over its budget of {}",
            size - 3
        )),
        "{said}"
    );
    assert!(said.contains("flaron-size why FILE.wasm"), "{said}");

    let pages = tool(dir.path(), &["check", "mine.wasm", "--max-pages", "4"]);
    assert_code(&pages, 1);
    assert!(stderr(&pages).contains("5 pages of initial memory, 1 over"));
}

#[test]
fn check_compares_with_a_baseline_that_bless_wrote() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "mine.wasm", flare(10));
    let check = ["check", "mine.wasm", "--baseline", "sizes.toml"];
    let bless = ["check", "mine.wasm", "--baseline", "sizes.toml", "--bless"];

    let missing = tool(dir.path(), &check);
    assert_code(&missing, 2);
    assert!(stderr(&missing).contains("--bless"));

    assert_code(&tool(dir.path(), &bless), 0);
    assert_code(&tool(dir.path(), &check), 0);

    write(dir.path(), "mine.wasm", flare(14));
    let grown = tool(dir.path(), &check);
    assert_code(&grown, 1);
    assert!(
        stderr(&grown).contains("4 more than the baseline"),
        "{}",
        stderr(&grown)
    );
    assert_code(&tool(dir.path(), &bless), 0);
    assert_code(&tool(dir.path(), &check), 0);

    // Another compiler than the one at hand made the baseline: it is not held against the file.
    write(dir.path(), "mine.wasm", flare(20));
    let baseline = fs::read_to_string(dir.path().join("sizes.toml")).unwrap();
    let other: Vec<String> = baseline
        .lines()
        .map(|line| {
            if line.starts_with("rustc") {
                "rustc = \"rustc 0.1\"".into()
            } else {
                line.into()
            }
        })
        .collect();
    write(dir.path(), "sizes.toml", other.join("\n"));
    let other = tool(dir.path(), &check);
    assert_code(&other, 0);
    assert!(stderr(&other).contains("budgets only"));
}

#[test]
fn what_cannot_be_checked_is_an_error_and_not_a_failed_check() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "text.wasm", "(module)");
    write(dir.path(), "mine.wasm", flare(1));
    for (args, help) in [
        (
            &["check", "nowhere.wasm", "--budget", "1KiB"][..],
            "was it built?",
        ),
        (
            &["check", "text.wasm", "--budget", "1KiB"],
            "not a Wasm module",
        ),
        (&["check", "mine.wasm"], "--budget 2KiB"),
        (&["check", "mine.wasm", "--budget", "much"], "2KiB"),
        (&["--check"], "--root DIR"),
    ] {
        let output = tool(dir.path(), args);
        assert_code(&output, 2);
        assert!(
            stderr(&output).contains(help),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn json_and_markdown_are_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = flare(3);
    write(dir.path(), "mine.wasm", &wasm);
    let json = tool(
        dir.path(),
        &["check", "mine.wasm", "--budget", "1KiB", "--json"],
    );
    let json: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["flares"][0]["raw"]["bytes"], wasm.len());
    assert_eq!(json["flares"][0]["budget"]["raw"], 1024);
    assert_eq!(json["verdict"]["findings"].as_array().unwrap().len(), 0);
    let markdown = tool(
        dir.path(),
        &["check", "mine.wasm", "--budget", "1KiB", "--markdown"],
    );
    assert!(stdout(&markdown).contains("| flare | raw |"));
}

#[test]
#[cfg(unix)]
fn a_reader_that_has_had_enough_does_not_change_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "mine.wasm", flare(0));
    // By the time that it prints, nobody reads any more.
    let run = |args: &str| {
        let script = format!(
            "set -o pipefail; (sleep 0.5; {} {args}) | true",
            env!("CARGO_BIN_EXE_flaron-size")
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &script]).current_dir(dir.path()).output();
        output.unwrap()
    };
    assert_code(&run("why mine.wasm"), 0);
    assert_code(&run("check mine.wasm --budget 2KiB --json"), 0);
    assert_code(&run("check mine.wasm --budget 1"), 1);
}

#[test]
fn why_and_diff_work_on_files() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.wasm", flare(3));
    write(dir.path(), "b.wasm", flare(8));
    let why = tool(dir.path(), &["why", "a.wasm"]);
    assert_code(&why, 0);
    assert!(stdout(&why).contains("func flaron/v1.resp_set_status"));
    let diff = tool(dir.path(), &["diff", "a.wasm", "b.wasm"]);
    assert_code(&diff, 0);
    let row = stdout(&diff);
    let row = row
        .lines()
        .find(|line| line.ends_with("function  handler"))
        .unwrap();
    assert!(row.trim_start().starts_with("+5"), "{row}");
}

#[test]
fn slim_writes_what_is_smaller_and_leaves_alone_what_it_cannot_prove() {
    let dir = tempfile::tempdir().unwrap();
    let linked = |hidden: &str| {
        let text = format!(
            r#"(module
                (import "flaron/v1" "resp_set_status" (func $status (param i32)))
                (memory (export "memory") 1)
                (global (mut i32) (i32.const 64))
                (global (export "__data_end") i32 (i32.const 4096))
                (func (export "handle_request") (result i64) (local i32)
                    {hidden}
                    (i32.store (i32.const 72) (i32.add (i32.const 3) (i32.load (i32.const 72))))
                    (call $status (i32.load (i32.const 72)))
                    (i64.const 4294967296)))"#
        );
        wat::parse_str(text).unwrap()
    };
    write(dir.path(), "good.wasm", linked(""));
    let output = tool(dir.path(), &["slim", "good.wasm", "-o", "small.wasm"]);
    assert_code(&output, 0);
    let small = fs::read(dir.path().join("small.wasm")).unwrap();
    assert!(small.len() < linked("").len());
    let said = stdout(&output);
    assert!(
        said.contains("1 words in globals; the same in 96 runs"),
        "{said}"
    );

    // A pointer to the word that is added up when the flare runs.
    let bad = linked(
        "(local.set 0 (i32.const 36)) (i32.store (i32.add (local.get 0) (local.get 0)) (i32.const 9))",
    );
    write(dir.path(), "bad.wasm", &bad);
    let output = tool(dir.path(), &["slim", "bad.wasm"]);
    assert_code(&output, 2);
    let said = stderr(&output);
    assert!(
        said.contains("--keep-words") && said.contains("it calls resp_set_status with"),
        "{said}"
    );
    assert_eq!(fs::read(dir.path().join("bad.wasm")).unwrap(), bad);
    assert_code(&tool(dir.path(), &["slim", "bad.wasm", "--keep-words"]), 0);
}

#[test]
fn slim_says_what_is_no_module() {
    let dir = tempfile::tempdir().unwrap();
    for (bytes, why) in [
        (&b""[..], "not a Wasm module: it does not start with"),
        (b"\0asm\x0d\0\x01\0", "a Wasm component"),
        (b"\0asm\x01\0\0\0\x0a\x20", "not a valid Wasm module"),
    ] {
        write(dir.path(), "it.wasm", bytes);
        let output = tool(dir.path(), &["slim", "it.wasm"]);
        assert_code(&output, 2);
        let said = stderr(&output);
        assert!(said.contains(&format!("error: it.wasm: {why}")), "{said}");
        assert!(!said.contains("--keep-words"), "{said}");
    }
}

/// Writes a repository like ours with one flare, which needs no SDK.
fn repository(dir: &Path) {
    write(
        dir,
        "Cargo.toml",
        "[workspace]\nmembers = [\"examples/*\"]\nresolver = \"3\"\n\
         [profile.release]\nopt-level = \"z\"\nlto = true\npanic = \"abort\"\nstrip = true\n",
    );
    write(
        dir,
        "examples/tiny-flare/Cargo.toml",
        "[package]\nname = \"tiny-flare\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n",
    );
    write(
        dir,
        ".cargo/config.toml",
        "[target.wasm32-unknown-unknown]\nrustflags = [\"-Clink-arg=-zstack-size=4096\"]\n",
    );
    handler(dir, "1 << 32");
    write(
        dir,
        "size-report/budgets.toml",
        "[tiny-flare]\nraw = 300\nmemory-pages = 1\n",
    );
}

fn handler(dir: &Path, result: &str) {
    write(
        dir,
        "examples/tiny-flare/src/lib.rs",
        format!(
            "#![no_std]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! {{ core::arch::wasm32::unreachable() }}\n\
             #[unsafe(no_mangle)]\npub extern \"C\" fn handle_request(n: i64) -> i64 {{ {result} }}\n"
        ),
    );
}

#[test]
fn a_repository_is_built_checked_blessed_and_compared_with_its_past() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    repository(root);
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(identity)
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };

    let report = tool(root, &["--markdown", "--svg", "sizes.svg"]);
    assert_code(&report, 0);
    assert!(
        stdout(&report).contains("| tiny-flare |"),
        "{}",
        stdout(&report)
    );
    assert!(
        fs::read_to_string(root.join("sizes.svg"))
            .unwrap()
            .contains("tiny-flare")
    );

    assert_code(&tool(root, &["--bless"]), 0);
    let blessed = fs::read_to_string(root.join("size-report/baseline.toml")).unwrap();
    assert!(
        blessed.contains("-zstack-size=4096") && blessed.contains("rustc 1."),
        "{blessed}"
    );
    assert_code(&tool(root, &["--check"]), 0);

    write(root, ".gitignore", "target\nCargo.lock\n");
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);

    // Grown, and within the budget.
    handler(root, "n.wrapping_mul(1234567).rotate_left(5) ^ (1 << 32)");
    let grown = tool(root, &["--check"]);
    assert_code(&grown, 1);
    let said = stderr(&grown);
    assert!(
        said.contains("error: tiny-flare: ") && said.contains("more than the baseline"),
        "{said}"
    );
    for command in ["cargo size why", "cargo size diff", "cargo size --bless"] {
        assert!(said.contains(command), "{said}");
    }
    let diff = tool(root, &["diff", "HEAD", "tiny-flare"]);
    assert_code(&diff, 0);
    let said = stdout(&diff);
    let row = said
        .lines()
        .find(|line| line.contains("handle_request"))
        .unwrap();
    assert!(row.trim_start().starts_with('+'), "{said}");
    let why = tool(root, &["why", "tiny-flare"]);
    assert_code(&why, 0);
    assert!(stdout(&why).contains("handle_request") && !stdout(&why).contains("are approximate"));

    // Nothing is left behind in the repository.
    let worktrees = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["worktree", "list"])
        .output()
        .unwrap();
    assert_eq!(stdout(&worktrees).lines().count(), 1);

    // Over the budget: blessing does not help.
    write(
        root,
        "size-report/budgets.toml",
        "[tiny-flare]\nraw = 30\nmemory-pages = 1\n",
    );
    assert_code(&tool(root, &["--bless"]), 0);
    let over = tool(root, &["--check"]);
    assert_code(&over, 1);
    assert!(stderr(&over).contains("over its budget of 30"));
}

#[test]
fn flags_in_the_environment_do_not_change_what_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    repository(root);
    let output = Command::new(env!("CARGO_BIN_EXE_flaron-size"))
        .args(["--check"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        // One MiB of stack would be 17 pages.
        .env("RUSTFLAGS", "-Cdebuginfo=0")
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert!(stderr(&output).contains("RUSTFLAGS in the environment is not used"));
}
