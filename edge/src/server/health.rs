//! `/_edge/health`: whether this node works, for load balancers.
//!
//! 200 while writes reach the disk and the node can be reached; 503 when they do not. Anyone may
//! ask; the reasons are for this machine only.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::capability::health::{Problem, Severity};
use crate::http::body::Body;
use crate::state::State;

/// Everything that is wrong with the node, the worst problem first.
pub(super) fn problems(state: &State) -> Vec<Problem> {
    let mut problems = state.node.spark.problems();
    problems.extend(state.node.plasma.problems());
    problems.extend(state.telemetry.problems());
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems
}

/// The response; with reasons if the request `is_local`.
pub(super) fn health(state: &State, is_local: bool) -> Response<Body> {
    let problems = problems(state);
    let can_work = problems.iter().all(|p| p.severity < Severity::Failure);
    let mut health = json!({ "ok": can_work });
    if is_local {
        health["problems"] = json!(problems);
    }
    let mut response = Response::new(Body::from(health.to_string()));
    if !can_work {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
