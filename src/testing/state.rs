//! What the host of a thread has and remembers.

use core::cell::RefCell;
use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use crate::entry::FlareAction;
use crate::testing::answer::Override;
use crate::testing::faults::{Refusal, Source};
use crate::testing::limits::Limits;
use crate::testing::record::{Call, Fetch, LogLine, Response};

/// The host's time if the test says nothing: 2026-04-07T11:12:13.042Z.
pub const DEFAULT_TIME_MS: u64 = 1_775_560_333_042;

pub(crate) enum PlasmaValue {
    Value(Vec<u8>),
    Counter(i64),
}

impl PlasmaValue {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            PlasmaValue::Value(value) => value.clone(),
            PlasmaValue::Counter(total) => total.to_le_bytes().to_vec(),
        }
    }
}

pub(crate) struct SparkValue {
    pub(crate) value: Vec<u8>,
    /// When it expires, in the host's milliseconds.
    pub(crate) deadline: Option<u64>,
}

impl SparkValue {
    pub(crate) fn ttl_left(&self, now: u64) -> u32 {
        let left = self.deadline.map_or(0, |deadline| deadline - now);
        u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

pub(crate) struct FetchAnswer {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Socket {
    pub(crate) id: String,
    pub(crate) event: &'static str,
    pub(crate) data: Vec<u8>,
    pub(crate) close_code: u16,
    pub(crate) open: bool,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) closed: Option<u16>,
}

/// What the invocation that is running has used of its limits.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) fetches: u32,
    pub(crate) spark_reads: u32,
    pub(crate) spark_writes: u32,
    pub(crate) plasma_reads: u32,
    pub(crate) plasma_writes: u32,
    pub(crate) pulled: bool,
    pub(crate) snowflakes: u32,
    pub(crate) log_lines: u32,
    pub(crate) ws_sends: u32,
}

/// Takes one from a limit, if there is one left.
pub(crate) fn take(used: &mut u32, limit: u32) -> bool {
    let left = *used < limit;
    *used += u32::from(left);
    left
}

pub(crate) struct State {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) requires_body: bool,
    pub(crate) requires_raw_auth: bool,
    pub(crate) writes_spark_kv: bool,
    pub(crate) writes_plasma_kv: bool,
    pub(crate) limits: Limits,
    pub(crate) time_ms: u64,
    pub(crate) random: u64,
    pub(crate) ids: u64,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    pub(crate) spark: BTreeMap<String, SparkValue>,
    /// The stores of other nodes.
    pub(crate) nodes: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(crate) plasma: BTreeMap<String, PlasmaValue>,
    pub(crate) answers: Vec<FetchAnswer>,
    pub(crate) socket: Socket,
    pub(crate) overrides: BTreeMap<&'static str, Override>,
    pub(crate) refusal: Refusal,
    /// What decides whether calls are answered as usual.
    pub(crate) arbitrary: Option<Source>,

    pub(crate) used: Used,
    pub(crate) response: Response,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) calls: Vec<Call>,
}

impl Default for State {
    fn default() -> State {
        State {
            method: "GET".to_owned(),
            url: "https://example.com/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            requires_body: false,
            requires_raw_auth: false,
            writes_spark_kv: false,
            writes_plasma_kv: false,
            limits: Limits::default(),
            time_ms: DEFAULT_TIME_MS,
            random: 0,
            ids: 0,
            secrets: BTreeMap::new(),
            spark: BTreeMap::new(),
            nodes: BTreeMap::new(),
            plasma: BTreeMap::new(),
            answers: Vec::new(),
            socket: Socket {
                id: "connection-1".to_owned(),
                ..Socket::default()
            },
            overrides: BTreeMap::new(),
            refusal: Refusal::default(),
            arbitrary: None,
            used: Used::default(),
            response: Response {
                action: FlareAction::Respond,
                status: 200,
                headers: Vec::new(),
                body: Vec::new(),
            },
            logs: Vec::new(),
            fetches: Vec::new(),
            calls: Vec::new(),
        }
    }
}

std::thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Looks at the state of this thread's host, or changes it. `use_state` neither runs nor drops anything of a test's.
///
/// When a thread ends, what is dropped then may still use the host, which has forgotten everything.
pub(crate) fn with<R>(use_state: impl FnOnce(&mut State) -> R) -> R {
    if STATE.try_with(|_| ()).is_err() {
        return use_state(&mut State::default());
    }
    STATE.with(|state| use_state(&mut state.borrow_mut()))
}
