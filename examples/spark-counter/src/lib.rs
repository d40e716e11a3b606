//! Counts requests in Spark, on this edge node's disk, for a day after the last one.
#![no_std]
#![forbid(unsafe_code)]

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
    fn each_request_counts_until_a_day_after_the_last() {
        let host = host();
        host.put_spark(KEY, "41", DAY_SECS);
        assert_eq!(host.run(count).text(), "hits: 42");
        host.advance_secs(u64::from(DAY_SECS) - 1);
        assert_eq!(host.run(count).text(), "hits: 43");
        host.advance_secs(u64::from(DAY_SECS));
        assert_eq!(host.run(count).text(), "hits: 1");
    }

    #[test]
    fn without_the_capability_it_fails() {
        let host = Host::new();
        assert_eq!(count(), Err(SparkError::NoCapability));
        assert_eq!(host.spark(KEY), None);
    }
}
