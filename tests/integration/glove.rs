//! Training `GloVe` vectors through the command line.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use torchboard::{
    store::{Query, Store},
    train::State,
};

/// A corpus in which `cat` and `dog` stand in the same places, and `stone` elsewhere.
fn corpus(sentences: usize) -> String {
    let animals = ["cat", "dog"];
    let verbs = ["sleeps", "eats", "plays", "runs"];
    let places = ["house", "garden", "kitchen"];
    (0..sentences)
        .map(|i| {
            let place = places[i * 7 % 11 % 3];
            format!(
                "The {} {} in the {place}. A stone lies, grey and cold, under {} rivers!\n",
                animals[i * 5 % 7 % 2],
                verbs[i * 3 % 13 % 4],
                i % 5
            )
        })
        .collect()
}

fn train(folder: &Path, corpora: &[&Path], more: &[&str]) -> Output {
    command(folder, corpora, more).output().unwrap()
}

fn command(folder: &Path, corpora: &[&Path], more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torchboard"));
    command.args(["train", "glove", "--json", "--data-dir"]).arg(folder.join("data")).arg("--corpus").args(corpora).args(more);
    command
}

fn written(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Trains to a file and gives its bytes.
fn vectors(folder: &Path, corpora: &[&Path], more: &[&str]) -> Vec<u8> {
    let path = folder.join("vectors.txt");
    let output = train(
        folder,
        corpora,
        &[&["--output", path.to_str().unwrap(), "--set", "dimension=20", "epochs=5", "minimum_count=2"], more].concat(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    bytes
}

fn cosine(text: &str, a: &str, b: &str) -> f32 {
    let row = |word: &str| -> Vec<f32> {
        let line = text.lines().find(|line| line.split(' ').next() == Some(word)).unwrap();
        line.split(' ').skip(1).map(|value| value.parse().unwrap()).collect()
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (a, b) = (row(a), row(b));
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn words_in_the_same_places_get_near_vectors_and_events_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let text = written(folder.path(), "corpus.txt", corpus(2000).as_bytes());
    let path = folder.path().join("vectors.txt");
    let record = folder.path().join("record.json");
    let to = ["--output", path.to_str().unwrap(), "--record", record.to_str().unwrap(), "--set", "dimension=20", "epochs=20"];
    let output = train(folder.path(), &[&text], &to);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let vectors = fs::read_to_string(&path).unwrap();
    assert!(cosine(&vectors, "cat", "dog") > cosine(&vectors, "cat", "stone") + 0.3);
    assert_eq!(vectors.lines().next().unwrap().split(' ').count(), 21);

    let events = events(&output);
    assert!(events.iter().enumerate().all(|(index, event)| event["number"] == index + 1));
    assert_eq!((&events[0]["event"], &events[0]["state"]), (&"state".into(), &"running".into()));
    let losses: Vec<f64> = events.iter().filter(|event| event["event"] == "metric").map(|event| event["value"].as_f64().unwrap()).collect();
    assert_eq!(losses.len(), 20);
    assert!(losses[19] < losses[0] / 4.0, "{losses:?}");
    for phase in ["cooccurrence", "shuffle", "training"] {
        assert!(events.iter().any(|event| event["event"] == "progress" && event["phase"] == phase), "{phase}");
    }
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["state"]), (&"end".into(), &"done".into()));
    let record: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    assert_eq!(record, last["record"]);
    // The same training stands among the runs of the dashboard.
    let store = Store::open(&folder.path().join("data")).unwrap();
    let runs = store.runs(&Query { limit: 10, ..Query::default() }).unwrap().runs;
    assert_eq!((runs.len(), runs[0].system.as_str(), runs[0].state), (1, "glove", State::Done));
    assert_eq!((&runs[0].config["dimension"], &runs[0].config["corpora"]), (&20.into(), &serde_json::json!(["corpus.txt"])));
    let curve: Vec<f64> = store.curves(&runs[0].id).unwrap().remove(0).points.iter().map(|point| point.value).collect();
    assert!(curve.iter().zip(&losses).all(|(one, other)| (one - other).abs() < 1e-9) && curve.len() == 20, "{curve:?}");
    // The 13 words, numbers and marks of the template's first sentence on, counted by hand: 9 + 10 tokens to a line.
    assert_eq!(record["tokens"], 2000 * 19);
}

#[test]
fn one_seed_gives_the_same_bits_whatever_the_threads_the_memory_and_the_wrapping() {
    let folder = tempfile::tempdir().unwrap();
    let text = corpus(3000);
    let plain = written(folder.path(), "corpus.txt", text.as_bytes());
    let packed = written(folder.path(), "corpus.gz", &gzipped(text.as_bytes()));
    let one = vectors(folder.path(), &[&plain], &["--seed", "3", "--threads", "1"]);
    assert_eq!(one, vectors(folder.path(), &[&plain], &["--seed", "3", "--threads", "1"]), "not repeatable");
    assert_eq!(one, vectors(folder.path(), &[&plain], &["--seed", "3", "--threads", "3"]), "threads matter");
    assert_eq!(one, vectors(folder.path(), &[&packed], &["--seed", "3", "--set", "memory=1M"]), "gzip or memory matters");
    assert_ne!(one, vectors(folder.path(), &[&plain], &["--seed", "4"]), "the seed does not matter");
}

#[test]
fn an_interrupt_saves_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = written(folder.path(), "corpus.txt", corpus(500).as_bytes());
    let path = folder.path().join("vectors.txt");
    let arguments = ["--output", path.to_str().unwrap(), "--set", "epochs=10000"];
    let mut child = command(folder.path(), &[&text], &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    // So many passes that the vectors say something, however soon the interrupt arrives after them.
    assert!(lines.by_ref().filter(|event| event["event"] == "metric").nth(99).is_some(), "it ended before it was interrupted");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let last = lines.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((&last["event"], &last["state"], &last["record"]["cancelled"]), (&"end".into(), &"cancelled".into(), &true.into()));
    let vectors = fs::read_to_string(path).unwrap();
    assert_eq!(Value::from(vectors.lines().count()), last["record"]["vocabulary"]);
    assert!(cosine(&vectors, "cat", "dog") > cosine(&vectors, "cat", "stone"));
}

#[test]
fn a_request_in_the_store_ends_a_training_and_its_run_is_not_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = written(folder.path(), "corpus.txt", corpus(500).as_bytes());
    let path = folder.path().join("vectors.txt");
    let arguments = ["--output", path.to_str().unwrap(), "--set", "epochs=10000"];
    let mut child = command(folder.path(), &[&text], &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(lines.by_ref().any(|event| event["event"] == "metric"), "it ended before it was asked to");
    let store = Store::open(&folder.path().join("data")).unwrap();
    let id = store.runs(&Query { limit: 10, ..Query::default() }).unwrap().runs.remove(0).id;
    assert!(torchboard::jobs::recover(&store).unwrap().is_empty(), "its process lives, and so does the run");
    store.request_stop(&id).unwrap();
    assert_eq!(lines.last().unwrap()["state"], "cancelled");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(store.run(&id).unwrap().state, State::Cancelled);
    let refused = torchboard::jobs::resume(&store, &id, State::Queued).unwrap_err().to_string();
    assert!(refused.contains("torchboard train glove"), "{refused}");
}

#[test]
fn what_cannot_be_trained_on_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let good = written(folder.path(), "good.txt", corpus(100).as_bytes());
    let mut cut = gzipped(corpus(3000).as_bytes());
    cut.truncate(cut.len() / 2);
    let mut flipped = gzipped(corpus(100).as_bytes());
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    let rubbish: [(&str, PathBuf, &str); 7] = [
        ("empty", written(folder.path(), "empty.txt", b""), "corpus"),
        ("binary", written(folder.path(), "binary", &[0, 159, 146, 150].repeat(1000)), "binary: line 1 is not text in UTF-8"),
        ("missing", folder.path().join("missing.txt"), "missing.txt: can't be opened"),
        ("a folder", folder.path().to_owned(), "is no file"),
        ("cut", written(folder.path(), "cut.gz", &cut), "cut.gz: can't be read to its end"),
        ("flipped", written(folder.path(), "flipped.gz", &flipped), "flipped.gz: can't be read to its end"),
        ("rare words", written(folder.path(), "rare.txt", b"every word here is rare"), "minimum_count"),
    ];
    for (case, path, said) in rubbish {
        let output = train(folder.path(), &[&path], &["--output", folder.path().join("out.txt").to_str().unwrap()]);
        fails(case, &output, said);
    }
    for (setting, said) in
        [("dimensions=3", "dimensions: there is no such setting"), ("window=0", "window: expected a whole number from 1 to 100")]
    {
        let output = train(folder.path(), &[&good], &["--output", folder.path().join("out.txt").to_str().unwrap(), "--set", setting]);
        fails(setting, &output, said);
    }
    let nowhere = folder.path().join("nowhere/out.txt");
    fails("no folder", &train(folder.path(), &[&good], &["--output", nowhere.to_str().unwrap()]), "output: there is no folder");
    assert!(!folder.path().join("out.txt").exists(), "a failed training left a file");
}

fn fails(case: &str, output: &Output, said: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{case}: {message}");
    assert!(message.contains(said), "{case}: {message}");
    let events = events(output);
    let last = events.last().unwrap_or_else(|| panic!("{case}: no events"));
    assert_eq!((&last["event"], &last["state"]), (&"end".into(), &"failed".into()), "{case}");
    assert!(last["reason"].as_str().unwrap().contains(said), "{case}: {last}");
}

#[test]
fn a_trained_set_joins_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let text = written(folder.path(), "corpus.txt", corpus(300).as_bytes());
    let output = train(folder.path(), &[&text], &["--id", "farm", "--name", "A farm", "--set", "dimension=16", "epochs=3"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let set = torchboard::words::VectorSet::open(&folder.path().join("data/words/farm.vectors")).unwrap();
    assert_eq!((set.dimension(), set.info().name.as_str(), set.word(0)), (16, "A farm", "the"));

    let path = folder.path().join("farm.tbc");
    let output = train(folder.path(), &[&text], &["--output", path.to_str().unwrap(), "--set", "dimension=16", "epochs=3"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = fs::read(path).unwrap();
    let (_, compact) = torchboard::words::compact::read(&file).unwrap();
    assert_eq!(compact.len(), set.len());
    for index in 0..set.len() {
        let largest = set.row(index).iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        for (exact, coarse) in set.row(index).iter().zip(&compact[index].1) {
            assert!((exact - coarse).abs() <= largest / 127.0 * 0.5001, "{exact} became {coarse}");
        }
    }
}
