use std::io::Cursor;

use serde_json::{Map, Value, json};
use zip::ZipArchive;

use super::*;
use crate::{
    data::Split,
    store::{NewRun, Origin, SCHEMA, Store},
    train::{Event, Metric, Outcome},
};

fn run(store: &Store, id: &str, state: State) {
    let new = NewRun {
        id: Some(id.into()),
        system: "mlp".into(),
        name: String::new(),
        config: Map::new(),
        seed: 3,
        threads: 1,
        device: "cpu".into(),
        dataset: None,
        versions: Map::new(),
        hardware: Map::new(),
        parameters: None,
        tags: Vec::new(),
        trial: None,
        repeats: None,
        state: State::Running,
        origin: Origin::Trained,
        notes: String::new(),
    };
    store.create_run(&new).unwrap();
    put(&store.run_folder(id), "worker.log", "a word of libtorch's");
    say(store, id, 1);
    if state == State::Done {
        end(store, id);
    }
}

/// What a training does at the end of an epoch: first the checkpoint, then the word.
fn say(store: &Store, id: &str, epoch: u64) {
    put(&store.run_folder(id), CHECKPOINTS[0], &format!("epoch {epoch}"));
    let metric = Metric { name: "loss".into(), split: Split::Train, epoch, step: epoch, value: 0.5 };
    store.append(id, &[Event::Metric(metric), Event::Checkpoint { epoch }]).unwrap();
}

fn end(store: &Store, id: &str) {
    put(&store.run_folder(id), "weights.safetensors", &format!("weights of {id}"));
    let outcome = Some(Outcome { weights: "cafe".into() });
    store.append(id, &[Event::End { state: State::Done, reason: None, outcome }]).unwrap();
}

/// Renamed into place, as all files of a data folder are.
fn put(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    let beside = folder.join(".new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join(name)).unwrap();
}

/// A data folder with a run that is done and one that is trained, vector sets and a data set.
fn kept() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run(&store, "done", State::Done);
    run(&store, "running", State::Running);
    put(&store.run_folder("running"), ".unfinished-x", "half");
    put(&store.run_folder("running"), "checkpoint-next.safetensors", "half");
    put(&store.run_folder("stranger"), "weights.safetensors", "of no run");
    for name in ["mine.vectors", "mine.json", "default.vectors", "default.json", ".unfinished-x"] {
        put(&folder.path().join("words"), name, name);
    }
    put(&folder.path().join("datasets/mnist"), "images.gz", "images");
    put(&folder.path().join("datasets/mnist"), "labels.gz.part", "half");
    put(&folder.path().join("downloads"), "glove.zip.part", "half");
    put(&folder.path().join("tls"), "key.pem", "a secret");
    (folder, store)
}

