;; examples/websocket-echo written by hand, without any check.
(module
  (import "flaron/v1" "ws_event_data" (func $data (result i64)))
  (import "flaron/v1" "ws_send" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param $n i32) (result i32) (i32.const 16))
  (func (export "ws_close") (result i64) (i64.const 0))
  (func (export "ws_message") (result i64)
    (drop (call $send (i32.const 16) (i32.wrap_i64 (call $data))))
    (i64.const 0))
  (func (export "ws_open") (result i64)
    (drop (call $send (i32.const 8) (i32.const 7)))
    (i64.const 0))
  (data (i32.const 8) "welcome"))
