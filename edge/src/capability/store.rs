//! A database file that recovers from errors on its own.
//!
//! After a disk error redb refuses all work until the file is reopened, because it no longer knows
//! what was written. [`Store`] reopens it before the next use, so a disk that was full for a moment
//! only fails the writes of that moment.
//!
//! A nearly full disk accepts small writes and refuses large ones. So a store only counts as
//! healthy again once as much as it failed to write has been written, by its users or by
//! [`Store::probe`]. Until then it does what it can, and reports the problem.
//!
//! redb answers some damage with a panic. Here that becomes an ordinary error, with the file's
//! name.

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
pub(crate) mod tmpfs;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};

use crate::sync::{lock, read, write};

/// The size of the page cache. redb's default would be a gigabyte.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// How long a failed store is left alone before it is reopened. On simulated disks no time passes.
const RETRY_AFTER: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 500 });

/// The unit in which the disk allocates space, in bytes.
const PAGE: usize = 4096;

/// The most bytes that a probe writes: a larger write may fail on its own account.
const MAX_PROBE: usize = 4 * 1024 * 1024;

/// What a probe writes, and removes again.
const PROBE: TableDefinition<(), &[u8]> = TableDefinition::new("probe");

/// Opens the database; tests supply a disk of their own.
pub(crate) type OpenDatabase = Arc<dyn Fn() -> Result<Database, String> + Send + Sync>;

/// Why an operation of the store failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreError {
    place: String,
    what: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for StoreError {}

/// What is wrong with a store at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreFault {
    /// When it began.
    pub(crate) since: Instant,
    /// What happened.
    pub(crate) what: String,
    /// The size of the largest failed write, in bytes of entries.
    bytes: usize,
    /// Whether the file has to be reopened before it can be used.
    is_closed: bool,
}

/// A database, and how to reopen it.
pub(crate) struct Store {
    place: String,
    open: OpenDatabase,
    database: RwLock<Option<Database>>,
    fault: Mutex<Option<StoreFault>>,
    next_try: Mutex<Instant>,
}

impl Store {
    /// Opens or creates a file, or a database in memory.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, StoreError> {
        match path {
            Some(path) => {
                let path = path.to_owned();
                Self::open_with(
                    path.display().to_string(),
                    Arc::new(move || open_file(&path)),
                )
            }
            None => {
                // Kept as long as the store, so that reopening it finds the same data.
                let memory = Arc::new(redb::backends::InMemoryBackend::new());
                Self::open_with(
                    "the store in memory".to_owned(),
                    Arc::new(move || {
                        builder()
                            .create_with_backend(SharedMemory(memory.clone()))
                            .map_err(|e| e.to_string())
                    }),
                )
            }
        }
    }

    /// A store for the database that `open` opens.
    pub(crate) fn open_with(place: String, open: OpenDatabase) -> Result<Self, StoreError> {
        let database = guarded(|| open()).map_err(|what| StoreError {
            place: place.clone(),
            what,
        })?;
        Ok(Self {
            place,
            open,
            database: RwLock::new(Some(database)),
            fault: Mutex::default(),
            next_try: Mutex::new(Instant::now()),
        })
    }

    /// Its location, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Reads. If that fails, the file is reopened before the next use.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.with(0, work)
    }

    /// Writes, about `bytes` bytes of entries. If that fails, the file is reopened before the next
    /// use; a failed write has left no trace in it, or all of its traces.
    pub(crate) fn write<T>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        // Whole pages are written, whatever the size.
        let bytes = (bytes + 1).next_multiple_of(PAGE);
        let done = self.with(bytes, work)?;
        self.has_written(bytes);
        Ok(done)
    }

    fn with<T>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.reopen_if_failed()?;
        let done = {
            let database = read(&self.database);
            let Some(database) = &*database else {
                return Err(self.error("it could not be reopened"));
            };
            guarded(|| work(database).map_err(|e| e.to_string()))
        };
        done.map_err(|what| {
            let mut fault = lock(&self.fault);
            *fault = Some(StoreFault {
                since: fault.as_ref().map_or_else(Instant::now, |old| old.since),
                what: what.clone(),
                bytes: fault.as_ref().map_or(0, |old| old.bytes).max(bytes),
                is_closed: true,
            });
            drop(fault);
            *lock(&self.next_try) = Instant::now();
            self.error(&what)
        })
    }

    /// This much has been written: clears the fault if that is as much as failed before.
    fn has_written(&self, bytes: usize) {
        let fault = lock(&self.fault).take_if(|fault| bytes >= fault.bytes);
        if let Some(fault) = fault {
            tracing::warn!(
                store = self.place,
                failed_for_ms = fault.since.elapsed().as_millis() as u64,
                "the store works again"
            );
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<StoreFault> {
        lock(&self.fault).clone()
    }

    /// Checks whether a failed store now accepts what it refused before.
    pub(crate) fn probe(&self) {
        let Some(fault) = self.fault() else {
            return;
        };
        let bytes = vec![0x5a; fault.bytes.min(MAX_PROBE)];
        // An error is recorded where it occurs.
        let _ = self.write(fault.bytes, |database| {
            let txn = database.begin_write()?;
            txn.open_table(PROBE)?.insert((), bytes.as_slice())?;
            txn.commit()?;
            let txn = database.begin_write()?;
            txn.delete_table(PROBE)?;
            txn.commit()?;
            Ok(())
        });
    }

    fn error(&self, what: &str) -> StoreError {
        StoreError {
            place: self.place.clone(),
            what: what.to_owned(),
        }
    }

    fn reopen_if_failed(&self) -> Result<(), StoreError> {
        let closed = || self.fault().filter(|fault| fault.is_closed);
        if closed().is_none() {
            return Ok(());
        }
        let mut database = write(&self.database);
        let Some(fault) = closed() else {
            return Ok(()); // Another thread was faster.
        };
        if Instant::now() < *lock(&self.next_try) {
            return Err(self.error(&fault.what));
        }
        // The file's lock is released with the old database.
        if let Some(old) = database.take() {
            let _ = guarded(move || {
                drop(old);
                Ok(())
            });
        }
        let opened = guarded(|| {
            let database = (self.open)()?;
            // A completely full disk can still be read: only a commit shows that there is room
            // again.
            let txn = database.begin_write().map_err(|e| e.to_string())?;
            txn.commit().map_err(|e| e.to_string())?;
            Ok(database)
        });
        match opened {
            Ok(opened) => {
                *database = Some(opened);
                if let Some(fault) = &mut *lock(&self.fault) {
                    fault.is_closed = false;
                }
                Ok(())
            }
            Err(what) => {
                *lock(&self.next_try) = Instant::now() + RETRY_AFTER;
                if let Some(fault) = &mut *lock(&self.fault) {
                    fault.what.clone_from(&what);
                }
                Err(self.error(&what))
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// This crate's settings.
pub(crate) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Turns a panic into an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // Whatever the closure leaves half done belongs to redb, and is discarded with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason was given");
        Err(damaged(why))
    })
}

fn damaged(why: &str) -> String {
    format!(
        "the file is damaged ({why}); `flaron-edge store check` shows what can be read, \
         `store export` saves it and `store reset` starts afresh"
    )
}

fn open_file(path: &Path) -> Result<Database, String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    }
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if is_empty && is_used(path) {
        return Err(
            "the file is empty, though the folder has been used: it was damaged. Restore it from a \
             backup, or delete it to begin without what it held"
                .to_owned(),
        );
    }
    if !path.exists() {
        make_file(path)?;
    }
    create(path)
}

