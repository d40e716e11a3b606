//! `flaron-edge doctor`: checks that everything a flare needs is there, and says what to type if not.

use std::path::Path;
use std::process::Command;

use crate::cli::output::outln;
use crate::cli::tools::full;
use flaron_edge::{Error, FlareConfig, Result, SECRETS_FILE_NAME};
use toml::{Table, Value};

/// The target that flares are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// The result of one check.
enum Finding {
    Good(String),
    /// Something that works but could be better, and what to do about it.
    Hint(String, String),
    /// Something that does not work, and what to do about it.
    Bad(String, String),
}
use Finding::{Bad, Good, Hint};

/// Checks everything, and prints the results.
pub(crate) fn doctor(flare: &Path) -> Result<()> {
    let mut findings = vec![rust(flare), target(flare)];
    match read(&flare.join("Cargo.toml")) {
        Some(crate_manifest) => {
            findings.extend(manifest(flare, &crate_manifest));
            findings.push(link_flags(flare));
            findings.push(settings(flare));
            findings.push(secrets(flare));
        }
        // The other checks need a crate.
        None => findings.push(Bad(
            format!("{} has no Cargo.toml that can be read", full(flare).display()),
            "run this in a flare's folder, or name one: flaron-edge doctor PATH (flaron-edge new NAME creates a \
             flare)"
                .into(),
        )),
    }
    let mut bad = 0;
    for finding in &findings {
        match finding {
            Good(what) => outln!("ok    {what}"),
            Hint(what, how) => outln!("hint  {what}\n      {how}"),
            Bad(what, how) => {
                outln!("BAD   {what}\n      {how}");
                bad += 1;
            }
        }
    }
    match bad {
        0 => Ok(()),
        1 => Err(Error::new("1 problem found; it is marked BAD above")),
        _ => Err(Error::new(format!(
            "{bad} problems found; they are marked BAD above"
        ))),
    }
}

