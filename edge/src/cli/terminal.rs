//! Reads the terminal key by key.
//!
//! Only the necessary modes are changed: keys arrive at once and are not echoed. Ctrl-C and the like still send
//! signals, and this program and cargo print lines as usual.

#[cfg(unix)]
pub(crate) use self::unix::Terminal;

#[cfg(unix)]
mod unix {
    use std::io::IsTerminal as _;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::{Errno, read};
    use rustix::process::{Signal, getpgrp, getpid, kill_process};
    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
    };
    use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
    use tokio::sync::mpsc;

    /// The terminal on standard input. While this exists, keys are read one by one; dropping it restores the terminal.
    pub(crate) struct Terminal {
        before: Termios,
        /// Asks the reading thread for the next key.
        ask: Sender<()>,
        /// The keys it has read.
        answers: mpsc::UnboundedReceiver<Input>,
        is_asked: bool,
        /// Ctrl-Z.
        suspended: Signals,
        /// The process was resumed (`fg`).
        continued: Signals,
        /// A background job may not change the terminal.
        is_ours: bool,
    }

    /// What was read.
    enum Input {
        Key(char),
        /// A key that means nothing here, such as an arrow, which is sent as several characters.
        Other,
        /// Input for another program, which is in the foreground.
        NotOurs,
        /// The terminal was closed.
        Gone,
    }

    impl Terminal {
        /// Takes the terminal, if standard input and standard error are one. Call it within a Tokio runtime.
        pub(crate) fn claim() -> Option<Terminal> {
            if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
                return None;
            }
            let suspend = SignalKind::from_raw(Signal::TSTP.as_raw());
            let go_on = SignalKind::from_raw(Signal::CONT.as_raw());
            let (ask, asked) = channel();
            let (answer, answers) = mpsc::unbounded_channel();
            let mut terminal = Terminal {
                before: tcgetattr(std::io::stdin()).ok()?,
                ask,
                answers,
                is_asked: false,
                suspended: signal(suspend).ok()?,
                continued: signal(go_on).ok()?,
                is_ours: false,
            };
            // A blocking read cannot be cancelled, so nothing may wait for this thread.
            std::thread::Builder::new()
                .name("flaron-keys".into())
                .spawn(move || answer_all(&asked, &answer))
                .ok()?;
            terminal.take();
            Some(terminal)
        }

        /// The next key; `None` when the terminal is gone. Cancel-safe.
        pub(crate) async fn key(&mut self) -> Option<char> {
            loop {
                if self.is_ours && !self.is_asked {
                    self.ask.send(()).ok()?;
                    self.is_asked = true;
                }
                tokio::select! {
                    input = self.answers.recv() => {
                        self.is_asked = false;
                        match input? {
                            Input::Key(key) => return Some(key),
                            Input::Other => {}
                            Input::NotOurs => self.is_ours = false,
                            Input::Gone => return None,
                        }
                    }
                    suspended = self.suspended.recv() => {
                        suspended?;
                        self.give_back();
                        // Ctrl-Z's default action.
                        let _ = kill_process(getpid(), Signal::STOP);
                    }
                    continued = self.continued.recv() => {
                        continued?;
                        self.take();
                    }
                }
            }
        }

        /// Makes keys arrive one by one, if this program is in the foreground.
        fn take(&mut self) {
            if !is_foreground() {
                return;
            }
            let mut modes = self.before.clone();
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            self.is_ours = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes).is_ok();
        }

        /// Restores the terminal.
        fn give_back(&mut self) {
            if self.is_ours && is_foreground() {
                // If the terminal is gone, there is nothing to restore.
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
            }
            self.is_ours = false;
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            self.give_back();
        }
    }

    /// Reads a key for each request.
    fn answer_all(asked: &Receiver<()>, answer: &mpsc::UnboundedSender<Input>) {
        while asked.recv().is_ok() {
            if answer.send(input()).is_err() {
                return;
            }
        }
    }

    /// Waits for the next key.
    fn input() -> Input {
        let stdin = std::io::stdin();
        loop {
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return Input::Gone,
            }
            if !is_foreground() {
                return Input::NotOurs;
            }
            let is_closed = ready[0].revents().contains(PollFlags::HUP);
            let mut keys = [0; 16];
            // Does not block, because of the modes that `take` sets.
            return match read(&stdin, &mut keys[..]) {
                Ok(0) if is_closed => Input::Gone,
                Ok(0) => continue,
                Ok(length) => key(&keys[..length]).map_or(Input::Other, Input::Key),
                Err(Errno::INTR) => continue,
                Err(_) => Input::Gone,
            };
        }
    }

    /// The first key in what was read: pasted text is not meant as keys, so the rest is dropped. Keys that are sent
    /// as several characters (`ESC [ A` for an arrow) mean nothing here.
    fn key(read: &[u8]) -> Option<char> {
        let text = String::from_utf8_lossy(read);
        let mut chars = text.chars();
        loop {
            match chars.next()? {
                '\u{1b}' => match chars.next()? {
                    '[' => _ = chars.find(|c| matches!(c, '\u{40}'..='\u{7e}')),
                    _ => _ = chars.next(),
                },
                key => return Some(key),
            }
        }
    }

    /// Whether this program is in the terminal's foreground.
    fn is_foreground() -> bool {
        tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == getpgrp())
    }

    #[cfg(test)]
    mod tests {
        use crate::cli::terminal::unix::key;

        #[test]
        fn what_is_no_single_character_is_no_key() {
            for (read, found) in [
                ("r", Some('r')),
                ("rest of a text", Some('r')),
                ("\u{1b}[A", None),
                ("\u{1b}[1;5Cq", Some('q')),
                ("\u{1b}OPq", Some('q')),
                ("\u{1b}", None),
                ("é", Some('é')),
            ] {
                assert_eq!(key(read.as_bytes()), found, "{read:?}");
            }
        }
    }
}

/// Keys are read on Unix only.
#[cfg(not(unix))]
pub(crate) enum Terminal {}

#[cfg(not(unix))]
impl Terminal {
    pub(crate) fn claim() -> Option<Terminal> {
        None
    }

    pub(crate) async fn key(&mut self) -> Option<char> {
        match *self {}
    }
}
