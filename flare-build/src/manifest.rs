//! What a flare's manifest says of its SDK.

use std::path::Path;

use cargo_metadata::MetadataCommand;

use crate::error::{Error, Result};

/// The SDK's name as a package.
const SDK: &str = "flaron-sdk";

/// How a flare's SDK is called in its manifest, if the SDK is one that has this feature: what stands
/// before the slash in `cargo build --features NAME/FEATURE`.
///
/// # Errors
///
/// When cargo cannot read the manifest in the folder.
pub fn sdk_with_feature(folder: &Path, feature: &str) -> Result<Option<String>> {
    let manifest = folder.join("Cargo.toml");
    let mut command = MetadataCommand::new();
    if let Some(cargo) = std::env::var_os("CARGO") {
        command.cargo_path(cargo);
    }
    let metadata = command
        .manifest_path(&manifest)
        .current_dir(folder)
        .exec()
        .map_err(|error| Error::new(format!("cannot read {}: {error}", manifest.display())))?;
    let same = |path: &Path| path.canonicalize().ok() == manifest.canonicalize().ok();
    let flare = metadata
        .packages
        .iter()
        .find(|package| same(package.manifest_path.as_std_path()));
    let dependency = flare.and_then(|flare| {
        flare
            .dependencies
            .iter()
            .find(|dependency| dependency.name == SDK)
    });
    let has_it = metadata
        .packages
        .iter()
        .any(|package| *package.name == *SDK && package.features.contains_key(feature));
    Ok(dependency.filter(|_| has_it).map(|dependency| {
        let renamed = dependency.rename.clone();
        renamed.unwrap_or_else(|| dependency.name.clone())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_sdk_has_a_message_for_panics() {
        let hello = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello");
        let sdk = |feature| sdk_with_feature(&hello, feature).unwrap();
        assert_eq!(sdk("panic-message").as_deref(), Some(SDK));
        assert_eq!(sdk("no-such-feature"), None);
    }

    #[test]
    fn a_folder_without_a_manifest_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sdk_with_feature(folder.path(), "x").is_err());
    }
}
