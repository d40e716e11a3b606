//! The GitHub action in `size-report/`, in a repository of its own: its script is run with the variables that
//! a runner sets, against a stand-in for GitHub's API.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use flaron_tests::action;
use flaron_tests::cargo::{ensure_wasm_target, workspace};
use flaron_tests::http::Upstream;

/// Somebody's repository with one flare, and the runner's folders.
struct Runner(tempfile::TempDir);

impl Runner {
    fn new() -> Runner {
        ensure_wasm_target();
        let runner = Runner(tempfile::tempdir().unwrap());
        runner.write(
            "repository/Cargo.toml",
            "[package]\nname = \"my-flare\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [lib]\ncrate-type = [\"cdylib\"]\n[profile.release]\npanic = \"abort\"\nstrip = true\n",
        );
        runner.write(
            "repository/src/lib.rs",
            "#![no_std]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n\
             #[unsafe(no_mangle)]\npub extern \"C\" fn handle_request() -> i64 { 1 << 32 }\n",
        );
        runner.write("event.json", r#"{"pull_request": {"number": 12}}"#);
        action::cached_tool(&runner.path("tool"));
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn run(&self, step: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = action::step(step, &self.path("repository"), &self.path("tool"));
        command
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_PATH", self.path("paths"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .env("GITHUB_EVENT_PATH", self.path("event.json"))
            .env("GITHUB_REPOSITORY", "somebody/flares")
            .env("GITHUB_TOKEN", "secret")
            .env("RUNNER_TEMP_DIR", self.0.path())
            .envs(variables.iter().copied());
        command.output().unwrap()
    }

    fn summary(&self) -> String {
        fs::read_to_string(self.path("summary.md")).unwrap()
    }
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

#[test]
fn the_tools_place_and_what_it_depends_on_are_said() {
    let runner = Runner::new();
    assert_code(&runner.run("locate", &[]), 0);
    let output = fs::read_to_string(runner.path("output")).unwrap();
    let hash = output.lines().find_map(|line| line.strip_prefix("hash="));
    assert_eq!(hash.unwrap().len(), 16, "{output}");
    // What was in the cache is not installed again.
    assert_code(&runner.run("install", &[]), 0);
    // The steps that follow find it.
    let paths = fs::read_to_string(runner.path("paths")).unwrap();
    assert_eq!(paths.trim_end(), runner.path("tool/bin").to_str().unwrap());
}

#[test]
fn what_is_made_smaller_is_what_is_checked() {
    let runner = Runner::new();
    let check = |slim: &str| {
        let variables = [("SLIM", slim), ("BUDGET", "64KiB"), ("COMMENT", "false")];
        assert_code(&runner.run("check", &variables), 0);
        let wasm = "repository/target/wasm32-unknown-unknown/release/my_flare.wasm";
        fs::metadata(runner.path(wasm)).unwrap().len()
    };
    let built = check("false");
    let slim = check("true");
    assert!(slim < built, "{slim}, {built}");
    let sizes = runner.summary();
    assert!(sizes.contains(&format!("| {slim} |")), "{slim}: {sizes}");
}

#[test]
fn a_budget_holds_and_the_table_is_on_the_summary() {
    let runner = Runner::new();
    assert_code(
        &runner.run("check", &[("BUDGET", "64KiB"), ("COMMENT", "false")]),
        0,
    );
    assert!(
        runner.summary().contains("| my_flare |"),
        "{}",
        runner.summary()
    );
    assert!(runner.summary().contains("### Sizes of the flares"));

    assert_code(
        &runner.run("check", &[("BUDGET", "10"), ("COMMENT", "false")]),
        1,
    );
    assert!(runner.summary().contains("over its budget of 10"));
    // Neither a limit nor a flare was given.
    assert_code(&runner.run("check", &[]), 2);
    let nothing = runner.run(
        "check",
        &[("FILES", "*.wasm"), ("BUILD", ""), ("BUDGET", "1")],
    );
    assert_code(&nothing, 2);
    assert!(String::from_utf8_lossy(&nothing.stdout).contains("::error::there is no *.wasm"));
}

#[test]
fn a_baseline_that_is_not_there_yet_is_shown_and_the_next_one_holds() {
    let runner = Runner::new();
    let variables = [("BASELINE", "sizes.toml"), ("COMMENT", "false")];
    let first = runner.run("check", &variables);
    assert_code(&first, 0);
    assert!(
        String::from_utf8_lossy(&first.stdout).contains("::warning::there is no sizes.toml yet")
    );
    assert!(
        runner.summary().contains("commit this file")
            && runner.summary().contains("[flares.my_flare]")
    );

    assert_code(&runner.run("check", &variables), 0);
    let source = runner.path("repository/src/lib.rs");
    let mut grown = fs::read_to_string(&source).unwrap();
    grown.push_str("#[unsafe(no_mangle)] pub extern \"C\" fn more(n: i64) -> i64 { n * 7 }\n");
    fs::write(&source, grown).unwrap();
    assert_code(&runner.run("check", &variables), 1);
    assert!(
        runner.summary().contains("more than the baseline"),
        "{}",
        runner.summary()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_comment_is_made_and_kept_up_to_date() {
    let runner = tokio::task::block_in_place(Runner::new);
    let check = |api: &str| {
        let api = format!("http://{api}");
        let variables = [
            ("BUDGET", "64KiB"),
            ("COMMENT", "true"),
            ("GITHUB_API_URL", &api),
        ];
        tokio::task::block_in_place(|| assert_code(&runner.run("check", &variables), 0));
    };
    // There is no comment yet.
    let github = Upstream::start(http::Response::new("[]")).await;
    check(&github.addr.to_string());
    let [asked, made] = <[_; 2]>::try_from(github.requests()).unwrap();
    assert_eq!(
        asked.uri().path(),
        "/repos/somebody/flares/issues/12/comments"
    );
    assert_eq!(
        (made.method().as_str(), made.uri().path()),
        ("POST", asked.uri().path())
    );
    assert_eq!(made.headers()["authorization"], "Bearer secret");
    let body: serde_json::Value = serde_json::from_slice(made.body()).unwrap();
    let text = body["body"].as_str().unwrap();
    assert!(
        text.starts_with("<!-- flaron-size -->\n") && text.contains("| my_flare |"),
        "{text}"
    );

    // There is one by somebody else, and one by the action.
    let comments = r#"[{"id": 1, "body": "nice"}, {"id": 7, "body": "<!-- flaron-size -->\nold"}]"#;
    let github = Upstream::start(http::Response::new(comments)).await;
    check(&github.addr.to_string());
    let [_, changed] = <[_; 2]>::try_from(github.requests()).unwrap();
    let path = "/repos/somebody/flares/issues/comments/7";
    assert_eq!(
        (changed.method().as_str(), changed.uri().path()),
        ("PATCH", path)
    );
}

/// Every input is passed to the script, and the script reads no others.
#[test]
fn inputs_and_script_agree() {
    let read = |name: &str| {
        fs::read_to_string(Path::new(workspace()).join("size-report").join(name)).unwrap()
    };
    let (action, script) = (read("action.yml"), read("action.sh"));
    for (input, variable) in [
        ("files", "FILES"),
        ("build", "BUILD"),
        ("budget", "BUDGET"),
        ("opt-budget", "OPT_BUDGET"),
        ("slim", "SLIM"),
        ("max-pages", "MAX_PAGES"),
        ("baseline", "BASELINE"),
        ("comment", "COMMENT"),
        ("token", "GITHUB_TOKEN"),
    ] {
        assert!(action.contains(&format!("\n  {input}:\n")), "{input}");
        assert!(
            action.contains(&format!("{variable}: ${{{{ inputs.{input} }}}}")),
            "{input}"
        );
        assert!(
            script.contains(&format!("${{{variable}-}}"))
                || script.contains(&format!("${variable}")),
            "{variable}"
        );
    }
}
