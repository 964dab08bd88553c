//! A headless Chromium, driven through its DevTools protocol.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Chromium is: `PERJURY_CHROMIUM`, or one of its usual names on the path.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PERJURY_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    ["chromium", "chromium-browser", "google-chrome", "chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// A browser of its own, with a fresh profile; it ends when this is dropped.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    next: u64,
    /// What the browser told without having been asked.
    events: VecDeque<Value>,
    _profile: TempDir,
}

/// A tab.
pub struct Page<'b> {
    browser: &'b mut Browser,
    session: String,
    target: String,
}

impl Browser {
    /// Starts Chromium; it listens on loopback, at a port that it chooses.
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--force-device-scale-factor=1",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Chromium starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("DevTools listening on ")?.to_owned()))
            .expect("Chromium says where it listens");
        // What else it says is of no interest, but has to be read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let host = address
            .trim_start_matches("ws://")
            .split('/')
            .next()
            .expect("a host");
        let stream = TcpStream::connect(host).expect("Chromium listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let (socket, _) = tungstenite::client::client_with_config(&address, stream, Some(config))
            .expect("Chromium speaks the protocol");
        Browser {
            child,
            socket,
            next: 0,
            events: VecDeque::new(),
            _profile: profile,
        }
    }

    fn receive(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("Chromium answers in time");
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = session {
            request["sessionId"] = json!(session);
        }
        self.socket
            .send(Message::text(request.to_string()))
            .expect("Chromium takes commands");
        loop {
            let mut answer = self.receive();
            if answer["id"] != json!(self.next) {
                self.events.push_back(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
            return answer["result"].take();
        }
    }

    /// An empty tab.
    pub fn tab(&mut self) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let target = target["targetId"].as_str().expect("a tab").to_owned();
        let attached = self.call(
            None,
            "Target.attachToTarget",
            json!({ "targetId": target, "flatten": true }),
        );
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let mut page = Page {
            browser: self,
            session,
            target,
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.size(1280, 900);
        page.media("screen", "light");
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let target = json!({ "targetId": self.target });
            self.browser.call(None, "Target.closeTarget", target);
        }
    }
}

impl Page<'_> {
    /// Sends a command of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session.clone()), method, params)
    }

    /// Opens an address and waits until it is loaded; gives the time that took.
    pub fn open(&mut self, url: &str) -> Duration {
        self.browser.events.clear();
        let began = Instant::now();
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        let session = json!(self.session);
        while !self
            .browser
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired" && event["sessionId"] == session)
        {
            let event = self.browser.receive();
            self.browser.events.push_back(event);
        }
        began.elapsed()
    }

    /// Opens a file.
    pub fn open_file(&mut self, path: &Path) -> Duration {
        let path = path.canonicalize().expect("the page is there");
        self.open(&format!("file://{}", path.display()))
    }

    /// What an expression of JavaScript comes to; a promise is awaited.
    pub fn eval(&mut self, script: &str) -> Value {
        let mut result = self.call(
            "Runtime.evaluate",
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true }),
        );
        assert!(
            result["exceptionDetails"].is_null(),
            "{script}\n{}",
            result["exceptionDetails"]
        );
        result["result"]["value"].take()
    }

    /// Whether an expression is true.
    pub fn holds(&mut self, script: &str) -> bool {
        self.eval(&format!("Boolean({script})")) == json!(true)
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, script: &str) {
        let deadline = Instant::now() + PATIENCE / 4;
        while !self.holds(script) {
            assert!(Instant::now() < deadline, "this does not become true: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets everything be drawn that waits for it.
    pub fn settle(&mut self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// The text of the first element that matches.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!(
            "document.querySelector({})?.textContent",
            json!(selector)
        ));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// How many elements match.
    pub fn count(&mut self, selector: &str) -> u64 {
        let count = self.eval(&format!("document.querySelectorAll({}).length", json!(selector)));
        count.as_u64().unwrap_or_default()
    }

    /// Errors, warnings, and everything that was fetched besides the page itself, since it was opened.
    pub fn problems(&mut self) -> Vec<String> {
        self.settle();
        let session = json!(self.session);
        let of_mine = self
            .browser
            .events
            .iter()
            .filter(|event| event["sessionId"] == session);
        let mut documents = 0;
        of_mine
            .filter_map(|event| {
                let params = &event["params"];
                match event["method"].as_str()? {
                    "Runtime.exceptionThrown" => Some(format!("exception: {}", params["exceptionDetails"])),
                    "Runtime.consoleAPICalled" if params["type"] != "log" => {
                        Some(format!("console: {}", params["args"]))
                    }
                    "Log.entryAdded" if params["entry"]["level"] != "info" => {
                        Some(format!("log: {}", params["entry"]["text"]))
                    }
                    "Network.requestWillBeSent" => {
                        documents += 1;
                        let is_page = params["type"] == "Document" && documents == 1;
                        (!is_page).then(|| format!("fetched: {}", params["request"]["url"]))
                    }
                    _ => None,
                }
            })
            .collect()
    }

    /// Presses a key, as `event.key` names it.
    pub fn key(&mut self, key: &str) {
        let mut params = json!({ "type": "keyDown", "key": key });
        if key.chars().count() == 1 {
            params["text"] = json!(key);
        }
        if key == "Enter" {
            params["text"] = json!("\r");
            params["windowsVirtualKeyCode"] = json!(13);
        }
        if key == "Escape" {
            params["windowsVirtualKeyCode"] = json!(27);
        }
        if key == "Tab" {
            params["windowsVirtualKeyCode"] = json!(9);
        }
        self.call("Input.dispatchKeyEvent", params.clone());
        params["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", params);
        self.settle();
    }

    /// Types a text.
    pub fn type_in(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        self.settle();
    }

    /// The middle of the first element that matches, brought into view.
    pub fn place(&mut self, selector: &str) -> (f64, f64) {
        let script = format!(
            "(() => {{ const element = document.querySelector({}); element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        );
        let place = self.eval(&script);
        (place[0].as_f64().expect("x"), place[1].as_f64().expect("y"))
    }

    /// Sends a mouse event; `buttons` is 1 while the left one is held, `modifiers` 8 for shift.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64), buttons: u32, modifiers: u32) {
        let params = json!({
            "type": kind, "x": x, "y": y, "button": if buttons == 1 || kind == "mouseReleased" { "left" } else { "none" },
            "buttons": buttons, "clickCount": u32::from(kind != "mouseMoved"), "modifiers": modifiers,
        });
        self.call("Input.dispatchMouseEvent", params);
    }

    /// Clicks.
    pub fn click_at(&mut self, place: (f64, f64)) {
        self.mouse("mouseMoved", place, 0, 0);
        self.mouse("mousePressed", place, 1, 0);
        self.mouse("mouseReleased", place, 0, 0);
        self.settle();
    }

    /// Clicks the first element that matches.
    pub fn click(&mut self, selector: &str) {
        let place = self.place(selector);
        self.click_at(place);
    }

    /// Drags with the left button held.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64), modifiers: u32) {
        self.mouse("mouseMoved", from, 0, modifiers);
        self.mouse("mousePressed", from, 1, modifiers);
        for step in 1..=5 {
            let share = f64::from(step) / 5.0;
            let at = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            self.mouse("mouseMoved", at, 1, modifiers);
        }
        self.mouse("mouseReleased", to, 0, modifiers);
        self.settle();
    }

    /// Turns the wheel.
    pub fn wheel(&mut self, (x, y): (f64, f64), by: f64) {
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by }),
        );
        self.settle();
    }

    /// The window's size in pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Light or dark, on screen or in print.
    pub fn media(&mut self, medium: &str, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "media": medium, "features": features }),
        );
        self.settle();
    }

    /// Whether scripts of the next page may run.
    pub fn scripts(&mut self, allowed: bool) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !allowed }),
        );
    }

    /// Takes a picture of what is in the window, or of the whole page.
    pub fn picture(&mut self, path: &Path, whole: bool) {
        let mut params = json!({ "format": "png", "captureBeyondViewport": whole });
        if whole {
            params["clip"] = self.extent();
        }
        let shot = self.call("Page.captureScreenshot", params);
        std::fs::write(path, decoded(&shot["data"])).expect("the picture is written");
    }

    fn extent(&mut self) -> Value {
        let metrics = self.call("Page.getLayoutMetrics", json!({}));
        let size = &metrics["cssContentSize"];
        json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 })
    }

    /// The page as it would be printed, as PDF.
    pub fn printed(&mut self) -> Vec<u8> {
        let printed = self.call("Page.printToPDF", json!({ "printBackground": true }));
        decoded(&printed["data"])
    }
}

fn decoded(text: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text.as_str().expect("a text"))
        .expect("base 64")
}
