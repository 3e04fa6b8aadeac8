//! Downloads from a server on loopback that misbehaves in every way that matters.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use torchboard::data::{
    DownloadError, Downloader,
    checksum::{Checksum, sha256},
    fetch::{FetchError, Progress, fetch as fetch_all},
    manifest::{Download, Publication, Size},
};

/// What the server does with one request. It hangs up after each.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// All that is asked for, ranges understood.
    Good,
    /// All of it from the start, ranges or not.
    NoRanges,
    /// Ends the connection after so many bytes of the body.
    Truncate(usize),
    /// Sends so many bytes, then nothing more, and keeps the connection.
    Stall(usize),
    /// One wrong byte.
    Corrupt,
    /// More than was promised.
    Oversized,
    /// A part that was not asked for.
    WrongRange,
    /// A bare status, with a header line.
    Status(&'static str, &'static str),
}

/// What a request asked for.
#[derive(Debug, Clone, Default, PartialEq)]
struct Asked {
    path: String,
    range: Option<String>,
    if_range: Option<String>,
}

struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[test]
fn a_whole_file_comes_in_one_go() {
    let (server, folder) = (Server::start(vec![Manner::Good]), tempfile::tempdir().unwrap());
    let mut last = 0;
    let path = patient().fetch(&wanted(&[&server]), folder.path(), &mut |have, all| {
        assert!(have >= last && have <= all);
        last = have;
    });
    assert_eq!(fs::read(path.unwrap()).unwrap(), body());
    assert_eq!(last, body().len() as u64);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
    fetch(&[&server], &folder).unwrap();
    assert_eq!(server.asked().len(), 1, "what is there and whole is not fetched again");
}

#[test]
fn a_cut_connection_is_resumed_where_it_ended() {
    let (server, folder) =
        (Server::start(vec![Manner::Truncate(70_000), Manner::Truncate(50_000), Manner::Good]), tempfile::tempdir().unwrap());
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
    let asked = server.asked();
    assert_eq!(asked[0].range, None);
    assert_eq!((asked[1].range.as_deref(), asked[1].if_range.as_deref()), (Some("bytes=70000-"), Some("\"v1\"")));
    assert_eq!(asked[2].range.as_deref(), Some("bytes=120000-"));
}

#[test]
fn a_later_call_goes_on_with_what_an_earlier_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(vec![Manner::Truncate(90_000), Manner::Status("503 Service Unavailable", "")]);
    let error = Downloader { attempts: 1, ..patient() }.fetch(&wanted(&[&first]), folder.path(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { kept: 90_000, .. }), "{error}");
    assert!(error.to_string().contains("ask for it again to go on"), "{error}");
    let second = Server::start(vec![Manner::Good]);
    assert_eq!(fetch(&[&second], &folder).unwrap(), body());
    assert_eq!(second.asked()[0].range.as_deref(), Some("bytes=90000-"));
}

#[test]
fn a_stalled_connection_is_given_up_and_tried_again() {
    let (server, folder) = (Server::start(vec![Manner::Stall(60_000), Manner::Good]), tempfile::tempdir().unwrap());
    let started = Instant::now();
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(server.asked()[1].range.as_deref(), Some("bytes=60000-"));
}

#[test]
fn a_server_without_ranges_begins_again() {
    let (server, folder) = (Server::start(vec![Manner::Truncate(60_000), Manner::NoRanges]), tempfile::tempdir().unwrap());
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
}

#[test]
fn a_wrong_range_is_not_stitched_in() {
    let (server, folder) = (Server::start(vec![Manner::Truncate(60_000), Manner::WrongRange, Manner::Good]), tempfile::tempdir().unwrap());
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
    assert_eq!(server.asked()[2].range, None);
}

#[test]
fn a_damaged_file_never_gets_its_name() {
    let (server, folder) = (Server::start(vec![Manner::Corrupt; 4]), tempfile::tempdir().unwrap());
    let error = fetch(&[&server], &folder).unwrap_err();
    assert!(matches!(error, DownloadError::WrongChecksum { .. }), "{error}");
    assert_eq!(
        fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".etag"))
            .count(),
        0
    );
}

#[test]
fn a_damaged_file_is_fetched_anew() {
    let (bad, good) = (Server::start(vec![Manner::Corrupt; 2]), Server::start(vec![Manner::Good]));
    assert_eq!(fetch(&[&bad, &good], &tempfile::tempdir().unwrap()).unwrap(), body());
    let (server, folder) = (Server::start(vec![Manner::Corrupt, Manner::Good]), tempfile::tempdir().unwrap());
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
}

