//! Logs the message of a panic, for development: behind the feature `panic-message`.
//!
//! It links `core::fmt`, some kilobytes that no deployed flare should carry. `flaron-edge run` enables the
//! feature only in the second build that it serves, never in the `.wasm` that is deployed.

use core::fmt::{self, Display, Write as _};

/// The longest line, in bytes; the rest of a longer message is left out. The line lies on the stack of a
/// flare that may have only 4096 bytes of it, and may have used most of them.
const LENGTH: usize = 512;

/// Logs a panic on one line: `panicked at FILE:LINE:COLUMN: MESSAGE`.
pub(crate) fn log(panic: &dyn Display) {
    let mut line = Line::new();
    // An error means that the rest of the message did not fit.
    let _ = write!(line, "{panic}");
    crate::abi::log_error(line.bytes());
}

/// Installs a panic hook that logs each panic of a flare with `std`. A hook that the flare itself installs
/// after its first invocation has begun replaces it.
#[cfg(all(
    feature = "panic-message-std",
    target_family = "wasm",
    not(target_os = "none")
))]
pub(crate) fn hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(std::boxed::Box::new(|panic| log(panic))));
}

/// The beginning of a text, with line breaks replaced by spaces.
struct Line {
    text: [u8; LENGTH],
    length: usize,
}

impl Line {
    fn new() -> Self {
        Line {
            text: [0; LENGTH],
            length: 0,
        }
    }

    /// What was written, up to the last complete character.
    fn bytes(&self) -> &[u8] {
        let written = &self.text[..self.length];
        match core::str::from_utf8(written) {
            Ok(_) => written,
            Err(error) => &written[..error.valid_up_to()],
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let free = self.text.get_mut(self.length).ok_or(fmt::Error)?;
            // The standard library writes the message on a line of its own.
            *free = if byte == b'\n' { b' ' } else { byte };
            self.length += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    fn logged(panic: &dyn Display) -> std::string::String {
        let host = Host::new();
        log(panic);
        host.logs().pop().unwrap().text
    }

    #[test]
    fn a_panic_is_one_line() {
        let said = logged(&"panicked at src/lib.rs:3:5:\nno cart");
        assert_eq!(said, "panicked at src/lib.rs:3:5: no cart");
    }

    #[test]
    fn a_long_one_is_cut_between_characters() {
        let said = logged(&"é".repeat(LENGTH));
        assert_eq!(said.len(), LENGTH);
        let said = logged(&std::format!("x{}", "é".repeat(LENGTH)));
        assert_eq!(said.len(), LENGTH - 1);
    }
}
