;; examples/hello written by hand, with the SDK's checks of what the host returns, and its refusals where the arena is full.
(module
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param $n i32) (result i32) (i32.const 0))
  (func (export "handle_request") (result i64)
    (call $header (i32.const 8) (i32.const 12) (i32.const 20) (i32.const 10))
    (call $body (i32.const 30) (i32.const 19))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 8) "content-typetext/plainhello from the edge"))