#[test]
fn mirrors_are_asked_in_turn() {
    let missing = Server::start(vec![Manner::Status("404 Not Found", "")]);
    let larger = Server::start(vec![Manner::Oversized]);
    let good = Server::start(vec![Manner::Good]);
    assert_eq!(fetch(&[&missing, &larger, &good], &tempfile::tempdir().unwrap()).unwrap(), body());
    let error = fetch(&[&Server::start(vec![Manner::Status("404 Not Found", "")])], &tempfile::tempdir().unwrap()).unwrap_err();
    assert!(error.to_string().contains("it answered 404 Not Found"), "{error}");
}

#[test]
fn a_busy_server_is_left_alone_as_long_as_it_wishes() {
    let manners =
        vec![Manner::Status("429 Too Many Requests", "Retry-After: 1\r\n"), Manner::Status("500 Internal Server Error", ""), Manner::Good];
    let (server, folder) = (Server::start(manners), tempfile::tempdir().unwrap());
    let started = Instant::now();
    assert_eq!(fetch(&[&server], &folder).unwrap(), body());
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After is kept");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_server_that_never_answers_well_ends_it() {
    let (server, folder) = (Server::start(vec![Manner::Status("503 Service Unavailable", ""); 20]), tempfile::tempdir().unwrap());
    let error = fetch(&[&server], &folder).unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { kept: 0, .. }), "{error}");
    assert_eq!(server.asked().len(), 4, "as many tries as allowed");
}

#[test]
fn a_length_that_the_publisher_rounds_is_learnt_from_the_answer() {
    let about = |servers: &[&Server]| Download { size: Size::About(190_000), ..wanted(servers) };
    let (server, folder) = (Server::start(vec![Manner::Truncate(70_000), Manner::Good]), tempfile::tempdir().unwrap());
    let mut seen = (0, 0);
    let path = patient().fetch(&about(&[&server]), folder.path(), &mut |have, all| seen = (have, all)).unwrap();
    assert_eq!((fs::read(path).unwrap(), seen), (body(), (200_000, 200_000)));
    assert_eq!(server.asked()[1].range.as_deref(), Some("bytes=70000-"));
    // What is far too long is left off, rather than filling the disk.
    let (server, folder) = (Server::start(vec![Manner::Good; 4]), tempfile::tempdir().unwrap());
    let small = Download { size: Size::About(50_000), ..wanted(&[&server]) };
    let error = patient().fetch(&small, folder.path(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("larger than the expected 100000 bytes"), "{error}");
}

#[test]
fn md5_is_held_where_a_publisher_has_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let of = |body: &[u8]| Checksum::Md5(String::new()).of(&mut &body[..]).unwrap();
    let good = Server::start(vec![Manner::Good]);
    patient().fetch(&Download { checksum: of(&body()), ..wanted(&[&good]) }, folder.path(), &mut |_, _| {}).unwrap();
    let bad = Server::start(vec![Manner::Corrupt; 2]);
    let elsewhere = tempfile::tempdir().unwrap();
    let error = patient().fetch(&Download { checksum: of(&body()), ..wanted(&[&bad]) }, elsewhere.path(), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("its MD5 is"), "{error}");
}

#[test]
fn a_set_of_several_files_comes_from_wherever_each_can_be_had() {
    let (first, folder) = (Server::start(vec![Manner::Truncate(50_000), Manner::Good]), tempfile::tempdir().unwrap());
    let missing = Server::start(vec![Manner::Status("404 Not Found", "")]);
    let second = Server::start(vec![Manner::Corrupt, Manner::Good]);
    let about = publication(&[&[&first], &[&missing, &second]]);
    let mut told: Vec<Progress> = Vec::new();
    let paths = fetch_all(&about, folder.path(), None, &patient(), &mut |progress| told.push(progress.clone())).unwrap();
    assert_eq!(paths.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), [body(), body()]);
    assert_eq!(paths[1].file_name().unwrap(), "file-1.gz");
    assert!(told.iter().all(|progress| progress.total == 400_000 && progress.bytes <= 400_000));
    assert_eq!(told.last().unwrap(), &Progress { file: "file-1.gz".into(), bytes: 400_000, total: 400_000 });
    assert!(told.iter().filter(|progress| progress.file == "file-1.gz").all(|progress| progress.bytes >= 200_000));
}

#[test]
fn a_file_that_fails_leaves_the_others_and_the_next_call_asks_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, broken) =
        (Server::start(vec![Manner::Good]), Server::start(vec![Manner::Truncate(80_000), Manner::Status("404 Not Found", "")]));
    let error = fetch_all(&publication(&[&[&first], &[&broken]]), folder.path(), None, &patient(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, FetchError::Download(DownloadError::Unreachable { file, kept: 80_000, .. }) if file == "file-1.gz"),
        "{error}"
    );
    assert!(folder.path().join("file-0.gz").exists() && !folder.path().join("file-1.gz").exists());
    let (untouched, good) = (Server::start(vec![Manner::Good]), Server::start(vec![Manner::Good]));
    fetch_all(&publication(&[&[&untouched], &[&good]]), folder.path(), None, &patient(), &mut |_| {}).unwrap();
    assert_eq!((untouched.asked().len(), good.asked()[0].range.as_deref()), (0, Some("bytes=80000-")));
}

