//! A server under load: a process of its own, on a port of this machine.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure};

/// The response of all of them.
pub(super) const BODY: &str = "hello from the edge";
/// How long a server may take until it listens: it compiles its flare first.
const START: Duration = Duration::from_secs(60);

/// A running server. It is killed when dropped.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Starts a server and waits until it prints its address.
    ///
    /// # Errors
    ///
    /// When it does not, with what it said.
    pub(super) fn start(name: &'static str, mut command: Command) -> Result<Server> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let mut server = Server {
            name,
            child,
            addr: ([0, 0, 0, 0], 0).into(),
        };
        let (send, lines) = channel();
        follow(server.child.stdout.take(), send.clone());
        follow(server.child.stderr.take(), send);
        let mut said = String::new();
        let until = Instant::now() + START;
        // The wait ends when the server does: then nobody sends.
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(addr) = listens(&line) {
                server.addr = addr;
                return Ok(server);
            }
            said = said + &line + "\n";
        }
        bail!("{name} did not start to serve:\n{said}")
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Checks that it answers as it should.
    ///
    /// # Errors
    ///
    /// With the answer, when it does not.
    pub(super) fn check(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(START))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.addr
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(is_right(&answer), "{} answers {answer:?}", self.name);
        Ok(())
    }

    /// The computing time of all its threads so far, on Linux.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        cpu_of(&stat)
    }

    /// How much memory it has, in bytes, on Linux.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        memory_of(&status)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line that a server says, and reads on when nobody listens any more: it must not wait
/// for room to say more.
fn follow(from: Option<impl Read + Send + 'static>, send: Sender<String>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
}

/// The address in a line that says where a server serves: a sentence with a URL, or workerd's JSON.
fn listens(line: &str) -> Option<SocketAddr> {
    if let Ok(event) = serde_json::from_str::<serde_json::Value>(line) {
        let port = event.get("port")?.as_u64()?;
        return Some(([127, 0, 0, 1], u16::try_from(port).ok()?).into());
    }
    let (said, url) = line.split_once("http://")?;
    let addr = url.split(['/', ' ']).next()?;
    said.starts_with("Serving").then(|| addr.parse().ok())?
}

/// Whether a response is the one that all servers give. Names of fields have no case, and a server
/// may say more than was asked for.
fn is_right(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    head.starts_with("http/1.1 200 ")
        && head.contains("\r\ncontent-type: text/plain")
        && body == BODY
}

/// The computing time in a `/proc/PID/stat`: its 14th and 15th field (user and system), in ticks,
/// of which Linux tells programs 100 a second. The second field, a name in parentheses, may contain
/// anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// The resident memory in a `/proc/PID/status`.
fn memory_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_server_listens_is_understood() {
        let addr = Some(([127, 0, 0, 1], 80).into());
        assert_eq!(listens("Serving HTTP on http://127.0.0.1:80/"), addr);
        assert_eq!(
            listens("Serving on http://127.0.0.1:80 (Ctrl-C stops)"),
            addr
        );
        assert_eq!(
            listens(r#"{"event":"listen","socket":"http","port":80}"#),
            addr
        );
        assert_eq!(listens("  try      curl -i 'http://127.0.0.1:80/'"), None);
        assert_eq!(listens("7"), None);
    }

    #[test]
    fn what_the_system_says_is_understood() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 12 34 0 0 20 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(460)));
        let status = "VmHWM:\t 9 kB\nVmRSS:\t   15360 kB\nThreads:\t3\n";
        assert_eq!(memory_of(status), Some(15 << 20));
        assert_eq!(memory_of("VmRSS: many"), None);
    }

    #[test]
    fn the_right_answer_is_told_from_others() {
        let right = "HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nDate: now\r\n\r\n\
                     hello from the edge";
        assert!(is_right(right));
        for wrong in [
            right.replace("200", "500"),
            right.replace("plain", "html"),
            format!("{right}!"),
            String::new(),
        ] {
            assert!(!is_right(&wrong), "{wrong}");
        }
    }
}
