//! `--watch`: reloads flares when their files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::config::FILE_NAME;
use crate::error::{Error, Result};
use crate::flare::slot::Slot;
use crate::flare::source::{FlareSource, SECRETS_FILE_NAME};
use crate::state::{Reload, State};
use crate::sync::lock;

/// Editors and compilers write in several steps, so a flare is reloaded only after nothing has changed for this long.
const QUIET: Duration = Duration::from_millis(100);

/// Watches the files of a node's flares until dropped.
#[derive(Debug)]
pub struct Watch {
    /// Dropping this closes the channel, which ends the thread.
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

/// Starts watching; `report` is called after every reload.
pub(crate) fn watch(state: &Arc<State>, report: impl Fn(Reload) + Send + 'static) -> Result<Watch> {
    let failed = |error: notify::Error| Error::new(format!("cannot watch files: {error}"));
    let (send, changes) = channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !matches!(event.kind, notify::EventKind::Access(_))
        {
            for path in event.paths {
                // An error means that the thread has ended.
                let _ = send.send(path);
            }
        }
    })
    .map_err(failed)?;
    let watcher = Arc::new(Mutex::new(watcher));
    let slots = state
        .slots
        .iter()
        .map(|slot| Watched::new(slot, &watcher))
        .collect::<Result<Vec<_>>>()?;
    let weak = Arc::downgrade(state);
    let weak_watcher = Arc::downgrade(&watcher);
    std::thread::Builder::new()
        .name("flaron-watch".into())
        .spawn(move || run(&weak, slots, &changes, &weak_watcher, &report))
        .map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
    Ok(Watch { _watcher: watcher })
}

type SharedWatcher = Mutex<RecommendedWatcher>;

/// The files of one flare.
struct Watched {
    slot: Arc<Slot>,
    /// Folders of which every file counts.
    trees: Vec<PathBuf>,
    /// Single files that count.
    files: BTreeSet<PathBuf>,
    /// Folders that are watched already.
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(slot: &Arc<Slot>, watcher: &SharedWatcher) -> Result<Watched> {
        let mut watched = Watched {
            slot: slot.clone(),
            trees: Vec::new(),
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        watched.look(watcher)?;
        Ok(watched)
    }

    /// Finds the flare's current files, and watches the folders they are in: replacing a file makes a new file,
    /// but in the same folder.
    fn look(&mut self, watcher: &SharedWatcher) -> Result<()> {
        let spec = &self.slot.spec;
        self.files.extend(spec.config_file.iter().cloned());
        self.files.extend(spec.secrets_file.iter().cloned());
        if let FlareSource::Path(path) = &spec.source {
            self.files.insert(path.clone());
            let folder = if path.is_dir() {
                self.files.insert(path.join("Cargo.toml"));
                self.files.insert(path.join("build.rs"));
                self.files.insert(path.join(".cargo"));
                // Cargo also reads its settings (with the linker flags) and the workspace's manifest (with the
                // profile).
                for above in real(path).ancestors() {
                    let settings = [
                        ".cargo/config.toml",
                        ".cargo/config",
                        "Cargo.toml",
                        "rust-toolchain.toml",
                    ];
                    let there = settings.map(|name| above.join(name)).into_iter();
                    self.files.extend(there.filter(|file| file.is_file()));
                }
                let source = path.join("src");
                if source.is_dir() {
                    self.trees = vec![real(&source)];
                    self.files.insert(source);
                }
                path.as_path()
            } else {
                self.files.insert(path.clone());
                path.parent().unwrap_or(Path::new("."))
            };
            self.files.insert(folder.join(FILE_NAME));
            self.files.insert(folder.join(SECRETS_FILE_NAME));
            // The sources that cargo built the flare from, including other crates of the workspace.
            if let Some(wasm) = &self.slot.current().file {
                let listed = std::fs::read_to_string(wasm.with_extension("d"));
                self.files.extend(dependencies(&listed.unwrap_or_default()));
            }
        }
        self.files = self.files.iter().flat_map(|file| way_to(file)).collect();
        let mut watcher = lock(watcher);
        let folders: BTreeSet<PathBuf> = self
            .files
            .iter()
            .filter_map(|file| file.parent().map(Path::to_owned))
            .filter(|folder| folder.is_dir())
            .collect();
        let failed = |error: notify::Error| Error::new(format!("cannot watch files: {error}"));
        for folder in folders {
            if self.folders.insert(folder.clone()) {
                watcher
                    .watch(&folder, RecursiveMode::NonRecursive)
                    .map_err(failed)?;
            }
        }
        for tree in &self.trees {
            // Not cached: new folders may appear in the tree.
            watcher
                .watch(tree, RecursiveMode::Recursive)
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Whether this file belongs to the flare.
    fn is_made_of(&self, path: &Path) -> bool {
        self.files.contains(path) || self.trees.iter().any(|tree| path.starts_with(tree))
    }
}

/// A path as it appears in the system's events.
fn real(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    // The file may not exist yet, but its folder does.
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            parent
                .canonicalize()
                .map_or_else(|_| path.to_owned(), |parent| parent.join(name))
        }
        _ => path.to_owned(),
    }
}

/// A file, and the symbolic links on the way to it: changing one of them changes the file.
fn way_to(path: &Path) -> Vec<PathBuf> {
    /// The system's own limit.
    const MOST_LINKS: usize = 40;
    let mut way = Vec::new();
    let mut at = match std::env::current_dir() {
        Ok(folder) if path.is_relative() => folder,
        _ => PathBuf::new(),
    };
    let mut rest: Vec<PathBuf> = path
        .components()
        .rev()
        .map(|c| c.as_os_str().into())
        .collect();
    while let Some(part) = rest.pop() {
        let next = at.join(part);
        match std::fs::read_link(&next) {
            Ok(target) if way.len() < MOST_LINKS => {
                // Its real location; `at` has no links left.
                way.push(real(&at).join(next.file_name().unwrap_or_default()));
                rest.extend(
                    target
                        .components()
                        .rev()
                        .map(|c| PathBuf::from(c.as_os_str())),
                );
            }
            _ => at = next,
        }
    }
    way.push(real(path));
    way
}

/// The files in a list in cargo's format: `output: file file\ with\ space …`.
fn dependencies(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else {
            continue;
        };
        let mut file = String::new();
        let mut chars = list.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' => file.extend(chars.next()),
                ' ' => files.push(std::mem::take(&mut file).into()),
                char => file.push(char),
            }
        }
        files.push(file.into());
    }
    files.retain(|file: &PathBuf| !file.as_os_str().is_empty());
    files
}

