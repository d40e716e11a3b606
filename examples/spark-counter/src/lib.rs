//! Counts requests in Spark, on this edge node's disk, for a day after the last one.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, response, spark};

flaron_sdk::handle_request!(count);
flaron_sdk::panic_handler!();

const KEY: &str = "hits";
const DAY_SECS: u32 = 86_400;

fn count() -> FlareAction {
    // A request that cannot be counted goes to the origin.
    answer().unwrap_or(FlareAction::PassThrough)
}

fn answer() -> Result<FlareAction, Error> {
    let hits = spark::get_u64(KEY).unwrap_or(0) + 1;
    spark::set_pieces(KEY, hits, DAY_SECS)?;
    response::set_header("content-type", "text/plain");
    response::set_body_pieces(("hits: ", hits))?;
    Ok(FlareAction::Respond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flaron_sdk::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        host.writes_spark_kv(true);
        host
    }

    #[test]
    fn the_first_request_is_number_1() {
        let host = host();
        let response = host.run(count);
        assert_eq!(response.action, FlareAction::Respond);
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.text(), "hits: 1");
        assert_eq!(host.spark(KEY).as_deref(), Some(&b"1"[..]));
        assert_eq!(host.spark_ttl(KEY), Some(DAY_SECS));
    }

    #[test]
    fn the_count_expires_a_day_after_the_last_request() {
        let host = host();
        host.put_spark(KEY, "41", DAY_SECS);
        assert_eq!(host.run(count).text(), "hits: 42");
        host.advance_secs(u64::from(DAY_SECS) - 1);
        assert_eq!(host.run(count).text(), "hits: 43");
        host.advance_secs(u64::from(DAY_SECS));
        assert_eq!(host.run(count).text(), "hits: 1");
    }

    #[test]
    fn without_the_capability_the_origin_answers() {
        let host = Host::new();
        assert_eq!(host.run(count).action, FlareAction::PassThrough);
        assert_eq!(host.spark(KEY), None);
    }
}
