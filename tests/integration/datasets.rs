//! Data sets: found, refused, fetched and looked at, in the terminal, over HTTP and on the page.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use serde_json::Value;
use torchboard::{
    config::Settings,
    data::{Datasets, State},
    models::DeviceChoice,
};

use crate::support::{Server, command};

/// Serves `folder/...` under every path that ends with a file of it; what is not there is 404. The path that `held` names gets half of its
/// promised bytes at first, and its end when the gate opens.
pub struct Mirror {
    pub address: String,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Mirror {
    pub fn start(folder: Option<PathBuf>, held: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let opened = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, opened) = (folder.clone(), Arc::clone(&opened));
                // The client may hang up at any moment.
                thread::spawn(move || drop(Self::answer(stream, folder.as_deref(), held, &opened)));
            }
        });
        Self { address, gate }
    }

    fn answer(
        mut stream: std::net::TcpStream,
        folder: Option<&Path>,
        held: Option<&str>,
        gate: &(Mutex<bool>, Condvar),
    ) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = 0;
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            if let Some((_, from)) = line.split_once("bytes=") {
                range = from.trim_end_matches('-').parse().unwrap();
            }
        }
        let is_open = *gate.0.lock().unwrap();
        if held.is_some_and(|held| path.ends_with(held)) && !is_open {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&vec![0; 500_000])?;
            drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
            return Ok(());
        }
        match folder.and_then(|folder| fs::read(folder.join(path.trim_start_matches('/'))).ok()) {
            Some(body) if range > 0 => {
                write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}-{}/{}\r\n", body.len() - 1, body.len())?;
                write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", body.len() - range)?;
                stream.write_all(&body[range..])
            }
            Some(body) => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
                stream.write_all(&body)
            }
            None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        }
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

pub fn with_mirror(mirror: &Mirror) -> Server {
    Server::start_with(&["--mirror".as_ref(), mirror.address.as_ref()])
}

pub fn settings(data_dir: &Path, datasets: Option<&Path>) -> Settings {
    let datasets = datasets.map(Path::to_owned);
    Settings { data_dir: data_dir.to_owned(), datasets, device: DeviceChoice::default(), mirror: None, threads: 1 }
}

pub async fn states(server: &Server) -> BTreeMap<String, String> {
    let listed = server.json("/api/v1/datasets", 200).await;
    assert_eq!(listed["next_cursor"], Value::Null);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed["items"].as_array().unwrap().iter().map(|item| (text(&item["id"]), text(&item["state"]))).collect()
}

fn write_idx(path: &Path, magic: u32, dimensions: &[u32], values: &[u8]) {
    let words: Vec<u8> = [&[magic], dimensions].concat().into_iter().flat_map(u32::to_be_bytes).collect();
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
    encoder.write_all(&[&words, values].concat()).unwrap();
    encoder.finish().unwrap();
}

/// A folder of data sets whose `mnist/` has these four files: two images of 2 by 2, and their labels.
fn small_mnist(labels: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");
    fs::create_dir(&folder).unwrap();
    for start in ["train", "t10k"] {
        write_idx(&folder.join(format!("{start}-images-idx3-ubyte.gz")), 0x803, &[2, 2, 2], &[7; 8]);
        write_idx(&folder.join(format!("{start}-labels-idx1-ubyte.gz")), 0x801, &[labels.len() as u32], labels);
    }
    root
}

#[tokio::test]
async fn samples_are_ready_at_once_and_what_is_published_is_not_here() {
    let server = Server::start();
    let listed = server.json("/api/v1/datasets", 200).await;
    let items = listed["items"].as_array().unwrap();
    for item in items {
        let synthetic = item["id"].as_str().unwrap().ends_with("-sample");
        assert_eq!(
            (item["state"].as_str(), item["synthetic"].as_bool()),
            (Some(if synthetic { "ready" } else { "absent" }), Some(synthetic))
        );
        assert!(item["splits"]["train"].as_u64().unwrap() > 0 && item["licence"].is_string() && item["source"].is_string());
    }
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let published = ["mnist", "fashion-mnist", "dermamnist", "ham10000-28", "ham10000-28-grouped"];
    assert_eq!(ids, [&published[..], &["mnist-sample", "fashion-mnist-sample", "skin-sample"]].concat());
    assert_eq!((&items[3]["codes"][4], &items[3]["questions"]["malignant"]), (&Value::from("mel"), &serde_json::json!([0, 1, 4])));
    assert_eq!(items[1]["bytes"], 26_421_880 + 29_515 + 4_422_102 + 5148);
    assert_eq!((&items[0]["fetchable"], &items[3]["fetchable"]), (&Value::from(true), &Value::from(false)));
}

