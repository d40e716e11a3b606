//! Measures what a flare's requests cost: instructions, memory and time, and its start-up time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::builder::EdgeBuilder;
use crate::config::FlareConfig;
use crate::edge::Edge;
use crate::error::{Error, Result};
use crate::flare::build;
use crate::flare::source::SECRETS_FILE_NAME;
use crate::recording::RecordedRequest;

/// How often the instructions of a request are counted, each time on a new node: if a flare reads the time or
/// random bytes, their number may vary.
const COUNTED: usize = 3;

/// What a flare costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    /// The size of the `.wasm`, in bytes.
    pub size: u64,
    /// The compiler that made it, as `rustc --version` says; empty for a `.wasm` file.
    pub compiler: String,
    /// What each request costs.
    pub requests: Vec<Cost>,
    /// The start-up time, from the bytes of the `.wasm` to a flare that can serve: starting an engine,
    /// compiling, linking. It is not part of a baseline.
    #[serde(skip)]
    pub start: Duration,
}

/// What one request costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Method and target.
    pub request: String,
    /// The status of the response.
    pub status: u16,
    /// The smallest number of instructions that it took ([`Used::instructions`](crate::Used)).
    pub instructions: u64,
    /// The largest number. It is the same unless the flare's path depends on the time or on chance.
    pub most: u64,
    /// The linear memory at the end, in bytes.
    pub memory: u64,
    /// The median time, including instantiation, without a socket. It is not part of a baseline.
    #[serde(skip)]
    pub time: Duration,
}

/// A flare to measure.
#[derive(Debug)]
pub struct Subject {
    wasm: PathBuf,
    folder: PathBuf,
    compiler: String,
    secrets: Option<PathBuf>,
}

impl Subject {
    /// The flare at a path: a crate, which is built, or a `.wasm` file.
    ///
    /// # Errors
    ///
    /// When it cannot be built.
    pub fn at(path: &Path) -> Result<Subject> {
        if !path.is_dir() {
            let folder = path.parent().unwrap_or(Path::new(""));
            return Ok(Subject {
                wasm: path.to_owned(),
                folder: folder.to_owned(),
                compiler: String::new(),
                secrets: None,
            });
        }
        let compiler =
            flaron_build::rustc_version(path).map_err(|error| Error::new(error.to_string()))?;
        Ok(Subject {
            wasm: build::build(path)?.wasm,
            folder: path.to_owned(),
            compiler,
            secrets: None,
        })
    }

    /// A file of secrets to use instead of the one beside the flare.
    #[must_use]
    pub fn secrets(mut self, file: Option<PathBuf>) -> Subject {
        self.secrets = file;
        self
    }

    /// Its `.wasm`.
    pub fn wasm(&self) -> &Path {
        &self.wasm
    }

    /// A node in memory that has only this flare, with the settings and secrets next to it.
    ///
    /// # Errors
    ///
    /// When the settings, the secrets or the flare are invalid.
    pub fn node(&self) -> Result<EdgeBuilder> {
        let mut builder = Edge::builder()
            .flare(self.wasm.clone())
            .config(FlareConfig::beside(&self.folder)?);
        let beside = self.folder.join(SECRETS_FILE_NAME);
        let secrets = self.secrets.clone();
        if let Some(secrets) = secrets.or_else(|| beside.is_file().then_some(beside)) {
            builder = builder.secrets_file(secrets);
        }
        Ok(builder)
    }

    /// Measures the requests in their order, on a node whose stores have the `seed` of `flare.toml`. The time
    /// is the median of `rounds` rounds.
    ///
    /// # Errors
    ///
    /// When the flare cannot be loaded, or a request is invalid or fails.
    pub fn measure(&self, requests: &[RecordedRequest], rounds: usize) -> Result<Bench> {
        let runtime = runtime()?;
        let size = std::fs::metadata(&self.wasm)
            .map_err(|error| Error::new(format!("{}: {error}", self.wasm.display())))?
            .len();
        let mut costs: Vec<Cost> = Vec::new();
        for round in 0..COUNTED {
            let edge = self.node()?.count(true).build()?;
            for (at, request) in requests.iter().enumerate() {
                let cost = runtime.block_on(count(&edge, request))?;
                match costs.get_mut(at) {
                    Some(known) if round > 0 => {
                        known.instructions = known.instructions.min(cost.instructions);
                        known.most = known.most.max(cost.most);
                        known.memory = known.memory.max(cost.memory);
                    }
                    _ => costs.push(cost),
                }
            }
        }
        let started = Instant::now();
        let edge = self.node()?.build()?;
        let start = started.elapsed();
        let mut times = vec![Vec::new(); requests.len()];
        for _ in 0..rounds.max(1) {
            for (request, times) in requests.iter().zip(&mut times) {
                let request = request.to_request()?;
                let started = Instant::now();
                runtime.block_on(edge.request(request));
                times.push(started.elapsed());
            }
        }
        for (cost, times) in costs.iter_mut().zip(&mut times) {
            times.sort_unstable();
            cost.time = times[times.len() / 2];
        }
        Ok(Bench {
            size,
            compiler: self.compiler.clone(),
            requests: costs,
            start,
        })
    }
}

