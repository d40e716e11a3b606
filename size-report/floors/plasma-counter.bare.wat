;; examples/plasma-counter written by hand, without any check.
(module
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (import "flaron/v1" "plasma_increment" (func $inc (param i32 i32 i64) (result i64)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (import "flaron/v1" "resp_set_status" (func $status (param i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param $n i32) (result i32) (i32.const 96))
  (func (export "handle_request") (result i64) (local $v i64) (local $p i32)
    (call $header (i32.const 14) (i32.const 12) (i32.const 26) (i32.const 10))
    (if (i64.eqz (call $inc (i32.const 36) (i32.const 11) (i64.const 1)))
     (then (call $status (i32.const 500)) (call $body (i32.const 47) (i32.const 12)))
     (else
    (local.set $v (i64.load (i32.const 96)))
    (local.set $p (i32.const 96))
    (loop $d
      (i64.store8 (local.tee $p (i32.sub (local.get $p) (i32.const 1)))
        (i64.add (i64.rem_u (local.get $v) (i64.const 10)) (i64.const 48)))
      (br_if $d (i32.eqz (i64.eqz (local.tee $v (i64.div_u (local.get $v) (i64.const 10)))))))
    (memory.copy (local.tee $p (i32.sub (local.get $p) (i32.const 13))) (i32.const 1) (i32.const 13))
    (call $body (local.get $p) (i32.sub (i32.const 96) (local.get $p)))))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 1) "global hits: content-typetext/plainglobal_hitsplasma error"))
