use crate::config::FlareConfig;

/// Each mistake, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    // Keys.
    (
        "require_body = true",
        "line 1: unknown key `require_body`\n\
         \x20   require_body = true\n\
         \x20   ^^^^^^^^^^^^\n\
         did you mean `requires_body`?",
    ),
    (
        "# a comment\n\n[limits]\nmax_fetches = 1",
        "line 4: unknown key `max_fetches` under [limits]\n\
         \x20   max_fetches = 1\n\
         \x20   ^^^^^^^^^^^\n\
         did you mean `max_fetch_bytes`?",
    ),
    (
        "[beam]\nallow_privte = true",
        "line 2: unknown key `allow_privte` under [beam]\n\
         \x20   allow_privte = true\n\
         \x20   ^^^^^^^^^^^^\n\
         did you mean `allow_private`?",
    ),
    (
        "[limit]\nmax_time_ms = 5",
        "line 1: unknown key `limit`\n\
         \x20   [limit]\n\
         \x20    ^^^^^\n\
         did you mean `limits`?",
    ),
    (
        "qqq = 1",
        "line 1: unknown key `qqq`\n\
         \x20   qqq = 1\n\
         \x20   ^^^\n\
         the known keys are: allowed_secrets, beam, kind, limits, name, origin, requires_body, requires_raw_auth, routes, seed, site, websocket_protocols, writes_plasma_kv, writes_spark_kv",
    ),
    (
        "max_time_ms = 5",
        "line 1: unknown key `max_time_ms`\n\
         \x20   max_time_ms = 5\n\
         \x20   ^^^^^^^^^^^\n\
         `max_time_ms` belongs under [limits]",
    ),
    (
        "[limits]\norigin = \"http://a\"",
        "line 2: unknown key `origin` under [limits]\n\
         \x20   origin = \"http://a\"\n\
         \x20   ^^^^^^\n\
         `origin` belongs at the top of the file, above the first [table]",
    ),
    (
        "[beam]\nmax_time_ms = 5",
        "line 2: unknown key `max_time_ms` under [beam]\n\
         \x20   max_time_ms = 5\n\
         \x20   ^^^^^^^^^^^\n\
         `max_time_ms` belongs under [limits]",
    ),
    (
        "name = \"a\"\nname = \"b\"",
        "line 2: `name` is defined twice\n\
         \x20   name = \"b\"\n\
         \x20   ^^^^\n\
         a key, or a table such as [limits], can be defined only once",
    ),
    (
        "[limits]\n[beam]\n[limits]",
        "line 3: `limits` is defined twice\n\
         \x20   [limits]\n\
         \x20    ^^^^^^\n\
         a key, or a table such as [limits], can be defined only once",
    ),
    // Types.
    (
        "requires_body = \"true\"",
        "line 1: `requires_body` must be true or false, but is a string\n\
         \x20   requires_body = \"true\"\n\
         \x20                   ^^^^^^\n\
         write true without quotes",
    ),
    (
        "requires_body = 1",
        "line 1: `requires_body` must be true or false, but is a number\n\
         \x20   requires_body = 1\n\
         \x20                   ^",
    ),
    (
        "name = 5",
        "line 1: `name` must be a quoted string, but is a number\n\
         \x20   name = 5\n\
         \x20          ^",
    ),
    (
        "name = true",
        "line 1: `name` must be a quoted string, but is true\n\
         \x20   name = true\n\
         \x20          ^^^^",
    ),
    (
        "routes = \"/a\"",
        "line 1: `routes` must be a list of strings, but is a string\n\
         \x20   routes = \"/a\"\n\
         \x20            ^^^^\n\
         write routes = [\"/a\"]",
    ),
    (
        "routes = [\"/a\", 5]",
        "line 1: `routes` must be a list of quoted strings, but contains a number\n\
         \x20   routes = [\"/a\", 5]\n\
         \x20                   ^",
    ),
    (
        "limits = 5",
        "line 1: `limits` must be a table: [limits] on its own line, but is a number\n\
         \x20   limits = 5\n\
         \x20            ^",
    ),
    (
        "limits = [1, 2]",
        "line 1: `limits` must be a table: [limits] on its own line, but is a list\n\
         \x20   limits = [1, 2]\n\
         \x20            ^^^^^^",
    ),
    (
        "[[limits]]\nmax_time_ms = 1",
        "line 1: `limits` must be a table: [limits] on its own line, but is a list\n\
         \x20   [[limits]]\n\
         \x20   ^^^^^^^^^^",
    ),
    (
        "[beam]\nhosts = true",
        "line 2: `hosts` must be a table: [beam.hosts] on its own line, but is true\n\
         \x20   hosts = true\n\
         \x20           ^^^^",
    ),
    (
        "[beam.hosts]\n\"a\" = 9000",
        "line 2: `a` must be a quoted string, but is a number\n\
         \x20   \"a\" = 9000\n\
         \x20         ^^^^",
    ),
    (
        "[requires_body]\nx = 1",
        "line 1: `requires_body` must be true or false, but is a table\n\
         \x20   [requires_body]\n\
         \x20   ^^^^^^^^^^^^^^^",
    ),
    (
        "name = 2020-01-01",
        "line 1: `name` must be a quoted string, but is a date or time\n\
         \x20   name = 2020-01-01\n\
         \x20          ^^^^^^^^^^",
    ),
    (
        "kind = \"webscoket\"",
        "line 1: `kind` cannot be \"webscoket\"\n\
         \x20   kind = \"webscoket\"\n\
         \x20          ^^^^^^^^^^^\n\
         did you mean `websocket`?",
    ),
    (
        "kind = \"tcp\"",
        "line 1: `kind` cannot be \"tcp\"\n\
         \x20   kind = \"tcp\"\n\
         \x20          ^^^^^\n\
         it can be \"http\", \"websocket\" or \"both\"",
    ),
    (
        "kind = 5",
        "line 1: `kind` must be \"http\", \"websocket\" or \"both\", but is a number\n\
         \x20   kind = 5\n\
         \x20          ^",
    ),
    // Numbers.
    (
        "[limits]\nmax_time_ms = 0",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more\n\
         \x20   max_time_ms = 0\n\
         \x20                 ^",
    ),
    (
        "[limits]\nmax_time_ms = -1",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more\n\
         \x20   max_time_ms = -1\n\
         \x20                 ^^",
    ),
    (
        "[limits]\nmax_memory_mib = 5000",
        "line 2: `max_memory_mib` must be a whole number of MiB from 1 to 4096\n\
         \x20   max_memory_mib = 5000\n\
         \x20                    ^^^^",
    ),
    (
        "[limits]\nmax_fetch_requests = 5000000000",
        "line 2: `max_fetch_requests` must be a whole number from 0 to 4294967295\n\
         \x20   max_fetch_requests = 5000000000\n\
         \x20                        ^^^^^^^^^^",
    ),
    (
        "[limits]\nmax_time_ms = 99999999999999999999",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more\n\
         \x20   max_time_ms = 99999999999999999999\n\
         \x20                 ^^^^^^^^^^^^^^^^^^^^\n\
         the largest is 9223372036854775807",
    ),
    (
        "[limits]\nmax_time_ms = 1.5",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more, but is a number with a decimal point\n\
         \x20   max_time_ms = 1.5\n\
         \x20                 ^^^",
    ),
    (
        "[limits]\nmax_time_ms = 2.0",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more, but is a number with a decimal point\n\
         \x20   max_time_ms = 2.0\n\
         \x20                 ^^^\n\
         write max_time_ms = 2",
    ),
    (
        "[limits]\nmax_time_ms = \"1.5 s\"",
        "line 2: `max_time_ms` must be a whole number of milliseconds, 1 or more, but is a string\n\
         \x20   max_time_ms = \"1.5 s\"\n\
         \x20                 ^^^^^^^\n\
         write max_time_ms = 1500",
    ),
    (
        "[limits]\nws_idle_secs = \"2m\"",
        "line 2: `ws_idle_secs` must be a whole number of seconds, 0 or more, but is a string\n\
         \x20   ws_idle_secs = \"2m\"\n\
         \x20                  ^^^^\n\
         write ws_idle_secs = 120",
    ),
    (
        "[limits]\nmax_body_bytes = \"10 MiB\"",
        "line 2: `max_body_bytes` must be a whole number of bytes, 0 or more, but is a string\n\
         \x20   max_body_bytes = \"10 MiB\"\n\
         \x20                    ^^^^^^^^\n\
         write max_body_bytes = 10485760",
    ),
    (
        "[limits]\nmax_memory_mib = \"1GiB\"",
        "line 2: `max_memory_mib` must be a whole number of MiB from 1 to 4096, but is a string\n\
         \x20   max_memory_mib = \"1GiB\"\n\
         \x20                    ^^^^^^\n\
         write max_memory_mib = 1024",
    ),
    (
        "[limits]\nmax_body_bytes = \"lots\"",
        "line 2: `max_body_bytes` must be a whole number of bytes, 0 or more, but is a string\n\
         \x20   max_body_bytes = \"lots\"\n\
         \x20                    ^^^^^^",
    ),
    // What the values say.
    (
        "routes = [\"/a\", \"api\"]",
        "line 1: route \"api\" must be a path that begins with '/', like \"/api\"\n\
         \x20   routes = [\"/a\", \"api\"]\n\
         \x20                   ^^^^^",
    ),
    (
        "origin = \"localhost:3000\"",
        "line 1: origin \"localhost:3000\" has no scheme http or https; it must be like \"http://localhost:3000\"\n\
         \x20   origin = \"localhost:3000\"\n\
         \x20            ^^^^^^^^^^^^^^^^",
    ),
    (
        "origin = \"ftp://localhost\"",
        "line 1: origin \"ftp://localhost\" has no scheme http or https; it must be like \"http://localhost:3000\"\n\
         \x20   origin = \"ftp://localhost\"\n\
         \x20            ^^^^^^^^^^^^^^^^^",
    ),
    (
        "site = \"\"",
        "line 1: `site` must be 1 to 256 bytes long, but has 0\n\
         \x20   site = \"\"\n\
         \x20          ^^",
    ),
    (
        "[beam.hosts]\n\"a/b\" = \"127.0.0.1:9000\"",
        "line 2: beam: `a/b` under [beam.hosts] is not a HOST or HOST:PORT of a URL\n\
         \x20   \"a/b\" = \"127.0.0.1:9000\"\n\
         \x20           ^^^^^^^^^^^^^^^^",
    ),
    (
        "[beam.hosts]\n\"a.example\" = \"9000\"",
        "line 2: beam: `a.example` under [beam.hosts] leads to `9000`; write IP:PORT, http://HOST:PORT or https://HOST:PORT\n\
         \x20   \"a.example\" = \"9000\"\n\
         \x20                 ^^^^^^",
    ),
    // What is no TOML.
    (
        "name = cart",
        "line 1: this is not TOML: string values must be quoted\n\
         \x20   name = cart\n\
         \x20          ^^^^\n\
         write \"cart\"",
    ),
    (
        "requires_body = yes",
        "line 1: this is not TOML: string values must be quoted\n\
         \x20   requires_body = yes\n\
         \x20                   ^^^\n\
         write true or false",
    ),
    (
        "requires_body",
        "line 1: this is not TOML: key with no value, expected `=`\n\
         \x20   requires_body\n\
         \x20                ^\n\
         a setting is written key = value",
    ),
    (
        "requires_body: true",
        "line 1: this is not TOML: key with no value, expected `=`\n\
         \x20   requires_body: true\n\
         \x20                  ^\n\
         a setting is written key = value",
    ),
    (
        "name = \"cart",
        "line 1: this is not TOML: invalid basic string, expected `\"`\n\
         \x20   name = \"cart\n\
         \x20               ^",
    ),
    (
        "routes = [\"/a\"",
        "line 1: this is not TOML: unclosed array, expected `]`\n\
         \x20   routes = [\"/a\"\n\
         \x20                 ^",
    ),
    (
        "[limits\nmax_time_ms = 5",
        "line 1: this is not TOML: unclosed table, expected `]`\n\
         \x20   [limits\n\
         \x20          ^",
    ),
    (
        "max_time_ms = 5ms",
        "line 1: this is not TOML: string values must be quoted\n\
         \x20   max_time_ms = 5ms\n\
         \x20                 ^^^\n\
         write a number without its unit, or a string in quotes",
    ),
    (
        "not toml",
        "line 1: this is not TOML: key with no value, expected `=`\n\
         \x20   not toml\n\
         \x20       ^\n\
         a setting is written key = value",
    ),
];

