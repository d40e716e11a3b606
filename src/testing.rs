//! An in-memory host: for testing a flare with plain `cargo test`.
//!
//! It needs the feature `testing`, as a dev-dependency, so that no flare ever carries it:
//!
//! ```toml
//! [dev-dependencies]
//! flaron-sdk = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A [`Host`] is set up with what the flare shall find, runs a handler, and tells what came of it:
//!
//! ```
//! # #[cfg(all(feature = "request", feature = "response", feature = "spark"))] {
//! use flaron_sdk::testing::Host;
//! use flaron_sdk::{FlareAction, request, response, spark};
//!
//! /// The handler of a flare that counts the visits of each user.
//! fn visits() -> FlareAction {
//!     let Some(user) = request::header("x-user") else {
//!         response::set_status(400);
//!         return FlareAction::Respond;
//!     };
//!     let visits = spark::get_u64(&user).unwrap_or(0) + 1;
//!     if spark::set_pieces(&user, visits, 3600).is_err() {
//!         response::set_status(500);
//!         return FlareAction::Respond;
//!     }
//!     response::set_header("content-type", "text/plain");
//!     let _ = response::set_body_pieces(("visits: ", visits));
//!     FlareAction::Respond
//! }
//!
//! let host = Host::new();
//! host.writes_spark_kv(true)
//!     .header("X-User", "zoe")
//!     .put_spark("zoe", b"41", 0);
//!
//! let response = host.run(visits);
//! assert_eq!(response.action, FlareAction::Respond);
//! assert_eq!(response.status, 200);
//! assert_eq!(response.header("content-type"), Some("text/plain"));
//! assert_eq!(response.text(), "visits: 42");
//! assert_eq!(host.spark("zoe").as_deref(), Some(&b"42"[..]));
//! assert_eq!(host.spark_ttl("zoe"), Some(3600));
//!
//! // What the flare does when the host's disk is full.
//! host.fails_with("spark_set", 4);
//! assert_eq!(host.run(visits).status, 500);
//! # }
//! ```
//!
//! # What it does
//!
//! - It keeps to the ABI: status codes, key rules, limits, capabilities, withheld headers. As on a
//!   real edge, every capability is off until the test grants it ([`Host::writes_spark_kv`] and its
//!   like), so a test says what the flare's configuration must have. The limits are those of
//!   [`Limits`]; they count anew in each invocation.
//! - Nothing is left to chance: the clock stands still ([`Host::time_ms`], [`Host::advance_secs`]),
//!   random bytes and IDs are the same in each run.
//! - It has no cryptography: [`Host::returns`] and [`Host::on`] say what `crypto_hash` and its like
//!   shall answer. Without that they answer "no result".
//! - Fetches get the answers that [`Host::on_fetch`] has for their URLs; others get none.
//! - Any import can be made to answer something else, also what no host should
//!   ([`Host::fails_with`], [`Host::on_raw`]), and [`Host::calls`] lists everything that was called.
//!
//! The host belongs to its thread, as the arena does, so tests may run in parallel. A handler that
//! returns an `Err` panics in [`Host::run`], where the real one traps; to look at the error, call
//! the handler itself.

use core::cell::RefCell;
use core::fmt;
use core::marker::PhantomData;
use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use crate::entry::{FlareAction, Outcome};
use crate::json;

/// The host's time if the test says nothing: 2026-04-07T11:12:13.042Z.
pub const DEFAULT_TIME_MS: u64 = 1_775_560_333_042;

/// How much one invocation may use: see [`Host::limits`]. The names are those of `flare.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How much of a request's body the flare sees: 10 MiB.
    pub max_body_bytes: usize,
    /// How many fetches: 16.
    pub max_fetch_requests: u32,
    /// The largest value of Spark and Plasma: 64 KiB.
    pub max_kv_value_bytes: usize,
    /// How many reads of Spark, and as many of Plasma: 1000.
    pub max_kv_reads: u32,
    /// How many writes to Spark, and as many to Plasma: 1000.
    pub max_kv_writes: u32,
    /// The longest time to live: about 68 years, all that the ABI can say.
    pub max_ttl_secs: u32,
    /// How many Snowflake IDs: 100.
    pub max_snowflakes: u32,
    /// How many log lines: 100. Others are dropped.
    pub max_log_lines: u32,
    /// Where a log line is cut: 4 KiB.
    pub max_log_line_bytes: usize,
    /// How many WebSocket messages one event may send: 100.
    pub max_ws_sends: u32,
    /// The largest WebSocket message: 1 MiB.
    pub max_ws_message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body_bytes: 10 << 20,
            max_fetch_requests: 16,
            max_kv_value_bytes: 64 << 10,
            max_kv_reads: 1000,
            max_kv_writes: 1000,
            max_ttl_secs: i32::MAX as u32,
            max_snowflakes: 100,
            max_log_lines: 100,
            max_log_line_bytes: 4 << 10,
            max_ws_sends: 100,
            max_ws_message_bytes: 1 << 20,
        }
    }
}

/// What a handler made of a request: see [`Host::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The action that the handler returned.
    pub action: FlareAction,
    /// The status code; 200 if the handler set none.
    pub status: u16,
    /// The headers that the handler set, in the order in which each was first set.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        lossy(&self.body)
    }
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// By `logging::info`.
    Info,
    /// By `logging::warn`.
    Warn,
    /// By `logging::error`.
    Error,
}

/// A line that the flare logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// How serious it is.
    pub level: Level,
    /// The text, cut where the host cuts it.
    pub text: String,
}