fn output(flare: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(flare)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn rust(flare: &Path) -> Finding {
    let version = output(flare, "rustc", &["--version"]);
    let Some(version) = version else {
        return Bad(
            "rustc cannot be run".into(),
            "install Rust: https://rustup.rs".into(),
        );
    };
    let minor = version
        .split(['.', ' '])
        .nth(2)
        .and_then(|minor| minor.parse::<u32>().ok());
    match minor {
        Some(0..85) => Bad(
            format!("{version} is older than 1.85, which the SDK needs"),
            "rustup update stable".into(),
        ),
        _ => Good(version),
    }
}

fn target(flare: &Path) -> Finding {
    let folder = output(
        flare,
        "rustc",
        &["--print", "target-libdir", "--target", TARGET],
    );
    match folder.is_some_and(|folder| Path::new(&folder).is_dir()) {
        true => Good(format!("the target {TARGET} is installed")),
        false => Bad(
            format!("the target {TARGET} is missing"),
            format!("rustup target add {TARGET}"),
        ),
    }
}

fn read(file: &Path) -> Option<Table> {
    toml::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// Whether a folder is a crate that cargo builds a `.wasm` of.
pub(super) fn makes_wasm(folder: &Path) -> bool {
    read(&folder.join("Cargo.toml")).is_some_and(|manifest| is_cdylib(&manifest))
}

/// For a message about a folder that is no flare: the flare that it is in, if there is one.
pub(super) fn flare_above(folder: &Path) -> String {
    let folder = full(folder);
    let above = folder.ancestors().skip(1).find(|folder| makes_wasm(folder));
    above.map_or_else(String::new, |flare| {
        format!("; it is inside a flare's folder: cd {}", flare.display())
    })
}

fn is_cdylib(manifest: &Table) -> bool {
    let kinds = manifest.get("lib").and_then(|lib| lib.get("crate-type"));
    kinds
        .and_then(Value::as_array)
        .is_some_and(|kinds| kinds.iter().any(|kind| kind.as_str() == Some("cdylib")))
}

/// The crate's type, and its release profile.
fn manifest(flare: &Path, manifest: &Table) -> [Finding; 2] {
    let crate_type = match is_cdylib(manifest) {
        true => Good("the crate is a cdylib".into()),
        false => Bad(
            "cargo makes no .wasm of this crate".into(),
            "put into Cargo.toml, under [lib]: crate-type = [\"cdylib\"]".into(),
        ),
    };
    [crate_type, profile(flare)]
}

/// A setting in the files that cargo reads in this folder, the nearest first.
fn setting(flare: &Path, keys: &[&str]) -> Option<Value> {
    let real = flare.canonicalize().ok()?;
    let files = real
        .ancestors()
        .flat_map(|folder| [".cargo/config.toml", "Cargo.toml"].map(|name| folder.join(name)));
    files.filter_map(|file| read(&file)).find_map(|table| {
        let mut value = Value::Table(table);
        for key in keys {
            value = value.get(key)?.clone();
        }
        Some(value)
    })
}

/// A setting's value as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

fn profile(flare: &Path) -> Finding {
    let wanted: [(&str, &str, &[&str]); 5] = [
        ("opt-level", "\"z\"", &["z", "s"]),
        ("lto", "\"fat\"", &["fat", "true"]),
        ("codegen-units", "1", &["1"]),
        ("panic", "\"abort\"", &["abort"]),
        ("strip", "true", &["true", "symbols"]),
    ];
    let missing: Vec<String> = wanted
        .iter()
        .filter(|(key, _, good)| {
            let value = setting(flare, &["profile", "release", key]);
            let value = value.as_ref().map(text);
            !value.is_some_and(|value| good.contains(&value.as_str()))
        })
        .map(|(key, value, _)| format!("{key} = {value}"))
        .collect();
    match missing.is_empty() {
        true => Good("the release profile is the one for small flares".into()),
        false => Hint(
            "the release profile makes the flare larger than it needs to be".into(),
            format!(
                "put into Cargo.toml, under [profile.release]: {}",
                missing.join(", ")
            ),
        ),
    }
}

fn link_flags(flare: &Path) -> Finding {
    let flags = setting(flare, &["target", TARGET, "rustflags"]);
    let flags = flags.as_ref().map(text).unwrap_or_default();
    if std::env::var_os("RUSTFLAGS").is_some() {
        return Hint(
            "RUSTFLAGS in the environment replaces the flags in .cargo/config.toml".into(),
            "unset RUSTFLAGS".into(),
        );
    }
    match flags.contains("stack-size=") {
        true => Good("the linker flags are set".into()),
        false => Hint(
            "the flare is linked with a stack of 1 MiB and with longer addresses".into(),
            format!(
                "put into .cargo/config.toml, under [target.{TARGET}]: rustflags = \
                 [\"-Clink-arg=-zstack-size=4096\", \"-Clink-arg=--compress-relocations\", \
                 \"-Cllvm-args=-max-store-memcpy=1\", \"-Clink-arg=--wrap=__heap_base\", \
                 \"-Clink-arg=--wrap=__data_end\", \"-Clink-arg=--allow-undefined\"]"
            ),
        ),
    }
}

fn settings(flare: &Path) -> Finding {
    let file = FlareConfig::file_beside(flare);
    if !file.is_file() {
        return Good("there is no flare.toml, so every capability is off".into());
    }
    match FlareConfig::load(&file) {
        Ok(_) => Good("flare.toml can be read".into()),
        Err(error) => Bad(
            error.to_string().replace('\n', "\n      "),
            "edit flare.toml".into(),
        ),
    }
}

/// Whether git would commit the secrets.
fn secrets(flare: &Path) -> Finding {
    let file = flare.join(SECRETS_FILE_NAME);
    if !file.is_file() {
        return Good(format!("there is no {SECRETS_FILE_NAME}"));
    }
    let ignored = Command::new("git")
        .args(["check-ignore", "--quiet", SECRETS_FILE_NAME])
        .current_dir(flare)
        .status();
    match ignored.map(|status| status.code()) {
        Ok(Some(1)) => Bad(
            format!("git does not ignore {SECRETS_FILE_NAME}"),
            format!("echo {SECRETS_FILE_NAME} >> .gitignore"),
        ),
        // Not in a repository, or no git.
        _ => Good(format!("{SECRETS_FILE_NAME} is not tracked by git")),
    }
}