/// Creates the file under a temporary name first: one that is half created, because the disk is
/// full or the power fails, could never be opened again.
fn make_file(path: &Path) -> Result<(), String> {
    let fresh = path.with_extension("redb.new");
    let made = remove_if_there(&fresh)
        .and_then(|()| create(&fresh))
        .and_then(|database| {
            drop(database);
            std::fs::rename(&fresh, path).map_err(|e| e.to_string())
        })
        .and_then(|()| sync_folder_of(path));
    if made.is_err() {
        // The earlier error is the one to report.
        let _ = remove_if_there(&fresh);
    }
    made
}

/// Makes sure that a new name is on disk, and with it what is acknowledged in the file.
fn sync_folder_of(path: &Path) -> Result<(), String> {
    // On other systems a folder cannot be opened, and the system takes care of this.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        // The parent of a bare name is empty.
        let here = Path::new(".");
        let folder = Some(folder).filter(|folder| *folder != Path::new(""));
        let opened = std::fs::File::open(folder.unwrap_or(here)).map_err(|e| e.to_string())?;
        opened.sync_all().map_err(|e| e.to_string())?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn create(path: &Path) -> Result<Database, String> {
    builder().create(path).map_err(|e| match e {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            "another process has it open; give each node its own --data folder".to_owned()
        }
        redb::DatabaseError::Storage(redb::StorageError::Corrupted(why)) => damaged(&why),
        redb::DatabaseError::Storage(redb::StorageError::Io(why))
            if why.kind() == std::io::ErrorKind::InvalidData =>
        {
            damaged(&why.to_string())
        }
        other => other.to_string(),
    })
}

/// Whether another store is next to this one.
fn is_used(path: &Path) -> bool {
    let beside = |name: &str| -> Option<PathBuf> {
        let other = path.with_file_name(name);
        (other != path).then_some(other)
    };
    ["spark.redb", "plasma.redb"]
        .into_iter()
        .filter_map(beside)
        .any(|other| std::fs::metadata(other).is_ok_and(|file| file.len() > 0))
}

/// One memory for each life of a database in it.
#[derive(Debug)]
struct SharedMemory(Arc<redb::backends::InMemoryBackend>);

impl redb::StorageBackend for SharedMemory {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }
}
