//! Counts requests in Spark, as decimal text under the key `hits`, for a day.

use flaron_sdk::{response, spark, FlareAction};

flaron_sdk::handle_request!(spark_counter);

fn spark_counter() -> FlareAction {
    let hits = spark::get_string("hits")
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        + 1;
    if spark::set("hits", hits.to_string().as_bytes(), 86_400).is_err() {
        return FlareAction::PassThrough;
    }
    response::set_header("content-type", "text/plain");
    response::set_body_str(&format!("hits: {hits}"));
    FlareAction::Respond
}
