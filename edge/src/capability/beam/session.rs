//! Beam as one invocation of a flare sees it.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderMap;

use crate::capability::beam::Beam;
use crate::capability::beam::error::BeamRefusal;

/// Beam as one invocation sees it: its fetches, and how many are left.
#[derive(Debug)]
pub struct BeamSession {
    beam: Arc<Beam>,
    limit: u32,
    left: u32,
}

impl BeamSession {
    /// A session for one invocation with `max_fetch_requests`; see [`DEFAULT_FETCHES`](crate::capability::beam::DEFAULT_FETCHES).
    pub fn new(beam: Arc<Beam>, max_fetch_requests: u32) -> Self {
        Self {
            beam,
            limit: max_fetch_requests,
            left: max_fetch_requests,
        }
    }

    /// `beam_fetch`: returns the ABI's JSON. Every call counts, whether it succeeds or not.
    ///
    /// Waits for the network through the runtime that [`Beam`] holds: call it from a thread that
    /// may block, never from async code ([`BeamSession::fetch_async`] is for that).
    ///
    /// # Errors
    ///
    /// [`BeamRefusal`], for the log; the guest gets `0`.
    pub fn fetch(&mut self, url: &[u8], options: &[u8]) -> Result<Bytes, BeamRefusal> {
        self.fetch_with(url, options, &HeaderMap::new())
    }

    /// Like [`BeamSession::fetch`], with headers added by the node. The flare's take precedence.
    pub(crate) fn fetch_with(
        &mut self,
        url: &[u8],
        options: &[u8],
        own: &HeaderMap,
    ) -> Result<Bytes, BeamRefusal> {
        self.count()?;
        let fetch = self.beam.fetch_with(url, options, own);
        self.beam.runtime.block_on(fetch)
    }

    /// Like [`BeamSession::fetch`], for async callers.
    ///
    /// # Errors
    ///
    /// As for [`BeamSession::fetch`].
    pub async fn fetch_async(&mut self, url: &[u8], options: &[u8]) -> Result<Bytes, BeamRefusal> {
        self.count()?;
        self.beam.fetch(url, options).await
    }

    fn count(&mut self) -> Result<(), BeamRefusal> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(BeamRefusal::Limit(self.limit))?;
        Ok(())
    }
}
