//! Hosts that fail: one call after the other refused, or answers that nobody expected; so that a test finds
//! the error that a flare does not handle.

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::abi;
use crate::testing::Host;
use crate::testing::answer::Answer;
use crate::testing::dispatch::known_import;
use crate::testing::encoding::quoted;
use crate::testing::record::Call;
use crate::testing::state::{State, with};

/// The call that is to be refused.
#[derive(Default)]
pub(crate) struct Refusal {
    /// How many calls that can be refused there are up to it, itself included; 0 if there is none.
    left: usize,
    refused: Option<Call>,
}

/// Where made-up answers come from.
pub(crate) enum Source {
    Bytes(vec::IntoIter<u8>),
    Seed(u64),
}

impl Host {
    /// Refuses one call: the `n`th from now on, 1 being the next, of those that a host can refuse. An
    /// import that returns data has no result then, and one that returns a status has that of a host that
    /// failed. Calls that return nothing (`resp_set_status`, `log_info`) are not counted.
    ///
    /// With it a test goes through all that a flare asks of the host, until
    /// [`refused`](Self::refused) tells that there was no `n`th call:
    ///
    /// ```
    /// # #[cfg(all(feature = "response", feature = "spark"))] {
    /// use flaron_sdk::testing::Host;
    /// use flaron_sdk::{Error, FlareAction, Status, response, spark};
    ///
    /// fn count() -> FlareAction {
    ///     Status::or_respond(visit())
    /// }
    ///
    /// fn visit() -> Result<FlareAction, Error> {
    ///     let visits = spark::get_u64("visits").unwrap_or(0) + 1;
    ///     spark::set_pieces("visits", visits, 0)?;
    ///     response::set_body_pieces(("visits: ", visits))?;
    ///     Ok(FlareAction::Respond)
    /// }
    ///
    /// for n in 1.. {
    ///     let host = Host::new();
    ///     host.writes_spark_kv(true).refuse_nth(n);
    ///     let response = host.run(count);
    ///     let Some(call) = host.refused() else {
    ///         assert_eq!(response.status, 200);
    ///         break;
    ///     };
    ///     if call.import == "spark_set" {
    ///         assert_eq!(response.status, 500, "what was not stored is not counted");
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// It comes before what [`on`](Self::on) and its like say.
    pub fn refuse_nth(&self, n: usize) -> &Host {
        self.set(|state| {
            state.refusal = Refusal {
                left: n,
                refused: None,
            }
        })
    }

    /// The call that was refused because [`refuse_nth`](Self::refuse_nth) said so; `None` if it was not
    /// made (yet).
    pub fn refused(&self) -> Option<Call> {
        with(|state| state.refusal.refused.clone())
    }

    /// Lets these bytes decide what the host answers, as a fuzzer has them: each call is answered as usual,
    /// refused, or given something made up that the ABI allows, such as another method, a header, a value in a
    /// store, an error of the store, an answer of another server, or more than the arena holds. When the bytes
    /// are used up, everything is as usual.
    ///
    /// The same bytes make the same host. [`on`](Self::on) and its like come before it.
    ///
    /// ```
    /// # #[cfg(feature = "response")] {
    /// use flaron_sdk::testing::Host;
    /// # use flaron_sdk::FlareAction;
    /// # fn serve() -> FlareAction { FlareAction::Respond }
    ///
    /// /// The body of a fuzz target.
    /// fn fuzz(bytes: &[u8]) {
    ///     let host = Host::new();
    ///     host.requires_body(true).arbitrary(bytes);
    ///     // A trap may be; a panic of the flare's own may not, and goes on from here.
    ///     let _ = host.catch_trap(|| host.run(serve));
    /// }
    /// # fuzz(&[3, 1, 4, 1, 5]);
    /// # }
    /// ```
    pub fn arbitrary(&self, bytes: impl AsRef<[u8]>) -> &Host {
        let bytes = bytes.as_ref().to_vec().into_iter();
        self.set(|state| state.arbitrary = Some(Source::Bytes(bytes)))
    }

    /// As [`arbitrary`](Self::arbitrary), with bytes that never end, made of a number: for a plain
    /// `cargo test`, which tries the numbers from 0 to some thousands.
    pub fn arbitrary_seed(&self, seed: u64) -> &Host {
        // A generator that begins with 0 would stay there.
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        self.set(|state| state.arbitrary = Some(Source::Seed(seed)))
    }

