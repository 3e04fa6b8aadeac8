//! A real Chromium reads the pages: both languages, both colours, a desk and a telephone.
//!
//! `WebDriver` is spoken over plain HTTP, since what is needed beyond navigation (emulated colours and widths, the console) are
//! Chromium's own commands.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::Server;

/// A browser with a fresh profile; it and its driver end when this is dropped.
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    /// Removed when the browser is gone.
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium; `None`, with the reason printed, where chromedriver is not installed.
    pub async fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(driver) = started else {
            println!("skipped: chromedriver is not installed (apt-get install chromium chromium-driver)");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}"), client, profile };
        browser.wait_for_driver().await;
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", browser.profile.path().display()));
        let wanted = json!({"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = browser.post("/session", json!({"capabilities": {"alwaysMatch": wanted}})).await;
        browser.session = format!("{}/session/{}", browser.session, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    async fn wait_for_driver(&self) {
        for _ in 0..200 {
            if self.client.get(format!("{}/status", self.session)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("chromedriver does not answer at {}", self.session);
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let response = self.client.post(format!("{}{command}", self.session)).json(&body).send().await.unwrap();
        let mut answer: Value = response.json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{command}: {answer}");
        answer["value"].take()
    }

    /// One command of Chromium's own protocol.
    pub async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Makes the window this wide, in CSS pixels, and the system's colours `light` or `dark`.
    pub async fn look(&self, width: u32, colours: &str) {
        self.chromium(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        )
        .await;
        self.chromium("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": colours}]})).await;
    }

    /// Goes to the address and waits until it has loaded.
    pub async fn open(&self, address: &str) {
        self.post("/url", json!({"url": address})).await;
    }

    /// What the script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Presses one key, by its name and code.
    pub async fn press(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" { "\r" } else { "" };
            self.chromium(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}),
            )
            .await;
        }
    }

    /// What the console has said since the last call: errors of scripts, refused by the policy, failed requests.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"})).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium outlives a driver that is killed, or asked to end: the session has to be ended.
        self.end_session();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Without the client, whose runtime may be gone by now.
    fn end_session(&self) {
        use std::io::{Read as _, Write as _};
        let Some((host, session)) = self.session.trim_start_matches("http://").split_once('/') else { return };
        let Ok(mut driver) = std::net::TcpStream::connect(host) else { return };
        let _ = driver.set_read_timeout(Some(Duration::from_secs(10)));
        let _ = write!(driver, "DELETE /{session} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let _ = driver.read_to_end(&mut Vec::new());
    }
}

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader", // WebGL without a graphics card; the pages are our own
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

#[tokio::test]
async fn every_page_fits_in_both_languages_colours_and_widths() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    for (width, colours) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, colours).await;
        for path in ["/", "/api", "/words", "/words/bias", "/datasets?set=skin-sample", "/triplet", "/skin", "/nothing"] {
            for (language, direction) in [("en", "ltr"), ("fa", "rtl")] {
                let at = format!("{path} in {language}, {colours}, at {width}");
                let separator = if path.contains('?') { '&' } else { '?' };
                browser.open(&format!("{}{path}{separator}lang={language}", server.address)).await;
                let seen = browser
                    .run("return [document.documentElement.scrollWidth, document.documentElement.lang, document.dir, getComputedStyle(document.body).backgroundColor]")
                    .await;
                assert!(seen[0].as_u64().unwrap() <= u64::from(width), "{at}: {} pixels wide", seen[0]);
                assert_eq!((&seen[1], &seen[2]), (&json!(language), &json!(direction)), "{at}");
                let mut shift = browser.run(LAYOUT_SHIFT).await.as_f64().unwrap();
                if shift >= 0.02 {
                    // On a busy machine a page may be painted before all of it has come. One that moves by itself does so again.
                    browser.open(&format!("{}{path}{separator}lang={language}", server.address)).await;
                    shift = browser.run(LAYOUT_SHIFT).await.as_f64().unwrap();
                }
                assert!(shift < 0.02, "{at}: something moved as it loaded, by {shift}");
                let brightness: u32 = digits(seen[3].as_str().unwrap()).iter().sum();
                assert_eq!(brightness > 3 * 128, colours == "light", "{at}: {}", seen[3]);
                let said: Vec<String> =
                    browser.console().await.into_iter().filter(|line| !(path == "/nothing" && line.contains("404"))).collect();
                assert!(said.is_empty(), "{at}: {said:?}");
            }
        }
    }
}

/// The sum of what the page's parts moved by without being asked (web.dev/cls): 0, or a thousandth or two where a busy machine brings a
/// typeface between the first and the second frame.
pub const LAYOUT_SHIFT: &str = "const observer = new PerformanceObserver(() => {}); observer.observe({type: 'layout-shift', buffered: true}); \
                            return observer.takeRecords().reduce((sum, entry) => sum + entry.value, 0)";

/// The numbers of `rgb(253, 253, 251)`.
fn digits(text: &str) -> Vec<u32> {
    text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[tokio::test]
async fn the_first_tab_stop_skips_to_the_content() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.look(1280, "light").await;
    browser.open(&server.address).await;
    browser.press("Tab", 9).await;
    let place = browser.run("const link = document.activeElement; return [link.className, link.getBoundingClientRect().top >= 0]").await;
    assert_eq!(place, json!(["skip", true]));
    browser.press("Enter", 13).await;
    assert_eq!(browser.run("return [location.hash, document.activeElement.id]").await, json!(["#content", "content"]));
}

#[tokio::test]
async fn a_chosen_theme_and_language_stay_against_what_the_system_says() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.look(1280, "light").await;
    browser.open(&server.address).await;
    for (button, expected) in [("theme=dark", json!(["dark", "ltr"])), ("language=fa", json!(["dark", "rtl"]))] {
        let (name, value) = button.split_once('=').unwrap();
        browser.run(&format!("document.querySelector('button[name={name}][value={value}]').click()")).await;
        browser.open(&format!("{}/api", server.address)).await;
        assert_eq!(browser.run("return [document.documentElement.dataset.theme, document.dir]").await, expected, "{button}");
    }
}
