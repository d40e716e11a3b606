//! An edge node in this process, with one flare, behind a real socket.

use std::net::SocketAddr;
use std::path::Path;

use flaron_edge::{Edge, FlareConfig, Server};
use tokio::net::TcpListener;

use crate::cargo::workspace;

/// The settings of an example flare: its `flare.toml`, or the defaults if it has none.
pub fn settings(example: &str) -> FlareConfig {
    FlareConfig::beside(&workspace().join("examples").join(example)).unwrap()
}

/// A running node. If the test fails, it prints its log.
pub struct Node {
    /// The node itself.
    pub edge: Edge,
    /// Where it listens.
    pub addr: SocketAddr,
    // Dropping it would stop the node.
    _server: Server,
}

impl Node {
    /// Runs a flare on 127.0.0.1.
    pub async fn start(wasm: &Path, config: FlareConfig, secrets: &[(&str, &str)]) -> Node {
        let mut builder = Edge::builder().flare(wasm).config(config);
        for (name, value) in secrets {
            builder = builder.secret(*name, *value);
        }
        let edge = tokio::task::block_in_place(|| builder.build()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = edge.serve(listener).unwrap();
        Node {
            edge,
            addr: server.addr(),
            _server: server,
        }
    }

    /// Checks that no invocation failed or was refused anything.
    #[track_caller]
    pub fn has_no_complaints(&self) {
        for entry in self.edge.entries() {
            assert!(entry.error.is_none() && entry.notes.is_empty(), "{entry}");
        }
    }

    /// Checks that one invocation has a note with this text.
    #[track_caller]
    pub fn has_note(&self, part: &str) {
        let entries = self.edge.entries();
        let mut notes = entries.iter().flat_map(|entry| &entry.notes);
        assert!(notes.any(|note| note.contains(part)), "{entries:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in self.edge.entries() {
                println!("{entry}");
            }
        }
    }
}
