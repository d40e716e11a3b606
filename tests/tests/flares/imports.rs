//! A flare contains only the imports that it uses, as read from the binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use flaron_tests::cargo::{Crate, workspace};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// A call, and the imports of a flare that does nothing else.
type Call = (&'static str, &'static [&'static str]);

/// For each feature, the calls that it offers. Further features that a call needs follow a `+`.
const CALLS: &[(&str, &[Call])] = &[
    (
        "request",
        &[
            ("request::method()", &["req_method"]),
            ("request::url()", &["req_url"]),
            ("text::build(request::method_piece())", &["req_method"]),
            ("text::build(request::url_piece())", &["req_url"]),
            ("request::try_method()", &["req_method"]),
            ("request::method_is(\"GET\")", &["req_method"]),
            ("request::try_url()", &["req_url"]),
            ("request::path()", &["req_url"]),
            ("request::query()", &["req_url"]),
            ("request::target()", &["req_url"]),
            ("request::try_target()", &["req_url"]),
            ("request::target().into_query()", &["req_url"]),
            ("request::query().path().len()", &["req_url"]),
            (
                "text::build(request::header_piece(\"a\"))",
                &["req_header_get"],
            ),
            ("request::cookie(\"a\")", &["req_header_get"]),
            ("request::credentials(\"Bearer\")", &["req_header_get"]),
            (
                "request::basic_credentials()",
                &["req_header_get", "encoding_base64_decode"],
            ),
            (
                "request::first_of(\"x-forwarded-for\")",
                &["req_header_get"],
            ),
            ("request::matches_etag(\"a\")", &["req_header_get"]),
            ("request::header(\"a\")", &["req_header_get"]),
            ("request::try_body()", &["req_body"]),
            ("text::build(request::body_piece())", &["req_body"]),
            ("request::body()", &["req_body"]),
        ],
    ),
    (
        "response",
        &[
            ("response::set_status(418)", &["resp_set_status"]),
            ("response::set_header(\"a\", \"b\")", &["resp_header_set"]),
            (
                "response::set_header_bytes(\"a\", b\"b\")",
                &["resp_header_set"],
            ),
            (
                "response::set_header_pieces(\"a\", 1_u32)",
                &["resp_header_set"],
            ),
            ("response::set_body(b\"a\")", &["resp_body_set"]),
            ("response::set_body_str(\"a\")", &["resp_body_set"]),
            ("response::set_body_pieces(1_u32)", &["resp_body_set"]),
            (
                "response::Status(404).respond()",
                &["resp_set_status", "resp_body_set"],
            ),
        ],
    ),
    (
        "beam",
        &[
            ("beam::fetch(\"http://a/\", None)", &["beam_fetch"]),
            ("beam::fetch_json(\"http://a/\", \"{}\")", &["beam_fetch"]),
            (
                "beam::fetch_raw(\"http://a/\", Some(&FetchOptions::new().with_body(\"b\")))",
                &["beam_fetch"],
            ),
            (
                "beam::fetch_raw_json(\"http://a/\", \"{}\")",
                &["beam_fetch"],
            ),
            (
                "beam::fetch_pieces((\"http://a/\", 1_u32), \"{}\")",
                &["beam_fetch"],
            ),
        ],
    ),
    (
        "beam+request",
        &[
            (
                "beam::forward(\"http://a/\", &[])",
                &["beam_fetch", "req_method", "req_body"],
            ),
            (
                "beam::forward((\"http://a/\", 1_u32), &[\"accept\"])",
                &["beam_fetch", "req_method", "req_header_get", "req_body"],
            ),
        ],
    ),
    (
        "spark",
        &[
            ("spark::get(\"k\")", &["spark_get"]),
            ("spark::get_string(\"k\")", &["spark_get"]),
            ("spark::get_u64(\"k\")", &["spark_get"]),
            ("spark::set(\"k\", b\"v\", 0)", &["spark_set"]),
            ("spark::set_pieces(\"k\", 1_u32, 0)", &["spark_set"]),
            ("spark::delete(\"k\")", &["spark_delete"]),
            ("spark::list()", &["spark_list"]),
            ("spark::get_pieces((\"k\", 1_u32))", &["spark_get"]),
            ("spark::set_keyed((\"k\", 1_u32), 2_u32, 0)", &["spark_set"]),
            ("spark::delete_pieces((\"k\", 1_u32))", &["spark_delete"]),
            ("spark::try_list()", &["spark_list"]),
            ("text::build(spark::list_piece())", &["spark_list"]),
            ("spark::pull(\"n\", &[\"k\"])", &["spark_pull"]),
        ],
    ),
    (
        "plasma",
        &[
            ("plasma::get(\"k\")", &["plasma_get"]),
            ("plasma::get_string(\"k\")", &["plasma_get"]),
            ("plasma::set(\"k\", b\"v\")", &["plasma_set"]),
            ("plasma::set_pieces(\"k\", 1_u32)", &["plasma_set"]),
            ("plasma::delete(\"k\")", &["plasma_delete"]),
            ("plasma::increment(\"k\", 1)", &["plasma_increment"]),
            ("plasma::decrement(\"k\", 1)", &["plasma_decrement"]),
            ("plasma::list()", &["plasma_list"]),
            ("plasma::get_pieces((\"k\", 1_u32))", &["plasma_get"]),
            ("plasma::set_keyed((\"k\", 1_u32), 2_u32)", &["plasma_set"]),
            ("plasma::delete_pieces((\"k\", 1_u32))", &["plasma_delete"]),
            (
                "plasma::increment_pieces((\"k\", 1_u32), 1)",
                &["plasma_increment"],
            ),
            (
                "plasma::decrement_pieces((\"k\", 1_u32), 1)",
                &["plasma_decrement"],
            ),
            ("plasma::try_list()", &["plasma_list"]),
            ("text::build(plasma::list_piece())", &["plasma_list"]),
        ],
    ),
    (
        "secrets",
        &[
            ("secrets::get(\"n\")", &["secret_get"]),
            ("secrets::get_bytes(\"n\")", &["secret_get"]),
        ],
    ),
    (
        "crypto",
        &[
            ("crypto::hash(\"md5\", \"a\")", &["crypto_hash"]),
            ("crypto::hash_json(\"{}\")", &["crypto_hash"]),
            ("crypto::hmac(\"n\", \"a\")", &["crypto_hmac"]),
            ("crypto::hmac_json(\"{}\")", &["crypto_hmac"]),
            (
                "text::build(crypto::hash_json_piece(\"{}\"))",
                &["crypto_hash"],
            ),
            (
                "text::build(crypto::hmac_json_piece(\"{}\"))",
                &["crypto_hmac"],
            ),
            (
                "text::build(crypto::sign_jwt_json_piece(\"{}\"))",
                &["crypto_sign_jwt"],
            ),
            (
                "crypto::sign_jwt(\"HS256\", \"n\", &[(\"a\", \"b\")])",
                &["crypto_sign_jwt"],
            ),
            ("crypto::sign_jwt_json(\"{}\")", &["crypto_sign_jwt"]),
            ("crypto::encrypt_aes(\"n\", \"a\")", &["crypto_encrypt_aes"]),
            (
                "crypto::decrypt_aes(\"n\", \"YQ==\")",
                &["crypto_decrypt_aes"],
            ),
            ("crypto::random_bytes(8)", &["crypto_random_bytes"]),
            ("crypto::random_u32()", &["crypto_random_bytes"]),
            ("crypto::equal(b\"a\", b\"b\")", &[]),
            (
                "crypto::verify_hmac(\"n\", b\"a\", b\"0a\")",
                &["crypto_hmac"],
            ),
            (
                "crypto::verify_hmac_pieces(\"n\", (\"a\", 1_u8), b\"0a\")",
                &["crypto_hmac"],
            ),
        ],
    ),
    (
        "crypto+request",
        &[(
            "crypto::verify_jwt(\"n\", flaron_sdk::request::credentials(\"Bearer\").unwrap())",
            &["req_header_get", "crypto_hmac", "timestamp"],
        )],
    ),
    (
        "encoding",
        &[
            (
                "encoding::base64_encode(b\"a\")",
                &["encoding_base64_encode"],
            ),
            (
                "encoding::base64_decode(\"YQ==\")",
                &["encoding_base64_decode"],
            ),
            ("encoding::hex_encode(b\"a\")", &["encoding_hex_encode"]),
            ("encoding::hex_decode(\"61\")", &["encoding_hex_decode"]),
            ("encoding::url_encode(\"a\")", &["encoding_url_encode"]),
            (
                "text::build(encoding::base64_encode_piece(b\"a\"))",
                &["encoding_base64_encode"],
            ),
            (
                "text::build(encoding::hex_encode_piece(b\"a\"))",
                &["encoding_hex_encode"],
            ),
            (
                "text::build(encoding::url_encode_piece(\"a\"))",
                &["encoding_url_encode"],
            ),
            ("encoding::url_decode(\"a\")", &["encoding_url_decode"]),
            (
                "encoding::try_base64_encode(b\"a\")",
                &["encoding_base64_encode"],
            ),
            ("encoding::try_hex_encode(b\"a\")", &["encoding_hex_encode"]),
            ("encoding::try_url_encode(\"a\")", &["encoding_url_encode"]),
        ],
    ),
    (
        "id",
        &[
            ("id::uuid_v4()", &["id_uuid"]),
            ("id::uuid_v7()", &["id_uuid"]),
            ("id::ulid()", &["id_ulid"]),
            ("id::nanoid(0)", &["id_nanoid"]),
            ("id::ksuid()", &["id_ksuid"]),
            ("id::snowflake()", &["snowflake_id"]),
            ("id::snowflake_unmetered()", &["id_snowflake"]),
            ("text::build(id::uuid_v4_piece())", &["id_uuid"]),
            ("text::build(id::uuid_v7_piece())", &["id_uuid"]),
            ("text::build(id::ulid_piece())", &["id_ulid"]),
            ("text::build(id::nanoid_piece(0))", &["id_nanoid"]),
            ("text::build(id::ksuid_piece())", &["id_ksuid"]),
            ("text::build(id::snowflake_piece())", &["snowflake_id"]),
            (
                "text::build(id::snowflake_unmetered_piece())",
                &["id_snowflake"],
            ),
        ],
    ),
    (
        "time",
        &[
            ("time::now(\"unix\")", &["timestamp"]),
            ("time::now_ms()", &["timestamp"]),
            ("time::now_unix()", &["timestamp"]),
            ("time::now_rfc3339()", &["timestamp"]),
            ("time::now_http()", &["timestamp"]),
            ("time::try_now(\"unix\")", &["timestamp"]),
            ("time::try_now_ms()", &["timestamp"]),
            ("time::try_now_unix()", &["timestamp"]),
            ("time::try_now_rfc3339()", &["timestamp"]),
            ("time::try_now_http()", &["timestamp"]),
            ("text::build(time::now_ms_piece())", &["timestamp"]),
            ("text::build(time::now_unix_piece())", &["timestamp"]),
            ("text::build(time::now_rfc3339_piece())", &["timestamp"]),
            ("text::build(time::now_http_piece())", &["timestamp"]),
        ],
    ),
    (
        "logging",
        &[
            ("logging::info(\"a\")", &["log_info"]),
            ("logging::info_pieces(1_u32)", &["log_info"]),
            ("logging::warn(\"a\")", &["log_warn"]),
            ("logging::warn_pieces(1_u32)", &["log_warn"]),
            ("logging::error(\"a\")", &["log_error"]),
            ("logging::error_pieces(1_u32)", &["log_error"]),
        ],
    ),
    (
        "ws",
        &[
            ("ws::send(b\"a\")", &["ws_send"]),
            ("ws::send_text(\"a\")", &["ws_send"]),
            ("ws::send_pieces(1_u32)", &["ws_send"]),
            ("ws::close(1000)", &["ws_close_conn"]),
            ("ws::conn_id()", &["ws_conn_id"]),
            ("ws::event_type()", &["ws_event_type"]),
            ("ws::event_data()", &["ws_event_data"]),
            ("ws::event_text()", &["ws_event_data"]),
            ("ws::message()", &["ws_event_data"]),
            ("ws::close_code()", &["ws_close_code"]),
            ("ws::try_conn_id()", &["ws_conn_id"]),
            ("ws::try_event_type()", &["ws_event_type"]),
            ("ws::try_event_data()", &["ws_event_data"]),
            ("text::build(ws::conn_id_piece())", &["ws_conn_id"]),
            ("text::build(ws::event_type_piece())", &["ws_event_type"]),
            ("text::build(ws::event_data_piece())", &["ws_event_data"]),
        ],
    ),
];

/// The module of a row's features.
fn module(features: &str) -> &str {
    features.split('+').next().unwrap()
}

/// A flare that does one thing.
fn flare(feature: &str, statement: &str) -> String {
    let uses = match (feature, statement) {
        (_, "") => String::new(),
        ("beam", call) if call.contains("FetchOptions") => {
            "use flaron_sdk::{FetchOptions, beam};\n".to_owned()
        }
        (_, call) if call.contains("text::") => format!("use flaron_sdk::{{{feature}, text}};\n"),
        _ => format!("use flaron_sdk::{feature};\n"),
    };
    let entry = match feature {
        "ws" => {
            "flaron_sdk::ws_handlers!(nothing, run, nothing);\n\
             fn nothing() {}\n"
        }
        _ => "flaron_sdk::handle_request!(run);\n",
    };
    let (result, action) = match feature {
        "ws" => ("", ""),
        _ => (
            "-> flaron_sdk::FlareAction ",
            "flaron_sdk::FlareAction::Respond",
        ),
    };
    let statement = match statement {
        "" => String::new(),
        call => format!("    let _ = {call};\n"),
    };
    format!(
        "#![no_std]\n{uses}{entry}flaron_sdk::panic_handler!();\n\
         fn run() {result}{{\n{statement}    {action}\n}}\n"
    )
}

/// The imports and exports of a module.
fn names(wasm: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let bytes = fs::read(wasm).unwrap();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    assert_eq!(import.module, "flaron/v1");
                    assert!(matches!(import.ty, TypeRef::Func(_)), "{import:?}");
                    assert!(imports.insert(import.name.to_owned()), "{import:?}");
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    match (export.kind, export.name) {
                        (ExternalKind::Memory, "memory") | (ExternalKind::Func, _) => {
                            exports.insert(export.name.to_owned());
                        }
                        _ => panic!("{export:?}"),
                    }
                }
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_flare_has_the_imports_that_it_calls_and_no_others() {
    for (features, calls) in CALLS {
        let feature = module(features);
        let name = format!("imports-{}", features.replace('+', "-"));
        let mut krate = Crate::new(&name, &features.split('+').collect::<Vec<_>>());
        krate.add("nothing", &flare(feature, ""));
        for (number, (call, _)) in calls.iter().enumerate() {
            krate.add(&format!("call_{number}"), &flare(feature, call));
        }
        let built = krate.build();
        let exported = match feature {
            "ws" => set(&["memory", "alloc", "ws_open", "ws_message", "ws_close"]),
            _ => set(&["memory", "alloc", "handle_request"]),
        };
        let nothing = names(&built["nothing"]);
        assert_eq!(nothing, (set(&[]), exported.clone()), "{features}");
        for (number, (call, imports)) in calls.iter().enumerate() {
            let found = names(&built[&format!("call_{number}")]);
            assert_eq!(found, (set(imports), exported.clone()), "{call}");
        }
    }
}

/// The source files of a module, without its tests.
fn sources(module: &str) -> Vec<PathBuf> {
    let src = workspace().join("src");
    let mut files = vec![src.join(format!("{module}.rs"))];
    if let Ok(folder) = fs::read_dir(src.join(module)) {
        files.extend(folder.map(|entry| entry.unwrap().path()).filter(|path| {
            path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs")
        }));
    }
    files
}

/// The table above has every public function of every module.
#[test]
fn no_function_is_forgotten() {
    let mut forgotten = Vec::new();
    for module in CALLS.iter().map(|(features, _)| module(features)) {
        let mut found = 0;
        for file in sources(module) {
            for line in fs::read_to_string(file).unwrap().lines() {
                if let Some(rest) = line.strip_prefix("pub fn ") {
                    let name = rest.split(['(', '<']).next().unwrap();
                    let call = format!("{module}::{name}(");
                    let called =
                        |(c, _): &Call| c.trim_start_matches("text::build(").starts_with(&call);
                    if !CALLS.iter().flat_map(|(_, calls)| *calls).any(called) {
                        forgotten.push(call);
                    }
                    found += 1;
                }
            }
        }
        assert!(found > 0, "{module}");
    }
    assert!(forgotten.is_empty(), "{forgotten:?}");
    // And every import of the ABI is some function's but one: `snowflake` uses the metered
    // `snowflake_id`, not `id_snowflake`.
    let abi = fs::read_to_string(workspace().join("src/abi/table.rs")).unwrap();
    let (_, table) = abi.split_once("\nmacro_rules! imports {").unwrap();
    let (table, _) = table.split_once("\n}").unwrap();
    let mut declared = BTreeSet::new();
    for line in table.lines() {
        if let Some(rest) = line.trim().strip_prefix("fn ") {
            declared.insert(rest.split('(').next().unwrap().to_owned());
        }
    }
    let mut called: BTreeSet<String> = CALLS
        .iter()
        .flat_map(|(_, calls)| calls.iter())
        .flat_map(|(_, imports)| imports.iter())
        .map(|import| (*import).to_owned())
        .collect();
    called.insert("id_snowflake".to_owned());
    assert_eq!(called, declared);
}
