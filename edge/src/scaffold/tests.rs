//! What is written, and what is refused. That it builds and runs is tested in the package of tests.

use crate::scaffold::*;

fn registry() -> Sdk {
    Sdk::parse("0.1@mine").unwrap()
}

#[test]
fn the_crate_has_the_repositorys_flags_and_profile() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("my-flare");
    write(&flare, &registry(), Template::default()).unwrap();
    let read = |file: &str| std::fs::read_to_string(flare.join(file)).unwrap();
    let parse = |text: &str| text.parse::<toml::Table>().unwrap();

    let manifest = parse(&read("Cargo.toml"));
    let repository = parse(CARGO_CONFIG);
    assert_eq!(
        manifest["profile"]["release"],
        repository["profile"]["release"]
    );
    assert_eq!(manifest["package"]["name"].as_str(), Some("my-flare"));
    let sdk = &manifest["dependencies"]["flaron-sdk"];
    assert_eq!(sdk["version"].as_str(), Some("0.1"));
    assert_eq!(sdk["registry"].as_str(), Some("mine"));

    let config = parse(&read(".cargo/config.toml"));
    // It needs no stack, and is linked without one.
    let flags = |config: &toml::Table| {
        let target = config["target"]["wasm32-unknown-unknown"].clone();
        target
            .to_string()
            .replace("-zstack-size=4096", "-zstack-size=16")
    };
    assert_eq!(flags(&config), flags(&repository));
    assert!(config["target"].to_string().contains("-zstack-size=16\""));
    let with_std = link_flags("std".parse().unwrap()).unwrap();
    assert!(with_std.contains("-zstack-size=16384"), "{with_std}");
    crate::config::FlareConfig::parse(&read("flare.toml")).unwrap();
}

#[test]
fn what_exists_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("flare");
    write(&flare, &registry(), Template::default()).unwrap();
    let message = new(&flare, &registry(), Template::default())
        .unwrap_err()
        .to_string();
    assert!(message.contains("exists already"), "{message}");
    assert!(flare.join("src/lib.rs").is_file());
}

#[test]
fn names_are_crate_names() {
    for name in ["a", "my-flare", "my_flare2", "flaron-sdk-flare"] {
        check_name(name).unwrap();
    }
    for name in ["", "2a", "-a", "a b", "a/b", "ä", "a\"b", "Shop"] {
        let message = check_name(name).unwrap_err().to_string();
        assert!(message.contains("cannot name a flare"), "{message}");
    }
    for name in [
        "test",
        "flaron-sdk",
        "flaron_sdk",
        "fn",
        "proc-macro",
        "self",
    ] {
        let message = check_name(name).unwrap_err().to_string();
        assert!(message.contains("choose another"), "{message}");
    }
}

#[test]
fn the_sdk_is_a_folder_a_git_url_or_a_version() {
    let dependency = |text: &str| Sdk::parse(text).unwrap().dependency();
    assert_eq!(dependency("1.1.0"), r#"version = "1.1.0""#);
    assert_eq!(
        dependency("=0.1@mine"),
        r#"version = "=0.1", registry = "mine""#
    );
    assert_eq!(
        dependency("https://host.test/flaron-sdk"),
        r#"git = "https://host.test/flaron-sdk""#
    );
    assert_eq!(
        dependency("file:///a/b#v0.1.0"),
        r#"git = "file:///a/b", rev = "v0.1.0""#
    );
    assert_eq!(
        dependency("git@host.test:us/flaron-sdk.git"),
        r#"git = "ssh://git@host.test/us/flaron-sdk.git""#
    );
    assert!(matches!(Sdk::parse(CLONE).unwrap(), Sdk::Path(_)));
    let message = Sdk::parse("/no/such").unwrap_err().to_string();
    assert!(message.contains("git URL"), "{message}");
}

#[test]
fn without_a_clone_the_repository_counts_and_without_one_nothing_is_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    let cache = folder.path().join("git/checkouts/sdk");
    for folder in [&clone, &cache] {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("Cargo.toml"), "").unwrap();
    }
    let url = "https://host.test/sdk";
    let found = |folder: &Path| Sdk::of_edge_built_in(folder, url).unwrap();
    assert!(matches!(found(&clone), Sdk::Path(_)));
    assert!(matches!(found(&cache), Sdk::Git { .. }));
    assert!(matches!(
        found(&folder.path().join("gone")),
        Sdk::Git { .. }
    ));
    let error = Sdk::of_edge_built_in(&folder.path().join("gone"), "").unwrap_err();
    assert!(error.to_string().contains("--sdk"), "{error}");
}

#[test]
fn each_template_is_an_example_with_a_test() {
    let folder = tempfile::tempdir().unwrap();
    for template in Template::all() {
        let flare = folder.path().join(format!("a-{}", template.name()));
        write(&flare, &registry(), template).unwrap();
        let read = |file: &str| std::fs::read_to_string(flare.join(file)).unwrap();
        assert!(
            read("src/lib.rs").contains("#[test]"),
            "{}",
            template.name()
        );
        assert!(read("flare.toml").starts_with("#:schema ./flare.schema.json\n"));
        crate::config::FlareConfig::load(&flare.join("flare.toml")).unwrap();
        let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
        let features = manifest["dependencies"]["flaron-sdk"]["features"].as_array();
        assert!(!features.unwrap().is_empty(), "{}", template.name());
        assert_eq!(template.name().parse::<Template>().unwrap(), template);
    }
    let message = "htpp".parse::<Template>().unwrap_err().to_string();
    assert!(message.contains("websocket"), "{message}");
}
