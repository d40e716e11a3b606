//! What a flare's manifest and source say about its SDK.

use std::path::Path;

use cargo_metadata::MetadataCommand;

use crate::error::{Error, Result};

/// The SDK's package name.
const SDK: &str = "flaron-sdk";

/// A flare's crate, as cargo knows it.
pub struct Flare {
    /// The SDK's name in its manifest.
    sdk: Option<String>,
    /// The features that the SDK has.
    features: Vec<String>,
    /// The text of the crate's root.
    source: Option<String>,
    /// Whether its SDK gives it a heap.
    has_heap: bool,
}

impl Flare {
    /// Reads the manifest in the folder.
    ///
    /// # Errors
    ///
    /// When cargo cannot read it.
    pub fn read(folder: &Path) -> Result<Flare> {
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
        let mut packages = metadata.packages.iter();
        let flare = packages.find(|package| same(package.manifest_path.as_std_path()));
        let dependency = flare.and_then(|flare| {
            let mut dependencies = flare.dependencies.iter();
            dependencies.find(|dependency| dependency.name == SDK)
        });
        let library = flare.and_then(|flare| {
            let mut targets = flare.targets.iter();
            targets.find(|target| target.is_cdylib())
        });
        let source = library.and_then(|library| std::fs::read_to_string(&library.src_path).ok());
        let sdk = metadata
            .packages
            .iter()
            .find(|package| *package.name == *SDK);
        let has_heap = dependency.is_some_and(|dependency| {
            let heaps = ["arena-alloc", "dlmalloc"];
            let mut features = dependency.features.iter();
            features.any(|feature| heaps.contains(&feature.as_str()))
        });
        Ok(Flare {
            sdk: dependency.map(|dependency| {
                let renamed = dependency.rename.clone();
                renamed.unwrap_or_else(|| dependency.name.clone())
            }),
            features: sdk.map_or_else(Vec::new, |sdk| sdk.features.keys().cloned().collect()),
            source,
            has_heap,
        })
    }

    /// The argument that enables a feature of its SDK (`cargo build --features …`), if the SDK has
    /// that feature.
    pub fn sdk_feature(&self, feature: &str) -> Option<String> {
        let sdk = self.sdk.as_ref()?;
        let has_it = self.features.iter().any(|known| known == feature);
        has_it.then(|| format!("{sdk}/{feature}"))
    }

    /// Whether it links the standard library.
    pub fn has_std(&self) -> bool {
        self.source.as_deref().is_some_and(has_std)
    }

    /// What its root lacks to build without the standard library, and what to write. In these cases rustc says
    /// what is missing, but not what this SDK provides for it.
    pub fn lacks(&self) -> Option<&'static str> {
        lacks(self.source.as_deref()?, self.has_heap)
    }
}

fn lacks(source: &str, has_heap: bool) -> Option<&'static str> {
    if has_std(source) {
        return None;
    }
    if !source.contains("panic_handler") {
        return Some(
            "a `#![no_std]` flare needs a panic handler: `flaron_sdk::panic_handler!();` in src/lib.rs",
        );
    }
    let has_alloc = source.contains("extern crate alloc");
    if has_alloc && !has_heap && !source.contains("global_allocator") {
        return Some(
            "a flare that uses `alloc` needs a heap: the SDK's feature `arena-alloc` (small) or `dlmalloc`, in \
             Cargo.toml",
        );
    }
    None
}

/// Whether a crate with this root links the standard library: none of its attributes says `no_std`, not even
/// conditionally.
fn has_std(root: &str) -> bool {
    let code: String = root
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let attributes = code.split("#![").skip(1);
    attributes
        .filter_map(|attribute| attribute.split(']').next())
        .all(|attribute| !attribute.contains("no_std"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_sdk_has_a_message_for_panics() {
        let example = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
            Flare::read(&folder.join(name)).unwrap()
        };
        let hello = example("hello");
        let feature = hello.sdk_feature("panic-message");
        assert_eq!(feature.as_deref(), Some("flaron-sdk/panic-message"));
        assert_eq!(hello.sdk_feature("no-such-feature"), None);
        assert!(!hello.has_std());
        assert!(example("word-count").has_std());
    }

    #[test]
    fn what_a_small_flare_lacks_is_named() {
        let lacks = |source: &str, has_heap| lacks(source, has_heap).unwrap_or("nothing");
        let handler = "#![no_std]\nflaron_sdk::panic_handler!();\n";
        let heap = format!("{handler}extern crate alloc;");
        assert!(lacks("#![no_std]\n", false).contains("flaron_sdk::panic_handler!();"));
        assert!(lacks(&heap, false).contains("`arena-alloc`"));
        for (source, has_heap) in [(handler, false), (&*heap, true), ("fn f() {}", false)] {
            assert_eq!(lacks(source, has_heap), "nothing", "{source}");
        }
    }

    #[test]
    fn a_folder_without_a_manifest_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Flare::read(folder.path()).is_err());
    }

    #[test]
    fn a_crate_has_std_unless_it_says_otherwise() {
        assert!(has_std(
            "//! Not `#![no_std]`.\n#![warn(missing_docs)]\nfn f() {}"
        ));
        assert!(!has_std("//! A flare.\n#![no_std]\n"));
        assert!(!has_std("#![cfg_attr(\n    not(test),\n    no_std\n)]"));
    }
}
