//! Counts requests in Spark, on this edge node's disk, for a day after the last one.
#![no_std]

use flaron_sdk::{FlareAction, SparkError, response, spark};

flaron_sdk::handle_request!(count);
flaron_sdk::panic_handler!();

const KEY: &str = "hits";
const DAY_SECS: u32 = 86_400;

fn count() -> Result<FlareAction, SparkError> {
    let hits = spark::get_u64(KEY).unwrap_or(0) + 1;
    spark::set_pieces(KEY, hits, DAY_SECS)?;
    response::set_header("content-type", "text/plain");
    response::set_body_pieces(("hits: ", hits)).map_err(|_| SparkError::ArenaFull)?;
    Ok(FlareAction::Respond)
}
