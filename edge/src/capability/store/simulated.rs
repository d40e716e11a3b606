//! A disk for tests that loses power and runs out of space as a seed dictates.

use std::sync::{Arc, Mutex};

use crate::capability::store::{OpenDatabase, builder};
use crate::sync::lock;

/// A small random number generator, so that a failure can be reproduced.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // SplitMix64: similar seeds give unrelated numbers.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A disk that forgets what was not synced, can be full or nearly full, and can fail at any moment.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<DiskState>);

#[derive(Debug, Default)]
struct DiskState {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Write>,
    is_full: bool,
    /// How many bytes each sync may write, if the disk is nearly full.
    room: Option<usize>,
    /// The number of writes and syncs after which it fails.
    fails_after: Option<usize>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Write::Length(length) => to.resize(*length, 0),
            Write::Bytes(at, bytes) => {
                if to.len() < at + bytes.len() {
                    to.resize(at + bytes.len(), 0);
                }
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// The number of bytes written.
    fn bytes(&self) -> usize {
        match self {
            Write::Length(_) => 0,
            Write::Bytes(_, bytes) => bytes.len(),
        }
    }
}

impl DiskState {
    /// Whether the disk works at the moment.
    fn admit(&mut self) -> std::io::Result<()> {
        if self.is_full {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        match &mut self.fails_after {
            Some(0) => Err(std::io::Error::other("the disk has failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk {
    /// The power fails: any part of what was not synced may be there, even part of a write.
    pub(crate) fn crash(&self, random: &mut Random) {
        let mut state = lock(&self.0);
        let state = &mut *state;
        let mut touched = Vec::new();
        for write in std::mem::take(&mut state.unsynced) {
            if let Write::Bytes(at, bytes) = &write {
                touched.push(*at..at + bytes.len());
            }
            match write {
                Write::Bytes(at, mut bytes) if random.chance(50) => {
                    bytes.truncate(random.below(bytes.len() + 1) / 512 * 512);
                    Write::Bytes(at, bytes).apply(&mut state.durable);
                }
                length @ Write::Length(_) if random.chance(80) => length.apply(&mut state.durable),
                _ => {}
            }
        }
        // Only what was written differs, and most of the file was not.
        let same = state.current.len().min(state.durable.len());
        state.current.truncate(same);
        state.current.extend_from_slice(&state.durable[same..]);
        for range in touched {
            let range = range.start.min(same)..range.end.min(same);
            state.current[range.clone()].copy_from_slice(&state.durable[range]);
        }
        state.fails_after = None;
    }

    /// Makes all writes fail from now on, or succeed again.
    pub(crate) fn set_full(&self, is_full: bool) {
        lock(&self.0).is_full = is_full;
    }

    /// Limits each sync to this many bytes from now on, or removes the limit.
    pub(crate) fn set_room(&self, room: Option<usize>) {
        lock(&self.0).room = room;
    }

    /// Accepts this many more writes and syncs, and then fails until after a power failure.
    pub(crate) fn fail_after(&self, count: usize) {
        lock(&self.0).fails_after = Some(count);
    }

    /// A copy of its contents.
    pub(crate) fn copy(&self) -> Vec<u8> {
        lock(&self.0).durable.clone()
    }

    /// Restores a copy of its contents.
    pub(crate) fn restore(&self, copy: Vec<u8>) {
        let mut state = lock(&self.0);
        state.unsynced.clear();
        state.durable.clone_from(&copy);
        state.current = copy;
    }

    /// Opens a database on it.
    pub(crate) fn opener(self: &Arc<Self>) -> OpenDatabase {
        let disk = self.clone();
        Arc::new(move || {
            builder()
                .create_with_backend(Backend(disk.clone()))
                .map_err(|e| e.to_string())
        })
    }
}

#[derive(Debug)]
struct Backend(Arc<Disk>);

impl Backend {
    fn write_op(&self, write: Write) -> std::io::Result<()> {
        let mut state = lock(&self.0.0);
        state.admit()?;
        let written = state.unsynced.iter().chain([&write]).map(Write::bytes);
        if state.room.is_some_and(|room| written.sum::<usize>() > room) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        write.apply(&mut state.current);
        state.unsynced.push(write);
        Ok(())
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> std::io::Result<u64> {
        Ok(lock(&self.0.0).current.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let at = offset as usize;
        let state = lock(&self.0.0);
        let bytes = state
            .current
            .get(at..at + out.len())
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.write_op(Write::Length(length as usize))
    }
    fn sync_data(&self) -> std::io::Result<()> {
        let mut state = lock(&self.0.0);
        let state = &mut *state;
        state.admit()?;
        for write in std::mem::take(&mut state.unsynced) {
            write.apply(&mut state.durable);
        }
        Ok(())
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.write_op(Write::Bytes(offset as usize, bytes.to_vec()))
    }
}
