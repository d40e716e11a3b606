;; examples/etag-page written by hand, with the SDK's checks of what the host returns, and its refusals where the arena is full.
(module
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (import "flaron/v1" "req_header_get" (func $get (param i32 i32) (result i64)))
  (import "flaron/v1" "resp_set_status" (func $status (param i32)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (import "flaron/v1" "req_method" (func $method (result i64)))
  (memory (export "memory") 5)
  (global $p (mut i32) (i32.const 0))
  (func (export "alloc") (param $n i32) (result i32) (local $s i32)
    (if (result i32) (i32.lt_u (i32.sub (local.get $n) (i32.const 1))
                       (i32.sub (i32.const 262144)
                         (local.tee $s (i32.and (i32.add (global.get $p) (i32.const 7)) (i32.const -8)))))
      (then (global.set $p (i32.add (local.get $n) (local.get $s))) (i32.add (local.get $s) (i32.const 632)))
      (else (i32.const 0))))
  ;; the answer if it lies in what was allocated, which is free from now on, and otherwise 0
  (func $take (param $r i64) (result i64)
    (if (i64.gt_s (i64.add (i64.extend_i32_u (i32.wrap_i64 (local.get $r)))
                     (i64.extend_i32_u (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))) (i32.const 632))))
                  (i64.extend_i32_s (global.get $p)))
      (then (return (i64.const 0))))
    (global.set $p (i32.const 0))
    (local.get $r))
  ;; sets the header whose lengths are at $h, with its name and value behind them; what is behind that
  (func $set (param $h i32) (result i32) (local $v i32)
    (call $header (i32.add (local.get $h) (i32.const 2)) (i32.load8_u (local.get $h))
      (local.tee $v (i32.add (i32.add (local.get $h) (i32.const 2)) (i32.load8_u (local.get $h))))
      (i32.load8_u offset=1 (local.get $h)))
    (i32.add (local.get $v) (i32.load8_u offset=1 (local.get $h))))
  ;; whether $n bytes at $a are those at $k
  (func $same (param $a i32) (param $k i32) (param $n i32) (result i32)
    (loop $next
      (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $k))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 1))
  (func $is (param $k i32) (param $n i32) (result i32) (local $r i64)
    (if (i64.eqz (local.tee $r (call $take (call $method)))) (then (unreachable)))
    (i32.and (i32.eq (i32.wrap_i64 (local.get $r)) (local.get $n))
      (call $same (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))) (local.get $k) (local.get $n))))
  (func (export "handle_request") (result i64) (local $h i32) (local $r i64) (local $e i32)
    (global.set $p (i32.const 0))
    (block $done
      (block $known
        (if (i32.eqz (call $is (i32.const 15) (i32.const 3))) (then
          (if (i32.eqz (call $is (i32.const 20) (i32.const 4))) (then
            (call $status (i32.const 405))
            (drop (call $set (i32.const 8)))
            (br $done)))))
        (local.set $h (i32.const 24))
        (loop $next (br_if $next (i32.ne (local.tee $h (call $set (local.get $h))) (i32.const 267))))
        (local.set $h (i32.wrap_i64 (i64.shr_u
          (local.tee $r (call $take (call $get (i32.const 618) (i32.const 13)))) (i64.const 32))))
        (local.set $e (i32.add (local.get $h) (i32.wrap_i64 (local.get $r))))
        (br_if $known (i32.and (i32.eq (i32.wrap_i64 (local.get $r)) (i32.const 1)) (i32.eq (i32.load8_u (local.get $h)) (i32.const 42))))
        (loop $next
          (if (i32.le_s (local.tee $h (i32.add (local.get $h) (i32.const 1))) (i32.sub (local.get $e) (i32.const 17))) (then
            (br_if $known (call $same (i32.sub (local.get $h) (i32.const 1)) (i32.const 30) (i32.const 18)))
            (br $next))))
        (drop (call $set (i32.const 267)))
        (call $body (i32.const 305) (i32.const 313))
        (br $done))
      (call $status (i32.const 304)))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 8) "\05\09allowGET, HEAD\04\12etag\22c0eeed22e1a3a086\22\0d\13cache-controlpublic, max-age=300\17\12content-security-policydefault-src 'self'\19\23strict-transport-securitymax-age=63072000; includeSubDomains\16\07x-content-type-optionsnosniff\0f\04x-frame-optionsDENY\0f\0breferrer-policyno-referrer\0c\18content-typetext/html; charset=utf-8<!doctype html>\0a<html lang=\22en\22>\0a<meta charset=\22utf-8\22>\0a<title>Status</title>\0a<h1>All systems operational</h1>\0a<p>Edge nodes, stores and the API answer as they should. <a href=\22/history\22>Earlier incidents</a> are kept for a year.</p>\0a<p>Questions? <a href=\22mailto:status@example.com\22>Write to us</a>.</p>\0a</html>\0aif-none-match"))
