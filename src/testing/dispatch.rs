//! Each import, and what answers it: the test's own word, or else what a real host would.

use std::vec::Vec;

use crate::testing::answer::{Answer, returned};
use crate::testing::encoding::{
    base64_decode, base64_encode, hex_decode, hex_encode, url_decode, url_encode,
};
use crate::testing::ids::{BASE62, digits};
use crate::testing::record::{Call, Level, lossy, set_header};
use crate::testing::state::{PlasmaValue, State, take, with};
use crate::testing::stores::{key_list, valid_key};

/// Answers a call of an import: what [`Host::new`](crate::testing::Host::new) installs.
pub(crate) fn call(import: &'static str, bytes: &[&[u8]], numbers: &[i64]) -> i64 {
    let call = Call {
        import,
        bytes: bytes.iter().map(|bytes| bytes.to_vec()).collect(),
        numbers: numbers.to_vec(),
    };
    let (refusal, answer) = with(|state| {
        state.calls.push(call.clone());
        (state.refusal(&call), state.overrides.get(import).cloned())
    });
    if let Some(refusal) = refusal {
        return returned(refusal);
    }
    // The state is not borrowed while a test's own closure runs: it may use the host.
    returned(match answer {
        Some(answer) => answer(&call),
        None => with(|state| {
            let made_up = state.made_up(import);
            made_up.unwrap_or_else(|| state.answer(import, bytes, numbers))
        }),
    })
}

macro_rules! names {
    ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ident)?;)*) => {
        /// Each import's name and what it returns.
        pub(crate) const IMPORTS: &[(&str, &str)] = &[$((stringify!($name), concat!($(stringify!($result))?)),)*];
    };
}
crate::abi::table::imports!(names);

/// An import's name, and what it returns.
pub(crate) fn known_import(import: &str) -> (&'static str, &'static str) {
    match IMPORTS.iter().find(|(name, _)| *name == import) {
        Some(found) => *found,
        None => panic!("the ABI has no import `{import}`"),
    }
}

impl State {
    /// What an import answers that no test has overridden.
    fn answer(&mut self, import: &str, bytes: &[&[u8]], numbers: &[i64]) -> Answer {
        let argument = bytes.first().copied().unwrap_or_default();
        let second = bytes.get(1).copied().unwrap_or_default();
        let number = numbers.first().copied().unwrap_or_default();
        match import {
            "req_method" => Answer::of(self.method.as_str()),
            "req_url" => Answer::of(self.url.as_str()),
            "req_header_get" => Answer::Data(self.request_header(argument)),
            "req_body" if self.requires_body => {
                let len = self.body.len().min(self.limits.max_body_bytes);
                Answer::of(&self.body[..len])
            }

            "resp_set_status" => {
                self.response.status = number as u16;
                Answer::Raw(0)
            }
            "resp_header_set" => {
                let headers = &mut self.response.headers;
                set_header(headers, &lossy(argument), &lossy(second));
                Answer::Raw(0)
            }
            "resp_body_set" => {
                self.response.body = argument.to_vec();
                Answer::Raw(0)
            }

            "beam_fetch" => Answer::Data(self.fetch(argument, second)),

            "log_info" => self.log(Level::Info, argument),
            "log_warn" => self.log(Level::Warn, argument),
            "log_error" => self.log(Level::Error, argument),

            "crypto_random_bytes" => {
                let len = if number <= 0 { 32 } else { number.min(256) };
                let bytes: Vec<u8> = (0..len).map(|_| self.random_byte()).collect();
                Answer::of(hex_encode(&bytes))
            }

            "encoding_base64_encode" => Answer::of(base64_encode(argument)),
            "encoding_base64_decode" => Answer::Data(base64_decode(argument)),
            "encoding_hex_encode" => Answer::of(hex_encode(argument)),
            "encoding_hex_decode" => Answer::Data(hex_decode(argument)),
            "encoding_url_encode" => Answer::of(url_encode(argument)),
            "encoding_url_decode" => Answer::Data(url_decode(argument)),

            "id_uuid" => Answer::Data(self.uuid(argument)),
            "id_ulid" => {
                let id = u128::from(self.time_ms) << 80 | u128::from(self.next_id());
                Answer::of(digits(id, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26))
            }
            "id_ksuid" => {
                // Seconds since 2014-05-13T16:53:20Z, then the number.
                let secs = (self.time_ms / 1000).saturating_sub(1_400_000_000);
                let id = u128::from(secs) << 64 | u128::from(self.next_id());
                Answer::of(digits(id, BASE62, 27))
            }
            "id_nanoid" => {
                let len = if number <= 0 { 21 } else { number.min(256) };
                Answer::of(digits(self.next_id().into(), BASE62, len as usize))
            }
            "id_snowflake" => Answer::of(self.snowflake()),
            "snowflake_id" => {
                let left = take(&mut self.used.snowflakes, self.limits.max_snowflakes);
                Answer::Data(left.then(|| self.snowflake().into()))
            }

            "timestamp" => Answer::Data(self.timestamp(argument)),

            "spark_get" => Answer::Data(self.spark_get(argument)),
            "spark_set" => Answer::status(self.spark_set(argument, second, number)),
            "spark_delete" => {
                self.spark_delete(argument);
                Answer::Raw(0)
            }
            "spark_list" => {
                let left = take(&mut self.used.spark_reads, self.limits.max_kv_reads);
                let keys = self
                    .spark
                    .keys()
                    .filter(|key| self.spark_alive(key).is_some());
                Answer::Data(left.then(|| key_list(keys)))
            }
            "spark_pull" => Answer::status(self.spark_pull(argument, second)),

            "plasma_get" => {
                let value = valid_key(argument)
                    .filter(|_| take(&mut self.used.plasma_reads, self.limits.max_kv_reads))
                    .and_then(|key| self.plasma.get(key));
                Answer::Data(value.map(PlasmaValue::to_bytes))
            }
            "plasma_set" => Answer::status(self.plasma_write(argument, second.len(), |value| {
                *value = Some(PlasmaValue::Value(second.to_vec()));
                0
            })),
            "plasma_delete" => Answer::status(self.plasma_write(argument, 0, |value| {
                *value = None;
                0
            })),
            "plasma_increment" => Answer::Data(self.count(argument, number)),
            "plasma_decrement" => Answer::Data(self.count(argument, number.saturating_neg())),
            "plasma_list" => {
                let left = take(&mut self.used.plasma_reads, self.limits.max_kv_reads);
                Answer::Data(left.then(|| key_list(self.plasma.keys())))
            }

            "secret_get" => Answer::Data(self.secrets.get(&lossy(argument)).cloned()),

            "ws_send" => Answer::status(self.ws_send(argument)),
            "ws_close_conn" => {
                let socket = &mut self.socket;
                if socket.open {
                    socket.open = false;
                    socket.closed = Some(number as u16);
                }
                Answer::Raw(0)
            }
            "ws_conn_id" if !self.socket.event.is_empty() => Answer::of(self.socket.id.as_str()),
            "ws_event_type" if !self.socket.event.is_empty() => Answer::of(self.socket.event),
            "ws_event_data" if self.socket.event == "message" => {
                Answer::of(self.socket.data.as_slice())
            }
            "ws_close_code" => Answer::status(self.socket.close_code.into()),

            // Cryptography, which a test has to set up; a body, an event that there is not.
            _ => Answer::Data(None),
        }
    }
}
