//! From an empty folder outside of this repository, in four commands, to a flare that is tested, size-gated
//! and served.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use flaron_tests::cargo::{edge_binary, ensure_wasm_target, flares_dir, size_binary};
use flaron_tests::http::send;
use flaron_tests::process::Process;

/// A command as an author types it, in a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(edge_binary());
    command.args(arguments).current_dir(folder);
    command.env("CARGO_TARGET_DIR", flares_dir().join("author-day"));
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

#[track_caller]
fn done(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_commands_make_a_flare_that_is_tested_gated_and_answers() {
    let empty = tempfile::tempdir().unwrap();
    let flare = empty.path().join("shop");
    tokio::task::block_in_place(|| {
        ensure_wasm_target();
        size_binary();
        done(&run(empty.path(), &["new", "shop"]));
        let tested = run(&flare, &["test"]);
        done(&tested);
        let said = String::from_utf8_lossy(&tested.stdout);
        assert!(said.contains("2 passed"), "{said}");
        // Without an accepted size it is shown, and how to accept it.
        let measured = run(&flare, &["size"]);
        done(&measured);
        let said = String::from_utf8_lossy(&measured.stdout);
        assert!(said.contains("shop"), "{said}");
        let said = String::from_utf8_lossy(&measured.stderr);
        assert!(said.contains("flaron-edge size --bless"), "{said}");
        done(&run(&flare, &["size", "--bless"]));
    });
    // In the flare's folder, the program without arguments serves it.
    let served = command(&flare, &["run", "--listen", "127.0.0.1:0"]);
    let node = Process::of(served).await;
    let answer = send(node.addr, "GET", "/a?b=1", "").await;
    answer.is(
        200,
        "text/plain",
        &format!("GET http://{}/a?b=1", node.addr),
    );
    drop(node);

    // What is deployed is a file of its own, smaller than cargo's, and answers the same.
    let built = flares_dir().join("author-day/wasm32-unknown-unknown/release/shop.wasm");
    let slim = built.with_extension("slim.wasm");
    tokio::task::block_in_place(|| done(&run(&flare, &["slim"])));
    let bytes = |file: &Path| fs::metadata(file).unwrap().len();
    assert!(bytes(&slim) < bytes(&built));
    let mut served = command(&flare, &["run", "--listen", "127.0.0.1:0"]);
    served.arg(&slim);
    let node = Process::of(served).await;
    let answer = send(node.addr, "GET", "/a?b=1", "").await;
    assert_eq!(answer.text(), format!("GET http://{}/a?b=1", node.addr));
    drop(node);

    // The gate works: a flare that has grown fails, with a message.
    tokio::task::block_in_place(|| {
        done(&run(&flare, &["size"]));
        let source = fs::read_to_string(flare.join("src/lib.rs")).unwrap();
        let more = source.replace("\" \"", "\" was what you asked us for, kindly, of \"");
        assert_ne!(source, more);
        fs::write(flare.join("src/lib.rs"), more).unwrap();
        let grown = run(&flare, &["size"]);
        let said = String::from_utf8_lossy(&grown.stdout).into_owned()
            + &String::from_utf8_lossy(&grown.stderr);
        assert_eq!(grown.status.code(), Some(1), "{said}");
        assert!(said.contains("shop"), "{said}");
        // Its unit test fails, too, as it should.
        assert!(!run(&flare, &["test"]).status.success());
    });
}