#[test]
fn a_mirror_takes_the_publishers_place() {
    let (publisher, mirror) = (Server::start(vec![Manner::Good; 2]), Server::start(vec![Manner::Good; 2]));
    let (about, folder) = (publication(&[&[&publisher], &[&publisher]]), tempfile::tempdir().unwrap());
    let base = mirror.address.strip_suffix("/file.zip").unwrap();
    fetch_all(&about, folder.path(), Some(base), &patient(), &mut |_| {}).unwrap();
    assert_eq!(mirror.asked().iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/a-set/file-0.gz", "/a-set/file-1.gz"]);
    assert!(publisher.asked().is_empty());
}

#[test]
fn two_never_write_to_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Manner::Good; 2]);
    let about = publication(&[&[&server]]);
    let mut inner = None;
    fetch_all(&about, folder.path(), None, &patient(), &mut |_| {
        inner.get_or_insert_with(|| fetch_all(&about, folder.path(), None, &patient(), &mut |_| {}));
    })
    .unwrap();
    assert!(matches!(inner, Some(Err(FetchError::Underway(_)))), "{inner:?}");
    fetch_all(&about, folder.path(), None, &patient(), &mut |_| {}).unwrap();
    let homeless = fetch_all(&publication(&[&[]]), folder.path(), None, &patient(), &mut |_| {});
    assert!(matches!(homeless, Err(FetchError::NotPublished(_))), "{homeless:?}");
}

fn patient() -> Downloader {
    Downloader { stall: Duration::from_millis(500), attempts: 4, pause: Duration::from_millis(5), longest_pause: Duration::from_secs(2) }
}

fn fetch(servers: &[&Server], folder: &tempfile::TempDir) -> Result<Vec<u8>, DownloadError> {
    patient().fetch(&wanted(servers), folder.path(), &mut |_, _| {}).map(|path| fs::read(path).unwrap())
}

fn wanted(servers: &[&Server]) -> Download {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    fs::write(&path, body()).unwrap();
    Download {
        file_name: "file.zip".into(),
        addresses: servers.iter().map(|server| server.address.clone()).collect(),
        size: Size::Exact(body().len() as u64),
        checksum: Checksum::Sha256(sha256(&path).unwrap()),
        contents: None,
    }
}

/// Files of the same contents, each at its own servers.
fn publication(files: &[&[&Server]]) -> Publication {
    let file = |(place, servers): (usize, &&[&Server])| Download { file_name: format!("file-{place}.gz"), ..wanted(servers) };
    Publication {
        id: "a-set".into(),
        name: "A set".into(),
        source: "a test".into(),
        licence: "CC0".into(),
        citation: String::new(),
        files: files.iter().enumerate().map(file).collect(),
    }
}

/// 200,000 bytes that do not repeat in step with anything.
fn body() -> Vec<u8> {
    (0..200_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

impl Server {
    /// Answers one request in each of `manners`, then refuses.
    fn start(manners: Vec<Manner>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file.zip", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for manner in manners {
                let Ok((stream, _)) = listener.accept() else { return };
                let log = Arc::clone(&log);
                thread::spawn(move || answer(stream, manner, &log));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// The client may hang up at any moment, so nothing here insists on writing.
fn answer(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<Asked>>) {
    let mut asked = Asked::default();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let Ok(line) = line else { return };
        if let Some(rest) = line.strip_prefix("GET ") {
            asked.path = rest.split(' ').next().unwrap_or_default().into();
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.into()),
            "if-range" => asked.if_range = Some(value.into()),
            "" => break,
            _ => {}
        }
    }
    log.lock().unwrap().push(asked.clone());
    let mut body = body();
    let from: usize = match (&asked.range, manner) {
        (Some(range), Manner::Good | Manner::Truncate(_) | Manner::Stall(_)) => {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
        }
        (Some(_), Manner::WrongRange) => 10,
        _ => 0,
    };
    let all = body.len();
    match manner {
        Manner::Status(status, headers) => {
            drop(write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"));
            return;
        }
        Manner::Corrupt => body[all / 2] ^= 1,
        Manner::Oversized => body.push(0),
        _ => {}
    }
    let part = &body[from..];
    let (status, range) = if from > 0 {
        ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{all}\r\n", all - 1))
    } else {
        ("200 OK", String::new())
    };
    let sent = match manner {
        Manner::Truncate(length) | Manner::Stall(length) => length.min(part.len()),
        _ => part.len(),
    };
    let head = format!("HTTP/1.1 {status}\r\n{range}ETag: \"v1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", part.len());
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&part[..sent])));
    if matches!(manner, Manner::Stall(_)) {
        // Held open until the client has given up: it closes its side.
        drop(stream.flush());
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    }
}