/// The watching thread.
fn run(
    state: &Weak<State>,
    mut slots: Vec<Watched>,
    changes: &Receiver<PathBuf>,
    watcher: &Weak<SharedWatcher>,
    report: &dyn Fn(Reload),
) {
    while let Ok(first) = changes.recv() {
        let mut changed = BTreeSet::from([first]);
        loop {
            match changes.recv_timeout(QUIET) {
                Ok(path) => {
                    changed.insert(path);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        for watched in &mut slots {
            if !changed.iter().any(|path| watched.is_made_of(path)) {
                continue;
            }
            let (Some(state), Some(watcher)) = (state.upgrade(), watcher.upgrade()) else {
                return;
            };
            report(state.reload(&watched.slot));
            if let Err(error) = watched.look(&watcher) {
                tracing::warn!("{error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_lists_are_read() {
        let files = dependencies("/t/a.wasm: /s/a.rs /s/with\\ space/b.rs\n\n/s/a.rs:\n");
        assert_eq!(
            files,
            [Path::new("/s/a.rs"), Path::new("/s/with space/b.rs")]
        );
        assert!(dependencies("").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_part_of_the_way() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("one")).unwrap();
        std::fs::write(root.join("one/flare.wasm"), "").unwrap();
        symlink("one", root.join("current")).unwrap();
        symlink("current/flare.wasm", root.join("link.wasm")).unwrap();
        assert_eq!(
            way_to(&root.join("link.wasm")),
            [
                root.join("link.wasm"),
                root.join("current"),
                root.join("one/flare.wasm")
            ]
        );
        // A circle ends.
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(way_to(&root.join("a")).len() < 50);
    }

    #[test]
    fn files_that_are_not_there_yet_have_a_real_path() {
        let folder = tempfile::tempdir().unwrap();
        let real_folder = folder.path().canonicalize().unwrap();
        assert_eq!(
            real(&folder.path().join("flare.toml")),
            real_folder.join("flare.toml")
        );
        assert!(real(Path::new("not-there.wasm")).is_absolute());
    }
}