/// A fetch that the flare made, as the host understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// The URL.
    pub url: String,
    /// The method; `GET` if the flare gave none.
    pub method: String,
    /// The headers, in the order in which the flare gave them.
    pub headers: Vec<(String, String)>,
    /// The body, if there was one.
    pub body: Option<String>,
}

impl Fetch {
    /// The value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }
}

/// A call of an import.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The import's name in the ABI.
    pub import: &'static str,
    /// The arguments that are text or bytes.
    pub bytes: Vec<Vec<u8>>,
    /// The arguments that are numbers.
    pub numbers: Vec<i64>,
}

impl Call {
    /// The argument number `index` of those that are text or bytes, as text.
    ///
    /// # Panics
    ///
    /// When there is no such argument.
    pub fn text(&self, index: usize) -> String {
        lossy(&self.bytes[index])
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = f.debug_tuple(self.import);
        for bytes in &self.bytes {
            call.field(&lossy(bytes));
        }
        for number in &self.numbers {
            call.field(number);
        }
        call.finish()
    }
}

/// What an import answers.
enum Answer {
    /// Data to be put into the arena; `None` is "no result".
    Data(Option<Vec<u8>>),
    /// A status or number as it is, or a packed address and length.
    Raw(i64),
}

impl Answer {
    fn of(text: impl Into<Vec<u8>>) -> Answer {
        Answer::Data(Some(text.into()))
    }

    fn status(code: i32) -> Answer {
        Answer::Raw(code.into())
    }
}

type Override = Rc<dyn Fn(&Call) -> Answer>;

enum PlasmaValue {
    Value(Vec<u8>),
    Counter(i64),
}

impl PlasmaValue {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            PlasmaValue::Value(value) => value.clone(),
            PlasmaValue::Counter(total) => total.to_le_bytes().to_vec(),
        }
    }
}

struct SparkValue {
    value: Vec<u8>,
    /// When it expires, in the host's milliseconds.
    deadline: Option<u64>,
}

