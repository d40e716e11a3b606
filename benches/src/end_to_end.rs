//! Requests per second through the local edge, over loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use flaron_edge::{Edge, FlareConfig, Kind};
use wasmtime::error::Context as _;
use wasmtime::{Result, bail, format_err};

use crate::flares;
use crate::speed::Modules;

/// The number of concurrent connections.
pub const CONNECTIONS: usize = 4;

/// The result for one flare: requests per second, the best of several rounds.
#[derive(Debug, Clone)]
pub struct Rate {
    /// The flare's name.
    pub name: String,
    /// Built with our SDK.
    pub ours: f64,
    /// Built with the published one.
    pub published: f64,
}

/// Measures a flare; `None` for one that does not serve HTTP, or makes requests of its own.
///
/// # Errors
///
/// When it does not answer as it should.
pub fn measure(modules: &Modules, quick: bool) -> Result<Option<Rate>> {
    let told = |error: flaron_edge::Error| format_err!("{error}");
    let folder = flares::root().join("examples").join(&modules.name);
    let mut builder = Edge::builder();
    for (wasm, name) in modules.wasm.iter().zip(["ours", "published"]) {
        let config = FlareConfig {
            name: Some(name.to_owned()),
            ..FlareConfig::beside(&folder).map_err(told)?
        };
        builder = builder
            .flare(wasm.clone())
            .config(config)
            .route(format!("/{name}"))
            .secret("jwt-key", "a key that is long enough for SHA-256");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let edge = builder.build().map_err(told)?;
    let fits = edge.flares().iter().all(|flare| {
        let asks = flare
            .info
            .imports
            .iter()
            .any(|import| import.name == "beam_fetch");
        flare.kind != Kind::WebSocket && !asks
    });
    if !fits {
        return Ok(None);
    }
    let server = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        edge.serve(listener).map_err(told)
    })?;

    let (rounds, requests) = if quick { (1, 5) } else { (20, 250) };
    let mut rates = [0_f64; 2];
    for _ in 0..rounds {
        for (rate, path) in rates.iter_mut().zip(["/ours", "/published"]) {
            let round = round(server.addr(), path, requests);
            // The edge's log of the invocation says more than the status.
            let failed = edge
                .entries()
                .into_iter()
                .find(|entry| entry.status != Some(200));
            if let (Err(error), Some(entry)) = (&round, failed) {
                bail!("{error}: {entry}");
            }
            *rate = rate.max(round?);
        }
    }
    runtime.block_on(server.shutdown(Duration::from_secs(5)));
    let [ours, published] = rates;
    let name = modules.name.clone();
    Ok(Some(Rate {
        name,
        ours,
        published,
    }))
}

/// Requests per second, of this many requests on each connection.
fn round(addr: SocketAddr, path: &str, requests: usize) -> Result<f64> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        connections.push(BufReader::new(stream));
    }
    let start = Instant::now();
    let workers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let request = format!("GET {path} HTTP/1.1\r\nhost: example.test\r\n\r\n");
            thread::spawn(move || -> Result<()> {
                for _ in 0..requests {
                    connection.get_mut().write_all(request.as_bytes())?;
                    answer(&mut connection)?;
                }
                Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("it does not panic")?;
    }
    Ok((CONNECTIONS * requests) as f64 / start.elapsed().as_secs_f64())
}

/// Reads one response.
fn answer(connection: &mut BufReader<TcpStream>) -> Result<()> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        bail!("the edge answers {line:?}");
    }
    let mut length = None;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse()?);
        }
    }
    let length: usize = length.context("an answer without content-length")?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(())
}
