-- Prints what wrk measured as one line of JSON, for load.rs. Times are in microseconds.
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'LOAD {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"errors":%d}\n',
        summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