    /// Runs an invocation, and tells with which reason the flare trapped, if it did: the SDK traps where
    /// its documentation says so, and where a handler returns an error. Any other panic is the flare's own and
    /// goes on.
    ///
    /// ```
    /// # #[cfg(all(feature = "request", feature = "response"))] {
    /// use flaron_sdk::testing::Host;
    /// use flaron_sdk::{FlareAction, request, response};
    ///
    /// fn echo() -> FlareAction {
    ///     response::set_body(&request::body()); // traps if the body does not fit into the arena
    ///     FlareAction::Respond
    /// }
    ///
    /// let host = Host::new();
    /// host.requires_body(true).body("x".repeat(300_000));
    /// assert!(host.catch_trap(|| host.run(echo)).is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The reason, in words for people.
    pub fn catch_trap<T>(&self, invoke: impl FnOnce() -> T) -> Result<T, String> {
        abi::native::take_trap();
        let invoke = std::panic::AssertUnwindSafe(invoke);
        std::panic::catch_unwind(invoke).map_err(|panic| match abi::native::take_trap() {
            Some(reason) => reason.to_owned(),
            None => std::panic::resume_unwind(panic),
        })
    }
}

impl State {
    /// What a call is answered that is to be refused.
    pub(crate) fn refusal(&mut self, call: &Call) -> Option<Answer> {
        let answer = refused(call.import)?;
        let left = self.refusal.left;
        self.refusal.left = left.saturating_sub(1);
        (left == 1).then(|| {
            self.refusal.refused = Some(call.clone());
            answer
        })
    }

    /// What a call is answered that is not answered as usual.
    pub(crate) fn made_up(&mut self, import: &str) -> Option<Answer> {
        self.arbitrary.as_mut()?.answer(import)
    }
}

/// How a host refuses a call, if it can.
fn refused(import: &str) -> Option<Answer> {
    let (name, result) = known_import(import);
    match (result, name) {
        ("i64", _) => Some(Answer::Data(None)),
        (_, "spark_set" | "plasma_set" | "plasma_delete") => Some(Answer::status(STORE_FAILED)),
        (_, "spark_pull") => Some(Answer::status(-STORE_FAILED)),
        (_, "ws_send") => Some(Answer::status(SEND_FAILED)),
        _ => None,
    }
}

/// The code of Spark and Plasma for a failure of the host's.
const STORE_FAILED: i32 = 6;
/// The code of a message that could not be sent.
const SEND_FAILED: i32 = 3;
/// More than the arena holds, as it is by default.
const TOO_MUCH: usize = 300_000;

impl Source {
    fn next(&mut self) -> Option<u8> {
        match self {
            Source::Bytes(bytes) => bytes.next(),
            Source::Seed(state) => {
                // Marsaglia's xorshift.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                Some((*state >> 32) as u8)
            }
        }
    }

    /// The next byte; 0 if there is none.
    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn answer(&mut self, import: &str) -> Option<Answer> {
        match self.next()? % 4 {
            2 => refused(import),
            3 => self.something(import),
            _ => None,
        }
    }

    /// Something that the ABI lets a host answer; `None` where that is as usual.
    fn something(&mut self, import: &str) -> Option<Answer> {
        Some(match import {
            "req_method" => {
                const METHODS: [&str; 7] =
                    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
                Answer::of(METHODS[usize::from(self.byte()) % METHODS.len()])
            }
            "req_url" => Answer::of(format!("https://example.com/{}", self.printable())),
            "req_header_get" => Answer::of(self.printable()),
            "req_body" | "ws_event_data" | "plasma_get" | "secret_get" => Answer::of(self.bytes()),
            "spark_get" => {
                let mut entry = vec![self.byte(), self.byte(), 0, 0];
                entry.extend(self.bytes());
                Answer::of(entry)
            }
            "plasma_increment" | "plasma_decrement" => {
                Answer::of([(); 8].map(|()| self.byte()).to_vec())
            }
            "beam_fetch" => Answer::of(format!(
                "{{\"status\":{},\"headers\":{{\"content-type\":{}}},\"body\":{}}}",
                100 + u16::from(self.byte()) * 2 % 500,
                quoted(&self.printable()),
                quoted(&self.printable())
            )),
            "spark_set" => Answer::status(i32::from(self.byte() % 9) + 1),
            "plasma_set" | "plasma_delete" => Answer::status(i32::from(self.byte() % 6) + 1),
            "ws_send" => Answer::status(i32::from(self.byte() % 3) + 1),
            _ => return None,
        })
    }

    fn bytes(&mut self) -> Vec<u8> {
        match self.byte() {
            u8::MAX => vec![self.byte(); TOO_MUCH],
            len => (0..len).map(|_| self.byte()).collect(),
        }
    }

    /// Characters of ASCII that can be in a header.
    fn printable(&mut self) -> String {
        let printable = |byte: u8| char::from(b' ' + byte % 95);
        self.bytes().into_iter().map(printable).collect()
    }
}

#[cfg(all(test, feature = "default"))]
mod tests;