/// The paths of all files, in order.
fn files_of(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn backed_up(data_dir: &Path, with_data_sets: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.zip");
    back_up(data_dir, &file, with_data_sets, &mut |_, _| true).unwrap();
    assert_eq!(files_of(folder.path()), ["backup.zip"], "nothing else is left");
    fs::read(file).unwrap()
}

/// Restores it into a folder that is not there yet.
fn restored(archive: &[u8]) -> (tempfile::TempDir, PathBuf, AppResult<Restored>) {
    let folder = tempfile::tempdir().unwrap();
    let (file, data_dir) = (folder.path().join("backup.zip"), folder.path().join("new/data"));
    fs::write(&file, archive).unwrap();
    let outcome = restore(&file, &data_dir, &mut |_, _| true);
    (folder, data_dir, outcome)
}

/// The archive with its members changed by `change`; `None` leaves one out.
fn changed(archive: &[u8], change: impl Fn(&str, Vec<u8>) -> Option<(String, Vec<u8>)>) -> Vec<u8> {
    let mut source = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut target = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..source.len() {
        let mut member = source.by_index(index).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        let name = member.name().unwrap().to_string();
        if let Some((name, bytes)) = change(&name, bytes) {
            target.start_file(name, SimpleFileOptions::default()).unwrap();
            target.write_all(&bytes).unwrap();
        }
    }
    target.finish().unwrap().into_inner()
}

#[test]
fn what_is_backed_up_is_restored_as_it_was() {
    let (folder, store) = kept();
    let expected = [
        "runs/done/checkpoint.safetensors",
        "runs/done/weights.safetensors",
        "runs/running/checkpoint.safetensors",
        "torchboard.sqlite",
        "words/mine.json",
        "words/mine.vectors",
    ];
    let (_there, data_dir, outcome) = restored(&backed_up(folder.path(), false));
    let outcome = outcome.unwrap();
    assert_eq!((outcome.runs, outcome.files, outcome.torchboard.as_str()), (2, 6, env!("CARGO_PKG_VERSION")));
    assert_eq!(files_of(&data_dir), expected);
    for path in expected.iter().filter(|path| **path != FILE) {
        assert_eq!(fs::read(data_dir.join(path)).unwrap(), fs::read(folder.path().join(path)).unwrap(), "{path}");
    }
    let copy = Store::open(&data_dir).unwrap();
    for id in ["done", "running"] {
        assert_eq!(copy.run(id).unwrap(), store.run(id).unwrap());
        assert_eq!(copy.events_after(id, 0, 100).unwrap(), store.events_after(id, 0, 100).unwrap());
        assert_eq!(copy.curves(id).unwrap(), store.curves(id).unwrap());
    }
    let (_there, data_dir, outcome) = restored(&backed_up(folder.path(), true));
    assert_eq!(outcome.unwrap().files, 7);
    assert_eq!(fs::read(data_dir.join("datasets/mnist/images.gz")).unwrap(), b"images", "data sets are there when asked for");
}

#[test]
fn only_its_owner_may_read_a_backup_and_what_comes_of_it() {
    let (folder, _store) = kept();
    let there = tempfile::tempdir().unwrap();
    let file = there.path().join("backup.zip");
    fs::write(&file, "an earlier one, which others may read").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = back_up(folder.path(), &file, false, &mut |_, _| true).unwrap();
    assert_eq!((told.runs, told.files), (2, 6));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let data_dir = there.path().join("data");
    restore(&file, &data_dir, &mut |_, _| true).unwrap();
    assert_eq!(mode(&data_dir), 0o700);
    let shared = there.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o750)).unwrap();
    restore(&file, &shared, &mut |_, _| true).unwrap();
    assert_eq!(mode(&shared), 0o750, "an empty folder that was there keeps who may look into it");
}

/// The first bytes that are packed are those of the checkpoint of the run that is trained: what `meanwhile` does comes after it and before
/// the snapshot.
#[test]
fn a_run_that_goes_on_or_ends_before_the_snapshot_is_whole_in_it() {
    for ends in [false, true] {
        let (folder, store) = kept();
        let there = tempfile::tempdir().unwrap();
        let file = there.path().join("backup.zip");
        let mut is_first = true;
        let mut meanwhile = |_: u64, _: u64| {
            if std::mem::take(&mut is_first) {
                say(&store, "running", 2);
                if ends {
                    end(&store, "running");
                }
            }
            true
        };
        back_up(folder.path(), &file, false, &mut meanwhile).unwrap();
        let data_dir = there.path().join("data");
        restore(&file, &data_dir, &mut |_, _| true).unwrap();
        let copy = Store::open(&data_dir).unwrap();
        let checkpoint = fs::read_to_string(copy.run_folder("running").join(CHECKPOINTS[0])).unwrap();
        assert_eq!(checkpoint, "epoch 1", "no newer than what the store knows of");
        assert_eq!(copy.curves("running").unwrap()[0].points.len(), 2, "and the store knows all that was said until the snapshot");
        assert_eq!(copy.run("running").unwrap().state, if ends { State::Done } else { State::Running });
        assert_eq!(copy.run_folder("running").join("weights.safetensors").exists(), ends, "what is done has its weights");
    }
}

