//! Runs over HTTP and in the terminal: one store, one kind of event, the same weights however often they were interrupted.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Served, Server, Standing, command};

/// Long enough to be caught in the middle, and on drawn images: a few seconds for the whole.
const LONG: &str = r#"{"system":"mlp","name":"long","config":{"dataset":"fashion-mnist-sample","epochs":4000,"units":64}}"#;

impl Server {
    pub async fn post(&self, path: &str, body: &str, status: u16) -> Value {
        let response = self.request("POST", path).header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}: {}", response.text().await.unwrap_or_default());
        response.json().await.unwrap()
    }

    /// The run as soon as it is as `fits` wants it.
    pub async fn run_when(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut standing = Standing::new();
        loop {
            let run = self.json(&format!("/api/v1/runs/{id}"), 200).await;
            if fits(&run) {
                return run;
            }
            standing.wait(run).await;
        }
    }

    pub async fn run_in_state(&self, id: &str, state: &str) -> Value {
        self.run_when(id, |run| run["state"] == state).await
    }

    async fn start_run(&self, body: &str) -> String {
        self.post("/api/v1/runs", body, 202).await["id"].as_str().unwrap().to_owned()
    }

    /// Every event of a run that has ended.
    pub async fn events(&self, id: &str) -> Vec<(u64, String, Value)> {
        let response = self.get(&format!("/api/v1/runs/{id}/events")).await;
        assert_eq!(response.status(), 200);
        parse_events(&response.text().await.unwrap())
    }
}

pub fn parse_events(text: &str) -> Vec<(u64, String, Value)> {
    let field =
        |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default().to_owned();
    let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
    blocks
        .map(|block| (field(block, "id:").parse().unwrap(), field(block, "event:"), serde_json::from_str(&field(block, "data:")).unwrap()))
        .collect()
}