impl SparkValue {
    fn ttl_left(&self, now: u64) -> u32 {
        let left = self.deadline.map_or(0, |deadline| deadline - now);
        u32::try_from(left.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

struct FetchAnswer {
    url: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Default)]
struct Socket {
    id: String,
    event: &'static str,
    data: Vec<u8>,
    close_code: u16,
    open: bool,
    sent: Vec<Vec<u8>>,
    closed: Option<u16>,
}

/// What the invocation that is running has used of its limits.
#[derive(Default)]
struct Used {
    fetches: u32,
    spark_reads: u32,
    spark_writes: u32,
    plasma_reads: u32,
    plasma_writes: u32,
    pulled: bool,
    snowflakes: u32,
    log_lines: u32,
    ws_sends: u32,
}

/// Takes one from a limit, if there is one left.
fn take(used: &mut u32, limit: u32) -> bool {
    let left = *used < limit;
    *used += u32::from(left);
    left
}

struct State {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    requires_body: bool,
    requires_raw_auth: bool,
    writes_spark_kv: bool,
    writes_plasma_kv: bool,
    limits: Limits,
    time_ms: u64,
    random: u64,
    ids: u64,
    secrets: BTreeMap<String, Vec<u8>>,
    spark: BTreeMap<String, SparkValue>,
    /// The stores of other nodes.
    nodes: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    plasma: BTreeMap<String, PlasmaValue>,
    answers: Vec<FetchAnswer>,
    socket: Socket,
    overrides: BTreeMap<&'static str, Override>,

    used: Used,
    response: Response,
    logs: Vec<LogLine>,
    fetches: Vec<Fetch>,
    calls: Vec<Call>,
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

fn with<R>(use_state: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| use_state(&mut state.borrow_mut()))
}

/// The in-memory host of this thread: see the [module's documentation](self).
///
/// Its functions take `&self`, so a test can change it at any time. Those that set something up
/// return it, to be chained.
pub struct Host {
    /// The host is the thread's.
    not_send: PhantomData<*mut u8>,
}

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

impl Host {
    /// A new host; this thread's last one is forgotten, with all that it had.
    ///
    /// The request is a `GET` of `https://example.com/` without headers, the stores are empty, no
    /// capability is granted.
    pub fn new() -> Host {
        with(|state| *state = State::default());
        crate::abi::native::install(call);
        crate::arena::reset_arena();
        Host {
            not_send: PhantomData,
        }
    }

    fn set(&self, change: impl FnOnce(&mut State)) -> &Host {
        with(change);
        self
    }

    // ---------------------------------------------------------------------- the request

    /// Sets the request's method.
    pub fn method(&self, method: &str) -> &Host {
        self.set(|state| state.method = method.to_owned())
    }

    /// Sets the request's URL.
    pub fn url(&self, url: &str) -> &Host {
        self.set(|state| state.url = url.to_owned())
    }

    /// Sets a header of the request; the same name again, in any case, overwrites.
    pub fn header(&self, name: &str, value: &str) -> &Host {
        self.set(|state| set_header(&mut state.headers, name, value))
    }

    /// Sets the request's body. The flare sees it with [`requires_body`](Self::requires_body).
    pub fn body(&self, body: impl AsRef<[u8]>) -> &Host {
        self.set(|state| state.body = body.as_ref().to_vec())
    }

    // ---------------------------------------------------------------- capabilities, limits

    /// Whether the flare may see the request's body.
    pub fn requires_body(&self, yes: bool) -> &Host {
        self.set(|state| state.requires_body = yes)
    }

    /// Whether the flare may see `Authorization`, `Cookie` and `X-Flaron-*`.
    pub fn requires_raw_auth(&self, yes: bool) -> &Host {
        self.set(|state| state.requires_raw_auth = yes)
    }

    /// Whether the flare may write to Spark.
    pub fn writes_spark_kv(&self, yes: bool) -> &Host {
        self.set(|state| state.writes_spark_kv = yes)
    }

    /// Whether the flare may write to Plasma.
    pub fn writes_plasma_kv(&self, yes: bool) -> &Host {
        self.set(|state| state.writes_plasma_kv = yes)
    }

    /// Changes the limits.
    ///
    /// ```
    /// # let host = flaron_sdk::testing::Host::new();
    /// host.limits(|limits| limits.max_fetch_requests = 1);
    /// ```
    pub fn limits(&self, change: impl FnOnce(&mut Limits)) -> &Host {
        self.set(|state| change(&mut state.limits))
    }

    // ------------------------------------------------------------------- what there is

    /// Sets a secret that the flare may read (one of its `allowed_secrets`).
    pub fn secret(&self, name: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| drop(state.secrets.insert(name.to_owned(), value)))
    }

    /// Puts a value into Spark, for `ttl_secs` seconds or (0) for ever.
    pub fn put_spark(&self, key: &str, value: impl AsRef<[u8]>, ttl_secs: u32) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| state.put_spark(key, value, ttl_secs))
    }

    /// Puts a value into the Spark of another node, from which `spark::pull` gets it.
    pub fn put_spark_at(&self, node: &str, key: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| {
            let store = state.nodes.entry(node.to_owned()).or_default();
            store.insert(key.to_owned(), value);
        })
    }

    /// Puts a value into Plasma.
    pub fn put_plasma(&self, key: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = PlasmaValue::Value(value.as_ref().to_vec());
        self.set(|state| drop(state.plasma.insert(key.to_owned(), value)))
    }

    /// Puts a counter into Plasma.
    pub fn put_counter(&self, key: &str, total: i64) -> &Host {
        let value = PlasmaValue::Counter(total);
        self.set(|state| drop(state.plasma.insert(key.to_owned(), value)))
    }

    /// Answers fetches of a URL; the same URL again replaces the answer.
    pub fn on_fetch(
        &self,
        url: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> &Host {
        let headers = headers.iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            (name, (*value).to_owned())
        });
        let answer = FetchAnswer {
            url: url.to_owned(),
            status,
            headers: headers.collect(),
            body: body.as_ref().to_vec(),
        };
        self.set(|state| {
            state.answers.retain(|other| other.url != url);
            state.answers.push(answer);
        })
    }

    /// Sets the clock, in milliseconds since 1970-01-01T00:00:00Z. It stands still otherwise.
    pub fn time_ms(&self, time: u64) -> &Host {
        self.set(|state| state.time_ms = time)
    }

    /// Lets time pass.
    pub fn advance_secs(&self, secs: u64) -> &Host {
        self.set(|state| state.time_ms += secs * 1000)
    }

    /// Where the random bytes begin that the host makes up; the same seed gives the same bytes.
    pub fn random_seed(&self, seed: u64) -> &Host {
        self.set(|state| state.random = seed)
    }

    /// Sets the ID of the WebSocket connection.
    pub fn connection_id(&self, id: &str) -> &Host {
        self.set(|state| state.socket.id = id.to_owned())
    }

    // ------------------------------------------------------------------------ overrides

    /// Makes an import that returns data always return this.
    ///
    /// ```
    /// # let host = flaron_sdk::testing::Host::new();
    /// host.returns("crypto_hash", "2cf24dba5fb0a30e26e83b2ac5b9e29e");
    /// ```
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no data.
    pub fn returns(&self, import: &str, data: impl AsRef<[u8]>) -> &Host {
        let data = data.as_ref().to_vec();
        self.on(import, move |_| Some(data.clone()))
    }

    /// Makes an import that returns data return what `answer` says; `None` is "no result".
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no data.
    pub fn on(&self, import: &str, answer: impl Fn(&Call) -> Option<Vec<u8>> + 'static) -> &Host {
        let (name, result) = known_import(import);
        assert!(
            result == "i64",
            "`{name}` returns no data: see `fails_with`"
        );
        self.overrides(name, Rc::new(move |call| Answer::Data(answer(call))))
    }

    /// Makes an import that returns a status always return this one; 0 is success. (The error codes
    /// of `spark_pull` are negative.)
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no status.
    pub fn fails_with(&self, import: &str, status: i32) -> &Host {
        let (name, result) = known_import(import);
        assert!(result == "i32", "`{name}` returns no status: see `on`");
        self.overrides(name, Rc::new(move |_| Answer::status(status)))
    }

    /// Makes an import return a bare number: for hosts that do what no host should. Where the import
    /// returns data the number is an address (the high 32 bits) and a length.
    ///
    /// # Panics
    ///
    /// When the ABI has no such import.
    pub fn on_raw(&self, import: &str, answer: impl Fn(&Call) -> i64 + 'static) -> &Host {
        let (name, _) = known_import(import);
        self.overrides(name, Rc::new(move |call| Answer::Raw(answer(call))))
    }

    /// Takes back what [`on`](Self::on) and its like have said of an import.
    ///
    /// # Panics
    ///
    /// When the ABI has no such import.
    pub fn off(&self, import: &str) -> &Host {
        let (name, _) = known_import(import);
        self.set(|state| drop(state.overrides.remove(name)))
    }

    fn overrides(&self, import: &'static str, answer: Override) -> &Host {
        self.set(|state| drop(state.overrides.insert(import, answer)))
    }

    // -------------------------------------------------------------------------- running

    /// Runs the handler of an HTTP flare, as a new invocation.
    ///
    /// # Panics
    ///
    /// When the handler returns an error, which traps on a real host.
    pub fn run<T: Outcome>(&self, handler: impl FnOnce() -> T) -> Response {
        self.begin();
        let action = match handler().into_i64() >> 32 {
            2 => FlareAction::Transform,
            3 => FlareAction::PassThrough,
            _ => FlareAction::Respond,
        };
        with(|state| Response {
            action,
            ..state.response.clone()
        })
    }

    /// Runs a handler of the event `open`, on a new connection.
    pub fn open(&self, handler: impl FnOnce()) {
        with(|state| {
            state.socket = Socket {
                id: state.socket.id.clone(),
                ..Socket::default()
            }
        });
        self.event("open", &[], 0, handler);
    }

    /// Runs a handler of the event `message`, with this data.
    pub fn message(&self, data: impl AsRef<[u8]>, handler: impl FnOnce()) {
        self.event("message", data.as_ref(), 0, handler);
    }

    /// Runs a handler of the event `close`: the client has closed with this code.
    pub fn close(&self, code: u16, handler: impl FnOnce()) {
        self.event("close", &[], code, handler);
    }

    fn event(&self, event: &'static str, data: &[u8], code: u16, handler: impl FnOnce()) {
        self.begin();
        with(|state| {
            let socket = &mut state.socket;
            socket.event = event;
            socket.data = data.to_vec();
            socket.close_code = code;
            // What the flare itself has closed stays so.
            socket.open = event != "close" && socket.closed.is_none();
        });
        handler();
    }

    fn begin(&self) {
        with(|state| {
            state.used = Used::default();
            state.response = State::default().response;
        });
        crate::arena::reset_arena();
    }

    // -------------------------------------------------------------------- what came of it

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

