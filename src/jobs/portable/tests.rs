use std::io::Cursor;

use serde_json::{Map, json};

mod hostile;

use super::*;
use crate::{
    data::Split,
    store::{NewRun, NewStudy, Trial, TrialState},
    train::{Event, Metric, Outcome, State, configuration},
};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn finished(store: &Store, study: Option<&str>) -> Run {
    let new = NewRun {
        id: None,
        system: "mlp".into(),
        name: "one".into(),
        config: configuration::resolve("mlp", json!({ "units": 32 }).as_object().unwrap()).unwrap(),
        seed: 3,
        threads: 2,
        device: "cpu".into(),
        dataset: None,
        versions: Map::new(),
        hardware: Map::new(),
        parameters: Some(25_450),
        tags: vec!["kept".into()],
        trial: study.map(|study| (study.to_owned(), 1)),
        repeats: None,
        state: State::Running,
        origin: Origin::Trained,
        notes: "a note".into(),
    };
    let id = store.create_run(&new).unwrap().id;
    let metric = |epoch: u64, value| Event::Metric(Metric { name: "loss".into(), split: Split::Train, epoch, step: epoch, value });
    let outcome = Some(Outcome { weights: "cafe".into() });
    store.append(&id, &[metric(1, 0.5), metric(2, 0.25), Event::End { state: State::Done, reason: None, outcome }]).unwrap();
    fs::create_dir_all(store.run_folder(&id)).unwrap();
    fs::write(store.run_folder(&id).join("weights.safetensors"), weights()).unwrap();
    fs::write(store.run_folder(&id).join("retrieval-test.json"), "{\"knn_accuracy\": 0.5}").unwrap();
    fs::write(store.run_folder(&id).join("predictions-test.safetensors"), weights()).unwrap();
    fs::write(store.run_folder(&id).join("embeddings-after-test.safetensors"), weights()).unwrap();
    fs::write(store.run_folder(&id).join("worker.log"), "not a result").unwrap();
    store.run(&id).unwrap()
}

fn weights() -> Vec<u8> {
    let bytes: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &bytes).unwrap();
    safetensors::serialize([("w", view)], None).unwrap()
}

fn exported(store: &Store, run: &Run) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    export(store, None, std::slice::from_ref(run), true, &mut file).unwrap();
    file.into_inner()
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
fn what_is_exported_is_imported_as_it_was() {
    let ((_here, source), (_there, target)) = (store(), store());
    let run = finished(&source, None);
    let file = exported(&source, &run);
    let imported = import(&target, Cursor::new(&file), Origin::Imported).unwrap();
    assert_eq!(imported, Imported { study: None, runs: vec![run.id.clone()] });
    let copy = target.run(&run.id).unwrap();
    assert_eq!(copy, Run { origin: Origin::Imported, number: copy.number, ..run.clone() });
    assert_eq!(target.curves(&run.id).unwrap(), source.curves(&run.id).unwrap());
    assert_eq!(target.events_after(&run.id, 0, 100).unwrap(), source.events_after(&run.id, 0, 100).unwrap());
    let mut files: Vec<_> = fs::read_dir(target.run_folder(&run.id)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["embeddings-after-test.safetensors", "predictions-test.safetensors", "retrieval-test.json", "weights.safetensors"]);
    assert_eq!(exported(&target, &copy), file, "exported again it is the same file");
    let again = import(&target, Cursor::new(&file), Origin::Imported);
    assert!(matches!(again, Err(AppError::Invalid { field, .. }) if field == "id"));
    assert_eq!(fs::read(target.run_folder(&run.id).join("weights.safetensors")).unwrap(), weights(), "what was there stays");
}

#[test]
fn a_study_comes_with_its_trials() {
    let ((here, source), (_there, target)) = (store(), store());
    let spec = json!({
        "system": "mlp", "sampler": "random", "objective": "validation_accuracy", "max_trials": 1, "parallel": 1, "order": ["units"],
        "space": { "units": { "type": "integer", "min": 16, "max": 64 } }, "config": {}, "seed": 0, "pruning": null
    });
    let spec = spec.as_object().cloned().unwrap();
    let new = NewStudy { id: None, name: "s".into(), system: "mlp".into(), spec, origin: Origin::Trained, state: State::Running };
    let study = source.create_study(&new).unwrap().id;
    let run = finished(&source, Some(&study));
    let trial = Trial {
        number: 1,
        parameters: json!({ "units": 32 }).as_object().cloned().unwrap(),
        run: Some(run.id.clone()),
        state: TrialState::Done,
        value: Some(0.25),
        started_at: run.started_at,
        ended_at: run.ended_at,
    };
    source.put_trial(&study, &trial).unwrap();
    source.set_study_state(&study, State::Done, None).unwrap();
    let file = here.path().join("study.torchboard");
    export_file(&source, &study, false, &file).unwrap();
    import_file(&target, &file, Origin::Shipped).unwrap();
    let copy = target.study(&study).unwrap();
    assert_eq!((copy.trials, copy.state, copy.origin), (vec![trial], State::Done, Origin::Shipped));
    assert_eq!(target.run(&run.id).unwrap().trial, Some((study, 1)));
    let came = |name: &str| target.run_folder(&run.id).join(name).exists();
    assert!(!came("weights.safetensors") && !came("embeddings-after-test.safetensors"), "it was to be without weights");
    assert!(came("retrieval-test.json") && came("predictions-test.safetensors"), "measures and what was said stay");
}

