//! The servers that are compared, and how each is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flaron_build::Build;
use wasmtime::error::Context as _;
use wasmtime::{Result, bail, format_err};

use crate::flares;
use crate::load::server::{BODY, Server};

/// wasmtime's flare is a component.
const COMPONENT_TARGET: &str = "wasm32-wasip2";

/// A fresh instance for each request is wasmtime's default for such a component; the option makes that
/// explicit. `cli` is imported by Rust's standard library, though the component calls none of it.
const WASMTIME: [&str; 7] = [
    "serve",
    "--addr",
    "127.0.0.1:0",
    "--max-instance-reuse-count",
    "1",
    "-Opooling-allocator",
    "-Scli",
];

/// workerd, by name and version as npm has it.
const WORKERD: &str = "workerd@1.20261117.1";
/// The worker's script; one isolate serves all requests.
const WORKER: &str = r#"export default {
  fetch() {
    return new Response("BODY", { headers: { "content-type": "text/plain" } });
  },
};
"#;
const WORKERD_CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "hello", worker = .hello) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "hello") ],
);

const hello :Workerd.Worker = (
  modules = [ (name = "hello.js", esModule = embed "hello.js") ],
  compatibilityDate = "2026-01-01",
);
"#;

/// The argument that makes this program the bare server.
pub(super) const BARE: &str = "--serve-bare";

/// A server, and its description.
pub(super) struct Contestant {
    pub(super) server: Server,
    pub(super) about: String,
}

/// The edge's program, built as its README says for load; or the one that `FLARON_EDGE` names.
///
/// # Errors
///
/// When it cannot be built.
pub(super) fn edge_program() -> Result<PathBuf> {
    if let Some(edge) = std::env::var_os("FLARON_EDGE") {
        return Ok(edge.into());
    }
    let artifacts = Build::isolated(flares::root())
        .args(["--profile", "server", "--locked"])
        .package("flaron-edge")
        .run()?;
    let edge = artifacts.executable("flaron-edge");
    edge.context("cargo does not say where it put flaron-edge")
}

/// The edge with its flare.
///
/// # Errors
///
/// When it or its flare cannot be built, or does not start.
pub(super) fn edge(folder: &Path) -> Result<Contestant> {
    let flare = folder.join("hello.wasm");
    fs::write(&flare, flares::ours("hello")?)?;
    let mut command = Command::new(edge_program()?);
    command
        .arg("run")
        .arg(&flare)
        .args(["--listen", "127.0.0.1:0", "--quiet", "--data"])
        .arg(folder.join("data"));
    Ok(Contestant {
        server: Server::start("flaron-edge", command)?,
        about: format!(
            "`flaron-edge`: profile `server`, an instance in its first state for each request, wasmtime {}, flares by {}",
            flares::wasmtime_version()?,
            flares::rustc_version()?
        ),
    })
}

/// wasmtime with a component that sends the same response.
///
/// # Errors
///
/// When it is not there (the message says how to get it), or does not start.
pub(super) fn wasmtime() -> Result<Contestant> {
    let engine = flares::wasmtime_version()?;
    let program = program(
        "WASMTIME",
        "wasmtime",
        "--version",
        &format!(
            "install it with `cargo install wasmtime-cli --locked --version {engine}`, the edge's \
             own version of the engine"
        ),
    )?;
    let mut command = Command::new(&program.path);
    command.args(WASMTIME).arg(component()?);
    Ok(Contestant {
        server: Server::start("wasmtime serve", command)?,
        about: format!("`wasmtime {}`: {}", WASMTIME.join(" "), program.version),
    })
}

/// Builds wasmtime's flare, and installs its target if it is missing.
fn component() -> Result<PathBuf> {
    let folder = flares::root().join("benches/peers/hello");
    flaron_build::ensure_target(&folder, COMPONENT_TARGET)?;
    let artifacts = Build::isolated_from_repository(&folder.join("Cargo.toml"))
        .release_for(COMPONENT_TARGET)
        .args(["--quiet", "--locked"])
        .target_dir(&flares::target_dir()?.join("peers"))
        .run()?;
    let mut files = artifacts.wasm_files();
    let wasm = files.find(|file| file.target == "peer_hello");
    Ok(wasm.context("the peer's flare made no .wasm")?.path)
}

/// workerd with a worker that sends the same response. npm installs it the first time.
///
/// # Errors
///
/// When npm is not there or has no workerd for this machine, or it does not start.
pub(super) fn workerd(folder: &Path) -> Result<Contestant> {
    let folder = folder.join("workerd");
    fs::create_dir_all(&folder)?;
    let path = match workerd_in(&folder) {
        Some(path) => path,
        None => {
            install_workerd(&folder)?;
            workerd_in(&folder).with_context(|| {
                format!("npm installed {WORKERD}, but no program for this machine")
            })?
        }
    };
    fs::write(folder.join("hello.js"), WORKER.replace("BODY", BODY))?;
    let config = folder.join("hello.capnp");
    fs::write(&config, WORKERD_CONFIG)?;
    let mut command = Command::new(path);
    command.args(["serve", "--control-fd=1"]).arg(&config);
    Ok(Contestant {
        server: Server::start("workerd", command)?,
        about: format!("`workerd serve`: npm's {WORKERD}, a worker of JavaScript"),
    })
}

/// The program itself: npm's `workerd` may be a script that starts it.
fn workerd_in(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules/@cloudflare")).ok()?;
    packages
        .flatten()
        .filter(|package| {
            package
                .file_name()
                .to_string_lossy()
                .starts_with("workerd-")
        })
        .map(|package| package.path().join("bin/workerd"))
        .find(|program| program.is_file())
}

fn install_workerd(folder: &Path) -> Result<()> {
    eprintln!("installing {WORKERD} into {} with npm", folder.display());
    let installed = Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--save-exact",
            "--prefix",
        ])
        .arg(folder)
        .arg(WORKERD)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format_err!("cannot run npm: {error}; install Node.js"))?;
    if !installed.status.success() {
        let said = String::from_utf8_lossy(&installed.stderr);
        bail!("npm cannot install {WORKERD}: {said}");
    }
    Ok(())
}

/// `hyper` alone: this program, started a second time.
///
/// # Errors
///
/// When it does not start.
pub(super) fn bare() -> Result<Contestant> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", BARE]);
    Ok(Contestant {
        server: Server::start("hyper alone", command)?,
        about: "`hyper alone`: the same answer from Rust, with no flare, no limits and no log"
            .into(),
    })
}

/// An external program.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// The first line of its version message.
    pub(super) version: String,
}

/// Finds a program: where the environment variable points, or on the PATH.
///
/// # Errors
///
/// When it cannot be run; the message says how to get it.
pub(super) fn program(variable: &str, name: &str, version: &str, install: &str) -> Result<Program> {
    let path = std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
    let output = Command::new(&path)
        .arg(version)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format_err!(
                "cannot run {}: {error}; {install}, or say where it is: {variable}=/path/to/{name}",
                path.display()
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or(name).trim();
    // wrk's version is followed by its copyright notice.
    let version = line.split(" Copyright").next().unwrap_or(line).to_owned();
    Ok(Program { path, version })
}