// ----------------------------------------------------------------------------- the imports

/// Puts an answer where a real host puts it: data into the arena.
fn returned(answer: Answer) -> i64 {
    let data = match answer {
        Answer::Data(Some(data)) => data,
        Answer::Data(None) => return 0,
        Answer::Raw(raw) => return raw,
    };
    let Ok(len) = i32::try_from(data.len()) else {
        return 0;
    };
    // An empty result takes one byte, because it has an address.
    let address = crate::arena::guest_alloc(len.max(1));
    if address == 0 {
        return 0;
    }
    crate::arena::host_write(address, &data);
    i64::from(address) << 32 | i64::from(len)
}

/// Answers a call of an import: what [`Host::new`] installs.
fn call(import: &'static str, bytes: &[&[u8]], numbers: &[i64]) -> i64 {
    let call = Call {
        import,
        bytes: bytes.iter().map(|bytes| bytes.to_vec()).collect(),
        numbers: numbers.to_vec(),
    };
    let answer = with(|state| {
        state.calls.push(call.clone());
        state.overrides.get(import).cloned()
    });
    // The state is not borrowed while a test's own closure runs: it may use the host.
    returned(match answer {
        Some(answer) => answer(&call),
        None => with(|state| state.answer(import, bytes, numbers)),
    })
}

macro_rules! names {
    ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ident)?;)*) => {
        /// Each import's name and what it returns.
        const IMPORTS: &[(&str, &str)] = &[$((stringify!($name), concat!($(stringify!($result))?)),)*];
    };
}
crate::abi::table::imports!(names);

/// An import's name, and what it returns.
fn known_import(import: &str) -> (&'static str, &'static str) {
    match IMPORTS.iter().find(|(name, _)| *name == import) {
        Some(found) => *found,
        None => panic!("the ABI has no import `{import}`"),
    }
}

/// Spark's status codes.
mod spark_code {
    pub const INVALID_TTL: i32 = 1;
    pub const TOO_LARGE: i32 = 2;
    pub const WRITE_LIMIT: i32 = 3;
    pub const NOT_AVAILABLE: i32 = 5;
    pub const INVALID_KEY: i32 = 8;
    pub const NO_CAPABILITY: i32 = 9;
}

/// Plasma's status codes.
mod plasma_code {
    pub const WRITE_LIMIT: i32 = 2;
    pub const TOO_LARGE: i32 = 3;
    pub const INVALID_KEY: i32 = 4;
    pub const NO_CAPABILITY: i32 = 5;
    pub const INTERNAL: i32 = 6;
}