/// A runtime for using a node in this process.
///
/// # Errors
///
/// When the system cannot start a thread.
pub fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot start the runtime: {error}")))
}

async fn count(edge: &Edge, request: &RecordedRequest) -> Result<Cost> {
    let name = format!("{} {}", request.method, request.target);
    let response = edge.request(request.to_request()?).await;
    let entries = edge.entries();
    // A request that the flare forwards has its cost even if there is no origin.
    let word = response.headers().get("x-flaron-error");
    let is_sent_on = word.is_some_and(|word| word == "no-origin" || word == "origin");
    let used = entries.last().and_then(|entry| match &entry.error {
        Some(error) if !is_sent_on => Some(Err(Error::new(format!("{name}: {error}")))),
        _ => entry.used.map(Ok),
    });
    let used = used.unwrap_or_else(|| {
        Err(Error::new(format!(
            "{name}: the flare did not run (status {}); does it serve this path?",
            response.status()
        )))
    })?;
    Ok(Cost {
        request: name,
        status: response.status().as_u16(),
        instructions: used.instructions,
        most: used.instructions,
        memory: used.memory,
        time: Duration::ZERO,
    })
}

impl Bench {
    /// Describes what has grown, one line each: a request that takes more instructions than `tolerance` allows
    /// (as a fraction: 0.05 is 5 %) or more memory, has another status, or is missing.
    ///
    /// # Errors
    ///
    /// When the compilers differ: they make different flares of the same source, so nothing can be compared.
    pub fn grown_since(&self, then: &Bench, tolerance: f64) -> Result<Vec<String>> {
        if then.compiler != self.compiler {
            return Err(Error::new(format!(
                "the baseline was made with {}, and this is {}: save a new one (--save)",
                then.compiler, self.compiler
            )));
        }
        let mut grown = Vec::new();
        for (at, old) in then.requests.iter().enumerate() {
            // By position: a file may have the same request twice, with different costs.
            let Some(new) = self
                .requests
                .get(at)
                .filter(|new| new.request == old.request)
            else {
                grown.push(format!("{}: is no longer measured", old.request));
                continue;
            };
            let allowed = (old.most as f64 * (1.0 + tolerance)) as u64;
            if new.instructions > allowed {
                grown.push(format!(
                    "{}: {} instructions, {} more than in the baseline",
                    new.request,
                    new.instructions,
                    new.instructions - old.most
                ));
            }
            if new.memory > old.memory {
                grown.push(format!(
                    "{}: {} bytes of memory, {} more than in the baseline",
                    new.request,
                    new.memory,
                    new.memory - old.memory
                ));
            }
            if new.status != old.status {
                grown.push(format!(
                    "{}: the status is {}, but {} in the baseline",
                    new.request, new.status, old.status
                ));
            }
        }
        Ok(grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(instructions: u64) -> Bench {
        Bench {
            size: 1,
            compiler: "rustc 1".into(),
            requests: vec![Cost {
                request: "GET /".into(),
                status: 200,
                instructions,
                most: instructions,
                memory: 65536,
                time: Duration::ZERO,
            }],
            start: Duration::ZERO,
        }
    }

    #[test]
    fn growth_is_reported_and_shrinking_is_not() {
        assert!(bench(100).grown_since(&bench(100), 0.0).unwrap().is_empty());
        assert!(bench(99).grown_since(&bench(100), 0.0).unwrap().is_empty());
        assert!(
            bench(105)
                .grown_since(&bench(100), 0.05)
                .unwrap()
                .is_empty()
        );
        let grown = bench(101).grown_since(&bench(100), 0.0).unwrap();
        assert_eq!(
            grown,
            ["GET /: 101 instructions, 1 more than in the baseline"]
        );
        let mut more = bench(100);
        more.requests[0].memory *= 2;
        assert_eq!(more.grown_since(&bench(100), 0.0).unwrap().len(), 1);
        more.requests.clear();
        assert_eq!(more.grown_since(&bench(100), 0.0).unwrap().len(), 1);
    }

    #[test]
    fn a_baseline_of_another_compiler_is_an_error() {
        let mut old = bench(1);
        old.compiler = "rustc 2".into();
        let error = bench(1).grown_since(&old, 0.0).unwrap_err().to_string();
        assert!(error.contains("--save"), "{error}");
    }
}
