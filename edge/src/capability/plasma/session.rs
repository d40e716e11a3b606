//! Plasma as one invocation of a flare sees it.

use std::sync::Arc;

use crate::capability::kv::check_key;
use crate::capability::plasma::Plasma;
use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::error::{PlasmaCode, PlasmaError};
use crate::capability::plasma::replica::Op;

/// What one invocation of a flare may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlasmaLimits {
    /// The longest value (`max_kv_value_bytes`), in bytes.
    pub max_value_bytes: usize,
    /// The number of `plasma_get` and `plasma_list` calls. The ABI names no limit; this one is
    /// generous.
    pub max_reads: u32,
    /// The number of calls that write. The ABI names no limit; this one is generous.
    pub max_writes: u32,
    /// The capability `writes_plasma_kv`.
    pub writes_allowed: bool,
}

impl Default for PlasmaLimits {
    /// Values of 64 KiB, 1000 reads, 1000 writes, and no permission to write.
    fn default() -> Self {
        Self {
            max_value_bytes: 64 * 1024,
            max_reads: 1000,
            max_writes: 1000,
            writes_allowed: false,
        }
    }
}

/// Plasma as one invocation sees it: one site, its limits, and how much of them is used.
#[derive(Debug)]
pub struct PlasmaSession {
    plasma: Option<Arc<Plasma>>,
    site: Arc<str>,
    limits: PlasmaLimits,
    reads: u32,
    writes: u32,
}

impl PlasmaSession {
    /// A session for one invocation. Without Plasma, every operation returns "not available".
    pub fn new(
        plasma: Option<Arc<Plasma>>,
        site: impl Into<Arc<str>>,
        limits: PlasmaLimits,
    ) -> Self {
        Self {
            plasma,
            site: site.into(),
            limits,
            reads: 0,
            writes: 0,
        }
    }

    fn plasma(&self) -> Result<Arc<Plasma>, PlasmaError> {
        self.plasma.clone().ok_or_else(|| {
            PlasmaError::new(PlasmaCode::NotAvailable, "this node has no Plasma store")
        })
    }

    fn id(&self, key: &[u8]) -> Result<Id, PlasmaError> {
        let key = check_key(key).map_err(|e| PlasmaError::new(PlasmaCode::BadKey, e))?;
        Ok((self.site.to_string(), key.to_owned()))
    }

    fn count_read(&mut self) -> Result<(), PlasmaError> {
        if self.reads >= self.limits.max_reads {
            return Err(PlasmaError::new(
                PlasmaCode::Internal,
                format!(
                    "this invocation has used all of its {} reads",
                    self.limits.max_reads
                ),
            ));
        }
        self.reads += 1;
        Ok(())
    }

    /// Makes all checks that precede a write, in the order documented at [`PlasmaSession::set`],
    /// and counts the write.
    fn begin_write(
        &mut self,
        key: &[u8],
        value_bytes: usize,
    ) -> Result<(Arc<Plasma>, Id), PlasmaError> {
        if !self.limits.writes_allowed {
            return Err(PlasmaError::new(
                PlasmaCode::NoCapability,
                "this flare may not write; set `writes_plasma_kv = true` in flare.toml",
            ));
        }
        let plasma = self.plasma()?;
        let id = self.id(key)?;
        if value_bytes > self.limits.max_value_bytes {
            return Err(PlasmaError::new(
                PlasmaCode::TooLarge,
                format!(
                    "the value of `{}` has {value_bytes} bytes, `max_kv_value_bytes` is {}",
                    id.1, self.limits.max_value_bytes
                ),
            ));
        }
        if self.writes >= self.limits.max_writes {
            return Err(PlasmaError::new(
                PlasmaCode::WriteLimit,
                format!(
                    "this invocation has used all of its {} writes",
                    self.limits.max_writes
                ),
            ));
        }
        self.writes += 1;
        Ok((plasma, id))
    }

    /// `plasma_get`: a register's value, a counter's `i64` as 8 little-endian bytes, or `None`.
    ///
    /// # Errors
    ///
    /// [`PlasmaCode::NotAvailable`], [`PlasmaCode::BadKey`]; [`PlasmaCode::Internal`] when the
    /// invocation has used up its reads.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, PlasmaError> {
        let plasma = self.plasma()?;
        let id = self.id(key)?;
        self.count_read()?;
        Ok(plasma.shared.state().get(&id).and_then(KeyState::get))
    }

    /// `plasma_set`. Returns when the value is on disk; the other nodes receive it soon after.
    ///
    /// # Errors
    ///
    /// Checked in this order: [`PlasmaCode::NoCapability`], [`PlasmaCode::NotAvailable`],
    /// [`PlasmaCode::BadKey`], [`PlasmaCode::TooLarge`], [`PlasmaCode::WriteLimit`],
    /// [`PlasmaCode::Internal`]. A write refused before the write limit is checked does not count
    /// towards it.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), PlasmaError> {
        let (plasma, id) = self.begin_write(key, value.len())?;
        plasma.write(id, Op::Set(value.into())).map(drop)
    }

    /// `plasma_delete`: deleting a key that does not exist is not an error.
    ///
    /// # Errors
    ///
    /// As for [`PlasmaSession::set`], except for those about the value.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), PlasmaError> {
        let (plasma, id) = self.begin_write(key, 0)?;
        plasma.write(id, Op::Delete).map(drop)
    }

    /// `plasma_increment`: the counter's new value, as far as this node knows it, as 8
    /// little-endian bytes.
    ///
    /// # Errors
    ///
    /// As for [`PlasmaSession::set`]; [`PlasmaCode::Internal`] also if the key holds a register.
    pub fn increment(&mut self, key: &[u8], delta: i64) -> Result<[u8; 8], PlasmaError> {
        let size = delta.unsigned_abs();
        self.add(key, if delta < 0 { (0, size) } else { (size, 0) })
    }

    /// `plasma_decrement`: like [`PlasmaSession::increment`], but subtracts.
    ///
    /// # Errors
    ///
    /// As for [`PlasmaSession::increment`].
    pub fn decrement(&mut self, key: &[u8], delta: i64) -> Result<[u8; 8], PlasmaError> {
        let size = delta.unsigned_abs();
        self.add(key, if delta < 0 { (size, 0) } else { (0, size) })
    }

    fn add(&mut self, key: &[u8], (up, down): (u64, u64)) -> Result<[u8; 8], PlasmaError> {
        let (plasma, id) = self.begin_write(key, 0)?;
        plasma.write(id, Op::Add { up, down }).map(i64::to_le_bytes)
    }

    /// `plasma_list`: a JSON array of the site's keys, sorted.
    ///
    /// # Errors
    ///
    /// [`PlasmaCode::NotAvailable`]; [`PlasmaCode::Internal`] when the invocation has used up its reads.
    pub fn list(&mut self) -> Result<Vec<u8>, PlasmaError> {
        let plasma = self.plasma()?;
        self.count_read()?;
        let state = plasma.shared.state();
        let keys: Vec<&str> = state.site(&self.site).collect();
        serde_json::to_vec(&keys).map_err(|e| PlasmaError::new(PlasmaCode::Internal, e.to_string()))
    }
}
