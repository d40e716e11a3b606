//! The gallery on failing hosts: each call is refused in turn, and hosts return unexpected answers. Flares
//! panic only where the SDK documents a trap, and none reports success for what a store has refused.

use flaron_sdk::testing::{Call, Host, Response};
use flaron_tests::gallery::{self, action};

/// An HTTP flare, and the state that its requests start from.
struct Flare {
    name: &'static str,
    export: extern "C-unwind" fn() -> i64,
    /// Requests that cover all of its behaviour.
    requests: &'static [fn(&Host)],
}

const TOKEN_KEY: &str = "jwt-key";

fn as_it_is(_: &Host) {}

const FLARES: &[Flare] = &[
    Flare {
        name: "ab-test",
        export: gallery::ab_test::handle_request,
        requests: &[as_it_is, |host| {
            host.header("cookie", "ab-variant=b");
        }],
    },
    Flare {
        name: "basic-auth",
        export: gallery::basic_auth::handle_request,
        requests: &[|host| {
            host.secret("basic-auth", "admin:hunter2")
                .header("authorization", "Basic YWRtaW46aHVudGVyMg==");
        }],
    },
    Flare {
        name: "cors-proxy",
        export: gallery::cors_proxy::handle_request,
        requests: &[
            |host| {
                host.method("OPTIONS").header("origin", "https://a.example");
            },
            |host| {
                host.method("POST")
                    .url("https://flare.example/v1/x?y=1")
                    .body("{}")
                    .on_fetch("http://api.example.com/v1/x?y=1", 201, &[], "made");
            },
        ],
    },
    Flare {
        name: "etag-page",
        export: gallery::etag_page::handle_request,
        requests: &[as_it_is, |host| {
            host.header("if-none-match", "\"x\", *");
        }],
    },
    Flare {
        name: "jwt-gate",
        export: gallery::jwt_gate::handle_request,
        requests: &[as_it_is, |host| {
            host.secret(TOKEN_KEY, "k")
                .header("authorization", "Bearer e30.e30.e30");
        }],
    },
    Flare {
        name: "kv-api",
        export: gallery::kv_api::handle_request,
        requests: &[
            |host| {
                host.url("https://kv.example/kv").put_spark("a", "1", 0);
            },
            |host| {
                host.url("https://kv.example/kv/a").put_spark("a", "1", 0);
            },
            |host| {
                host.url("https://kv.example/kv/a").method("PUT").body("v");
            },
            |host| {
                host.url("https://kv.example/kv/a").method("DELETE");
            },
        ],
    },
    Flare {
        name: "notice-board",
        export: gallery::notice_board::handle_request,
        requests: &[
            |host| {
                host.put_plasma("notice", "back at noon");
            },
            |host| {
                host.method("PUT").body("gone");
            },
        ],
    },
    Flare {
        name: "rate-limit",
        export: gallery::rate_limit::handle_request,
        requests: &[as_it_is, |host| {
            host.header("x-forwarded-for", "192.0.2.7")
                .returns("plasma_increment", 200_i64.to_le_bytes());
        }],
    },
    Flare {
        name: "redirects",
        export: gallery::redirects::handle_request,
        requests: &[as_it_is, |host| {
            host.url("https://example.com/about-us?ref=mail");
        }],
    },
    Flare {
        name: "router",
        export: gallery::router::handle_request,
        requests: &[
            as_it_is,
            |host| {
                host.url("https://example.com/users/42");
            },
            |host| {
                host.url("https://example.com/search?q=a%20b&page=2");
            },
        ],
    },
    Flare {
        name: "spark-counter",
        export: gallery::spark_counter::handle_request,
        requests: &[|host| {
            host.put_spark("hits", "41", 0);
        }],
    },
    Flare {
        name: "word-count",
        export: gallery::word_count::handle_request,
        requests: &[|host| {
            host.method("POST").body("to be or not to be");
        }],
    },
];

fn host(request: fn(&Host)) -> Host {
    let host = Host::new();
    host.requires_body(true)
        .requires_raw_auth(true)
        .writes_spark_kv(true)
        .writes_plasma_kv(true);
    request(&host);
    host
}