/// The workers that are children of this process, by their number.
pub fn workers_of(parent: u32) -> Vec<u32> {
    let output = Command::new("pgrep").args(["-P", &parent.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

pub fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

pub fn train(data_dir: &Path, arguments: &[&str]) -> Output {
    command().arg("train").args(arguments).arg("--data-dir").arg(data_dir).args(["--device", "cpu"]).output().unwrap()
}

pub fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SAMPLE: &[&str] = &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=5", "units=16", "--json"];

#[tokio::test]
async fn a_run_is_asked_for_followed_and_read() {
    let server = Server::start();
    let body = json!({ "system": "mlp", "name": "first", "config": { "dataset": "fashion-mnist-sample", "epochs": 3, "units": 16 }, "seed": 5, "tags": ["test"] });
    let response = server.request("POST", "/api/v1/runs").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let asked: Value = response.json().await.unwrap();
    let id = asked["id"].as_str().unwrap();
    assert_eq!(location, format!("/api/v1/runs/{id}"));
    assert_eq!(asked["parameters"], 784 * 16 + 16 + 16 * 10 + 10);
    assert_eq!(asked["config"]["learning_rate"], 0.01, "what was not said is filled in");
    assert_eq!(asked["dataset"]["id"], "fashion-mnist-sample");
    assert_eq!(asked["dataset"]["sha256"].as_str().unwrap().len(), 64);

    let run = server.run_in_state(id, "done").await;
    assert_eq!(run["progress"]["epoch"], 3);
    assert_eq!(run["progress"]["step"], run["progress"]["steps"]);
    for key in [
        "id",
        "system",
        "name",
        "state",
        "reason",
        "config",
        "seed",
        "dataset",
        "versions",
        "created_at",
        "started_at",
        "ended_at",
        "parameters",
        "progress",
        "best",
        "notes",
        "tags",
    ] {
        assert!(run.get(key).is_some(), "{key} is promised");
    }
    let metrics = server.json(&format!("/api/v1/runs/{id}/metrics"), 200).await;
    let series: Vec<&Value> = metrics["series"].as_array().unwrap().iter().filter(|series| series["name"] == "loss").collect();
    assert_eq!(series.len(), 2, "train and validation");
    assert!(series.iter().all(|series| series["count"] == 3));
    assert!(series.iter().all(|series| series["points"].as_array().unwrap().iter().zip(1..).all(|(point, epoch)| point[0] == epoch)));

    let events = server.events(id).await;
    assert!(events.iter().zip(1..).all(|((number, ..), expected)| *number == expected), "numbers have no gaps");
    assert_eq!(events.last().unwrap().1, "end");
    let cut = events.len() as u64 / 2;
    for (name, value, path) in [("last-event-id", cut.to_string(), String::new()), ("x", String::new(), format!("?after={cut}"))] {
        let request = server.request("GET", &format!("/api/v1/runs/{id}/events{path}")).header(name, value);
        let tail = parse_events(&request.send().await.unwrap().text().await.unwrap());
        assert_eq!(tail, events[cut as usize..], "a replay cut anywhere plus the tail is the whole stream");
    }
    let after_the_end = server.get(&format!("/api/v1/runs/{id}/events?after={}", events.len())).await;
    assert_eq!(after_the_end.status(), 204, "so that a browser stops asking");

    let weights = server.get(&format!("/api/v1/runs/{id}/weights.safetensors")).await;
    assert_eq!(weights.status(), 200);
    let weights = weights.bytes().await.unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(tensors.tensor("hidden.weight").unwrap().shape(), [16, 784]);

    let changed =
        server.request("PATCH", &format!("/api/v1/runs/{id}")).json(&json!({ "notes": "seen", "tags": ["a", "b"] })).send().await.unwrap();
    let changed: Value = changed.json().await.unwrap();
    assert_eq!((&changed["notes"], &changed["tags"], &changed["name"]), (&json!("seen"), &json!(["a", "b"]), &json!("first")));
    let listed = server.json("/api/v1/runs?system=mlp&state=done&tag=a&sort=validation_accuracy", 200).await;
    assert_eq!(listed["items"][0]["id"], id);
    assert_eq!(listed["next_cursor"], Value::Null);
    for page in [format!("/runs/{id}"), "/runs".to_owned(), format!("/compare?run={id}")] {
        assert!(server.page(&page).await.contains("first"), "{page}");
    }
    for face in ["svg", "png", "csv", "json"] {
        assert_eq!(server.get(&format!("/figures/runs-curves.{face}?metric=loss&run={id}")).await.status(), 200, "{face}");
    }
    let repeated = server.post(&format!("/api/v1/runs/{id}/repeat"), "", 202).await;
    let repeated = server.run_in_state(repeated["id"].as_str().unwrap(), "done").await;
    assert_eq!((&repeated["weights"], &repeated["repeats"]), (&run["weights"], &json!(id)), "to the last bit");
    assert!(server.page(&format!("/runs/{}", repeated["id"].as_str().unwrap())).await.contains("equal to the last bit"));

    assert_eq!(server.request("DELETE", &format!("/api/v1/runs/{id}")).send().await.unwrap().status(), 204);
    server.json(&format!("/api/v1/runs/{id}"), 404).await;
    assert!(!server.data_dir().join("runs").join(id).exists());
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let server = Server::start();
    let systems = server.json("/api/v1/systems", 200).await;
    let units = systems["items"][0]["fields"].as_array().unwrap().iter().find(|field| field["name"] == "units").unwrap();
    assert_eq!((&systems["items"][0]["id"], &units["default"]), (&json!("mlp"), &json!(512)));
    for (body, field) in [
        (json!({ "system": "nothing" }), "system"),
        (json!({ "system": "mlp", "config": { "unit": 3 } }), "config.unit"),
        (json!({ "system": "mlp", "config": { "units": 0 } }), "config.units"),
        (json!({ "system": "mlp", "config": { "units": "many" } }), "config.units"),
        (json!({ "system": "mlp", "config": { "learning_rate": -1 } }), "config.learning_rate"),
        (json!({ "system": "mlp", "config": { "dataset": "nowhere" } }), "config.dataset"),
        (json!({ "system": "mlp", "config": { "dataset": "fashion-mnist-sample" }, "seed": 1_u64 << 60 }), "seed"),
        (json!({ "system": "mlp", "seeds": 1 }), "seeds"),
        (json!({ "config": {} }), "system"),
    ] {
        let answer = server.post("/api/v1/runs", &body.to_string(), 422).await;
        assert_eq!(answer["field"], field, "{answer}");
    }
    let absent = server.post("/api/v1/runs", r#"{"system":"mlp"}"#, 503).await;
    assert!(absent["detail"].as_str().unwrap().contains("torchboard fetch fashion-mnist"), "{absent}");
    for (path, field) in [("state=x", "state"), ("system=x", "system"), ("cursor=x", "cursor"), ("limit=0", "limit")] {
        assert_eq!(server.json(&format!("/api/v1/runs?{path}"), 422).await["field"], field);
    }
    assert_eq!(server.json("/api/v1/runs/x/metrics?points=3", 422).await["field"], "points");
    for path in ["/api/v1/runs/x", "/api/v1/runs/x/metrics", "/api/v1/runs/x/events", "/api/v1/runs/x/weights.safetensors"] {
        server.json(path, 404).await;
    }
    assert_eq!(server.json("/api/v1/runs?limit=5", 200).await["items"], json!([]), "nothing was stored");
    let form = server.request("POST", "/runs").header("content-type", "application/x-www-form-urlencoded");
    let page = form.body("system=mlp&name=kept&config.units=zero&config.epochs=3").send().await.unwrap();
    assert_eq!(page.status(), 422);
    let page = page.text().await.unwrap();
    assert!(
        page.contains(r#"value="kept""#) && page.contains(r#"value="zero""#) && page.contains("a whole number"),
        "what was typed stays"
    );
}

#[tokio::test]
async fn a_fresh_machine_shows_the_runs_that_come_with_the_program_until_somebody_deletes_them() {
    let folder = tempfile::tempdir().unwrap();
    let listed = |server: &Served| {
        let address = format!("{}/api/v1/runs?tag=report&system=mlp&limit=100", server.address);
        async move { reqwest::get(address).await.unwrap().json::<Value>().await.unwrap()["items"].as_array().unwrap().clone() }
    };
    let server = Served::start(folder.path());
    let shipped = listed(&server).await;
    assert!(shipped.len() >= 4, "the report's networks, untuned and tuned");
    assert!(shipped.iter().all(|run| run["origin"] == "shipped" && run["state"] == "done" && run["dataset"]["id"] == "fashion-mnist"));
    let id = shipped[0]["id"].as_str().unwrap();
    let page = reqwest::get(format!("{}/fashion?lang=en", server.address)).await.unwrap().text().await.unwrap();
    assert!(
        shipped.iter().any(|run| page.contains(&format!("/runs/{}", run["id"].as_str().unwrap()))),
        "the page says which run its figures came from"
    );
    let evaluated = reqwest::get(format!("{}/api/v1/runs/{id}/evaluation?split=test", server.address)).await.unwrap();
    assert_eq!(evaluated.status(), 200, "its predictions came with it");
    for path in
        ["retrieval?split=test", "projection?split=test&stage=before", "projection?split=test&n=10000", "embeddings.csv?split=train"]
    {
        let answer = reqwest::get(format!("{}/api/v1/runs/triplet-report/{path}", server.address)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: it came with the run, without the data set");
    }
    let deleted = reqwest::Client::new().delete(format!("{}/api/v1/runs/{id}", server.address)).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    drop(server);
    let again = listed(&Served::start(folder.path())).await;
    assert_eq!(again.len(), shipped.len() - 1, "what is deleted stays deleted");
}

#[tokio::test]
async fn another_site_s_page_may_not_change_anything() {
    let server = Server::start();
    let request = server.request("POST", "/api/v1/runs").header("sec-fetch-site", "cross-site").header("content-type", "application/json");
    assert_eq!(request.body(LONG).send().await.unwrap().status(), 403);
    assert_eq!(server.json("/api/v1/runs", 200).await["items"], json!([]));
}

#[tokio::test]
async fn runs_wait_for_their_turn_and_are_cancelled_and_resumed() {
    let server = Server::start();
    let (first, second) = (server.start_run(LONG).await, server.start_run(LONG).await);
    server.run_when(&first, |run| run["progress"]["epoch"].as_u64() > Some(2)).await;
    assert_eq!(server.json(&format!("/api/v1/runs/{second}"), 200).await["state"], "queued", "one at a time");
    server.post(&format!("/api/v1/runs/{first}/resume"), "", 409).await;
    assert_eq!(server.request("DELETE", &format!("/api/v1/runs/{first}")).send().await.unwrap().status(), 409);
    server.post(&format!("/api/v1/runs/{second}/cancel"), "", 202).await;
    server.post(&format!("/api/v1/runs/{first}/cancel"), "", 202).await;
    let cancelled = server.run_in_state(&first, "cancelled").await;
    assert_eq!(server.run_in_state(&second, "cancelled").await["started_at"], Value::Null);
    server.post(&format!("/api/v1/runs/{first}/cancel"), "", 409).await;
    server.post(&format!("/api/v1/runs/{first}/resume"), "", 202).await;
    let before = cancelled["progress"]["step"].as_u64();
    server.run_when(&first, |run| run["state"] == "running" && run["progress"]["step"].as_u64() > before).await;
    server.post(&format!("/api/v1/runs/{first}/cancel"), "", 202).await;
    let events = {
        server.run_in_state(&first, "cancelled").await;
        server.events(&first).await
    };
    let first_epochs = events
        .iter()
        .filter(|(_, kind, data)| kind == "metric" && data["name"] == "loss" && data["split"] == "train" && data["epoch"] == 1);
    assert_eq!(first_epochs.count(), 1, "it went on from its checkpoint, and not from the beginning");
}

#[test]
fn the_terminal_trains_runs_of_the_same_store_and_repeats_them_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let output = train(folder.path(), SAMPLE);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let events = lines(&output);
    assert!(
        events.iter().zip(1..).all(|(event, number)| event["number"].as_u64() == Some(number + 1)),
        "numbered on from the state it began with"
    );
    let end = events.last().unwrap();
    assert_eq!((&end["event"], &end["state"]), (&json!("end"), &json!("done")));
    let run = end["run"].as_str().unwrap();
    let again = train(folder.path(), &["--like", run, "--json"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    let again = lines(&again);
    assert_eq!(again.last().unwrap()["outcome"], end["outcome"]);
    assert!(again.iter().any(|event| event["message"].as_str().is_some_and(|text| text.contains("equal those of"))), "{again:?}");
    let other = lines(&train(folder.path(), &[SAMPLE, &["--seed", "1"]].concat()));
    assert_ne!(other.last().unwrap()["outcome"], end["outcome"], "another seed gives other weights");
    let wrong = train(folder.path(), &["mlp", "--set", "units=none"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("a whole number from 1"), "{wrong:?}");
}

#[test]
fn ctrl_c_cancels_and_resume_ends_with_the_weights_of_an_uninterrupted_run() {
    let folder = tempfile::tempdir().unwrap();
    let settings = &["mlp", "--set", "dataset=fashion-mnist-sample", "epochs=300", "units=16", "dropout=0.3", "--json"];
    let whole = lines(&train(folder.path(), settings));
    let mut child = command()
        .arg("train")
        .args(settings)
        .args(["--device", "cpu", "--data-dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Events come in order: once one of an epoch is here, its checkpoint is not far.
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"checkpoint\"") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut reader, &mut line).unwrap() > 0, "it ended before its first checkpoint");
    }
    kill(child.id(), "-INT");
    let run = serde_json::from_str::<Value>(&line).unwrap()["run"].as_str().unwrap().to_owned();
    std::io::Read::read_to_string(&mut reader, &mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let resumed = train(folder.path(), &["--resume", &run, "--json"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(lines(&resumed).last().unwrap()["outcome"], whole.last().unwrap()["outcome"], "to the last bit");
}

#[test]
fn a_run_travels_as_one_file() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = lines(&train(here.path(), SAMPLE))[0]["run"].as_str().unwrap().to_owned();
    let file = here.path().join("run.torchboard");
    let call = |arguments: &[&str], folder: &Path| command().args(arguments).arg("--data-dir").arg(folder).output().unwrap();
    let exported = call(&["export", &run, "--output", file.to_str().unwrap()], here.path());
    assert!(exported.status.success(), "{exported:?}");
    let imported = call(&["import", file.to_str().unwrap()], there.path());
    assert_eq!(String::from_utf8_lossy(&imported.stdout).trim(), run, "{imported:?}");
    let same = |folder: &Path| std::fs::read(folder.join("runs").join(&run).join("weights.safetensors")).unwrap();
    assert_eq!(same(here.path()), same(there.path()));
    let twice = call(&["import", file.to_str().unwrap()], there.path());
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("already"), "{twice:?}");
    let rubbish = call(&["import", here.path().join("torchboard.sqlite").to_str().unwrap()], there.path());
    assert!(!rubbish.status.success() && String::from_utf8_lossy(&rubbish.stderr).contains("no whole file of runs"), "{rubbish:?}");
    let repeated = train(there.path(), &["--like", &run, "--json"]);
    assert!(String::from_utf8_lossy(&repeated.stdout).contains("equal those of"), "{repeated:?}");
}