#[tokio::test]
async fn an_image_is_a_png_of_its_shape_that_may_be_kept() {
    let server = Server::start();
    for (path, kind) in
        [("mnist-sample/images/test/99.png", png::ColorType::Grayscale), ("skin-sample/images/validation/0.png", png::ColorType::Rgb)]
    {
        let response = server.get(&format!("/api/v1/datasets/{path}")).await;
        assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
        assert_eq!(response.headers()["cache-control"], "public, max-age=86400");
        let bytes = response.bytes().await.unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes[..])).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height, reader.info().color_type), (28, 28, kind));
    }
    for path in [
        "mnist-sample/images/test/100.png",
        "mnist-sample/images/validation/0.png",
        "mnist-sample/images/test/0.jpg",
        "mnist-sample/images/test/x.png",
        "mnist-sample/images/whole/0.png",
        "nothing/images/test/0.png",
    ] {
        assert_eq!(server.get(&format!("/api/v1/datasets/{path}")).await.status(), 404, "{path}");
    }
    let absent = server.json("/api/v1/datasets/fashion-mnist/images/test/0.png", 503).await;
    let detail = absent["detail"].as_str().unwrap();
    assert!(detail.contains("torchboard fetch fashion-mnist") && detail.contains("datasets/fashion-mnist"), "{detail}");
}

#[tokio::test]
async fn another_file_than_the_published_one_is_invalid_and_says_so() {
    let root = small_mnist(&[3, 5]);
    let server = Server::start_with(&["--datasets".as_ref(), root.path().as_os_str()]);
    let mnist = server.json("/api/v1/datasets", 200).await["items"][0].clone();
    let reason = mnist["reason"].as_str().unwrap();
    assert_eq!(mnist["state"], "invalid");
    assert!(reason.contains("train-images-idx3-ubyte.gz: is not the published file: its SHA-256 is"), "{reason}");
    assert_eq!(server.json("/api/v1/datasets/mnist/images/train/0.png", 503).await["status"], 503);
    let page = server.page("/datasets?set=mnist").await;
    assert!(page.contains("is not the published file") && page.contains("/datasets/mnist/fetch"));
}

#[test]
fn rubbish_is_named_with_its_file_and_looked_at_again_when_it_changes() {
    let (root, data_dir) = (small_mnist(&[3, 5]), tempfile::tempdir().unwrap());
    let images = root.path().join("mnist/train-images-idx3-ubyte.gz");
    let reason = || {
        let datasets = Datasets::open(&settings(data_dir.path(), Some(root.path())));
        let status = datasets.status(datasets.get("mnist").unwrap());
        assert_eq!(status.state, State::Invalid);
        status.reason.unwrap()
    };
    let whole = fs::read(&images).unwrap();
    fs::write(&images, &whole[..whole.len() - 6]).unwrap();
    assert!(reason().contains("train-images-idx3-ubyte.gz: is cut or damaged"), "{}", reason());
    assert!(data_dir.path().join("datasets/verdicts.json").exists());
    write_idx(&images, 0x801, &[8], &[7; 8]);
    assert!(reason().contains("begins with 0x00000801; expected 0x00000803"), "{}", reason());
    write_idx(&images, 0x803, &[3, 2, 2], &[7; 8]);
    assert!(reason().contains("ends after 8 of the 12 bytes"), "{}", reason());
    fs::remove_file(&images).unwrap();
    let datasets = Datasets::open(&settings(data_dir.path(), Some(root.path())));
    assert_eq!(datasets.status(datasets.get("mnist").unwrap()).state, State::Absent);
}