/// Here the first bytes that are packed come after the snapshot, since nothing is trained.
#[test]
fn what_begins_after_the_snapshot_is_not_in_it_and_what_is_deleted_is_taken_out() {
    let (folder, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(folder.path()).unwrap();
    run(&store, "a", State::Done);
    run(&store, "b", State::Done);
    let file = there.path().join("backup.zip");
    let mut is_first = true;
    let mut meanwhile = |_: u64, _: u64| {
        if std::mem::take(&mut is_first) {
            store.delete_run("b").unwrap();
            run(&store, "c", State::Done);
        }
        true
    };
    let told = back_up(folder.path(), &file, false, &mut meanwhile).unwrap();
    assert_eq!(told.runs, 1);
    let data_dir = there.path().join("data");
    restore(&file, &data_dir, &mut |_, _| true).unwrap();
    assert_eq!(StoreFile::of(&data_dir).unwrap().runs().unwrap(), [("a".to_owned(), State::Done)]);
    assert_eq!(files_of(&data_dir), ["runs/a/checkpoint.safetensors", "runs/a/weights.safetensors", FILE]);
}

#[test]
fn nothing_is_overwritten() {
    let (folder, _store) = kept();
    let archive = backed_up(folder.path(), false);
    let there = tempfile::tempdir().unwrap();
    let file = there.path().join("backup.zip");
    fs::write(&file, &archive).unwrap();
    for name in ["torchboard.sqlite", "notes.txt"] {
        let data_dir = there.path().join(name.replace('.', "-"));
        put(&data_dir, name, "mine");
        match restore(&file, &data_dir, &mut |_, _| true) {
            Err(AppError::Conflict(why)) => assert!(why.contains("--data-dir DIR"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!((files_of(&data_dir), fs::read(data_dir.join(name)).unwrap()), (vec![name.to_owned()], b"mine".to_vec()));
    }
    // Something that comes while it is unpacked is not overwritten either.
    let data_dir = there.path().join("late");
    let mut late = |_: u64, _: u64| {
        put(&data_dir, "notes.txt", "mine");
        true
    };
    assert!(matches!(restore(&file, &data_dir, &mut late), Err(AppError::Unavailable(_))));
    assert_eq!(files_of(&data_dir), ["notes.txt"]);
    let a_file = restore(&file, &file, &mut |_, _| true);
    assert!(matches!(a_file, Err(AppError::Unavailable(_))), "{a_file:?}");
    let left: Vec<_> = names_in(there.path(), |_| true).unwrap();
    assert_eq!(left, ["backup.zip", "late", "notes-txt", "torchboard-sqlite"], "nothing is left beside");
}

#[test]
fn what_was_stopped_leaves_nothing() {
    let (folder, _store) = kept();
    let archive = backed_up(folder.path(), false);
    let there = tempfile::tempdir().unwrap();
    let stopped = back_up(folder.path(), &there.path().join("backup.zip"), false, &mut |_, _| false);
    assert!(matches!(stopped, Err(AppError::Conflict(_))), "{stopped:?}");
    assert!(files_of(there.path()).is_empty());
    fs::write(there.path().join("backup.zip"), archive).unwrap();
    let stopped = restore(&there.path().join("backup.zip"), &there.path().join("data"), &mut |done, all| done < all);
    assert!(matches!(stopped, Err(AppError::Conflict(_))), "{stopped:?}");
    assert_eq!(names_in(there.path(), |_| true).unwrap(), ["backup.zip"]);
}

#[test]
fn what_is_not_as_the_manifest_says_is_refused_and_leaves_nothing() {
    let (folder, _store) = kept();
    let file = backed_up(folder.path(), false);
    let manifest = |edit: &dyn Fn(&mut Value)| {
        changed(&file, |name, bytes| {
            let mut value: Value =
                if name == MANIFEST { serde_json::from_slice(&bytes).unwrap() } else { return Some((name.to_owned(), bytes)) };
            edit(&mut value);
            Some((name.to_owned(), serde_json::to_vec(&value).unwrap()))
        })
    };
    let with = |name: &str| {
        let mut archive = ZipWriter::new_append(Cursor::new(file.clone())).unwrap();
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(b"x").unwrap();
        archive.finish().unwrap().into_inner()
    };
    let weights = "runs/done/weights.safetensors";
    let leaving = |path: &'static str| manifest(&move |value| value["files"][path] = json!({ "bytes": 1, "sha256": "" }));
    for (what, archive, says) in [
        ("no archive", b"rubbish".to_vec(), "no whole backup"),
        ("cut", file[..file.len() / 2].to_vec(), "no whole backup"),
        ("another archive", changed(&file, |name, bytes| (name != MANIFEST).then(|| (name.to_owned(), bytes))), "it is no backup"),
        ("another format", manifest(&|value| value["format"] = json!("torchboard-runs")), "torchboard import"),
        ("a newer format", manifest(&|value| value["version"] = json!(2)), "newer torchboard"),
        ("newer tables", manifest(&|value| value["schema"] = json!(SCHEMA + 1)), "newer torchboard"),
        ("another version of the tables", manifest(&|value| value["schema"] = json!("x")), "this program knows"),
        ("a path out of the folder", leaving("../../evil"), "no file of a data folder"),
        ("a path out of a run's folder", leaving("runs/done/.."), "no file of a data folder"),
        ("a path from the root", leaving("/etc/passwd"), "no file of a data folder"),
        ("something else", leaving("tls/key.pem"), "no file of a data folder"),
        ("a stranger", with("../../evil"), "does not name"),
        ("without a store", manifest(&|value| drop(value["files"].as_object_mut().unwrap().remove(FILE))), "has no store"),
        ("a longer file", manifest(&|value| value["files"][weights]["bytes"] = json!(1000)), "than its manifest says"),
        ("a shorter file", manifest(&|value| value["files"][weights]["bytes"] = json!(1)), "than its manifest says"),
        ("an enormous file", manifest(&|value| value["files"][weights]["bytes"] = json!(1_u64 << 60)), "Make room"),
        ("an endless file", manifest(&|value| value["files"][weights]["bytes"] = json!(u64::MAX)), "Make room"),
        (
            "another content",
            changed(&file, |name, bytes| Some((name.to_owned(), if name == weights { vec![0; bytes.len()] } else { bytes }))),
            "than its manifest says",
        ),
        ("missing", changed(&file, |name, bytes| (name != weights).then(|| (name.to_owned(), bytes))), "lacks"),
    ] {
        let (there, _, outcome) = restored(&archive);
        match outcome {
            Err(error @ (AppError::Invalid { .. } | AppError::Unavailable(_))) => {
                assert!(error.to_string().contains(says), "{what}: {error}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(files_of(there.path()), ["backup.zip"], "{what}");
        assert!(!there.path().join("new/data").exists(), "{what}");
    }
}

#[test]
fn a_byte_that_changed_is_found_or_changes_nothing() {
    let (folder, _store) = kept();
    let file = backed_up(folder.path(), false);
    let (_there, data_dir, outcome) = restored(&file);
    outcome.unwrap();
    let whole: Vec<_> = files_of(&data_dir).into_iter().map(|path| (fs::read(data_dir.join(&path)).unwrap(), path)).collect();
    let mut found = 0;
    for place in (0..file.len()).step_by(file.len() / 100 + 1) {
        let mut damaged = file.clone();
        damaged[place] ^= 0x10;
        let (there, data_dir, outcome) = restored(&damaged);
        if outcome.is_err() {
            found += 1;
            assert_eq!(files_of(there.path()), ["backup.zip"], "byte {place}");
        } else {
            // A date or the like, of which nothing is made.
            let now: Vec<_> = files_of(&data_dir).into_iter().map(|path| (fs::read(data_dir.join(&path)).unwrap(), path)).collect();
            assert!(now == whole, "byte {place}");
        }
    }
    assert!(found > 50, "{found}");
}