/// The outcome of a request; `None` if the flare trapped.
fn run(host: &Host, flare: &Flare) -> Option<Response> {
    host.catch_trap(|| host.run(|| action((flare.export)())))
        .ok()
}

/// Whether a refusal can mean nothing else. (That there is no value, no secret or no header a host says in the
/// same words as that it refuses to tell.)
fn is_unmistakable(call: &Call) -> bool {
    matches!(
        call.import,
        "spark_set"
            | "spark_list"
            | "spark_pull"
            | "plasma_set"
            | "plasma_delete"
            | "plasma_increment"
            | "plasma_decrement"
            | "plasma_list"
            | "beam_fetch"
            | "crypto_random_bytes"
    )
}

#[test]
fn what_a_host_refuses_is_no_success() {
    for flare in FLARES {
        for (number, request) in flare.requests.iter().enumerate() {
            let mut refused = 0;
            for n in 1.. {
                let host = host(*request);
                host.refuse_nth(n);
                let response = run(&host, flare);
                let Some(call) = host.refused() else {
                    assert!(response.is_some(), "{} {number}", flare.name);
                    break;
                };
                refused += 1;
                let Some(response) = response else { continue };
                let answers = response.action == flaron_sdk::FlareAction::Respond;
                assert!(
                    !(answers && response.status < 300 && is_unmistakable(&call)),
                    "{} {number}: {call:?} was refused, and the answer is {response:?}",
                    flare.name
                );
            }
            assert!(
                refused > 0 || flare.name == "ab-test",
                "{} {number}",
                flare.name
            );
        }
    }
}

/// As [`run`], but failures name the flare and the seed.
#[test]
fn whatever_a_host_answers_no_flare_panics() {
    let seeds = std::env::var("FLARON_SEEDS").map_or(400, |seeds| seeds.parse().unwrap());
    for flare in FLARES {
        let (mut answered, mut trapped) = (0, 0);
        for seed in 0..seeds {
            for (number, request) in flare.requests.iter().enumerate() {
                let host = host(*request);
                host.arbitrary_seed(seed);
                let ran =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&host, flare)));
                let response = ran.unwrap_or_else(|_| {
                    panic!("{} {number}, seed {seed}: {:?}", flare.name, host.calls())
                });
                answered += u32::from(response.is_some());
                trapped += u32::from(response.is_none());
            }
        }
        println!("{}: {answered} answered, {trapped} trapped", flare.name);
        assert!(answered > 0, "{}", flare.name);
    }
}

/// The WebSocket flares: a connection that opens, says something and closes, under both kinds of hosts.
#[test]
fn connections_survive_hosts_that_fail() {
    use gallery::{chat, notice_board};
    type Export = extern "C-unwind" fn() -> i64;
    let messages = [
        r#"{"cmd":"join","room":"x"}"#,
        r#"{"cmd":"say","text":"hi"}"#,
        r#"{"cmd":"leave"}"#,
        "nonsense",
    ];
    let talk = |host: &Host, [open, message, close]: [Export; 3]| {
        let event = |export: Export| {
            move || {
                export();
            }
        };
        let mut traps = 0;
        traps += u32::from(host.catch_trap(|| host.open(event(open))).is_err());
        for text in messages {
            let told = host.catch_trap(|| host.message(text, event(message)));
            traps += u32::from(told.is_err());
        }
        traps += u32::from(host.catch_trap(|| host.close(1000, event(close))).is_err());
        traps
    };
    for exports in [
        [chat::ws_open, chat::ws_message, chat::ws_close] as [Export; 3],
        [
            notice_board::ws_open,
            notice_board::ws_message,
            notice_board::ws_close,
        ],
    ] {
        for n in 1.. {
            let host = host(as_it_is);
            host.refuse_nth(n);
            talk(&host, exports);
            if host.refused().is_none() {
                assert!(
                    n > 5,
                    "the connection asks the host for more than {n} things"
                );
                break;
            }
        }
        for seed in 0..400 {
            let host = host(as_it_is);
            host.arbitrary_seed(seed);
            talk(&host, exports);
        }
    }
}
