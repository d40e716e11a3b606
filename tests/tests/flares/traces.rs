//! The example flares and their counterparts with the published crate make the same host calls: the same
//! functions with the same arguments in the same order, whether the host answers or any of its functions
//! fails. So the size comparison is between flares that do the same work.

use std::collections::BTreeSet;
use std::path::Path;

use flaron_tests::cargo::{example, published};
use flaron_tests::trace::{Call, trace};
use wasmtime::{Engine, Module};

/// Compares a flare with its peer: when all is well, when one import fails, and when all do.
fn compare(name: &str) {
    let engine = Engine::default();
    let load = |file: &Path| Module::from_file(&engine, file).unwrap();
    let (ours, theirs) = (load(&example(name)), load(&published(name)));
    let exports: &[&str] = match name {
        "websocket-echo" => &["ws_open", "ws_message", "ws_close"],
        _ => &["handle_request"],
    };
    let well: Vec<Call> = trace(&engine, &ours, exports, |_| false);
    assert!(well.len() >= 3, "{well:?}");
    assert_eq!(well, trace(&engine, &theirs, exports, |_| false), "{name}");
    let failed = trace(&engine, &ours, exports, |_| true);
    let peer = trace(&engine, &theirs, exports, |_| true);
    assert_eq!(failed, peer, "{name}, all fail");
    let imports: BTreeSet<&str> = ours.imports().map(|import| import.name()).collect();
    for import in imports {
        // The name has to last as long as the module's host.
        let import: &'static str = import.to_owned().leak();
        let fails = move |name: &str| name == import;
        let failed = trace(&engine, &ours, exports, fails);
        let peer = trace(&engine, &theirs, exports, fails);
        assert_eq!(failed, peer, "{name}, {import} fails");
    }
}

macro_rules! flares {
    ($($name:ident: $flare:literal,)*) => {$(
        #[test]
        fn $name() {
            compare($flare);
        }
    )*};
}
flares! {
    hello: "hello",
    echo: "echo",
    spark_counter: "spark-counter",
    plasma_counter: "plasma-counter",
    secret_jwt: "secret-jwt",
    websocket_echo: "websocket-echo",
    beam_fetch: "beam-fetch",
    beam_json: "beam-json",
    edge_ops: "edge-ops",
}