impl State {
    /// What an import answers that no test has overridden.
    fn answer(&mut self, import: &str, bytes: &[&[u8]], numbers: &[i64]) -> Answer {
        let argument = bytes.first().copied().unwrap_or_default();
        let second = bytes.get(1).copied().unwrap_or_default();
        let number = numbers.first().copied().unwrap_or_default();
        match import {
            "req_method" => Answer::of(self.method.as_str()),
            "req_url" => Answer::of(self.url.as_str()),
            "req_header_get" => Answer::Data(self.request_header(argument)),
            "req_body" if self.requires_body => {
                let len = self.body.len().min(self.limits.max_body_bytes);
                Answer::of(&self.body[..len])
            }

            "resp_set_status" => {
                self.response.status = number as u16;
                Answer::Raw(0)
            }
            "resp_header_set" => {
                let headers = &mut self.response.headers;
                set_header(headers, &lossy(argument), &lossy(second));
                Answer::Raw(0)
            }
            "resp_body_set" => {
                self.response.body = argument.to_vec();
                Answer::Raw(0)
            }

            "beam_fetch" => Answer::Data(self.fetch(argument, second)),

            "log_info" => self.log(Level::Info, argument),
            "log_warn" => self.log(Level::Warn, argument),
            "log_error" => self.log(Level::Error, argument),

            "crypto_random_bytes" => {
                let len = if number <= 0 { 32 } else { number.min(256) };
                let bytes: Vec<u8> = (0..len).map(|_| self.random_byte()).collect();
                Answer::of(hex_encode(&bytes))
            }

            "encoding_base64_encode" => Answer::of(base64_encode(argument)),
            "encoding_base64_decode" => Answer::Data(base64_decode(argument)),
            "encoding_hex_encode" => Answer::of(hex_encode(argument)),
            "encoding_hex_decode" => Answer::Data(hex_decode(argument)),
            "encoding_url_encode" => Answer::of(url_encode(argument)),
            "encoding_url_decode" => Answer::Data(url_decode(argument)),

            "id_uuid" => Answer::Data(self.uuid(argument)),
            "id_ulid" => {
                let id = u128::from(self.time_ms) << 80 | u128::from(self.next_id());
                Answer::of(digits(id, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26))
            }
            "id_ksuid" => {
                // Seconds since 2014-05-13T16:53:20Z, then the number.
                let secs = (self.time_ms / 1000).saturating_sub(1_400_000_000);
                let id = u128::from(secs) << 64 | u128::from(self.next_id());
                Answer::of(digits(id, BASE62, 27))
            }
            "id_nanoid" => {
                let len = if number <= 0 { 21 } else { number.min(256) };
                Answer::of(digits(self.next_id().into(), BASE62, len as usize))
            }
            "id_snowflake" => Answer::of(self.snowflake()),
            "snowflake_id" => {
                let left = take(&mut self.used.snowflakes, self.limits.max_snowflakes);
                Answer::Data(left.then(|| self.snowflake().into()))
            }

            "timestamp" => Answer::Data(self.timestamp(argument)),

            "spark_get" => Answer::Data(self.spark_get(argument)),
            "spark_set" => Answer::status(self.spark_set(argument, second, number)),
            "spark_delete" => {
                self.spark_delete(argument);
                Answer::Raw(0)
            }
            "spark_list" => {
                let left = take(&mut self.used.spark_reads, self.limits.max_kv_reads);
                let keys = self
                    .spark
                    .keys()
                    .filter(|key| self.spark_alive(key).is_some());
                Answer::Data(left.then(|| key_list(keys)))
            }
            "spark_pull" => Answer::status(self.spark_pull(argument, second)),

            "plasma_get" => {
                let value = valid_key(argument)
                    .filter(|_| take(&mut self.used.plasma_reads, self.limits.max_kv_reads))
                    .and_then(|key| self.plasma.get(key));
                Answer::Data(value.map(PlasmaValue::to_bytes))
            }
            "plasma_set" => Answer::status(self.plasma_write(argument, second.len(), |value| {
                *value = Some(PlasmaValue::Value(second.to_vec()));
                0
            })),
            "plasma_delete" => Answer::status(self.plasma_write(argument, 0, |value| {
                *value = None;
                0
            })),
            "plasma_increment" => Answer::Data(self.count(argument, number)),
            "plasma_decrement" => Answer::Data(self.count(argument, number.saturating_neg())),
            "plasma_list" => {
                let left = take(&mut self.used.plasma_reads, self.limits.max_kv_reads);
                Answer::Data(left.then(|| key_list(self.plasma.keys())))
            }

            "secret_get" => Answer::Data(self.secrets.get(&lossy(argument)).cloned()),

            "ws_send" => Answer::status(self.ws_send(argument)),
            "ws_close_conn" => {
                let socket = &mut self.socket;
                if socket.open {
                    socket.open = false;
                    socket.closed = Some(number as u16);
                }
                Answer::Raw(0)
            }
            "ws_conn_id" if !self.socket.event.is_empty() => Answer::of(self.socket.id.as_str()),
            "ws_event_type" if !self.socket.event.is_empty() => Answer::of(self.socket.event),
            "ws_event_data" if self.socket.event == "message" => {
                Answer::of(self.socket.data.as_slice())
            }
            "ws_close_code" => Answer::status(self.socket.close_code.into()),

            // Cryptography, which a test has to set up; a body, an event that there is not.
            _ => Answer::Data(None),
        }
    }

    fn request_header(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = lossy(name).to_ascii_lowercase();
        let withheld = name == "authorization" || name == "cookie" || name.starts_with("x-flaron-");
        if withheld && !self.requires_raw_auth {
            return None;
        }
        Some(find_header(&self.headers, &name)?.into())
    }

    /// `{"method"?, "headers"?, "body"?}` in, `{"status", "headers", "body"}` out.
    fn fetch(&mut self, url: &[u8], options: &[u8]) -> Option<Vec<u8>> {
        let mut options = options.to_vec();
        let options = json::parse(&mut options).ok()?;
        let text = |name| options.get(name)?.as_str().map(ToOwned::to_owned);
        let headers = options.get("headers").into_iter();
        let fetch = Fetch {
            url: lossy(url),
            method: text("method").unwrap_or_else(|| "GET".to_owned()),
            headers: headers
                .flat_map(|headers| headers.members())
                .map(|(name, value)| (lossy(name), lossy(value.as_bytes().unwrap_or_default())))
                .collect(),
            body: text("body"),
        };
        if !take(&mut self.used.fetches, self.limits.max_fetch_requests) {
            return None;
        }
        let answer = self.answers.iter().find(|answer| answer.url == fetch.url);
        let answer = answer.map(|answer| {
            let headers: Vec<String> = answer
                .headers
                .iter()
                .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
                .collect();
            format!(
                "{{\"status\":{},\"headers\":{{{}}},\"body\":{}}}",
                answer.status,
                headers.join(","),
                quoted(&lossy(&answer.body))
            )
        });
        self.fetches.push(fetch);
        answer.map(String::into_bytes)
    }

