//! A copy of the data folder, taken while a server trains in it, becomes a data folder elsewhere; anything less than whole becomes none.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    runs::{lines, train},
    support::{SET, Server, command},
};

/// Long enough to be under way while another process starts and copies.
const LONG: &str = r#"{"system":"mlp","config":{"dataset":"fashion-mnist-sample","epochs":1500,"units":64,"dropout":0.2}}"#;

fn backup(data_dir: &Path, output: &Path) -> Output {
    command().args(["backup", "--output"]).arg(output).arg("--data-dir").arg(data_dir).output().unwrap()
}

fn restore(file: &Path, data_dir: &Path) -> Output {
    command().arg("restore").arg(file).arg("--data-dir").arg(data_dir).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Paths within the folder and the files' contents, in order; none when there is no folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// A data folder with one small run, and a backup of it.
fn small() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    let trained = train(&data_dir, &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=3", "units=16", "--json"]);
    let run = lines(&trained)[0]["run"].as_str().unwrap().to_owned();
    let file = folder.path().join("backup.zip");
    let made = backup(&data_dir, &file);
    assert!(made.status.success(), "{made:?}");
    (folder, file, run)
}

#[tokio::test]
async fn a_backup_taken_while_a_run_trains_is_a_data_folder_elsewhere_in_which_it_ends_as_if_nothing_had_been() {
    let server = Server::start();
    let done = server.post("/api/v1/runs", LONG, 202).await["id"].as_str().unwrap().to_owned();
    let done = server.run_in_state(&done, "done").await;
    let trained = server.post("/api/v1/runs", LONG, 202).await["id"].as_str().unwrap().to_owned();
    server.run_when(&trained, |run| run["progress"]["epoch"].as_u64() > Some(20)).await;
    let there = tempfile::tempdir().unwrap();
    let file = there.path().join("backup.zip");
    let made = backup(server.data_dir(), &file);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(String::from_utf8_lossy(&made.stdout).trim(), file.display().to_string());
    assert!(said(&made).contains("passwords") && said(&made).contains("2 runs"), "{made:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let folder = tempfile::tempdir().unwrap();
    let made = restore(&file, folder.path());
    assert!(made.status.success(), "{made:?}");
    let copy = Server::start_on(folder);
    let id = done["id"].as_str().unwrap();
    assert_eq!(copy.json(&format!("/api/v1/runs/{id}"), 200).await, done);
    let metrics = format!("/api/v1/runs/{id}/metrics");
    assert_eq!(copy.json(&metrics, 200).await, server.json(&metrics, 200).await);
    let weights = format!("/api/v1/runs/{id}/weights.safetensors");
    assert_eq!(copy.get(&weights).await.bytes().await.unwrap(), server.get(&weights).await.bytes().await.unwrap());
    let sets = copy.json("/api/v1/words", 200).await;
    assert!(sets["items"].as_array().unwrap().iter().any(|set| set["id"] == SET), "{sets}");

    let interrupted = copy.run_in_state(&trained, "interrupted").await;
    assert!(interrupted["progress"]["epoch"].as_u64() > Some(20), "{interrupted}");
    copy.post(&format!("/api/v1/runs/{trained}/resume"), "", 202).await;
    let ended = copy.run_in_state(&trained, "done").await;
    assert_eq!(ended["weights"], done["weights"], "to the last bit");
    let curves = copy.json(&format!("/api/v1/runs/{trained}/metrics"), 200).await;
    let loss = curves["series"].as_array().unwrap().iter().find(|series| series["name"] == "loss").unwrap();
    let epochs: Vec<u64> = loss["points"].as_array().unwrap().iter().map(|point| point[0].as_u64().unwrap()).collect();
    assert!(epochs.iter().copied().eq(1..=1500), "the curve has no hole: {} points", epochs.len());
    assert_eq!(server.run_in_state(&trained, "done").await["weights"], done["weights"], "the training that was copied was not disturbed");
}

#[test]
fn a_backup_that_was_tampered_with_is_refused_and_leaves_no_folder() {
    let (folder, file, run) = small();
    let whole = fs::read(&file).unwrap();
    let weights = fs::read(folder.path().join("data/runs").join(&run).join("weights.safetensors")).unwrap();
    // Weights are packed as they are: the last byte of theirs is found by looking for them.
    let place = whole.windows(weights.len()).position(|window| window == weights).unwrap() + weights.len() - 1;
    let mut flipped = whole.clone();
    flipped[place] ^= 1;
    let leaving = {
        let mut archive = zip::ZipWriter::new_append(std::io::Cursor::new(whole.clone())).unwrap();
        archive.start_file("../../evil", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"x").unwrap();
        archive.finish().unwrap().into_inner()
    };
    for (what, bytes, says) in [
        ("one byte flipped", flipped, "damaged"),
        ("truncated", whole[..whole.len() - 100].to_vec(), "no whole backup"),
        ("an entry that leaves the folder", leaving, "does not name"),
        ("no backup", b"PK".repeat(100), "no whole backup"),
    ] {
        let there = tempfile::tempdir().unwrap();
        let bad = there.path().join("bad.zip");
        fs::write(&bad, bytes).unwrap();
        let data_dir = there.path().join("place/data");
        let output = restore(&bad, &data_dir);
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(said(&output).starts_with("torchboard: file: ") && said(&output).contains(says), "{what}: {}", said(&output));
        assert!(!data_dir.exists(), "{what}");
        let left: Vec<_> = contents(there.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(left, [PathBuf::from("bad.zip")], "{what}");
    }
    let absent = restore(&folder.path().join("nothing.zip"), &folder.path().join("new"));
    assert!(said(&absent).contains("can't be opened"), "{absent:?}");
}

#[test]
fn what_is_there_is_never_overwritten() {
    let (folder, file, run) = small();
    let data_dir = folder.path().join("data");
    let before = contents(&data_dir);
    let refused = restore(&file, &data_dir);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is not empty") && said(&refused).contains("--data-dir"), "{}", said(&refused));
    assert!(contents(&data_dir) == before, "it was changed");
    let nothing = backup(&folder.path().join("nowhere"), &folder.path().join("b.zip"));
    assert_eq!(nothing.status.code(), Some(1));
    assert!(said(&nothing).contains("There is no store"), "{}", said(&nothing));
    assert!(!folder.path().join("nowhere").exists() && !folder.path().join("b.zip").exists(), "looking makes nothing");
    let new = folder.path().join("new");
    assert!(restore(&file, &new).status.success());
    let weights = |data_dir: &Path| fs::read(data_dir.join("runs").join(&run).join("weights.safetensors")).unwrap();
    assert_eq!(weights(&new), weights(&data_dir));
}

fn kill_after(mut command: Command, milliseconds: u64) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(milliseconds));
    child.kill().unwrap(); // no error where it has ended already, as long as nobody waited for it
    child.wait().unwrap();
}

#[test]
fn killed_at_any_moment_neither_leaves_anything_half_made() {
    let (folder, file, _) = small();
    let data_dir = folder.path().join("data");
    let whole = folder.path().join("whole");
    assert!(restore(&file, &whole).status.success());
    let expected = contents(&whole);
    for milliseconds in [0, 5, 10, 20, 30, 40, 60, 80, 120] {
        let there = tempfile::tempdir().unwrap();
        let (target, output) = (there.path().join("data"), there.path().join("b.zip"));
        let mut restoring = command();
        restoring.arg("restore").arg(&file).arg("--data-dir").arg(&target);
        kill_after(restoring, milliseconds);
        let mut copying = command();
        copying.args(["backup", "--output"]).arg(&output).arg("--data-dir").arg(&data_dir);
        kill_after(copying, milliseconds);
        let found = contents(&target);
        assert!(found.is_empty() || found == expected, "killed after {milliseconds} ms");
        if found.is_empty() {
            assert!(restore(&file, &target).status.success(), "it can be tried again");
            assert!(contents(&target) == expected);
        }
        if output.exists() {
            let copy = there.path().join("copy");
            assert!(restore(&output, &copy).status.success(), "killed after {milliseconds} ms: a file that is there is whole");
        }
    }
}

#[test]
fn a_backup_of_a_newer_program_says_so() {
    let (folder, file, _) = small();
    let mut archive = zip::ZipArchive::new(fs::File::open(&file).unwrap()).unwrap();
    let mut manifest: Value = serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
    let known = manifest["schema"].as_u64().unwrap();
    manifest["schema"] = (known + 1).into();
    let newer = folder.path().join("newer.zip");
    let mut written = zip::ZipWriter::new(fs::File::create(&newer).unwrap());
    written.start_file("manifest.json", zip::write::SimpleFileOptions::default()).unwrap();
    written.write_all(manifest.to_string().as_bytes()).unwrap();
    written.finish().unwrap();
    let output = restore(&newer, &folder.path().join("new"));
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("newer torchboard"), "{}", said(&output));
    assert!(!folder.path().join("new").exists());
}