/// A verdict is trusted for as long as the file's length and time stay, and only in what it was asked for.
#[test]
fn a_verdict_is_remembered_and_not_believed_of_another_file() {
    let (root, data_dir) = (small_mnist(&[3, 5]), tempfile::tempdir().unwrap());
    let state = || {
        let datasets = Datasets::open(&settings(data_dir.path(), Some(root.path())));
        datasets.status(datasets.get("mnist").unwrap()).state
    };
    assert_eq!(state(), State::Invalid);
    let path = data_dir.path().join("datasets/verdicts.json");
    // As if each had been found good: no file is read again.
    let mut verdicts: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let expected = datasets_contents();
    let known = verdicts.as_object_mut().unwrap();
    let template = known.values().next().unwrap().clone();
    for (name, checksum) in &expected {
        let file = root.path().join("mnist").join(name);
        let metadata = fs::metadata(&file).unwrap();
        let modified = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let mut verdict = template.clone();
        verdict["bytes"] = metadata.len().into();
        verdict["modified_ns"] = serde_json::from_str(&modified.to_string()).unwrap();
        verdict["expected"] = checksum.as_str().into();
        verdict["fault"] = Value::Null;
        known.insert(file.display().to_string(), verdict);
    }
    fs::write(&path, verdicts.to_string()).unwrap();
    assert_eq!(state(), State::Ready);
    write_idx(&root.path().join("mnist/t10k-labels-idx1-ubyte.gz"), 0x801, &[3], &[1, 2, 3]);
    assert_eq!(state(), State::Invalid);
}

/// File names and checksums that the manifest asks of MNIST.
fn datasets_contents() -> Vec<(String, String)> {
    let mnist = &torchboard::data::datasets()[0];
    mnist.about.files.iter().map(|file| (file.file_name.clone(), file.contents.as_ref().unwrap().to_string())).collect()
}

