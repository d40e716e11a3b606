//! Looking at what came of it.

use std::vec::Vec;

use crate::testing::Host;
use crate::testing::dispatch::known_import;
use crate::testing::record::{Call, Fetch, LogLine};
use crate::testing::state::{PlasmaValue, with};

impl Host {
    /// All log lines since the host was made.
    pub fn logs(&self) -> Vec<LogLine> {
        with(|state| state.logs.clone())
    }

    /// All fetches since the host was made that were within the limit, answered or not.
    pub fn fetches(&self) -> Vec<Fetch> {
        with(|state| state.fetches.clone())
    }

    /// A value in Spark, if it is there and has not expired.
    pub fn spark(&self, key: &str) -> Option<Vec<u8>> {
        with(|state| Some(state.spark_alive(key)?.value.clone()))
    }

    /// The seconds that a value in Spark has left; 0 if it never expires.
    pub fn spark_ttl(&self, key: &str) -> Option<u32> {
        with(|state| Some(state.spark_alive(key)?.ttl_left(state.time_ms)))
    }

    /// A value in Plasma; a counter is 8 bytes, little-endian.
    pub fn plasma(&self, key: &str) -> Option<Vec<u8>> {
        with(|state| Some(state.plasma.get(key)?.to_bytes()))
    }

    /// A counter in Plasma.
    pub fn counter(&self, key: &str) -> Option<i64> {
        with(|state| match state.plasma.get(key)? {
            PlasmaValue::Counter(total) => Some(*total),
            PlasmaValue::Value(_) => None,
        })
    }

    /// What was sent on the WebSocket connection since it was opened.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        with(|state| state.socket.sent.clone())
    }

    /// The code with which the flare closed the WebSocket connection, if it did.
    pub fn closed(&self) -> Option<u16> {
        with(|state| state.socket.closed)
    }

    /// All calls of imports since the host was made, one after the other.
    pub fn calls(&self) -> Vec<Call> {
        with(|state| state.calls.clone())
    }

    /// All calls of one import.
    ///
    /// # Panics
    ///
    /// When the ABI has no such import.
    pub fn calls_of(&self, import: &str) -> Vec<Call> {
        let (name, _) = known_import(import);
        let mut calls = self.calls();
        calls.retain(|call| call.import == name);
        calls
    }
}
