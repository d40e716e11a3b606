;; examples/beam-json written by hand, with the SDK's checks of what the host returns, and its refusals where the arena is full.
(module
  (import "flaron/v1" "beam_fetch" (func $fetch (param i32 i32 i32 i32) (result i64)))
  (import "flaron/v1" "resp_set_status" (func $status (param i32)))
  (import "flaron/v1" "resp_header_set" (func $header (param i32 i32 i32 i32)))
  (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
  (memory (export "memory") 5)
  (global $p (mut i32) (i32.const 0))
  (func $alloc (export "alloc") (param $n i32) (result i32) (local $s i32)
    (if (result i32) (i32.lt_u (i32.sub (local.get $n) (i32.const 1))
                       (i32.sub (i32.const 262144)
                         (local.tee $s (i32.and (i32.add (global.get $p) (i32.const 7)) (i32.const -8)))))
      (then (global.set $p (i32.add (local.get $n) (local.get $s))) (i32.add (local.get $s) (i32.const 216)))
      (else (i32.const 0))))
  ;; where a text ends that begins at $a: at 255
  (func $str (param $a i32) (result i32)
    (loop $l (br_if $l (i32.ne (i32.load8_u (local.tee $a (i32.add (local.get $a) (i32.const 1)))) (i32.const 255))))
    (local.get $a))
  ;; behind the key of $n bytes at $k, or 0; $p is where the answer begins, it ends at the memory's end (zeros)
  (func $find (param $k i32) (param $n i32) (result i32) (local $a i32) (local $i i32)
    (local.set $a (i32.const 216))
    (loop $next
      (local.set $i (i32.const 0))
      (loop $same
        (if (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $i))) (i32.load8_u (i32.add (local.get $k) (local.get $i))))
          (then (br_if $same (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))
                (return (i32.add (local.get $a) (local.get $n))))))
      (br_if $next (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 1))) (global.get $p))))
    (i32.const 0))
  (func (export "handle_request") (result i64) (local $r i64) (local $in i32) (local $e i32) (local $out i32) (local $c i32) (local $d i32) (local $s i32) (local $code i32)
    (global.set $p (i32.const 0))
    (block $fail
    (br_if $fail (i32.or
          (i32.gt_u (i32.sub (local.tee $in (i32.wrap_i64 (i64.shr_u (local.tee $r (call $fetch (i32.const 32) (i32.const 28) (i32.const 81) (i32.const 130))) (i64.const 32)))) (i32.const 216)) (global.get $p))
          (i32.gt_u (i32.wrap_i64 (local.get $r)) (i32.sub (i32.add (global.get $p) (i32.const 216)) (local.get $in)))))
    (local.set $e (i32.add (local.get $in) (i32.wrap_i64 (local.get $r))))
    (local.set $out (i32.const 216))
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $e)) (then
        (local.set $c (i32.load8_u (local.get $in)))
        (local.set $in (i32.add (local.get $in) (i32.const 1)))
        (if (i32.eq (local.get $c) (i32.const 34))
          (then (local.set $c (select (i32.add (local.get $d) (i32.const 0xf5)) (i32.const 255) (local.tee $s (i32.eqz (local.get $s))))))
          (else (if (local.get $s)
            (then (if (i32.eq (local.get $c) (i32.const 92)) (then
              (local.set $c (i32.load8_u (local.get $in)))
              (local.set $in (i32.add (local.get $in) (i32.const 1)))
              (if (i32.eq (local.get $c) (i32.const 117))
                (then
                  (local.set $code (i32.const 1))
                  (loop $digit
                    (local.set $code (i32.or (i32.shl (local.get $code) (i32.const 4))
                       (i32.add (i32.and (local.tee $c (i32.load8_u (local.get $in))) (i32.const 15)) (i32.mul (i32.shr_u (local.get $c) (i32.const 6)) (i32.const 9)))))
                    (local.set $in (i32.add (local.get $in) (i32.const 1)))
                    (if (i32.eq (i32.shr_u (local.get $code) (i32.const 10)) (i32.const 0x76))
                      (then (local.set $in (i32.add (local.get $in) (i32.const 2))) (br $digit)))
                    (br_if $digit (i32.and (i32.ne (i32.shr_u (local.get $code) (i32.const 16)) (i32.const 1)) (i32.ne (i32.shr_u (local.get $code) (i32.const 28)) (i32.const 13)))))
                  (local.set $code (select (i32.and (local.get $code) (i32.const 0xffff))
                     (i32.add (i32.or (i32.and (i32.shr_u (local.get $code) (i32.const 6)) (i32.const 0xffc00)) (i32.and (local.get $code) (i32.const 0x3ff))) (i32.const 0x10000))
                     (i32.gt_s (local.get $code) (i32.const 0))))
                  (if (i32.ge_u (local.tee $c (local.get $code)) (i32.const 128)) (then
                    (local.set $c (i32.const 0))
                    (local.set $d (i32.add (local.get $d) (i32.const 0x4000)))
                    (loop $u
                      (local.set $c (i32.or (i32.shl (i32.or (local.get $c) (i32.or (i32.and (local.get $code) (i32.const 63)) (i32.const 128))) (i32.const 8)) (i32.const 0)))
                      (local.set $d (i32.sub (local.get $d) (i32.shr_u (i32.and (local.get $d) (i32.const 0x7f00)) (i32.const 1))))
                      (br_if $u (i32.ge_u (local.tee $code (i32.shr_u (local.get $code) (i32.const 6))) (i32.shr_u (local.get $d) (i32.const 8)))))
                    (local.set $c (i32.or (local.get $c) (i32.and (i32.sub (local.get $code) (i32.shl (i32.shr_u (local.get $d) (i32.const 8)) (i32.const 1))) (i32.const 255))))
                    (local.set $d (i32.and (local.get $d) (i32.const 255))))))
                (else (if (i32.gt_u (local.get $c) (i32.const 96)) (then
                  (local.set $c (i32.and (i32.wrap_i64 (i64.shr_u (i64.const 10791642251392) (i64.extend_i32_u (i32.and (i32.shl (local.get $c) (i32.const 1)) (i32.const 60))))) (i32.const 15))))))))))
            (else
              (br_if $next (i32.le_u (local.get $c) (i32.const 32)))
              (local.set $d (i32.sub (i32.add (local.get $d) (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 123))) (i32.eq (i32.or (local.get $c) (i32.const 32)) (i32.const 125))))))))
        (loop $w
          (i32.store8 (local.get $out) (local.get $c))
          (local.set $out (i32.add (local.get $out) (i32.const 1)))
          (br_if $w (local.tee $c (i32.shr_u (local.get $c) (i32.const 8)))))
        (br $next))))
    (br_if $fail (i32.or (local.get $s) (local.get $d)))
    (global.set $p (local.get $out))
    (br_if $fail (i32.eqz (local.tee $in (call $find (i32.const 1) (i32.const 9)))))
    (br_if $fail (i32.ne (i32.and (local.tee $c (i32.load (local.get $in))) (i32.const 0xaef0f0f0)) (i32.const 0x2c303030)))
    (local.set $c (i32.and (local.get $c) (i32.const 0xf0f0f)))
    (call $status (i32.add (i32.mul (i32.and (i32.shr_u (i32.mul (local.get $c) (i32.const 2561)) (i32.const 8)) (i32.const 0xff)) (i32.const 10)) (i32.shr_u (local.get $c) (i32.const 16))))
    (if (i32.ge_u (i32.load8_u (local.tee $in (call $find (i32.const 10) (i32.const 15)))) (i32.const 245)) (then
      (call $header (i32.const 11) (i32.const 12) (i32.add (local.get $in) (i32.const 1)) (i32.sub (call $str (local.get $in)) (i32.add (local.get $in) (i32.const 1))))))
    (if (i32.ge_u (i32.load8_u (local.tee $in (call $find (i32.const 25) (i32.const 7)))) (i32.const 245)) (then
      (call $body (i32.add (local.get $in) (i32.const 1)) (i32.sub (call $str (local.get $in)) (i32.add (local.get $in) (i32.const 1))))) (else (call $body (i32.const 0) (i32.const 0))))
    (return (i64.shl (i64.const 1) (i64.const 32))))
    (call $status (i32.const 502))
    (call $body (i32.const 60) (i32.const 21))
    (i64.shl (i64.const 1) (i64.const 32)))
  (data (i32.const 1) "\f6status\ff:\f7content-type\ff:\f6body\ff:https://api.example.com/echoupstream fetch failed{\22method\22:\22POST\22,\22headers\22:{\22content-type\22:\22application/json\22,\22authorization\22:\22Bearer demo-token\22},\22body\22:\22{\5c\22hello\5c\22:\5c\22world\5c\22}\22}"))
