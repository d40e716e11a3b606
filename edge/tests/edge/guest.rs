//! Hand-written guests: every import is declared, and texts are placed in memory automatically.

use std::fmt::Write as _;

use bytes::Bytes;
use flaron_edge::contract::{IMPORTS, Val};
use flaron_edge::{Edge, FlareConfig};

/// The results of `handle_request`.
pub const RESPOND: &str = "(i64.const 0x100000000)";
pub const TRANSFORM: &str = "(i64.const 0x200000000)";
pub const PASS: &str = "(i64.const 0x300000000)";

/// Builds a guest. Its memory has texts below 64 KiB, and above that, up to 16 MiB, a bump `alloc`,
/// which every export resets.
pub struct Guest {
    data: Vec<u8>,
    funcs: String,
    alloc: String,
}

impl Guest {
    pub fn new() -> Self {
        Guest {
            data: vec![0; 16],
            funcs: String::new(),
            alloc: r#"
                (func $alloc (export "alloc") (param $size i32) (result i32) (local $at i32)
                  (if (i32.or (i32.le_s (local.get $size) (i32.const 0))
                              (i32.gt_u (i32.add (global.get $next) (local.get $size))
                                        (i32.const 0x1000000)))
                    (then (return (i32.const 0))))
                  (local.set $at (global.get $next))
                  (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get $size))
                                                      (i32.const 7))
                                             (i32.const -8)))
                  (local.get $at))"#
                .to_owned(),
        }
    }

    /// Replaces `alloc`; this is the whole function.
    pub fn alloc(mut self, function: &str) -> Self {
        self.alloc = function.to_owned();
        self
    }

    /// Puts a text into memory; returns two constants that point at it.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> String {
        let text = text.as_ref();
        let at = self.data.len();
        self.data.extend_from_slice(text);
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// `handle_request`, whose last expression is the action. It has the locals `$i`, `$n` (i32)
    /// and `$p` (i64).
    pub fn http(mut self, body: &str) -> Self {
        let _ = write!(
            self.funcs,
            r#"(func (export "handle_request") (result i64)
                 (local $i i32) (local $n i32) (local $p i64)
                 (global.set $next (i32.const 0x10000)) {body})"#
        );
        self
    }

    /// The three WebSocket handlers.
    pub fn ws(mut self, open: &str, message: &str, close: &str) -> Self {
        for (name, body) in [("open", open), ("message", message), ("close", close)] {
            let _ = write!(
                self.funcs,
                r#"(func (export "ws_{name}") (result i64) (local $i i32)
                     (global.set $next (i32.const 0x10000)) {body} (i64.const 0))"#
            );
        }
        self
    }

    /// Adds functions.
    pub fn func(mut self, func: &str) -> Self {
        self.funcs.push_str(func);
        self
    }

    /// The module.
    pub fn wasm(&self) -> Vec<u8> {
        let mut wat = String::from("(module\n");
        for import in IMPORTS {
            let ty = |val: &Val| match val {
                Val::I32 => "i32",
                Val::I64 => "i64",
            };
            let params: Vec<_> = import.params.iter().map(ty).collect();
            let result = import
                .result
                .iter()
                .map(|val| format!("(result {})", ty(val)))
                .collect::<String>();
            let _ = writeln!(
                wat,
                "(import \"flaron/v1\" \"{0}\" (func ${0} (param {1}) {result}))",
                import.name,
                params.join(" ")
            );
        }
        let mut escaped = String::new();
        for byte in &self.data {
            let _ = write!(escaped, "\\{byte:02x}");
        }
        // $reply answers with a packed result, or with "<none>".
        let _ = write!(
            wat,
            r#"(memory (export "memory") 257)
               (global $next (mut i32) (i32.const 0x10000))
               (data (i32.const 0) "{escaped}")
               (data (i32.const 0xfff0) "<none>")
               (func $ptr (param i64) (result i32)
                 (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
               (func $len (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
               (func $reply (param i64)
                 (if (i64.eqz (local.get 0))
                   (then (call $resp_body_set (i32.const 0xfff0) (i32.const 6)))
                   (else (call $resp_body_set (call $ptr (local.get 0)) (call $len (local.get 0))))))
               (func $send (param i64)
                 (if (i64.eqz (local.get 0))
                   (then (drop (call $ws_send (i32.const 0xfff0) (i32.const 6))))
                   (else (drop (call $ws_send (call $ptr (local.get 0)) (call $len (local.get 0)))))))
               (func $reply_number (param i32)
                 (i32.store8 (i32.const 0xffe0)
                   (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get 0) (i32.const 1000)) (i32.const 10))))
                 (i32.store8 (i32.const 0xffe1)
                   (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get 0) (i32.const 100)) (i32.const 10))))
                 (i32.store8 (i32.const 0xffe2)
                   (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get 0) (i32.const 10)) (i32.const 10))))
                 (i32.store8 (i32.const 0xffe3)
                   (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
                 (call $resp_body_set (i32.const 0xffe0) (i32.const 4)))
               {}
               {}
            )"#,
            self.alloc, self.funcs
        );
        match wat::parse_str(&wat) {
            Ok(wasm) => wasm,
            Err(error) => panic!("{error}\n{wat}"),
        }
    }

    /// A node that runs it with default settings.
    pub fn edge(&self) -> Edge {
        self.edge_with("")
    }

    /// A node that runs it with these settings.
    pub fn edge_with(&self, config: &str) -> Edge {
        self.build(config).unwrap()
    }

    /// Why a node refuses it with these settings.
    pub fn refusal(&self, config: &str) -> String {
        match self.build(config) {
            Ok(_) => panic!("it runs"),
            Err(error) => error.to_string(),
        }
    }

    fn build(&self, config: &str) -> flaron_edge::Result<Edge> {
        Edge::builder()
            .flare(self.wasm())
            .config(FlareConfig::parse(config).unwrap())
            .build()
    }
}

/// A guest with this `handle_request`; the closure places the texts.
pub fn http_guest(body: impl FnOnce(&mut Guest) -> String) -> Guest {
    let mut guest = Guest::new();
    let body = body(&mut guest);
    guest.http(&body)
}

/// GET `path`, in-process.
pub async fn get(edge: &Edge, path: &str) -> http::Response<Bytes> {
    edge.request(http::Request::get(path).body("").unwrap())
        .await
}

/// Everything recorded so far: log lines, notes, errors.
pub fn said(edge: &Edge) -> String {
    edge.entries()
        .iter()
        .map(|entry| format!("{entry}\n"))
        .collect()
}
