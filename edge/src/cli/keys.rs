//! The keys that work in the terminal while `flaron-edge run` runs.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flaron_edge::{Edge, Reload};

use crate::cli::log::Log;
use crate::cli::terminal::Terminal;

const HELP: &str = "
  r    rebuild and load the flares
  c    clear the screen
  o    open the status page
  + -  print more, print less
  q    quit
  h    this help

";

/// What the keys act on.
pub(crate) struct Keys {
    pub(crate) edge: Edge,
    /// Its address, if the page is served.
    pub(crate) status_page: Option<String>,
    pub(crate) log: Log,
}

impl Keys {
    /// Handles keys until one of them quits. `report` is called with the outcome of a rebuild. Without a
    /// terminal there are no keys, and this never returns.
    pub(crate) async fn serve(
        self,
        terminal: Option<Terminal>,
        report: impl Fn(Reload) + Clone + Send + 'static,
    ) {
        let Some(mut terminal) = terminal else {
            return std::future::pending().await;
        };
        let rebuilds = Arc::new(AtomicBool::new(false));
        while let Some(key) = terminal.key().await {
            match key {
                'r' => self.rebuild(&rebuilds, report.clone()),
                'c' => tell("\x1b[2J\x1b[3J\x1b[H"),
                'o' => self.open(),
                // The same key, with and without Shift, on many keyboards.
                '+' | '=' => self.print(true),
                '-' | '_' => self.print(false),
                // Ctrl-D ends what reads a terminal.
                'q' | '\u{4}' => return,
                'h' | '?' => tell(HELP),
                '\r' | '\n' => tell("\n"),
                key if key.is_control() => {}
                key => tell(&format!("{key} does nothing; h lists the keys\n")),
            }
        }
        // The terminal is gone; the node keeps running without it.
        std::future::pending().await
    }

    /// Rebuilds while requests are served. One build at a time: a second one would wait for the first and
    /// find nothing changed.
    fn rebuild(&self, rebuilds: &Arc<AtomicBool>, report: impl Fn(Reload) + Send + 'static) {
        if rebuilds.swap(true, Ordering::AcqRel) {
            return tell("Already rebuilding\n");
        }
        tell("Rebuilding\n");
        let (edge, rebuilds_now) = (self.edge.clone(), rebuilds.clone());
        // Not a thread of the runtime, which would wait for it when the node stops.
        let begun = std::thread::Builder::new()
            .name("flaron-rebuild".into())
            .spawn(move || {
                edge.reload_each(report);
                rebuilds_now.store(false, Ordering::Release);
            });
        if let Err(error) = begun {
            rebuilds.store(false, Ordering::Release);
            tell(&format!("Cannot rebuild: {error}\n"));
        }
    }

    fn open(&self) {
        let Some(page) = &self.status_page else {
            return tell("There is no status page: the node was started with --no-status\n");
        };
        match open::that_detached(page) {
            Ok(()) => tell(&format!("Opening {page}\n")),
            Err(error) => tell(&format!("Cannot open a browser ({error}): open {page}\n")),
        }
    }

    fn print(&self, more: bool) {
        let said = self.log.change(more);
        self.edge.set_prints(self.log.prints());
        tell(&format!("{said}\n"));
    }
}

/// Writes to the terminal, through standard error.
fn tell(text: &str) {
    // If the terminal is gone, there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
