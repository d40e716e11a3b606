//! The size gate of a new flare: a GitHub workflow that runs the action in `size-report`.

use crate::scaffold::Sdk;

/// Where GitHub looks for it.
pub(super) const FILE: &str = ".github/workflows/size.yml";

/// Where a job clones the SDK's repository, if it has to for the action.
const CLONE: &str = ".flaron-sdk";

/// The workflow of a flare whose size is `bytes` now. It may grow by a tenth.
pub(super) fn size_gate(sdk: &Sdk, bytes: u64) -> String {
    let budget = (bytes + bytes / 10).next_multiple_of(100);
    let action = action(sdk);
    format!(
        "\
# Fails when the flare exceeds its budget, or when its size differs from the accepted one.
# `flaron-edge size --bless` accepts the current size: it writes flare.size.toml, which you commit.
name: size
on: [push, pull_request]
permissions:
  contents: read
  pull-requests: write # for the table of sizes in the pull request
jobs:
  size:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
{action}        with:
          budget: {budget}
          baseline: flare.size.toml
      # What is deployed is the artifact `flare`: smaller, and tested to do the same.
      - run: npm install --silent --global binaryen@132
      - run: flaron-size slim target/wasm32-unknown-unknown/release/*.wasm
      - uses: actions/upload-artifact@v4
        with:
          name: flare
          path: target/wasm32-unknown-unknown/release/*.wasm
"
    )
}

/// The step that runs the action, which is where the SDK is.
fn action(sdk: &Sdk) -> String {
    match sdk {
        Sdk::Git {
            url,
            rev: Some(rev),
        } if let Some(repository) = on_github(url) => {
            format!("      - uses: {repository}/size-report@{rev}\n")
        }
        Sdk::Git { url, rev } => {
            let clone = format!("git clone --quiet {} {CLONE}", quoted(url));
            let checkout = rev.as_ref().map_or(String::new(), |rev| {
                format!(" && git -C {CLONE} checkout --quiet {}", quoted(rev))
            });
            format!("      - run: {clone}{checkout}\n      - uses: ./{CLONE}/size-report\n")
        }
        Sdk::Path(_) | Sdk::Version { .. } => {
            let first = match sdk {
                Sdk::Path(_) => {
                    "      # The SDK in Cargo.toml is a folder on your machine: change it to git or a registry first.\n"
                }
                _ => "",
            };
            format!(
                "{first}      # OWNER is the owner of the SDK's repository, REF a tag or commit in it.\n      \
                 - uses: OWNER/flaron-sdk/size-report@REF\n"
            )
        }
    }
}

/// `owner/name` of a repository on GitHub.
fn on_github(url: &str) -> Option<&str> {
    let path = ["https://github.com/", "ssh://git@github.com/"]
        .iter()
        .find_map(|host| url.strip_prefix(host))?;
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (path.split('/').count() == 2).then_some(path)
}

/// An argument of a shell command, in a line of YAML that is not quoted itself.
fn quoted(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(sdk: &str) -> String {
        size_gate(&Sdk::parse(sdk).unwrap(), 1000)
    }

    #[test]
    fn the_action_is_where_the_sdk_is() {
        for (sdk, step) in [
            (
                "https://github.com/us/flaron-sdk.git#v0.1.0",
                "      - uses: us/flaron-sdk/size-report@v0.1.0\n",
            ),
            (
                "git@github.com:us/flaron-sdk.git#v0.1.0",
                "      - uses: us/flaron-sdk/size-report@v0.1.0\n",
            ),
            (
                "https://host.test/sdk#v1",
                "      - run: git clone --quiet 'https://host.test/sdk' .flaron-sdk && \
                 git -C .flaron-sdk checkout --quiet 'v1'\n      - uses: ./.flaron-sdk/size-report\n",
            ),
            (
                "https://github.com/us/sdk",
                "      - run: git clone --quiet 'https://github.com/us/sdk' .flaron-sdk\n      \
                 - uses: ./.flaron-sdk/size-report\n",
            ),
            (
                "0.1@mine",
                "      - uses: OWNER/flaron-sdk/size-report@REF\n",
            ),
        ] {
            let text = gate(sdk);
            assert!(text.contains(step), "{sdk}: {text}");
        }
        let folder = gate(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(folder.contains("a folder on your machine"), "{folder}");
    }

    #[test]
    fn a_flare_may_grow_by_a_tenth() {
        assert!(gate("0.1@mine").contains("\n          budget: 1100\n"));
        let sdk = Sdk::parse("0.1@mine").unwrap();
        assert!(size_gate(&sdk, 347).contains("budget: 400\n"));
    }
}
