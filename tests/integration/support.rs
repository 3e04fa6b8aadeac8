//! A real server on a free port with a small vector set in a temporary folder, and a client for it.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use torchboard::words::import::Import;

/// The id of the small vector set.
pub const SET: &str = "small";
/// How many words the small vector set has.
pub const VOCABULARY: usize = 4 + FILLERS;
const FILLERS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(90);

/// A running server; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    /// What it prints after that.
    lines: Mutex<mpsc::Receiver<String>>,
    client: Client,
    folder: tempfile::TempDir,
    /// Removed with the server.
    datasets: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server that knows the set [`SET`], and waits until it says that it listens.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Self::start`], with a folder of data sets that holds these analogy questions: names of sections, and their lines.
    pub fn start_with_questions(sections: &[(&str, &str)]) -> Self {
        let datasets = tempfile::tempdir().unwrap();
        let questions = datasets.path().join("glove/questions");
        std::fs::create_dir_all(&questions).unwrap();
        for (name, lines) in sections {
            std::fs::write(questions.join(format!("{name}.txt")), lines).unwrap();
        }
        let mut server = Self::start_with(&["--datasets".as_ref(), datasets.path().as_os_str()]);
        server.datasets = Some(datasets);
        server
    }

    /// As [`Self::start`], with more arguments.
    pub fn start_with(arguments: &[&OsStr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        import_small_set(folder.path());
        let (child, address, lines) = spawn(folder.path(), arguments);
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build().unwrap();
        Self { address, child, lines: Mutex::new(lines), client, folder, datasets: None }
    }

    /// As [`Self::start`], with more in its environment.
    pub fn start_in(environment: &[(&str, OsString)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        import_small_set(folder.path());
        let (child, address, lines) = spawn_as(folder.path(), &["--without-shipped-runs".as_ref()], environment);
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build().unwrap();
        Self { address, child, lines: Mutex::new(lines), client, folder, datasets: None }
    }

    /// A server on a folder that has been used before, which is removed with it.
    pub fn start_on(folder: tempfile::TempDir) -> Self {
        let (child, address, lines) = spawn(folder.path(), &[]);
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build().unwrap();
        Self { address, child, lines: Mutex::new(lines), client, folder, datasets: None }
    }

    /// Ends the server by this signal, and starts another on the same folder.
    pub fn restart(&mut self, signal: &str) {
        let asked = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap();
        let (child, address, lines) = spawn(self.folder.path(), &[]);
        (self.child, self.address, self.lines) = (child, address, Mutex::new(lines));
    }

    /// The first line that it prints from here on that contains `text`.
    pub fn says(&self, text: &str) -> String {
        let lines = self.lines.lock().unwrap();
        std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok())
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no line with {text:?}"))
    }

    /// The number of the server's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The folder that the server was given.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// A request to `path`.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.address))
    }

    /// The response to GET `path`.
    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    /// What GET `path` answers, which must be JSON with this status.
    pub async fn json(&self, path: &str, status: u16) -> serde_json::Value {
        let response = self.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        response.json().await.unwrap()
    }

    /// The page at `path`, which must be there.
    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// Asks the server to stop, as `kill` does, and waits until it has.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where the server has stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server as a user starts it, with the runs that come with the program; it is stopped when this is dropped.
pub struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub address: String,
}

impl Served {
    /// On a folder that may be empty.
    pub fn start(folder: &Path) -> Self {
        let (child, address, _) = spawn_as(folder, &[], &[]);
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a thing as long as it moves, however slowly: a busy machine fails no test, and what stands still does.
pub struct Standing {
    before: serde_json::Value,
    moved: Instant,
}

impl Standing {
    pub fn new() -> Self {
        Self { before: serde_json::Value::Null, moved: Instant::now() }
    }

    /// Notes how the thing stands `now` and lets a moment pass; fails when it has stood so for three minutes.
    pub async fn wait(&mut self, now: serde_json::Value) {
        if now != self.before {
            *self = Self { before: now, moved: Instant::now() };
        }
        assert!(self.moved.elapsed() < Duration::from_mins(3), "it stands still: {}", self.before);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A server on this folder without the runs that come with the program, and its address.
fn spawn(folder: &Path, arguments: &[&OsStr]) -> (Child, String, mpsc::Receiver<String>) {
    spawn_as(folder, &[&["--without-shipped-runs".as_ref()], arguments].concat(), &[])
}

fn spawn_as(folder: &Path, arguments: &[&OsStr], environment: &[(&str, OsString)]) -> (Child, String, mpsc::Receiver<String>) {
    let mut child = command()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .args(["serve", "--address", "127.0.0.1:0", "--device", "cpu", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let first = lines.recv_timeout(PATIENCE);
    let Some(address) = first.as_deref().ok().and_then(|line| line.strip_prefix("listening on ")) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("the first line was {first:?}");
    };
    let address = address.to_owned();
    (child, address, lines)
}

/// The program under test, in an environment that says nothing of data sets.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torchboard"));
    command.env_remove("TORCHBOARD_DATA").env_remove("TORCHBOARD_DATA_DIR").env_remove("TORCHBOARD_MIRROR");
    command
}

/// A folder of data sets that holds these analogy questions, as one section called `royal`.
pub fn with_questions(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("glove/questions");
    std::fs::create_dir_all(&questions).unwrap();
    std::fs::write(questions.join("royal.txt"), text).unwrap();
    folder
}

/// Four words whose analogy can be worked out by hand, on the axes male, female, royal; and words far from them.
pub fn import_small_set(data_dir: &Path) {
    let mut text = String::from("man 1 0 0 0 0\nwoman 0 1 0 0 0\nking 1 0 1 0 0\nqueen 0 1 1 0 0\n");
    for number in 0..FILLERS {
        let angle = number as f32 / FILLERS as f32;
        writeln!(text, "filler{number} -0.1 -0.1 -0.1 {} {}", angle.cos(), angle.sin()).unwrap();
    }
    let source = data_dir.join("small.txt");
    std::fs::write(&source, text).unwrap();
    let mut import = Import::named_after(&source, None).unwrap();
    import.name = "A small set".into();
    import.source = "made for a test".into();
    import.licence = "CC0".into();
    assert_eq!(import.id, SET);
    let folder = data_dir.join("words");
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(import.run(&folder).unwrap().set.len(), VOCABULARY);
}
