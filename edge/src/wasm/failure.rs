//! Why an invocation failed: a status and a word for the client, the reason for the developer.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::host::Host;
use crate::host::clock::TimeUp;
use crate::wasm::engine::MAX_INSTANCES;
use crate::wasm::place::Place;

/// Why an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The guest trapped: the engine's description, and where.
    Trap(String),
    /// It panicked: its message, and where.
    Panic(String),
    /// It computed for longer than its limit.
    Timeout { limit_ms: u64 },
    /// It asked for more memory than its limit, and did not survive the refusal.
    Memory {
        wanted: usize,
        limit_mib: u64,
        trap: String,
    },
    /// It recursed too deeply: where.
    Stack(Option<String>),
    /// Its own stack, in its memory, was too small: it accessed an address below the memory.
    SmallStack(String),
    /// It returned no action.
    BadAction(i64),
    /// It has no such handler.
    Missing(&'static str),
    /// All instances are in use.
    Busy,
}

impl Failure {
    /// Why the engine gave a guest up; `moved` is by how many bytes the module's code was moved before it was compiled.
    pub(crate) fn from_error(error: &wasmtime::Error, host: &Host, moved: usize) -> Failure {
        let limits = &host.env.config.limits;
        if error.is::<TimeUp>() {
            return Failure::Timeout {
                limit_ms: limits.max_time_ms,
            };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Failure::Busy;
        }
        let trap = error.downcast_ref::<Trap>();
        let place = Place::of(error, host.env.root.as_deref(), moved);
        if trap == Some(&Trap::StackOverflow) {
            return Failure::Stack(place.map(|place| place.to_string()));
        }
        let mut message = match trap {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        // A flare in development logs its panic before it traps.
        let panic = host.notebook.panic_message();
        let panic = panic.filter(|_| trap == Some(&Trap::UnreachableCodeReached));
        message = match (panic, place) {
            // The message itself says what went wrong inside the called function.
            (Some(said), Some(place)) => format!("{said}, {}", place.own),
            (Some(said), None) => said.to_owned(),
            (None, Some(place)) => format!("{message}, {place}"),
            (None, None) => message,
        };
        if host.notebook.arena_was_full() {
            message.push_str(
                "; before that its arena was full, as a note says: FLARON_ARENA_BYTES in [env] of \
                 .cargo/config.toml makes it larger",
            );
        }
        if trap == Some(&Trap::MemoryOutOfBounds) && is_below_memory(error) {
            return Failure::SmallStack(message);
        }
        match host.memory.denied {
            Some(wanted) => Failure::Memory {
                wanted,
                limit_mib: limits.max_memory_mib,
                trap: message,
            },
            None if panic.is_some() => Failure::Panic(message),
            None => Failure::Trap(message),
        }
    }

    /// The status for the client.
    pub(crate) fn status(&self) -> http::StatusCode {
        use http::StatusCode;
        match self {
            Failure::Trap(_)
            | Failure::Panic(_)
            | Failure::Stack(_)
            | Failure::SmallStack(_)
            | Failure::BadAction(_) => StatusCode::BAD_GATEWAY,
            Failure::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Failure::Memory { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Failure::Missing(_) => StatusCode::NOT_FOUND,
            Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of `x-flaron-error`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Failure::Trap(_) | Failure::Panic(_) => "trap",
            Failure::Timeout { .. } => "timeout",
            Failure::Memory { .. } => "memory",
            Failure::Stack(_) | Failure::SmallStack(_) => "stack",
            Failure::BadAction(_) => "bad-action",
            Failure::Missing(_) => "no-handler",
            Failure::Busy => "busy",
        }
    }
}

/// Whether a memory access went to just below address 0, which for a guest is the end of the
/// address space. A flare's stack is at the beginning of its memory and grows down, so such an
/// access almost always means that it has overflowed.
fn is_below_memory(error: &wasmtime::Error) -> bool {
    const NEAR: u64 = 1 << 20;
    // The engine reports the address only as text.
    let said = "memory fault at wasm address 0x";
    error.chain().any(|cause| {
        let text = cause.to_string();
        let address = text.find(said).map(|at| &text[at + said.len()..]);
        let address = address.and_then(|rest| rest.split(|c: char| !c.is_ascii_hexdigit()).next());
        address
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .is_some_and(|address| address >= (1 << 32) - NEAR)
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Trap(trap) => write!(f, "the flare trapped: {trap}"),
            Failure::Panic(panic) => write!(f, "the flare {panic}"),
            Failure::Timeout { limit_ms } => write!(
                f,
                "the flare computed for longer than {limit_ms} ms and was stopped \
                 (limits.max_time_ms)"
            ),
            Failure::Memory {
                wanted,
                limit_mib,
                trap,
            } => write!(
                f,
                "the flare ran out of memory: it asked for {wanted} bytes, and may have \
                 {limit_mib} MiB (limits.max_memory_mib); then: {trap}"
            ),
            Failure::Stack(place) => {
                f.write_str(
                    "the flare's stack overflowed: it calls itself too deeply, or without end",
                )?;
                match place {
                    Some(place) => write!(f, " ({place})"),
                    None => Ok(()),
                }
            }
            Failure::SmallStack(trap) => write!(
                f,
                "the flare's stack overflowed: it is too small for what the flare keeps on it. Where \
                 .cargo/config.toml says \"-Clink-arg=-zstack-size=16\", write 4096, and 16384 \
                 instead of 4096; or keep large buffers elsewhere ({trap})"
            ),
            Failure::BadAction(packed) => write!(
                f,
                "handle_request returned {packed:#x}, which is no action: the high 32 bits must \
                 be 1 (Respond), 2 (Transform) or 3 (PassThrough)"
            ),
            Failure::Missing(name) => write!(f, "the flare has no export `{name}`"),
            Failure::Busy => write!(
                f,
                "all {MAX_INSTANCES} instances are in use; this request was turned away"
            ),
        }
    }
}
