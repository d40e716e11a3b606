//! A real browser, if one is installed: Chromium, controlled through its DevTools protocol.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flaron_edge::{Edge, FlareConfig};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::{Guest, RESPOND, get};
use crate::socket::{LONG, serve};

/// A browser is slow on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);

/// A browser with one page; killed when dropped.
struct Browser {
    child: Child,
    addr: String,
    page: WebSocketStream<TcpStream>,
    sent: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Option<Browser> {
        let profile = tempfile::tempdir().unwrap();
        let found = [
            "chromium-headless-shell",
            "chromium",
            "chromium-browser",
            "google-chrome",
        ]
        .iter()
        .find_map(|name| {
            let mut command = Command::new(name);
            // Debian's is a script that starts the browser and waits for it: what is killed is the group.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            command
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                ])
                .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg("about:blank")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .ok()
        });
        let Some(mut child) = found else {
            eprintln!("SKIPPED: there is no Chromium (Debian: chromium-headless-shell)");
            return None;
        };
        // "DevTools listening on ws://127.0.0.1:40123/devtools/browser/…"
        let said = child.stderr.take().unwrap();
        let (send, line) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut send = Some(send);
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if line.contains("DevTools listening on ")
                    && let Some(send) = send.take()
                {
                    let _ = send.send(line);
                }
            }
        });
        let line = timeout(PATIENT, line)
            .await
            .expect("the browser does not start");
        let line = line.expect("the browser ended");
        let addr = line.split("ws://").nth(1).unwrap();
        let addr = addr.split('/').next().unwrap().to_owned();
        let page = async {
            loop {
                if let Ok(targets) = targets(&addr).await
                    && let Some(url) = targets
                        .as_array()
                        .into_iter()
                        .flatten()
                        .find(|target| target["type"] == "page")
                        .and_then(|target| target["webSocketDebuggerUrl"].as_str())
                {
                    return url.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let url = timeout(PATIENT, page)
            .await
            .expect("the browser has no page");
        let stream = TcpStream::connect(&addr).await.unwrap();
        let (page, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Some(Browser {
            child,
            addr,
            page,
            sent: 0,
            _profile: profile,
        })
    }

    /// Calls a method of the protocol.
    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let message = json!({ "id": id, "method": method, "params": params });
        self.page
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        let answer = async {
            loop {
                let message = self.page.next().await.expect("the browser ended").unwrap();
                let Message::Text(text) = message else {
                    continue;
                };
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["id"] == id {
                    return value["result"].clone();
                }
            }
        };
        timeout(PATIENT, answer)
            .await
            .unwrap_or_else(|_| panic!("no answer to {method}"))
    }

    /// The value of a JavaScript expression in the page, once its promise is resolved.
    async fn eval(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let result = self.call("Runtime.evaluate", params).await;
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Opens a page in a new tab, which becomes the current one.
    async fn tab(&mut self, url: &str) -> String {
        let made = self
            .call("Target.createTarget", json!({ "url": url }))
            .await;
        let tab = made["targetId"].as_str().unwrap().to_owned();
        let stream = TcpStream::connect(&self.addr).await.unwrap();
        let url = format!("ws://{}/devtools/page/{tab}", self.addr);
        let (page, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        self.page = page;
        tab
    }

    /// Opens a page, in a window of this width, and waits until it shows this.
    async fn open(&mut self, url: &str, width: u32, until: &str) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        )
        .await;
        self.call("Page.navigate", json!({ "url": url })).await;
        self.wait(until).await;
    }

    /// Waits until an expression is true.
    async fn wait(&mut self, until: &str) {
        let shown = async {
            while self.eval(until).await != Value::Bool(true) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENT, shown)
            .await
            .unwrap_or_else(|_| panic!("the page does not show {until}"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser's pages.
async fn targets(addr: &str) -> Result<Value, Box<dyn std::error::Error>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET /json/list HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // It keeps the connection open in any case.
    let mut text = String::new();
    let read = async {
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).await?;
            text.push_str(std::str::from_utf8(&buffer[..read])?);
            let json = text.split_once("\r\n\r\n").map(|(_, body)| body);
            if let Some(Ok(value)) = json.map(serde_json::from_str)
                && read > 0
            {
                return Ok(value);
            }
            if read == 0 {
                return Err("no JSON".into());
            }
        }
    };
    timeout(LONG, read).await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_sees_the_close_codes_that_were_sent() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let mut guest = Guest::new();
    let kick = guest.text("kick");
    let edge = guest
        .ws(
            "",
            &format!(
                "(if (i32.eq (call $len (call $ws_event_data)) (i32.const 4))
                   (then (call $ws_close_conn (i32.const 4321)) (drop (call $ws_send {kick}))))"
            ),
            "",
        )
        .edge_with("websocket_protocols = [\"chat\"]\n[limits]\nmax_ws_message_bytes = 1000");
    let server = serve(&edge).await;
    let url = format!("ws://{}/", server.addr());
    // The flare's own code, the one for a message that is too large, and the one when the node
    // stops.
    for (message, code) in [("'kick'", 4321), ("'x'.repeat(3e6)", 1009)] {
        for _ in 0..10 {
            let closed = browser
                .eval(&format!(
                    "new Promise((done) => {{
                       const socket = new WebSocket('{url}', ['other', 'chat']);
                       socket.onopen = () => socket.send({message});
                       socket.onclose = (event) => done([event.code, socket.protocol]);
                     }})"
                ))
                .await;
            assert_eq!(closed, json!([code, "chat"]), "{message}");
        }
    }
    browser
        .eval(&format!(
            "new Promise((done) => {{
               const socket = new WebSocket('{url}', 'chat');
               socket.onopen = () => done(1);
               window.ended = new Promise((end) => socket.onclose = (event) => end(event.code));
             }})"
        ))
        .await;
    assert!(server.shutdown(LONG).await);
    assert_eq!(browser.eval("window.ended").await, 1001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_shows_host_calls_and_edits_values() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let mut guest = Guest::new();
    let (key, value) = (guest.text("greeting"), guest.text("{\"a\":1}"));
    let guest = guest.http(&format!(
        "(drop (call $spark_set {key} {value} (i32.const 600)))
         (drop (call $plasma_increment {key} (i64.const 9007199254740993)))
         {RESPOND}"
    ));
    let settings = "name = \"shop\"\nwrites_spark_kv = true\nwrites_plasma_kv = true";
    let edge = Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse(settings).unwrap())
        .trace(true)
        .build()
        .unwrap();
    let server = serve(&edge).await;
    get(&edge, "/x").await;
    browser
        .open(
            &format!("http://{}/_edge", server.addr()),
            1280,
            "document.querySelectorAll('button.key').length === 2 \
             && document.querySelector('#log details') !== null",
        )
        .await;
    browser
        .eval("document.querySelector('#log summary').click()")
        .await;
    let calls = browser
        .eval("document.querySelector('#log details[open] table').innerText")
        .await;
    let calls = calls.as_str().unwrap();
    assert!(
        calls.contains("spark_set(\"greeting\", \"{\\\"a\\\":1}\", 600)"),
        "{calls}"
    );
    screenshot(&mut browser, "host-calls").await;

    // As JSON, changed, and refused as long as it is invalid.
    let editor_is = |open: bool| format!("document.getElementById('editor').open === {open}");
    browser
        .eval("document.querySelector('#spark button.key').click()")
        .await;
    browser.wait(&editor_is(true)).await;
    let form =
        "const form = document.getElementById('form'); form.value = 'JSON'; form.onchange();";
    let shown = browser
        .eval(&format!(
            "{{{form} document.getElementById('value').value}}"
        ))
        .await;
    assert_eq!(shown, "{\n  \"a\": 1\n}");
    screenshot(&mut browser, "editor").await;
    let set = |text: &str| {
        format!(
            "document.getElementById('value').value = '{text}'; document.getElementById('save').click()"
        )
    };
    browser.eval(&set("{\"a\": 2")).await;
    browser
        .wait("document.getElementById('refused').textContent.includes('JSON')")
        .await;
    browser.eval(&set("{\"a\": 2}")).await;
    browser.wait(&editor_is(false)).await;
    let found = edge.spark().peek("shop", "greeting").unwrap().unwrap();
    assert_eq!(found.value, b"{\"a\":2}");
    assert!(found.ttl_left_ms.is_some(), "it still expires");

    // A counter beyond the exact range of JavaScript's numbers.
    browser
        .eval("document.querySelector('#plasma button.key').click()")
        .await;
    browser.wait(&editor_is(true)).await;
    let shown = browser.eval("document.getElementById('value').value").await;
    assert_eq!(shown, "9007199254740993");
    browser.eval(&set("9007199254740995")).await;
    browser.wait(&editor_is(false)).await;
    let url = "/_edge/kv?store=plasma&site=shop&key=greeting";
    let now = get(&edge, url).await;
    let now = String::from_utf8_lossy(now.body()).into_owned();
    assert!(now.contains("\"counter\":9007199254740995"), "{now}");

    browser
        .eval("document.querySelector('#spark button.key').click()")
        .await;
    browser.wait(&editor_is(true)).await;
    browser
        .eval("document.getElementById('delete').click()")
        .await;
    browser.wait(&editor_is(false)).await;
    assert!(edge.spark().peek("shop", "greeting").unwrap().is_none());
}

