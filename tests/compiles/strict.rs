//! A flare of an author who denies and forbids what can be, and whose names are those of others.
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications)]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, response};

#[allow(dead_code, reason = "they are only in the way")]
mod names {
    pub(crate) enum Answer {
        Ok,
        Err,
        Some,
        None,
    }
    pub(crate) type Result = u8;
    pub(crate) type Option = u8;
    pub(crate) struct Status;
    pub(crate) const CELL: u32 = 3;
}
#[allow(unused_imports, reason = "they are only in the way")]
use names::{
    Answer::{Err, None, Ok, Some},
    CELL, Option, Result, Status,
};

/// Not Rust's.
mod core {}


flaron_sdk::flare! {
    request: handler,
    open: nothing,
    message: nothing,
    close: nothing,
}
flaron_sdk::state! {
    static COUNT: u32 = CELL;
}

fn handler() -> ::core::result::Result<FlareAction, Error> {
    COUNT.set(COUNT.get() + 1);
    response::set_body_str(flaron_sdk::json!({ "a": [1, -2, "x", null], "b": true }));
    response::set_body_pieces((flaron_sdk::json!([]), COUNT.get()))?;
    ::core::result::Result::Ok(FlareAction::Respond)
}

fn nothing() {}
