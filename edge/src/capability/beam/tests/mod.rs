mod address;
mod hosts;
mod request;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::capability::beam::*;

/// What a test server received.
#[derive(Debug, Clone, Default)]
struct Received {
    /// The request line and the headers, one per line, names in lowercase.
    head: Vec<String>,
    body: String,
}

impl Received {
    fn line(&self) -> &str {
        &self.head[0]
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head[1..].iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then(|| value.trim())
        })
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

fn read_request(stream: impl Read) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut received = Received::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => received.head.push(line.to_owned()),
        }
    }
    let length = received
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    received.body = String::from_utf8(body).unwrap();
    Some(received)
}

/// A server on loopback that answers one request per connection with the result of `answer`.
fn serve(answer: impl Fn(&Received) -> Vec<u8> + Send + 'static) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let seen = log.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(received) = read_request(stream.try_clone().unwrap()) else {
                continue;
            };
            let answer = answer(&received);
            seen.lock().unwrap().push(received);
            let _ = stream.write_all(&answer);
        }
    });
    (address, log)
}

fn reply(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

struct Setup {
    beam: Arc<Beam>,
    // Fetches run on it.
    _runtime: tokio::runtime::Runtime,
}

impl Setup {
    fn new(config: BeamConfig) -> Self {
        Self::within(Budget::new(DEFAULT_BYTES), config)
    }

    fn within(budget: Arc<Budget>, config: BeamConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let beam = Beam::within(budget, config, runtime.handle().clone()).unwrap();
        Self {
            beam,
            _runtime: runtime,
        }
    }

    fn private() -> Self {
        Self::new(BeamConfig {
            allow_private: true,
            ..BeamConfig::default()
        })
    }

    fn mapped(hosts: &[(&str, String)]) -> Self {
        Self::new(mapped(hosts))
    }

    fn fetch(&self, url: &str) -> Result<Value, BeamRefusal> {
        self.fetch_with(url, &json!({}))
    }

    fn fetch_with(&self, url: &str, options: &Value) -> Result<Value, BeamRefusal> {
        let mut session = BeamSession::new(self.beam.clone(), DEFAULT_FETCHES);
        let json = session.fetch(url.as_bytes(), options.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&json).unwrap())
    }
}

fn mapped(hosts: &[(&str, String)]) -> BeamConfig {
    BeamConfig {
        hosts: hosts
            .iter()
            .map(|(from, to)| (from.to_string(), to.clone()))
            .collect(),
        ..BeamConfig::default()
    }
}