    fn log(&mut self, level: Level, message: &[u8]) -> Answer {
        if take(&mut self.used.log_lines, self.limits.max_log_lines) {
            let len = message.len().min(self.limits.max_log_line_bytes);
            let text = lossy(&message[..len]);
            self.logs.push(LogLine { level, text });
        }
        Answer::Raw(0)
    }

    /// SplitMix64.
    fn random_byte(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u8
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn uuid(&mut self, arguments: &[u8]) -> Option<Vec<u8>> {
        let version = text_member(arguments, "version")?;
        let (time, id) = (self.time_ms, self.next_id());
        match version.as_str() {
            "v4" => Some(format!("00000000-0000-4000-8000-{id:012x}").into()),
            "v7" => Some(
                format!(
                    "{:08x}-{:04x}-7000-8000-{id:012x}",
                    time >> 16,
                    time & 0xffff
                )
                .into(),
            ),
            _ => None,
        }
    }

    fn snowflake(&mut self) -> String {
        let since = self.time_ms.saturating_sub(1_288_834_974_657);
        (since << 22 | self.next_id()).to_string()
    }

    fn timestamp(&self, arguments: &[u8]) -> Option<Vec<u8>> {
        let format = text_member(arguments, "format")?;
        let (secs, ms) = (self.time_ms / 1000, self.time_ms);
        let [year, month, day, hour, minute, second] = civil(secs);
        let text = match format.as_str() {
            "unix" => secs.to_string(),
            "ms" => ms.to_string(),
            "ns" => format!("{ms}000000"),
            "http" => {
                // 1970-01-01 was a Thursday.
                let weekday =
                    ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(secs / 86_400 % 7) as usize];
                let month = [
                    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                    "Dec",
                ][month as usize - 1];
                format!(
                    "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
                )
            }
            _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        };
        Some(text.into())
    }

    fn spark_alive(&self, key: &str) -> Option<&SparkValue> {
        let value = self.spark.get(key)?;
        let alive = value.deadline.is_none_or(|at| self.time_ms < at);
        alive.then_some(value)
    }

    fn put_spark(&mut self, key: &str, value: Vec<u8>, ttl_secs: u32) {
        let deadline = (ttl_secs != 0).then(|| self.time_ms + u64::from(ttl_secs) * 1000);
        let value = SparkValue { value, deadline };
        self.spark.insert(key.to_owned(), value);
    }

    fn spark_get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let key = valid_key(key)?;
        if !take(&mut self.used.spark_reads, self.limits.max_kv_reads) {
            return None;
        }
        let value = self.spark_alive(key)?;
        let mut entry = value.ttl_left(self.time_ms).to_le_bytes().to_vec();
        entry.extend_from_slice(&value.value);
        Some(entry)
    }

    fn spark_set(&mut self, key: &[u8], value: &[u8], ttl_secs: i64) -> i32 {
        if !self.writes_spark_kv {
            return spark_code::NO_CAPABILITY;
        }
        let Some(key) = valid_key(key) else {
            return spark_code::INVALID_KEY;
        };
        if value.len() > self.limits.max_kv_value_bytes {
            return spark_code::TOO_LARGE;
        }
        let ttl_secs = match u32::try_from(ttl_secs) {
            Ok(ttl_secs) if ttl_secs <= self.limits.max_ttl_secs => ttl_secs,
            _ => return spark_code::INVALID_TTL,
        };
        if !take(&mut self.used.spark_writes, self.limits.max_kv_writes) {
            return spark_code::WRITE_LIMIT;
        }
        self.put_spark(key, value.to_vec(), ttl_secs);
        0
    }

    fn spark_delete(&mut self, key: &[u8]) {
        let Some(key) = valid_key(key).filter(|_| self.writes_spark_kv) else {
            return;
        };
        if take(&mut self.used.spark_writes, self.limits.max_kv_writes) {
            self.spark.remove(key);
        }
    }

    fn spark_pull(&mut self, origin: &[u8], keys: &[u8]) -> i32 {
        if !self.writes_spark_kv {
            return -spark_code::NO_CAPABILITY;
        }
        let mut keys = keys.to_vec();
        let keys: Option<Vec<&str>> = json::parse(&mut keys).ok().and_then(|keys| {
            let keys = keys.elements();
            keys.map(|key| valid_key(key.as_bytes()?)).collect()
        });
        let (Some(origin), Some(keys)) = (valid_key(origin), keys) else {
            return -spark_code::INVALID_KEY;
        };
        if self.used.pulled {
            return -spark_code::WRITE_LIMIT;
        }
        let Some(store) = self.nodes.get(origin) else {
            return -spark_code::NOT_AVAILABLE;
        };
        self.used.pulled = true;
        let found: BTreeMap<String, Vec<u8>> = keys
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), store.get(key)?.clone())))
            .collect();
        let count = found.len() as i32;
        for (key, value) in found {
            self.put_spark(&key, value, 0);
        }
        count
    }

    /// Changes a value, if the flare may; the status.
    fn plasma_write(
        &mut self,
        key: &[u8],
        len: usize,
        change: impl FnOnce(&mut Option<PlasmaValue>) -> i32,
    ) -> i32 {
        if !self.writes_plasma_kv {
            return plasma_code::NO_CAPABILITY;
        }
        let Some(key) = valid_key(key) else {
            return plasma_code::INVALID_KEY;
        };
        if len > self.limits.max_kv_value_bytes {
            return plasma_code::TOO_LARGE;
        }
        if !take(&mut self.used.plasma_writes, self.limits.max_kv_writes) {
            return plasma_code::WRITE_LIMIT;
        }
        let mut value = self.plasma.remove(key);
        let status = change(&mut value);
        if let Some(value) = value {
            self.plasma.insert(key.to_owned(), value);
        }
        status
    }

    fn count(&mut self, key: &[u8], delta: i64) -> Option<Vec<u8>> {
        let mut sum = None;
        self.plasma_write(key, 0, |value| {
            let total = match value {
                // What holds a value is no counter.
                Some(PlasmaValue::Value(_)) => return plasma_code::INTERNAL,
                Some(PlasmaValue::Counter(total)) => total.saturating_add(delta),
                None => delta,
            };
            sum = Some(total);
            *value = Some(PlasmaValue::Counter(total));
            0
        });
        sum.map(|total| total.to_le_bytes().to_vec())
    }

    fn ws_send(&mut self, data: &[u8]) -> i32 {
        if !self.socket.open {
            return 3;
        }
        if data.len() > self.limits.max_ws_message_bytes {
            return 2;
        }
        if !take(&mut self.used.ws_sends, self.limits.max_ws_sends) {
            return 1;
        }
        self.socket.sent.push(data.to_vec());
        0
    }
}

