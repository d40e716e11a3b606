;; examples/beam-fetch written by hand, without any check.
(module
  (import "flaron/v1" "beam_fetch" (func $fetch (param i32 i32 i32 i32) (result i64)))
  (import "flaron/v1" "resp_set_status" (func $status (param i32)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (memory (export "memory") 5)
  (func (export "alloc") (param $n i32) (result i32) (i32.const 80))
  (func (export "handle_request") (result i64) (local $r i64)
    (if (i64.eqz (local.tee $r (call $fetch (i32.const 1) (i32.const 20) (i32.const 70) (i32.const 2))))
     (then (call $status (i32.const 502)) (call $body (i32.const 49) (i32.const 21)))
     (else (call $body (i32.const 80) (i32.wrap_i64 (local.get $r))) (call $header (i32.const 21) (i32.const 12) (i32.const 33) (i32.const 16))))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 1) "https://example.com/content-typeapplication/jsonupstream fetch failed{}"))
