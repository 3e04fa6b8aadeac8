//! What happens to runs when processes die, disks can't be written and files are damaged: never a lost run, never one that runs for ever.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use crate::{
    runs::{kill, lines, train, workers_of},
    studies,
    support::{Server, command},
};

const LONG: &str = r#"{"system":"mlp","config":{"dataset":"fashion-mnist-sample","epochs":4000,"units":64,"dropout":0.2}}"#;
const SHORT: &str = r#"{"system":"mlp","config":{"dataset":"fashion-mnist-sample","epochs":400,"units":16,"dropout":0.2}}"#;

impl Server {
    async fn long_run_under_way(&self) -> (String, u32) {
        let id = self.post("/api/v1/runs", LONG, 202).await["id"].as_str().unwrap().to_owned();
        self.run_when(&id, |run| run["progress"]["epoch"].as_u64() > Some(2)).await;
        let [worker] = workers_of(self.process())[..] else { panic!("expected one worker") };
        (id, worker)
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_its_run_alone_and_the_run_ends_as_if_it_had_not_been() {
    let server = Server::start();
    let whole = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    let whole = server.run_in_state(&whole, "done").await;
    let id = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    for epoch in [20, 90, 200] {
        server.run_when(&id, |run| run["progress"]["epoch"].as_u64() > Some(epoch)).await;
        let [worker] = workers_of(server.process())[..] else { panic!("expected one worker") };
        kill(worker, "-KILL");
        let killed = server.run_in_state(&id, "interrupted").await;
        assert!(killed["reason"].as_str().unwrap().contains("signal 9"), "{killed}");
        let reached = killed["progress"]["epoch"].as_u64().unwrap();
        let after = server.post(&format!("/api/v1/runs/{id}/resume"), "", 202).await;
        assert_eq!(after["state"], "queued");
        let resumed = server.run_when(&id, |run| run["state"] == "running" && run["progress"]["epoch"].as_u64().is_some()).await;
        assert!(resumed["progress"]["epoch"].as_u64().unwrap() + 1 >= reached, "at most one epoch is lost: {reached}, {resumed}");
    }
    assert_eq!(server.run_in_state(&id, "done").await["weights"], whole["weights"], "to the last bit");
    assert_eq!(server.get("/health").await.status(), 200);
}

#[tokio::test]
async fn a_worker_that_crashes_fails_its_run_and_the_next_one_is_trained() {
    let server = Server::start();
    let (id, worker) = server.long_run_under_way().await;
    kill(worker, "-ABRT");
    let failed = server.run_in_state(&id, "failed").await;
    assert!(failed["reason"].as_str().unwrap().contains("crashed (signal 6)"), "{failed}");
    let next = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    server.run_in_state(&next, "done").await;
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_runs_that_can_be_resumed() {
    let mut server = Server::start();
    let (id, worker) = server.long_run_under_way().await;
    let waiting = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    server.restart("-KILL");
    let interrupted = server.run_when(&id, |run| run["state"] != "running").await;
    assert_eq!(interrupted["state"], "interrupted", "{interrupted}");
    assert!(!Path::new(&format!("/proc/{worker}")).exists(), "the worker ended with its supervisor");
    server.run_in_state(&waiting, "done").await;
    server.post(&format!("/api/v1/runs/{id}/resume"), "", 202).await;
    let before = interrupted["progress"]["step"].as_u64();
    server.run_when(&id, |run| run["progress"]["step"].as_u64() > before).await;
    server.restart("-TERM");
    let interrupted = server.run_in_state(&id, "interrupted").await;
    assert!(interrupted["reason"].as_str().unwrap().contains("supervisor stopped"), "{interrupted}");
}

#[tokio::test]
async fn a_training_in_a_terminal_is_followed_by_the_server_and_cancelled_from_it() {
    let server = Server::start();
    let mut terminal = command()
        .args(["train", "mlp", "--set", "dataset=fashion-mnist-sample", "epochs=4000", "--json", "--device", "cpu", "--data-dir"])
        .arg(server.data_dir())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let id = loop {
        let listed = server.json("/api/v1/runs", 200).await;
        if let Some(id) = listed["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    server.run_when(&id, |run| run["progress"]["epoch"].as_u64() > Some(1)).await;
    // Longer than the server looks for runs whose worker is gone: this one's is not.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(server.json(&format!("/api/v1/runs/{id}"), 200).await["state"], "running");
    server.post(&format!("/api/v1/runs/{id}/cancel"), "", 202).await;
    server.run_in_state(&id, "cancelled").await;
    assert_eq!(terminal.wait().unwrap().code(), Some(130));
}

#[test]
fn damaged_checkpoints_are_noticed_and_what_is_whole_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let settings = &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=60", "units=16", "--json"];
    let whole = lines(&train(folder.path(), settings));
    let run = whole[0]["run"].as_str().unwrap();
    let checkpoint = folder.path().join("runs").join(run).join("checkpoint.safetensors");
    // A run that is done can't be resumed; an export of the state just before stands in for one that was cut off there.
    let database = rusqlite::Connection::open(folder.path().join("torchboard.sqlite")).unwrap();
    let reopen = || database.execute("UPDATE runs SET state = 'interrupted' WHERE id = ?", [run]).unwrap();
    for damage in ["flipped", "cut", "both"] {
        reopen();
        let mut bytes = std::fs::read(&checkpoint).unwrap();
        let middle = bytes.len() / 2;
        if damage == "cut" {
            bytes.truncate(middle);
        } else {
            bytes[middle] ^= 0x55;
        }
        std::fs::write(&checkpoint, bytes).unwrap();
        if damage == "both" {
            std::fs::write(checkpoint.with_file_name("checkpoint-previous.safetensors"), b"rubbish").unwrap();
        }
        let resumed = train(folder.path(), &["--resume", run, "--json"]);
        assert_eq!(resumed.status.code(), Some(0), "{damage}: {}", String::from_utf8_lossy(&resumed.stderr));
        let events = lines(&resumed);
        let said = events.iter().any(|event| event["message"].as_str().is_some_and(|text| text.contains("checkpoint")));
        assert!(said, "{damage}: {events:?}");
        assert_eq!(events.last().unwrap()["outcome"], whole.last().unwrap()["outcome"], "{damage}: to the last bit");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_nothing_is_left_half() {
    if is_root() {
        println!("skipped: root may write anywhere, so that a read-only folder can't be tried");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let output = train(folder.path(), &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=1"]);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"), "{output:?}");
}

#[test]
fn a_full_disk_fails_the_run_with_the_reason_and_it_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let run_mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(folder.path()).output();
    let mounted = run_mount(&["-t", "tmpfs", "-o", "size=2m", "none"]);
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: this user may not mount a small disk to fill");
        return;
    }
    let _unmount = Unmount(folder.path().to_owned());
    // One checkpoint of 512 units is larger than what is left.
    let output = train(folder.path(), &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=3", "units=512", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let events = lines(&output);
    let end = events.last().unwrap();
    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["reason"].as_str().unwrap().to_lowercase().contains("no space"), "{end}");
    let run = end["run"].as_str().unwrap();
    assert!(run_mount(&["-o", "remount,size=64m"]).unwrap().status.success());
    let resumed = train(folder.path(), &["--resume", run, "--json"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_run_s_folder_that_is_taken_by_a_file_fails_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let output = train(folder.path(), &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=60", "--json"]);
    let run = lines(&output)[0]["run"].as_str().unwrap().to_owned();
    let place = folder.path().join("runs").join(&run);
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let database = rusqlite::Connection::open(folder.path().join("torchboard.sqlite")).unwrap();
    database.execute("UPDATE runs SET state = 'cancelled' WHERE id = ?", [&run]).unwrap();
    let output = train(folder.path(), &["--resume", &run, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let end = lines(&output).pop().unwrap();
    assert_eq!(end["state"], "failed");
    assert!(end["reason"].as_str().unwrap().contains("can't be written"), "{end}");
}

/// As if the clock had been years ahead when they were written, and was set right since.
#[tokio::test]
async fn a_clock_that_was_set_back_breaks_no_page_and_no_training() {
    let server = Server::start();
    let early = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    server.run_in_state(&early, "done").await;
    let (id, _) = server.long_run_under_way().await;
    let database = rusqlite::Connection::open(server.data_dir().join("torchboard.sqlite")).unwrap();
    let years = 10_i64 * 365 * 24 * 60 * 60 * 1000;
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database
        .execute("UPDATE runs SET created_ms = created_ms + ?1, started_ms = started_ms + ?1, ended_ms = ended_ms + ?1", [years])
        .unwrap();
    database.execute("UPDATE events SET at_ms = at_ms + ?1", [years]).unwrap();
    for page in
        ["/runs", "/fashion", &format!("/runs/{id}"), &format!("/runs/{early}"), &format!("/compare?run={id}&run={early}"), "/report"]
    {
        let text = server.page(page).await;
        assert!(!text.contains("NaN") && !text.contains("−1 "), "{page}");
    }
    server.run_when(&id, |run| run["progress"]["epoch"].as_u64() > Some(5)).await;
    server.post(&format!("/api/v1/runs/{id}/cancel"), "", 202).await;
    let ended = server.run_in_state(&id, "cancelled").await;
    assert!(ended["ended_at"].as_str().unwrap() < ended["started_at"].as_str().unwrap(), "the clock was set back: {ended}");
    assert_eq!(server.get(&format!("/runs/{id}")).await.status(), 200);
    let next = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    server.run_in_state(&next, "done").await;
    assert_eq!(server.json("/api/v1/runs", 200).await["items"].as_array().unwrap().len(), 3);
}

/// Shows a process another clock, which the file tells; `None` where it is not installed.
fn library_of_another_clock() -> Option<std::path::PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders.filter_map(Result::ok).map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// A clock that a test sets: that of the machine is left alone.
struct Clock {
    library: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Clock {
    /// All at once: a process that read half of it would see a time that nobody set.
    fn set(&self, ahead: &str) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, ahead).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("clock")
    }

    /// Only what tells the time of day is shown another: a clock that is set does not change how long things take.
    fn environment(&self) -> Vec<(&str, std::ffi::OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("FAKETIME_NO_CACHE", "1".into()),
        ]
    }
}

#[tokio::test]
async fn a_clock_that_jumps_while_it_trains_and_tunes_loses_nothing() {
    let Some(library) = library_of_another_clock() else {
        println!("skipped: a_clock_that_jumps_while_it_trains_and_tunes_loses_nothing (sudo apt-get install libfaketime)");
        return;
    };
    let clock = Clock { library, folder: tempfile::tempdir().unwrap() };
    clock.set("+0");
    let server = Server::start_in(&clock.environment());
    let whole = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    let whole = server.run_in_state(&whole, "done").await;
    let study = server.start_study(&studies::study(4, 40)).await;
    let id = server.post("/api/v1/runs", SHORT, 202).await["id"].as_str().unwrap().to_owned();
    // Years ahead, before anything was stored, and back, while everything goes on.
    for (epoch, ahead) in [(40, "+3650d"), (120, "-3650d"), (200, "+1d"), (280, "+0")] {
        server.run_when(&id, |run| run["progress"]["epoch"].as_u64() > Some(epoch) || run["state"] == "done").await;
        clock.set(ahead);
        for page in ["/", "/runs", "/fashion", "/studies", &format!("/runs/{id}"), &format!("/studies/{study}")] {
            let text = server.page(page).await;
            for broken in ["NaN", "−1 "] {
                let place = text.find(broken).map(|place| text[..place].chars().rev().take(200).collect::<Vec<_>>());
                let before = place.map(|letters| letters.into_iter().rev().collect::<String>());
                assert_eq!(before, None, "{page} at {ahead}: before {broken:?}");
            }
        }
        assert_eq!(server.get("/health").await.status(), 200);
    }
    let done = server.run_in_state(&id, "done").await;
    assert_eq!(done["weights"], whole["weights"], "what is learned does not depend on the time of day");
    // Every event is there, in the order in which it was said, whatever its time.
    let metrics = server.json(&format!("/api/v1/runs/{id}/metrics"), 200).await;
    let losses: Vec<_> = metrics["series"].as_array().unwrap().iter().filter(|series| series["name"] == "loss").collect();
    assert!(!losses.is_empty());
    for series in losses {
        let epochs: Vec<u64> = series["points"].as_array().unwrap().iter().map(|point| point[0].as_u64().unwrap()).collect();
        assert_eq!(series["count"], 400);
        assert!(epochs.is_sorted());
    }
    let told = server.events(&id).await;
    assert!(told.iter().zip(1..).all(|((number, ..), expected)| *number == expected), "numbers have no gaps");
    let ended = server.study_when(&study, |study| study["state"] == "done").await;
    assert_eq!(ended["trials"].as_array().unwrap().iter().filter(|trial| trial["state"] == "done").count(), 4);
}

#[test]
fn a_worker_says_what_is_wrong_with_its_spec() {
    use std::io::Write as _;
    for (spec, says) in [("", "no spec"), ("rubbish\n", "no spec"), ("{}\n", "no spec")] {
        let mut child = command()
            .arg("work")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(spec.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}
