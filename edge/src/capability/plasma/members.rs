//! The other nodes, as this one knows them: where they are, and how far they have followed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::capability::plasma::protocol::{Hello, KnownNode};

/// How many nodes, and how many actors' lives, are remembered. Further ones are not recorded.
const MAX_MEMBERS: usize = 1000;
const MAX_ACTORS: usize = 10_000;

/// A node that has not been heard from for longer than this, in milliseconds, is not passed on to
/// others.
const MAX_HEARSAY_MS: u64 = 24 * 60 * 60 * 1000;

/// If an earlier life of a node is heard from again within this time after another life of it, both
/// are running.
const TWIN_MS: u64 = 10_000;

/// One node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    /// If two addresses are reported for a node, the one of the later generation counts.
    pub(super) generation: u64,
    /// When it was last heard from, by this node's wall clock.
    pub(super) last_seen_ms: u64,
    /// The same, by the monotonic clock.
    #[serde(skip)]
    heard_at: Option<Instant>,
    /// When it last asked this node for changes.
    #[serde(skip)]
    followed_at: Option<Instant>,
    /// How much of this node's feed it has stored: everything up to here.
    #[serde(skip)]
    pub(super) acked: u64,
    /// The life that was last heard from, the one before it, and when that one ended.
    #[serde(skip)]
    heard: (u64, u64, u64),
}

impl Member {
    /// Whether it was heard from within that time.
    pub(super) fn is_alive(&self, within: Duration) -> bool {
        self.silence().is_some_and(|silence| silence < within)
    }

    /// Whether it asked for changes within that time.
    pub(super) fn follows(&self, within: Duration) -> bool {
        self.followed_at.is_some_and(|at| at.elapsed() < within)
    }

    /// How long ago it was heard from since this node started.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.heard_at.map(|at| at.elapsed())
    }
}

/// All nodes but this one, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Members {
    by_name: BTreeMap<String, Member>,
    /// For each actor, its last life that is known to have heard of the one before.
    lives: BTreeMap<Arc<str>, u64>,
    #[serde(skip)]
    is_dirty: bool,
}

/// What a node's hello reveals.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Met {
    /// The life in which its actor was last met.
    pub(super) seen: Option<u64>,
    /// Whether two nodes use its name.
    pub(super) is_twin: bool,
}

impl Members {
    /// Records what a node says about itself.
    pub(super) fn meet(&mut self, hello: &Hello, now_ms: u64) -> Met {
        let seen = self.lives.get(&hello.actor).copied();
        if seen.is_none() {
            // It replaces no other life.
            self.remember_life(hello);
        }
        let known = KnownNode {
            node: hello.node.clone(),
            address: hello.address,
            generation: hello.generation,
            silent_ms: 0,
        };
        self.learn(&known, now_ms);
        let is_twin = self.heard(&hello.node, hello.life, now_ms);
        Met { seen, is_twin }
    }

    /// Remembers the life in which a node was met, once that node has stored the life in which it was
    /// met before. If this were remembered as soon as the node says hello, and the connection broke
    /// then, a node with a copied folder would later hear only of its own new life, and never that
    /// there had been another.
    pub(super) fn remember_life(&mut self, hello: &Hello) {
        let seen = self.lives.get(&hello.actor).copied();
        if seen != Some(hello.life) && (seen.is_some() || self.lives.len() < MAX_ACTORS) {
            self.lives.insert(hello.actor.clone(), hello.life);
            self.is_dirty = true;
        }
    }

    /// Records what another node says about a third one, if it is plausible.
    pub(super) fn learn(&mut self, known: &KnownNode, now_ms: u64) {
        if !known.is_sane() {
            return;
        }
        let room = self.by_name.len() < MAX_MEMBERS;
        match self.by_name.get_mut(&known.node) {
            Some(member) if member.generation < known.generation => {
                member.address = known.address;
                member.generation = known.generation;
                self.is_dirty = true;
            }
            // A node that nobody has heard from for days is not brought back by those that mention
            // it.
            None if room && known.silent_ms < MAX_HEARSAY_MS => {
                let member = Member {
                    address: known.address,
                    generation: known.generation,
                    last_seen_ms: now_ms.saturating_sub(known.silent_ms),
                    heard_at: None,
                    followed_at: None,
                    acked: 0,
                    heard: (0, 0, 0),
                };
                self.by_name.insert(known.node.clone(), member);
                self.is_dirty = true;
            }
            _ => {}
        }
    }

    /// Records that a life of a node is running. Returns whether another life of the same node is
    /// running too.
    pub(super) fn heard(&mut self, node: &str, life: u64, now_ms: u64) -> bool {
        let Some(member) = self.by_name.get_mut(node) else {
            return false;
        };
        // Writing this to disk once a minute is enough.
        self.is_dirty |= now_ms.saturating_sub(member.last_seen_ms) > 60_000;
        member.last_seen_ms = now_ms;
        member.heard_at = Some(Instant::now());
        let (last, before, ended) = member.heard;
        if life == last {
            return false;
        }
        member.heard = (life, last, now_ms);
        life == before && now_ms.saturating_sub(ended) < TWIN_MS
    }

    /// Records that a node follows this one.
    pub(super) fn followed(&mut self, node: &str) {
        if let Some(member) = self.by_name.get_mut(node) {
            member.followed_at = Some(Instant::now());
        }
    }

    /// Records how much of this node's feed another node has stored.
    pub(super) fn acked(&mut self, node: &str, seq: u64) {
        if let Some(member) = self.by_name.get_mut(node) {
            member.acked = member.acked.max(seq);
        }
    }

    /// Whether every known node has stored this node's feed up to there.
    pub(super) fn all_have(&self, seq: u64) -> bool {
        self.by_name.values().all(|member| member.acked >= seq)
    }

    /// Forgets nodes that have been away since before the given time, and returns their names.
    pub(super) fn forget(&mut self, since_ms: u64) -> Vec<String> {
        let gone: Vec<String> = self
            .by_name
            .iter()
            .filter(|(_, member)| member.last_seen_ms < since_ms)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &gone {
            self.by_name.remove(name);
            self.is_dirty = true;
        }
        gone
    }

    /// When a feed starts over, nobody has stored anything of it.
    pub(super) fn restart_feed(&mut self) {
        for member in self.by_name.values_mut() {
            member.acked = 0;
        }
    }

    pub(super) fn get(&self, node: &str) -> Option<&Member> {
        self.by_name.get(node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.by_name.iter()
    }

    /// Whether there is something to write to disk; clears the mark.
    pub(super) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }

    /// Sets the mark again after writing failed.
    pub(super) fn set_dirty(&mut self) {
        self.is_dirty = true;
    }
}
