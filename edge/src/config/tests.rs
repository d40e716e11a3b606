use super::*;

#[test]
fn defaults_are_the_abis() {
    let config = FlareConfig::parse("").unwrap();
    assert_eq!(config, FlareConfig::default());
    assert!(!config.requires_body && !config.requires_raw_auth);
    assert!(!config.writes_spark_kv && !config.writes_plasma_kv);
    assert!(config.allowed_secrets.is_empty());
    let limits = config.limits;
    assert_eq!(limits.max_fetch_requests, 16);
    assert_eq!(limits.max_kv_value_bytes, 65536);
    assert_eq!(limits.max_snowflakes, 100);
    assert_eq!(limits.max_log_lines, 100);
    assert_eq!(limits.max_log_line_bytes, 4096);
    assert_eq!(limits.max_body_bytes, 10 * 1024 * 1024);
}

#[test]
fn everything_can_be_set() {
    let config = FlareConfig::parse(
        r#"
        name = "n"
        kind = "both"
        requires_body = true
        requires_raw_auth = true
        writes_spark_kv = true
        writes_plasma_kv = true
        allowed_secrets = ["A", "B"]
        origin = "http://localhost:3000"
        routes = ["/a", "/b"]
        site = "s"
        [limits]
        max_time_ms = 5
        [beam]
        allow_private = true
        [beam.hosts]
        "api.example.com" = "127.0.0.1:9000"
        "#,
    )
    .unwrap();
    assert_eq!(config.kind, Some(Kind::Both));
    assert_eq!(config.allowed_secrets, ["A", "B"]);
    assert_eq!(config.limits.max_time(), Duration::from_millis(5));
    assert_eq!(config.beam.hosts["api.example.com"], "127.0.0.1:9000");
}

#[test]
fn wrong_values_are_refused() {
    for text in [
        "requires_body = 1",
        "kind = \"ftp\"",
        "routes = [\"api\"]",
        "routes = [\"/a?b\"]",
        "origin = \"localhost\"",
        "origin = \"ftp://localhost\"",
        "site = \"\"",
        "[limits]\nmax_time_ms = 0",
        "[limits]\nmax_memory_mib = 0",
        "[limits]\nmax_memory_mib = 5000",
        "[limits]\nmax_time_ms = -1",
        "not toml",
    ] {
        assert!(FlareConfig::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_schema_has_each_key_with_its_default() {
    let schema: serde_json::Value = serde_json::from_str(schema()).unwrap();
    let properties = |of: &serde_json::Value| -> Vec<String> {
        of["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    // The keys are what serde says there could be.
    fn keys_of<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let error = toml::from_str::<T>("\"\" = 0").unwrap_err();
        let quoted = error.message().split('`').skip(3).step_by(2);
        quoted.map(str::to_owned).collect()
    }
    assert_eq!(
        sorted(properties(&schema)),
        sorted(keys_of::<FlareConfig>())
    );
    let limits = &schema["$defs"]["Limits"];
    assert_eq!(sorted(properties(limits)), sorted(keys_of::<Limits>()));
    assert_eq!(limits["properties"]["max_time_ms"]["default"], 1000);
    assert_eq!(schema["additionalProperties"], false);
    let text = &schema["properties"]["seed"]["description"];
    assert!(text.as_str().unwrap().contains("Plasma"), "{text}");
}