#[tokio::test]
async fn a_fetch_that_fails_says_why_and_can_be_asked_for_again() {
    let mirror = Mirror::start(None, None);
    let server = with_mirror(&mirror);
    let begun = server.request("POST", "/api/v1/datasets/fashion-mnist/fetch").send().await.unwrap();
    assert_eq!(begun.status(), 202);
    assert_eq!(begun.json::<Value>().await.unwrap()["id"], "fashion-mnist");
    let events = server.page("/api/v1/datasets/fashion-mnist/events").await;
    let last = events.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("event: state") && last.contains(r#""state":"absent""#) && last.contains("404 Not Found"), "{events}");
    let again = server.request("POST", "/api/v1/datasets/fashion-mnist/fetch").send().await.unwrap();
    assert_eq!(again.status(), 202);
    for (path, status) in
        [("/api/v1/datasets/nothing/fetch", 404), ("/api/v1/datasets/ham10000-28/fetch", 422), ("/api/v1/datasets/mnist-sample/fetch", 422)]
    {
        assert_eq!(server.request("POST", path).send().await.unwrap().status(), status, "{path}");
    }
    assert_eq!(server.get("/api/v1/datasets/nothing/events").await.status(), 404);
    let idle = server.get("/api/v1/datasets/mnist-sample/events").await;
    assert!(idle.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(idle.text().await.unwrap().contains(r#""state":"ready""#));
}

#[tokio::test]
async fn a_fetch_is_followed_as_it_goes() {
    let mirror = Mirror::start(None, Some("mnist/train-images-idx3-ubyte.gz"));
    let server = with_mirror(&mirror);
    let back = server.request("POST", "/datasets/mnist/fetch").send().await.unwrap();
    assert_eq!((back.status().as_u16(), back.headers()["location"].to_str().unwrap()), (303, "/datasets?set=mnist"));
    let mut events = server.get("/api/v1/datasets/mnist/events").await;
    let mut said = String::new();
    while !said.contains(r#""bytes":500000"#) {
        said += std::str::from_utf8(&events.chunk().await.unwrap().expect("the stream goes on")).unwrap();
    }
    assert!(
        said.contains("event: progress") && said.contains(r#""file":"train-images-idx3-ubyte.gz""#) && said.contains(r#""total":11594722"#),
        "{said}"
    );
    assert_eq!(states(&server).await["mnist"], "fetching");
    let page = server.page("/datasets?set=mnist").await;
    assert!(
        page.contains("data-events=\"/api/v1/datasets/mnist/events\"")
            && page.contains("0.5 of 11.6 MB")
            && page.contains("http-equiv=\"refresh\"")
    );
    mirror.open();
    while let Some(chunk) = events.chunk().await.unwrap() {
        said += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(said.trim_end().rsplit("\n\n").next().unwrap().contains("500000 of 9912422 bytes are here"), "{said}");
    assert_eq!(states(&server).await["mnist"], "absent");
}

#[test]
fn the_terminal_says_what_it_lacks() {
    let (mirror, folder) = (Mirror::start(None, None), tempfile::tempdir().unwrap());
    let output = command().args(["fetch", "dermamnist", "--mirror", &mirror.address, "--data-dir"]).arg(folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("dermamnist.npz") && error.contains("404 Not Found"), "{error}");
    let wrong = command().args(["fetch", "mnist", "--address", "http://127.0.0.1:9/"]).output().unwrap();
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("--mirror"));
}

#[tokio::test]
async fn the_page_shows_states_balance_and_images_in_both_languages() {
    let server = Server::start();
    for language in ["en", "fa"] {
        let page = server.page(&format!("/datasets?set=skin-sample&split=test&class=5&page=2&lang={language}")).await;
        assert!(!page.contains("Unknown localization") && !page.contains(" style="), "{language}");
        assert_eq!(page.matches("/api/v1/datasets/skin-sample/images/test/").count(), 2 * 60, "{language}: a page of images");
        assert!(page.contains("/figures/datasets-balance.csv?set=skin-sample") && page.contains("class=\"figure-wide\""), "{language}");
        assert!(page.contains("split=test&amp;class=5&amp;page=3") || page.contains("split=test&#38;class=5&#38;page=3"), "{language}");
        assert_eq!(page.matches("class=\"synthetic\"").count(), 4, "{language}: three sets in the list, and the one that is shown");
    }
    for (page, first, last) in [("", 0, 59), ("&page=2", 60, 119)] {
        let shown = server.page(&format!("/datasets?set=mnist-sample{page}")).await;
        let has = |index: usize| shown.contains(&format!("/images/train/{index}.png\""));
        assert!(has(first) && has(last) && !has(last + 1) && (first == 0 || !has(first - 1)), "page {page}");
    }
    let csv = server.page("/figures/datasets-balance.csv?set=skin-sample").await;
    assert!(csv.contains("\ntrain,5,melanocytic nevi,469\n"), "{csv}");
    assert_eq!(server.json("/figures/datasets-balance.json?set=mnist-sample", 200).await["rows"][0]["images"], 60);
    assert!(server.page("/figures/datasets-balance.svg?set=mnist-sample&lang=fa").await.starts_with("<svg"));
    assert_eq!(server.get("/figures/datasets-balance.png?set=mnist-sample&scale=1").await.headers()["content-type"], "image/png");
    for (path, status) in [
        ("/datasets?set=nothing", 404),
        ("/datasets?set=mnist-sample&split=validation", 422),
        ("/datasets?set=mnist-sample&class=10", 422),
        ("/datasets?set=mnist-sample&page=11", 422),
        ("/figures/datasets-balance.csv?set=mnist", 503),
        ("/figures/datasets-balance.csv", 422),
        ("/figures/datasets-nothing.csv?set=mnist-sample", 404),
        ("/figures/datasets-balance.gif?set=mnist-sample", 404),
    ] {
        assert_eq!(server.get(path).await.status(), status, "{path}");
    }
    assert_eq!(server.get("/datasets/mnist/fetch").await.status(), 405);
}
