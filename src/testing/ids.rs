//! IDs, random bytes and the time: the same in each run.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use crate::testing::encoding::text_member;
use crate::testing::state::State;

impl State {
    /// SplitMix64.
    pub(crate) fn random_byte(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u8
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn uuid(&mut self, arguments: &[u8]) -> Option<Vec<u8>> {
        let version = text_member(arguments, "version")?;
        let (time, id) = (self.time_ms, self.next_id());
        match version.as_str() {
            "v4" => Some(format!("00000000-0000-4000-8000-{id:012x}").into()),
            "v7" => Some(
                format!(
                    "{:08x}-{:04x}-7000-8000-{id:012x}",
                    time >> 16,
                    time & 0xffff
                )
                .into(),
            ),
            _ => None,
        }
    }

    pub(crate) fn snowflake(&mut self) -> String {
        let since = self.time_ms.saturating_sub(1_288_834_974_657);
        (since << 22 | self.next_id()).to_string()
    }

    pub(crate) fn timestamp(&self, arguments: &[u8]) -> Option<Vec<u8>> {
        let format = text_member(arguments, "format")?;
        let (secs, ms) = (self.time_ms / 1000, self.time_ms);
        let [year, month, day, hour, minute, second] = civil(secs);
        let text = match format.as_str() {
            "unix" => secs.to_string(),
            "ms" => ms.to_string(),
            "ns" => format!("{ms}000000"),
            "http" => {
                // 1970-01-01 was a Thursday.
                let weekday =
                    ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(secs / 86_400 % 7) as usize];
                let month = [
                    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                    "Dec",
                ][month as usize - 1];
                format!(
                    "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
                )
            }
            _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        };
        Some(text.into())
    }
}

pub(crate) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number with so many digits of an alphabet.
pub(crate) fn digits(mut number: u128, alphabet: &[u8], len: usize) -> Vec<u8> {
    let base = alphabet.len() as u128;
    let mut digits = vec![alphabet[0]; len];
    for digit in digits.iter_mut().rev() {
        *digit = alphabet[(number % base) as usize];
        number /= base;
    }
    digits
}

/// Year, month, day, hour, minute and second of a time in seconds since 1970.
fn civil(secs: u64) -> [u64; 6] {
    let leap = |year: u64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let (mut days, mut year, mut month) = (secs / 86_400, 1970, 1);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let of_day = secs % 86_400;
    [
        year,
        month,
        days + 1,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
    ]
}
