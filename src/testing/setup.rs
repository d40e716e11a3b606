//! Setting a host up: what the flare shall find, what it may do, what imports shall answer.

use std::borrow::ToOwned;
use std::rc::Rc;
use std::vec::Vec;

use crate::testing::Host;
use crate::testing::answer::{Answer, Override};
use crate::testing::dispatch::known_import;
use crate::testing::limits::Limits;
use crate::testing::record::{Call, set_header};
use crate::testing::state::{FetchAnswer, PlasmaValue, with};

impl Host {
    // ---------------------------------------------------------------------- the request

    /// Sets the request's method.
    pub fn method(&self, method: &str) -> &Host {
        self.set(|state| state.method = method.to_owned())
    }

    /// Sets the request's URL.
    pub fn url(&self, url: &str) -> &Host {
        self.set(|state| state.url = url.to_owned())
    }

    /// Sets a header of the request; the same name again, in any case, overwrites.
    pub fn header(&self, name: &str, value: &str) -> &Host {
        self.set(|state| set_header(&mut state.headers, name, value))
    }

    /// Sets the request's body. The flare sees it with [`requires_body`](Self::requires_body).
    pub fn body(&self, body: impl AsRef<[u8]>) -> &Host {
        self.set(|state| state.body = body.as_ref().to_vec())
    }

    // ---------------------------------------------------------------- capabilities, limits

    /// Whether the flare may see the request's body.
    pub fn requires_body(&self, yes: bool) -> &Host {
        self.set(|state| state.requires_body = yes)
    }

    /// Whether the flare may see `Authorization`, `Cookie` and `X-Flaron-*`.
    pub fn requires_raw_auth(&self, yes: bool) -> &Host {
        self.set(|state| state.requires_raw_auth = yes)
    }

    /// Whether the flare may write to Spark.
    pub fn writes_spark_kv(&self, yes: bool) -> &Host {
        self.set(|state| state.writes_spark_kv = yes)
    }

    /// Whether the flare may write to Plasma.
    pub fn writes_plasma_kv(&self, yes: bool) -> &Host {
        self.set(|state| state.writes_plasma_kv = yes)
    }

    /// Changes the limits.
    ///
    /// ```
    /// # let host = flaron_sdk::testing::Host::new();
    /// host.limits(|limits| limits.max_fetch_requests = 1);
    /// ```
    pub fn limits(&self, change: impl FnOnce(&mut Limits)) -> &Host {
        // A copy, because `change` is the test's own and may use the host.
        let mut limits = with(|state| state.limits);
        change(&mut limits);
        self.set(|state| state.limits = limits)
    }

    // ------------------------------------------------------------------- what there is

    /// Sets a secret that the flare may read (one of its `allowed_secrets`).
    pub fn secret(&self, name: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| drop(state.secrets.insert(name.to_owned(), value)))
    }

    /// Puts a value into Spark, for `ttl_secs` seconds or (0) for ever.
    pub fn put_spark(&self, key: &str, value: impl AsRef<[u8]>, ttl_secs: u32) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| state.put_spark(key, value, ttl_secs))
    }

    /// Puts a value into the Spark of another node, from which `spark::pull` gets it.
    pub fn put_spark_at(&self, node: &str, key: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = value.as_ref().to_vec();
        self.set(|state| {
            let store = state.nodes.entry(node.to_owned()).or_default();
            store.insert(key.to_owned(), value);
        })
    }

    /// Puts a value into Plasma.
    pub fn put_plasma(&self, key: &str, value: impl AsRef<[u8]>) -> &Host {
        let value = PlasmaValue::Value(value.as_ref().to_vec());
        self.set(|state| drop(state.plasma.insert(key.to_owned(), value)))
    }

    /// Puts a counter into Plasma.
    pub fn put_counter(&self, key: &str, total: i64) -> &Host {
        let value = PlasmaValue::Counter(total);
        self.set(|state| drop(state.plasma.insert(key.to_owned(), value)))
    }

    /// Answers fetches of a URL; the same URL again replaces the answer.
    pub fn on_fetch(
        &self,
        url: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> &Host {
        let headers = headers.iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            (name, (*value).to_owned())
        });
        let answer = FetchAnswer {
            url: url.to_owned(),
            status,
            headers: headers.collect(),
            body: body.as_ref().to_vec(),
        };
        self.set(|state| {
            state.answers.retain(|other| other.url != url);
            state.answers.push(answer);
        })
    }

    /// Sets the clock, in milliseconds since 1970-01-01T00:00:00Z. It stands still otherwise.
    pub fn time_ms(&self, time: u64) -> &Host {
        self.set(|state| state.time_ms = time)
    }

    /// Lets time pass.
    pub fn advance_secs(&self, secs: u64) -> &Host {
        self.set(|state| state.time_ms += secs * 1000)
    }

    /// Where the random bytes begin that the host makes up; the same seed gives the same bytes.
    pub fn random_seed(&self, seed: u64) -> &Host {
        self.set(|state| state.random = seed)
    }

    /// Sets the ID of the WebSocket connection.
    pub fn connection_id(&self, id: &str) -> &Host {
        self.set(|state| state.socket.id = id.to_owned())
    }

    // ------------------------------------------------------------------------ overrides

    /// Makes an import that returns data always return this.
    ///
    /// ```
    /// # let host = flaron_sdk::testing::Host::new();
    /// host.returns("crypto_hash", "2cf24dba5fb0a30e26e83b2ac5b9e29e");
    /// ```
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no data.
    pub fn returns(&self, import: &str, data: impl AsRef<[u8]>) -> &Host {
        let data = data.as_ref().to_vec();
        self.on(import, move |_| Some(data.clone()))
    }

    /// Makes an import that returns data return what `answer` says; `None` is "no result".
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no data.
    pub fn on(&self, import: &str, answer: impl Fn(&Call) -> Option<Vec<u8>> + 'static) -> &Host {
        let (name, result) = known_import(import);
        assert!(
            result == "i64",
            "`{name}` returns no data: see `fails_with`"
        );
        self.overrides(name, Rc::new(move |call| Answer::Data(answer(call))))
    }

    /// Makes an import that returns a status always return this one; 0 is success. (The error codes
    /// of `spark_pull` are negative.)
    ///
    /// # Panics
    ///
    /// When the ABI has no such import, or it returns no status.
    pub fn fails_with(&self, import: &str, status: i32) -> &Host {
        let (name, result) = known_import(import);
        assert!(result == "i32", "`{name}` returns no status: see `on`");
        self.overrides(name, Rc::new(move |_| Answer::status(status)))
    }

    /// Makes an import return a bare number: for hosts that do what no host should. Where the import
    /// returns data the number is an address (the high 32 bits) and a length.
    ///
    /// # Panics
    ///
    /// When the ABI has no such import.
    pub fn on_raw(&self, import: &str, answer: impl Fn(&Call) -> i64 + 'static) -> &Host {
        let (name, _) = known_import(import);
        self.overrides(name, Rc::new(move |call| Answer::Raw(answer(call))))
    }

    /// Takes back what [`on`](Self::on) and its like have said of an import.
    ///
    /// # Panics
    ///
    /// When the ABI has no such import.
    pub fn off(&self, import: &str) -> &Host {
        let (name, _) = known_import(import);
        // What it captured is dropped when the state is not borrowed any more, since it may use the host.
        drop(with(|state| state.overrides.remove(name)));
        self
    }

    fn overrides(&self, import: &'static str, answer: Override) -> &Host {
        drop(with(|state| state.overrides.insert(import, answer)));
        self
    }
}
