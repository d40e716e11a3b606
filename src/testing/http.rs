//! The request's headers, fetches, log lines, and what a WebSocket sends.

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::json;
use crate::testing::answer::Answer;
use crate::testing::encoding::quoted;
use crate::testing::record::{Fetch, Level, LogLine, find_header, lossy};
use crate::testing::state::{State, take};

/// What `ws_send` answers when it has not sent: the codes of `ws::WsSendError`.
mod ws_code {
    pub(super) const SEND_LIMIT_REACHED: i32 = 1;
    pub(super) const MESSAGE_TOO_LARGE: i32 = 2;
    pub(super) const SEND_ERROR: i32 = 3;
}

impl State {
    pub(crate) fn request_header(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = lossy(name).to_ascii_lowercase();
        let withheld = name == "authorization" || name == "cookie" || name.starts_with("x-flaron-");
        if withheld && !self.requires_raw_auth {
            return None;
        }
        Some(find_header(&self.headers, &name)?.into())
    }

    /// `{"method"?, "headers"?, "body"?}` in, `{"status", "headers", "body"}` out.
    pub(crate) fn fetch(&mut self, url: &[u8], options: &[u8]) -> Option<Vec<u8>> {
        let mut options = options.to_vec();
        let options = json::parse(&mut options).ok()?;
        let text = |name| options.get(name)?.as_str().map(ToOwned::to_owned);
        let headers = options.get("headers").into_iter();
        let fetch = Fetch {
            url: lossy(url),
            method: text("method").unwrap_or_else(|| "GET".to_owned()),
            headers: headers
                .flat_map(|headers| headers.members())
                .map(|(name, value)| (lossy(name), lossy(value.as_bytes().unwrap_or_default())))
                .collect(),
            body: text("body"),
        };
        if !take(&mut self.used.fetches, self.limits.max_fetch_requests) {
            return None;
        }
        let answer = self.answers.iter().find(|answer| answer.url == fetch.url);
        let answer = answer.map(|answer| {
            let headers: Vec<String> = answer
                .headers
                .iter()
                .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
                .collect();
            format!(
                "{{\"status\":{},\"headers\":{{{}}},\"body\":{}}}",
                answer.status,
                headers.join(","),
                quoted(&lossy(&answer.body))
            )
        });
        self.fetches.push(fetch);
        answer.map(String::into_bytes)
    }

    pub(crate) fn log(&mut self, level: Level, message: &[u8]) -> Answer {
        if take(&mut self.used.log_lines, self.limits.max_log_lines) {
            let len = message.len().min(self.limits.max_log_line_bytes);
            let text = lossy(&message[..len]);
            self.logs.push(LogLine { level, text });
        }
        Answer::Raw(0)
    }

    pub(crate) fn ws_send(&mut self, data: &[u8]) -> i32 {
        if !self.socket.open {
            return ws_code::SEND_ERROR;
        }
        if data.len() > self.limits.max_ws_message_bytes {
            return ws_code::MESSAGE_TOO_LARGE;
        }
        if !take(&mut self.used.ws_sends, self.limits.max_ws_sends) {
            return ws_code::SEND_LIMIT_REACHED;
        }
        self.socket.sent.push(data.to_vec());
        0
    }
}