// ------------------------------------------------------------------------------- small parts

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    let found = headers
        .iter_mut()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    match found {
        Some(header) => value.clone_into(&mut header.1),
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}

/// A key that the stores take.
fn valid_key(key: &[u8]) -> Option<&str> {
    let key = core::str::from_utf8(key).ok()?;
    let valid = (1..=256).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":._-".contains(&byte))
        && !key.starts_with("__flaron:")
        && !key.starts_with("__sys:");
    valid.then_some(key)
}

fn key_list<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<u8> {
    let keys: Vec<String> = keys.map(|key| quoted(key)).collect();
    format!("[{}]", keys.join(",")).into()
}

/// A member of a JSON object that is text.
fn text_member(json: &[u8], name: &str) -> Option<String> {
    let mut json = json.to_vec();
    let object = json::parse(&mut json).ok()?;
    Some(object.get(name)?.as_str()?.to_owned())
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            char if char < ' ' => json.push_str(&format!("\\u{:04x}", char as u32)),
            char => json.push(char),
        }
    }
    json.push('"');
    json
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number with so many digits of an alphabet.
fn digits(mut number: u128, alphabet: &[u8], len: usize) -> Vec<u8> {
    let base = alphabet.len() as u128;
    let mut digits = vec![alphabet[0]; len];
    for digit in digits.iter_mut().rev() {
        *digit = alphabet[(number % base) as usize];
        number /= base;
    }
    digits
}

/// Year, month, day, hour, minute and second of a time in seconds since 1970.
fn civil(secs: u64) -> [u64; 6] {
    let leap = |year: u64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let (mut days, mut year, mut month) = (secs / 86_400, 1970, 1);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let of_day = secs % 86_400;
    [
        year,
        month,
        days + 1,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
    ]
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            text.push(if i <= chunk.len() {
                BASE64[(bits >> (18 - 6 * i) & 63) as usize]
            } else {
                b'='
            });
        }
    }
    text
}

fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.chunks(4) {
        let padding = chunk.iter().rev().take_while(|byte| **byte == b'=').count();
        let digits = chunk.len() - padding;
        let mut bits = 0;
        for digit in &chunk[..digits] {
            bits = bits << 6 | BASE64.iter().position(|known| known == digit)? as u32;
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4.max(padding + 1) - padding]);
    }
    // Whatever is padded wrongly, or has bits where none should be, is not encoded like this.
    (base64_encode(&bytes) == text).then_some(bytes)
}

fn hex_encode(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| b"0123456789abcdef"[usize::from(digit)])
        .collect()
}

fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some((value(*high)? << 4 | value(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

fn url_encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in bytes {
        match byte {
            b' ' => text.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => text.push(byte),
            _ if byte.is_ascii_alphanumeric() => text.push(byte),
            _ => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
    text
}

fn url_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let decoded = hex_decode(rest.get(..2)?)?;
                rest = &rest[2..];
                decoded[0]
            }
            other => *other,
        });
    }
    Some(bytes)
}

// ------------------------------------------------------------------- for the SDK's own tests

/// Fills the arena, which must be empty, but for so many bytes; until the lease is dropped.
#[cfg(test)]
pub(crate) fn leave_free(bytes: usize) -> crate::arena::ArenaBytes {
    let len = (crate::arena::ARENA_BYTES - bytes) as i32;
    let address = crate::arena::guest_alloc(len);
    assert_ne!(address, 0, "the arena was not empty");
    crate::arena::claim::claim(i64::from(address) << 32 | i64::from(len)).unwrap()
}

/// Whether nothing at all is leased.
#[cfg(test)]
pub(crate) fn arena_is_free() -> bool {
    let all = crate::arena::guest_alloc(crate::arena::ARENA_BYTES as i32);
    crate::arena::reset_arena();
    all != 0
}

/// Asserts that an error is an `Error` and `Copy`, and what it says.
#[cfg(test)]
pub(crate) fn assert_error(error: impl core::error::Error + Copy, says: &str) {
    let copy = error;
    assert_eq!(
        (error.to_string().as_str(), copy.to_string().as_str()),
        (says, says)
    );
}

/// What every error that means "did not fit" says.
#[cfg(test)]
pub(crate) const ARENA_FULL: &str =
    "the arena is full: drop leases, or set a larger FLARON_ARENA_BYTES";