#[test]
fn a_file_that_would_be_larger_than_it_may_be_is_not_made() {
    let (_here, source) = store();
    let run = finished(&source, None);
    let whole = exported(&source, &run);
    let size = whole.len() as u64;
    let within = |most: u64| export_within(&source, None, std::slice::from_ref(&run), most).unwrap();
    assert!(within(size).is_some_and(|file| file == whole), "it is another file");
    for most in [0, 1, 100, size / 2, size - 1] {
        assert!(within(most).is_none(), "{most} of {size} bytes");
    }
}

#[test]
fn what_is_not_as_the_manifest_says_is_refused_and_leaves_nothing() {
    let ((_here, source), (_there, target)) = (store(), store());
    let run = finished(&source, None);
    let file = exported(&source, &run);
    let manifest = |edit: &dyn Fn(&mut Value)| {
        changed(&file, |name, bytes| {
            let mut value: Value =
                if name == MANIFEST { serde_json::from_slice(&bytes).unwrap() } else { return Some((name.to_owned(), bytes)) };
            edit(&mut value);
            Some((name.to_owned(), serde_json::to_vec(&value).unwrap()))
        })
    };
    let with = |name: &str, bytes: &[u8]| {
        let mut archive = ZipWriter::new_append(Cursor::new(file.clone())).unwrap();
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let weights_path = format!("runs/{}/weights.safetensors", run.id);
    for (what, archive, says) in [
        ("no archive", b"rubbish".to_vec(), "no whole file"),
        ("cut", file[..file.len() / 2].to_vec(), "no whole file"),
        ("another archive", changed(&file, |name, bytes| (name != MANIFEST).then(|| (name.to_owned(), bytes))), "no manifest.json"),
        ("newer", manifest(&|value| value["version"] = json!(2)), "newer torchboard"),
        ("another format", manifest(&|value| value["format"] = json!("x")), "no file of runs"),
        ("a path for an id", manifest(&|value| value["runs"][0]["id"] = json!("../../etc")), "for an id"),
        (
            "a path for a file",
            manifest(&|value| value["runs"][0]["files"]["../../x"] = json!({ "bytes": 1, "sha256": "" })),
            "no file of a run",
        ),
        (
            "an enormous file",
            manifest(&|value| value["runs"][0]["files"]["weights.safetensors"]["bytes"] = json!(1_u64 << 40)),
            "more than is read",
        ),
        ("not ended", manifest(&|value| value["runs"][0]["state"] = json!("running")), "has not ended"),
        ("a stranger", with("runs/evil.sh", b"rm"), "does not name"),
        ("a traversal", with("../../evil", b"x"), "does not name"),
        (
            "another content",
            changed(&file, |name, bytes| Some((name.to_owned(), if name == weights_path { vec![0; bytes.len()] } else { bytes }))),
            "another",
        ),
        ("missing", changed(&file, |name, bytes| (name != weights_path).then(|| (name.to_owned(), bytes))), "lacks"),
    ] {
        let outcome = import(&target, Cursor::new(archive), Origin::Imported);
        match outcome {
            Err(AppError::Invalid { reason, .. }) => assert!(reason.contains(says), "{what}: {reason}"),
            other => panic!("{what}: {other:?}"),
        }
        assert!(target.run(&run.id).is_err() && !target.run_folder(&run.id).exists(), "{what}");
    }
    let left: Vec<_> = fs::read_dir(target.run_folder("")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn only_files_of_results_travel() {
    for name in [
        "weights.safetensors",
        "predictions-test.safetensors",
        "embeddings-before-train.safetensors",
        "retrieval-validation.json",
        "map-tsne-after-test-512-30-0.safetensors",
        "map-pca-before-all-70000.safetensors",
    ] {
        assert!(super::is_result(name), "{name}");
    }
    for name in [
        "",
        "weights",
        "weights.json",
        "worker.log",
        "checkpoint.safetensors",
        "predictions-all.safetensors",
        "embeddings-test.safetensors",
        "embeddings-later-test.safetensors",
        "retrieval-test.safetensors",
        "map-.safetensors",
        "map-../weights.safetensors",
        "map-a.b.safetensors",
        "../weights.safetensors",
        "/etc/passwd",
    ] {
        assert!(!super::is_result(name), "{name}");
    }
}