#[test]
fn each_mistake_is_told_with_its_line() {
    let mut wrong = String::new();
    for (text, said) in MISTAKES {
        let message = FlareConfig::parse(text).unwrap_err().to_string();
        if message != *said {
            wrong += &format!("--- {text}\n{message}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// All of them at once, in the order of the file, which is named.
#[test]
fn the_message_has_the_file_and_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flare.toml");
    std::fs::write(
        &file,
        "nme = \"é\"\r\nseed = \"values.jsonl\" # é\r\n\r\n[limits]\r\n\tmax_time_ms = \"1s\"",
    )
    .unwrap();
    let message = FlareConfig::load(&file).unwrap_err().to_string();
    let folder = folder.path().display();
    assert_eq!(
        message,
        format!(
            "{folder}/flare.toml:1: unknown key `nme`\n\
             \x20   nme = \"é\"\n\
             \x20   ^^^\n\
             did you mean `name`?\n\
             \n\
             {folder}/flare.toml:2: `seed` names a file that does not exist: {folder}/values.jsonl\n\
             \x20   seed = \"values.jsonl\" # é\n\
             \x20          ^^^^^^^^^^^^^^\n\
             the path is relative to the folder of flare.toml; `flaron-edge kv export` prints such a file\n\
             \n\
             {folder}/flare.toml:5: `max_time_ms` must be a whole number of milliseconds, 1 or more, but is a \
             string\n\
             \x20    max_time_ms = \"1s\"\n\
             \x20                  ^^^^\n\
             write max_time_ms = 1000"
        )
    );
    let missing = file.with_file_name("other.toml");
    let message = FlareConfig::load(&missing).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("cannot read {folder}/other.toml: ")),
        "{message}"
    );
}
