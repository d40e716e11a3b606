//! The edge as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::http::{get, send};
use crate::{cargo, until};

/// A running edge. It is killed when dropped.
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Process {
    /// Runs the edge's binary with a flare, its data in a folder, and these options.
    pub async fn start(flare: &Path, data: &Path, options: &[&str]) -> Process {
        let mut command = Command::new(cargo::edge_binary());
        command.arg("run").arg(flare).arg("--data").arg(data);
        command.args(["--listen", "127.0.0.1:0"]).args(options);
        Process::of(command).await
    }

    /// Starts a command that becomes the edge, and waits until it serves.
    pub async fn of(mut command: Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().unwrap(), lines.clone());
        collect(child.stderr.take().unwrap(), lines.clone());
        let mut process = Process {
            child,
            lines,
            addr: ([0, 0, 0, 0], 0).into(),
        };
        let url = process.told("Serving on http://").await;
        let addr = url.split_whitespace().next().unwrap();
        process.addr = addr.parse().unwrap();
        process
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits for a line with this text and returns what follows it. The time limit is generous, because the
    /// process may build a flare first.
    pub async fn told(&mut self, part: &str) -> String {
        loop {
            let told = self.lines.lock().unwrap().iter().find_map(|line| {
                let (_, rest) = line.split_once(part)?;
                Some(rest.to_owned())
            });
            if let Some(rest) = told {
                return rest;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{status} without {part:?}:\n{}", self.printed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the status page says, as JSON.
    pub async fn status(&self) -> Value {
        let answer = send(self.addr, "GET", "/_edge/status.json", "").await;
        serde_json::from_str(answer.text()).unwrap()
    }

    /// Requests `/` and returns the number that follows this prefix; there must be nothing else in the body.
    pub async fn count(&self, before: &str) -> i64 {
        let answer = get(self.addr).await;
        let count = answer.text().strip_prefix(before).map(str::parse);
        let Some(Ok(count)) = count else {
            panic!("{answer:?}\n{}", self.printed())
        };
        answer.is(200, "text/plain", &format!("{before}{count}"));
        count
    }

    /// `kill -9`, so that it cannot clean up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and waits until it has exited.
    pub async fn terminate(&mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
        let child = &mut self.child;
        until("end of the edge", async || child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects lines until the end of the stream.
fn collect(from: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            lines.lock().unwrap().push(line);
        }
    });
}
