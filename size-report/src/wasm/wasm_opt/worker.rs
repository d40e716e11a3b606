//! npm's `wasm-opt`, kept running.
//!
//! It is Binaryen compiled to Wasm and run by Node, which compiles it at each start: seconds of
//! work, for a module that is optimised in a tenth of a second. A [`Pool`] has processes that run it for one
//! module after the other. What it writes is the same to the byte.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

const SCRIPT: &str = include_str!("worker.cjs");

/// Processes that run one program: as many as have been needed at the same time.
#[derive(Debug)]
pub(super) struct Pool {
    program: PathBuf,
    idle: Mutex<Vec<Worker>>,
}

impl Pool {
    /// A pool for `program`, if that is a script for Node.
    pub(super) fn of(program: &Path) -> Option<Self> {
        let program = find_in_path(program)?;
        let mut line = [0; 64];
        let read = File::open(&program).ok()?.read(&mut line).ok()?;
        let first = line[..read].split(|&byte| byte == b'\n').next()?;
        let is_script = first.starts_with(b"#!") && first.ends_with(b"node");
        is_script.then(|| Self {
            program,
            idle: Mutex::default(),
        })
    }

    /// Runs the program; whether it succeeded.
    ///
    /// # Errors
    ///
    /// When there is no Node, or it ended. What the program was asked for may be done or not.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<bool> {
        let idle = self.idle().pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::start(&self.program)?,
        };
        let succeeded = worker.run(arguments)?;
        self.idle().push(worker);
        Ok(succeeded)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        // A list of processes is whole whatever its user did.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the shell would find `program`.
fn find_in_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return Some(program.to_path_buf());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// One process of Node.
#[derive(Debug)]
struct Worker {
    process: Child,
    jobs: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new("node")
            .args(["-e", SCRIPT])
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A program that fails is run again by itself, where what it says is read.
            .stderr(Stdio::null())
            .spawn()
            .context("could not start node")?;
        let jobs = process.stdin.take();
        let answers = process.stdout.take().expect("standard output is piped");
        Ok(Self {
            process,
            jobs,
            answers: BufReader::new(answers),
        })
    }

    fn run(&mut self, arguments: &[&str]) -> Result<bool> {
        let jobs = self.jobs.as_mut().expect("there until it is dropped");
        writeln!(jobs, "{}", serde_json::to_string(arguments)?)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let status: i32 = answer.trim_end().parse().context("node has ended")?;
        Ok(status == 0)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // At the end of its input it ends by itself; where it is stuck it is ended.
        drop(self.jobs.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
