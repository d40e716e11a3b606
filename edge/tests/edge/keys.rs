//! The program in a terminal: the keys that work while it runs, and the state of the terminal
//! afterwards.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

use crate::guest::{RESPOND, http_guest};
use crate::process::PROGRAM;

const LONG: Duration = Duration::from_secs(60);

/// The program in its own terminal, with a flare that logs its greeting.
struct Screen {
    child: Child,
    keyboard: File,
    shown: Receiver<Vec<u8>>,
    /// Output that no check has looked at yet.
    rest: String,
    folder: TempDir,
}

impl Screen {
    fn start(options: &[&str]) -> Screen {
        let folder = tempfile::tempdir().unwrap();
        let guest = http_guest(|g| format!("(call $log_info {}) {RESPOND}", g.text("a greeting")));
        std::fs::write(folder.path().join("flare.wasm"), guest.wasm()).unwrap();
        // The program that opens the browser; this one is found before any other.
        let opener = folder.path().join("xdg-open");
        std::fs::write(
            &opener,
            "#!/bin/sh\necho \"$1\" > opened.part; mv opened.part opened\n",
        )
        .unwrap();
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();

        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 40,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        // A separate session with this controlling terminal.
        let child = Command::new("setsid")
            .args([
                "--ctty",
                PROGRAM,
                "run",
                "flare.wasm",
                "--listen",
                "127.0.0.1:0",
            ])
            .args(options)
            .current_dir(folder.path())
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .env_remove("BROWSER")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with the terminal, or with its reader.
            while let Ok(length) = screen.read(&mut bytes) {
                if length == 0 || send.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Screen {
            child,
            keyboard,
            shown,
            rest: String::new(),
            folder,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is shown; returns what was shown up to there.
    #[track_caller]
    fn shows(&mut self, what: &str) -> String {
        let until = Instant::now() + LONG;
        loop {
            if let Some(at) = self.rest.find(what) {
                let after = self.rest.split_off(at + what.len());
                return std::mem::replace(&mut self.rest, after);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.rest += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{what:?} was not shown:\n{}", self.rest),
            }
        }
    }

    /// Waits until the program serves; returns the address.
    fn serves(&mut self) -> String {
        self.shows("Serving on http://");
        let addr = self.shows(" (Ctrl-C stops)");
        self.shows("Keys: h lists them");
        addr.trim_end_matches(" (Ctrl-C stops)").to_owned()
    }

    /// Whether lines are edited and echoed, as a shell's user expects.
    fn is_as_it_was(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until a condition holds.
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let end = Instant::now() + LONG;
        while !is_so(self) {
            assert!(Instant::now() < end, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the program to end; the terminal must be as it was before.
    #[track_caller]
    fn ends(mut self) {
        let until = Instant::now() + LONG;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(self.child.wait().unwrap().success());
        assert!(self.is_as_it_was());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(addr: &str) {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET /x HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[test]
fn keys_act_while_it_runs() {
    let mut screen = Screen::start(&[]);
    let addr = screen.serves();
    screen.until("keys are read", |screen| !screen.is_as_it_was());
    screen.press("h");
    let help = screen.shows("this help");
    assert!(
        help.lines().all(|line| line.chars().count() <= 40),
        "{help}"
    );
    // In a terminal lines end with both characters; in raw mode they would not.
    assert!(help.contains("rebuild and load the flares\r\n"), "{help:?}");

    ask(&addr);
    screen.shows("a greeting");
    screen.press("r");
    screen.shows("Rebuilding");
    screen.shows("Reloaded flare: ");

    screen.press("-");
    screen.shows("Printing warnings and failures only");
    ask(&addr);
    screen.press("-");
    let between = screen.shows("Already printing warnings and failures only");
    assert!(!between.contains("/x"), "{between}");
    screen.press("+");
    screen.shows("Printing each request");
    ask(&addr);
    screen.shows("GET /x 200");
    screen.press("+");
    screen.shows("to print its host calls too, start with --trace");

    screen.press("o");
    screen.shows(&format!("Opening http://{addr}/_edge"));
    let opened = screen.folder.path().join("opened");
    screen.until("the page is opened", |_| opened.exists());
    let page = std::fs::read_to_string(&opened).unwrap();
    assert_eq!(page.trim(), format!("http://{addr}/_edge"));

    screen.press("c");
    screen.shows("\u{1b}[2J");
    // An arrow key sends three characters, and none of them counts as a key.
    screen.press("\u{1b}[A");
    screen.press("x");
    let said = screen.shows("x does nothing; h lists the keys");
    assert!(!said.contains("A does nothing"), "{said}");

    screen.press("q");
    screen.shows("Stopping");
    screen.ends();
}

#[test]
fn calls_are_printed_when_they_are_wanted() {
    let mut screen = Screen::start(&["--trace", "--no-status"]);
    let addr = screen.serves();
    ask(&addr);
    screen.shows("call  log_info");
    screen.press("-");
    screen.shows("Printing each request\r\n");
    ask(&addr);
    screen.shows("a greeting");
    screen.press("+");
    let between = screen.shows("Printing each request and its host calls");
    assert!(!between.contains("call  log_info"), "{between}");
    ask(&addr);
    screen.shows("call  log_info");
    screen.press("o");
    screen.shows("There is no status page: the node was started with --no-status");
    screen.press("\u{4}");
    screen.ends();
}

#[test]
fn the_terminal_is_left_as_it_was() {
    // Ctrl-C typed in the terminal, and a signal from elsewhere.
    for typed in [true, false] {
        let mut screen = Screen::start(&[]);
        screen.serves();
        screen.until("keys are read", |screen| !screen.is_as_it_was());
        match typed {
            true => screen.press("\u{3}"),
            false => screen.signal("-TERM"),
        }
        screen.shows("Stopping");
        screen.ends();
    }
}

#[test]
fn a_program_that_is_suspended_leaves_the_terminal_to_others() {
    let mut screen = Screen::start(&[]);
    screen.serves();
    screen.until("keys are read", |screen| !screen.is_as_it_was());
    // Ctrl-Z.
    screen.press("\u{1a}");
    screen.until("it is suspended", |screen| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", screen.child.id())).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('T')
    });
    assert!(screen.is_as_it_was());
    screen.signal("-CONT");
    screen.until("keys are read again", |screen| !screen.is_as_it_was());
    screen.press("h");
    screen.shows("this help");
    screen.press("q");
    screen.ends();
}
