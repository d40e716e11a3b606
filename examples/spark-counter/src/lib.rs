//! Counts requests in Spark, on this edge node's disk, for a day after the last one.
#![no_std]

use flaron_sdk::{FlareAction, SparkError, response, spark};

flaron_sdk::handle_request!(count);
flaron_sdk::panic_handler!();

const KEY: &str = "hits";
const DAY_SECS: u32 = 86_400;

fn count() -> Result<FlareAction, SparkError> {
    let before = spark::get(KEY).map_or(0, |entry| decimal(&entry.value));
    let hits = before.wrapping_add(1);
    spark::set_pieces(KEY, hits, DAY_SECS)?;
    response::set_header("content-type", "text/plain");
    response::set_body_pieces(("hits: ", hits)).map_err(|_| SparkError::ArenaFull)?;
    Ok(FlareAction::Respond)
}

/// The number that the digits stand for.
fn decimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| {
        number.wrapping_mul(10).wrapping_add(u32::from(digit & 15))
    })
}