/// A browser opens at most six connections to a host, for all of its tabs together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tabs_are_live_and_leave_room_for_requests() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let edge = Edge::builder()
        .flare(Guest::new().http(RESPOND).wasm())
        .build()
        .unwrap();
    let server = serve(&edge).await;
    let url = format!("http://{}/_edge", server.addr());
    let first = browser.tab(&url).await;
    let live = "document.getElementById('state')?.textContent === 'live'";
    browser.wait(live).await;
    let tabs = std::env::var("FLARON_TABS").map_or(12, |tabs| tabs.parse().unwrap());
    for _ in 1..tabs {
        browser.tab(&url).await;
    }
    browser.wait(live).await;
    let status = browser.eval("fetch('/seen').then((r) => r.status)").await;
    assert_eq!(status, 200);
    let has = |path: &str| format!("document.getElementById('log').textContent.includes('{path}')");
    browser.wait(&has("/seen")).await;
    // Another tab takes over from the one that listened for all.
    browser
        .call("Target.closeTarget", json!({ "targetId": first }))
        .await;
    browser.eval("fetch('/later').then((r) => r.status)").await;
    browser.wait(&has("/later")).await;
    browser.wait(live).await;
}

/// Saves a screenshot of the page, if FLARON_SCREENSHOTS names a folder for it.
async fn screenshot(browser: &mut Browser, name: &str) {
    use base64::Engine as _;
    let Some(folder) = std::env::var_os("FLARON_SCREENSHOTS") else {
        return;
    };
    let shot = browser
        .call("Page.captureScreenshot", json!({ "format": "png" }))
        .await;
    let data = shot["data"].as_str().unwrap();
    let png = base64::prelude::BASE64_STANDARD.decode(data).unwrap();
    let folder = std::path::Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_fits_its_window_and_stays_awake() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let mut guest = Guest::new();
    let long = guest.text("k".repeat(200));
    let guest = guest.http(&format!(
        "(drop (call $spark_set {long} {long} (i32.const 0)))
         (drop (call $plasma_increment {long} (i64.const 9007199254740993)))
         {RESPOND}"
    ));
    let settings = "name = \"shop\"\nwrites_spark_kv = true\nwrites_plasma_kv = true";
    let edge = Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse(settings).unwrap())
        .flare(Guest::new().http(RESPOND).wasm())
        .route("/quick")
        .build()
        .unwrap();
    let server = serve(&edge).await;
    let url = format!("http://{}/_edge", server.addr());
    // U+202E would reverse the text that follows.
    get(&edge, "/a%20b?\u{202e}gpj.exe").await;
    for width in [1280, 390] {
        browser
            .open(
                &url,
                width,
                "document.getElementById('plasma')?.textContent.includes('kkk') \
                 && document.getElementById('log').children.length > 0",
            )
            .await;
        let page = browser.eval("document.documentElement.scrollWidth").await;
        assert!(page.as_u64() <= Some(width.into()), "{page} at {width}");
        // Nothing overflows its card, and the log shows the time and the flare.
        let outside = browser
            .eval(
                "[...document.querySelectorAll('section button, section input, section table')]
                   .filter((e) => !e.closest('.scroll') && e.getBoundingClientRect().right
                     > e.closest('section').getBoundingClientRect().right).length",
            )
            .await;
        assert_eq!(outside, 0, "at {width}");
        let shown = browser
            .eval(
                "[...document.querySelectorAll('#log .entry:first-child > span')]
                   .filter((e) => e.textContent && e.getBoundingClientRect().width > 0).length",
            )
            .await;
        assert_eq!(shown, 5, "at {width}");
    }
    let text = browser.eval("document.body.textContent").await;
    let text = text.as_str().unwrap();
    assert!(text.contains("9,007,199,254,740,993"), "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");

    // Thousands of requests within a few seconds, and the page keeps working.
    browser
        .eval(
            "window.last = performance.now(); window.gap = 0;
             setInterval(() => {
               const now = performance.now();
               window.gap = Math.max(window.gap, now - window.last);
               window.last = now;
             }, 10); 0",
        )
        .await;
    let until = Instant::now() + Duration::from_secs(3);
    let mut count = 0;
    while Instant::now() < until {
        get(&edge, "/quick").await;
        count += 1;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let gap = browser.eval("window.gap").await.as_f64().unwrap();
    eprintln!("{count} requests, the page paused for {gap:.0} ms at most");
    assert!(gap < 3000.0, "the page paused for {gap:.0} ms");
    let kept = browser
        .eval("document.getElementById('log').children.length")
        .await;
    assert!(kept.as_u64() <= Some(501), "{kept}");
}
