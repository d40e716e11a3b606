;; examples/plasma-counter written by hand, with the SDK's checks of what the host returns, and its refusals where the arena is full.
(module
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (import "flaron/v1" "plasma_increment" (func $inc (param i32 i32 i64) (result i64)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (import "flaron/v1" "resp_set_status" (func $status (param i32)))
  (memory (export "memory") 5)
  (global $p (mut i32) (i32.const 0))
  (func (export "alloc") (param $n i32) (result i32) (local $s i32)
    (if (result i32) (i32.lt_u (i32.sub (local.get $n) (i32.const 1))
                       (i32.sub (i32.const 262144)
                         (local.tee $s (i32.and (i32.add (global.get $p) (i32.const 7)) (i32.const -8)))))
      (then (global.set $p (i32.add (local.get $n) (local.get $s))) (i32.add (local.get $s) (i32.const 96)))
      (else (i32.const 0))))
  (func (export "handle_request") (result i64) (local $v i64) (local $r i64) (local $p i32)
    (global.set $p (i32.const 0))
    (call $header (i32.const 14) (i32.const 12) (i32.const 26) (i32.const 10))
    ;; exactly 8 bytes in [96, 96+$p): length must be 8 and (p - 96) + 8 <= $p
    (if (i32.or
         (i32.ne (i32.wrap_i64 (local.tee $r (call $inc (i32.const 36) (i32.const 11) (i64.const 1)))) (i32.const 8))
         (i64.gt_u (i64.add (i64.extend_i32_u (i32.sub (local.tee $p (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))) (i32.const 96))) (i64.const 8))
                   (i64.extend_i32_u (global.get $p))))
     (then (call $status (i32.const 500)) (call $body (i32.const 47) (i32.const 12)))
     (else
    (local.set $v (select (i64.sub (i64.const 0) (local.tee $v (i64.load (local.get $p)))) (local.get $v)
        (i64.lt_s (local.tee $r (local.get $v)) (i64.const 0))))
    (local.set $p (i32.const 96))
    (loop $d
      (i64.store8 (local.tee $p (i32.sub (local.get $p) (i32.const 1)))
        (i64.add (i64.rem_u (local.get $v) (i64.const 10)) (i64.const 48)))
      (br_if $d (i32.eqz (i64.eqz (local.tee $v (i64.div_u (local.get $v) (i64.const 10)))))))
    (if (i64.lt_s (local.get $r) (i64.const 0)) (then
      (i32.store8 (local.tee $p (i32.sub (local.get $p) (i32.const 1))) (i32.const 45))))
    (memory.copy (local.tee $p (i32.sub (local.get $p) (i32.const 13))) (i32.const 1) (i32.const 13))
    (call $body (local.get $p) (i32.sub (i32.const 96) (local.get $p)))))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 1) "global hits: content-typetext/plainglobal_hitsplasma error"))