#[cfg(all(test, feature = "default"))]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports, with bytes as they are written in a test.
    macro_rules! imports_of_bytes {
        ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ident)?;)*) => {
            #[allow(dead_code, reason = "not every import is called here")]
            mod imports {
                $(pub(super) fn $name($($bytes: &[u8],)* $($number: $type),*) $(-> $result)? {
                    crate::abi::$name($($bytes,)* $($number),*)
                })*
            }
        };
    }
    crate::abi::table::imports!(imports_of_bytes);

    fn unsettable(set: impl FnOnce(&Host) + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(|| set(&Host::new())).is_err()
    }

    #[test]
    fn only_imports_of_the_abi_can_be_set_and_only_as_what_they_are() {
        assert!(unsettable(|host| {
            host.on("spark_gets", |_| None);
        }));
        assert!(unsettable(|host| {
            host.on("spark_set", |_| None);
        }));
        assert!(unsettable(|host| {
            host.on("spark_delete", |_| None);
        }));
        assert!(unsettable(|host| {
            host.returns("resp_body_set", "");
        }));
        assert!(unsettable(|host| {
            host.fails_with("spark_get", 1);
        }));
        assert!(unsettable(|host| {
            host.fails_with("log_info", 1);
        }));
        assert!(unsettable(|host| {
            host.on_raw("", |_| 0);
        }));
        assert!(unsettable(|host| {
            host.off("none");
        }));
        assert!(unsettable(|host| {
            host.calls_of("none");
        }));
        assert!(!unsettable(|host| {
            host.on_raw("log_info", |_| 0).fails_with("ws_send", 1);
        }));
    }

    #[test]
    fn the_abi_has_48_imports() {
        assert_eq!(IMPORTS.len(), 48);
    }

    #[test]
    fn a_new_host_has_forgotten_the_last_one() {
        let host = Host::new();
        host.method("PUT")
            .secret("a", "b")
            .put_plasma("c", "d")
            .fails_with("ws_send", 2);
        imports::log_info(b"line");
        let host = Host::default();
        assert_eq!(State::default().method, "GET");
        assert!(with(
            |state| state.secrets.is_empty() && state.overrides.is_empty()
        ));
        assert!(host.logs().is_empty() && host.calls().is_empty() && host.plasma("c").is_none());
        assert_eq!(format!("{host:?}"), "Host");
    }

    #[test]
    fn each_thread_has_its_own_host() {
        let host = Host::new();
        host.put_counter("n", 1);
        let other = std::thread::spawn(|| Host::new().counter("n"));
        assert_eq!((host.counter("n"), other.join().unwrap()), (Some(1), None));
    }

    #[test]
    fn what_was_overridden_can_be_taken_back() {
        let host = Host::new();
        host.returns("req_method", "A")
            .on_raw("ws_close_code", |call| call.bytes.len() as i64 + 7);
        assert_eq!(
            (imports::ws_close_code(), imports::req_method() as u32),
            (7, 1)
        );
        host.off("req_method").off("ws_close_code");
        assert_eq!(
            (imports::ws_close_code(), imports::req_method() as u32),
            (0, 3)
        );
    }

    #[test]
    fn an_override_may_use_the_host_and_run_a_handler() {
        let host = Host::new();
        host.on("secret_get", |call| {
            let host = Host {
                not_send: PhantomData,
            };
            let response = host.run(|| {
                imports::resp_body_set(b"from within");
                FlareAction::PassThrough
            });
            Some([response.body, call.text(0).into()].concat())
        });
        let block = imports::secret_get(b"!");
        assert_eq!(crate::arena::claim::claim(block).unwrap(), b"from within!");
    }

    #[test]
    fn calls_are_recorded_in_order_and_show_themselves() {
        let host = Host::new();
        imports::spark_set(b"key", b"v\xff", 7);
        imports::req_url();
        let shown = format!("{:?}", host.calls());
        assert_eq!(shown, "[spark_set(\"key\", \"v\u{fffd}\", 7), req_url]");
    }

    #[test]
    fn random_bytes_are_the_same_in_each_run_and_others_with_another_seed() {
        let bytes = |seed| {
            let host = Host::new();
            host.random_seed(seed);
            imports::crypto_random_bytes(8);
            with(|state| (0..8).map(|_| state.random_byte()).collect::<Vec<_>>())
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn the_body_is_cut_at_its_limit() {
        let host = Host::new();
        host.requires_body(true)
            .body("12345")
            .limits(|limits| limits.max_body_bytes = 3);
        assert_eq!(imports::req_body() as u32, 3);
    }

    #[test]
    fn arguments_that_are_no_json_have_no_result() {
        let host = Host::new();
        host.writes_spark_kv(true);
        for bad in [&b""[..], b"{", b"[]", b"{\"version\":\"v5\",\"format\":1}"] {
            assert_eq!((imports::id_uuid(bad), imports::timestamp(bad)), (0, 0));
        }
        assert_eq!(imports::beam_fetch(b"https://a/", b"{"), 0);
        assert!(host.fetches().is_empty());
        for bad in [&b""[..], b"[1]", b"[\"a\",]"] {
            assert_eq!(imports::spark_pull(b"node", bad), -8);
        }
    }

    #[test]
    fn an_unmetered_snowflake_is_one_too() {
        let _host = Host::new();
        let [a, b] = [imports::id_snowflake(), imports::snowflake_id()];
        assert!(a as u32 > 15 && b as u32 > 15);
    }

    #[test]
    fn results_larger_than_the_arena_are_none() {
        let host = Host::new();
        host.returns("req_url", "x".repeat(crate::arena::ARENA_BYTES + 1));
        assert_eq!(imports::req_url(), 0);
    }

    #[test]
    fn data_is_no_status() {
        assert_eq!(returned(Answer::Data(None)), 0);
    }
}
