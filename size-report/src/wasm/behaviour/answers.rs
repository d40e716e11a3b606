//! What the host answers: by the import's name, a run's number and how often it has been asked.

/// One answer with data.
pub(super) enum Answer {
    Bytes(Vec<u8>),
    Nothing,
    /// A place and a length that no `alloc` has given.
    Lie(i64),
}

/// Whether the host is well in a run: it has everything, and all that it answers is as the ABI says.
pub(super) fn is_well(run: u64) -> bool {
    run.is_multiple_of(2)
}

/// The numbers that decide it, the same in each process (SplitMix64).
pub(super) struct Random(u64, u64);

impl Random {
    pub(super) fn new(run: u64) -> Self {
        Self(run, run)
    }

    fn next(&mut self, below: usize) -> usize {
        self.1 = self.1.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.1;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    /// One of so many answers. In the first run it is always the first.
    fn pick(&mut self, of: usize) -> usize {
        if self.0 == 0 { 0 } else { self.next(of) }
    }

    /// What a call that writes returns: mostly that it has worked.
    pub(super) fn status(&mut self) -> i32 {
        match self.next(4) {
            0 if !is_well(self.0) => self.next(12) as i32 - 2,
            _ => 0,
        }
    }

    /// What a call that reads returns.
    pub(super) fn answer(&mut self, import: &str) -> Answer {
        let list = usual(import);
        let mut bytes = match list {
            [] => vec![b'7'; self.next(24)],
            list => list[self.pick(list.len())].as_bytes().to_vec(),
        };
        if import == "spark_get" {
            let ttl = [0u32, 100, u32::MAX][self.pick(3)];
            bytes.splice(0..0, ttl.to_le_bytes());
        }
        if import.ends_with("crement") {
            // A counter that has only been incremented, where the host is well.
            let counts = [0, 1, 42, 100, i64::MAX, i64::MIN, -7];
            let counts = &counts[..if is_well(self.0) { 5 } else { 7 }];
            bytes = counts[self.pick(counts.len())].to_le_bytes().to_vec();
        }
        if is_well(self.0) {
            return Answer::Bytes(bytes);
        }
        match self.next(12) {
            0 | 1 => Answer::Nothing,
            2 => Answer::Bytes(Vec::new()),
            // One byte is another.
            3 | 4 if !bytes.is_empty() => {
                let at = self.next(bytes.len());
                bytes[at] = self.next(256) as u8;
                Answer::Bytes(bytes)
            }
            // The end is missing.
            5 => {
                bytes.truncate(self.next(bytes.len() + 1));
                Answer::Bytes(bytes)
            }
            6 => Answer::Bytes((0..self.next(64)).map(|_| self.next(256) as u8).collect()),
            // More than there is room for, or nearly.
            7 => Answer::Bytes(vec![b'a'; [1_000, 70_000, 262_144, 300_000][self.next(4)]]),
            8 => {
                let address = [1, 16, 100, 4_096, 4_120, 262_144, 0x7fff_ffff, u32::MAX];
                let length = [0, 1, 8, 100, 262_144, u32::MAX];
                let address = i64::from(address[self.next(8)]);
                Answer::Lie(address << 32 | i64::from(length[self.next(6)]))
            }
            _ => Answer::Bytes(bytes),
        }
    }
}

/// What there is to answer, of the kind that the ABI promises.
fn usual(import: &str) -> &'static [&'static str] {
    match import {
        "req_method" => &["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD"],
        "req_url" => &[
            "https://example.test/a?b=1",
            "https://example.test/",
            "http://user@[::1]:8080/kv/key%20one?q=%C3%A9+x&q=2#part",
            "https://example.test/items/17/edit?name=Zo%C3%AB",
            "https://example.test",
        ],
        "req_header_get" => &[
            "text/plain",
            "application/json",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.c2ln",
            "Basic YWRtaW46c2VjcmV0",
            "theme=dark; session=abc; bucket=b",
            "W/\"one\", \"two\"",
            "203.0.113.7, 10.0.0.1",
            "https://app.example.com",
        ],
        "req_body" => &[
            "a body",
            "{\"name\":\"Zo\\u00eb\",\"count\":3,\"tags\":[\"a\",\"b\"],\"on\":true}",
            "Zoë \u{1f600} \"quoted\"\n",
            "name=value&x=1",
        ],
        "beam_fetch" => &[
            "{\"status\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":\"{\\\"a\\\":[1,2]}\"}",
            "{\"status\":418,\"headers\":{},\"body\":\"\"}",
            "{ \"body\" : \"a\\u0041\\ud83d\\ude00\\n\\t\\\"\\\\ Zoë\", \"headers\": {\"server\":\"x\",\"etag\":\"\\\"1\\\"\"}, \"status\": 503 }",
        ],
        "crypto_hash" | "crypto_hmac" => &[
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "72ca27000000000000000000000000000000000000000000000000000000ff0a",
        ],
        "crypto_random_bytes" => &["00ff10aa", "0123456789abcdef0123456789abcdef"],
        "crypto_sign_jwt" => &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.dBjftJeZ4CVP"],
        "crypto_encrypt_aes" => &["AAECAwQFBgcICQoLDA0ODw=="],
        "id_uuid" => &["019aafc2-9a00-7cc3-98c4-dc0c0c07398f"],
        "timestamp" => &["2026-11-23T14:00:00Z", "1763906400", "1763906400123"],
        "spark_get" | "plasma_get" => &["41", "a value", "{\"n\":1}", "18446744073709551615"],
        "spark_list" | "plasma_list" => &["[]", "[\"a\",\"user:1\"]", "[\"\\u0061\\n\", \"b\" ]"],
        "secret_get" => &["a secret", "YWRtaW46c2VjcmV0"],
        "ws_event_type" => &["open", "message", "close"],
        "ws_event_data" => &["a message", "/name Zoë", "{\"say\":\"hello\"}", "/quit"],
        "ws_conn_id" => &["019aafc2-9a00-7cc3-98c4-dc0c0c073990"],
        _ => &[],
    }
}
