//! Studies over HTTP, on pages and in the terminal: proposed, trained, stopped, resumed, never a configuration twice.

use serde_json::{Value, json};
use torchboard::{
    store::Store,
    tune::{Direction, Outcome, Parameters, Sampler, Space, Trial, ask},
};

use crate::{
    runs::{lines, parse_events},
    support::{Server, Standing, command},
};

const SPACE: &str =
    r#"{"units":{"type":"integer","min":4,"max":16,"step":4},"learning_rate":{"type":"choice","values":[0.0001,0.001,0.01]}}"#;

pub fn study(trials: u64, epochs: u64) -> Value {
    json!({ "system": "mlp", "name": "first", "sampler": "bayesian", "objective": "validation_accuracy", "max_trials": trials, "epochs": epochs,
        "space": serde_json::from_str::<Value>(SPACE).unwrap(), "seed": 3, "config": { "dataset": "fashion-mnist-sample" } })
}

impl Server {
    pub async fn study_when(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut standing = Standing::new();
        loop {
            let study = self.json(&format!("/api/v1/studies/{id}"), 200).await;
            if fits(&study) {
                return study;
            }
            standing.wait(study).await;
        }
    }

    pub async fn start_study(&self, body: &Value) -> String {
        self.post("/api/v1/studies", &body.to_string(), 202).await["id"].as_str().unwrap().to_owned()
    }
}

fn settings(study: &Value) -> Vec<String> {
    study["trials"].as_array().unwrap().iter().map(|trial| trial["params"].to_string()).collect()
}

#[tokio::test]
async fn a_study_is_asked_for_followed_and_read() {
    let server = Server::start();
    let response = server.request("POST", "/api/v1/studies").json(&study(5, 2)).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let id = response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v1/studies/{id}"));
    let done = server.study_when(&id, |study| study["state"] == "done").await;
    let trials = done["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 5);
    for (trial, number) in trials.iter().zip(1..) {
        assert_eq!((&trial["number"], &trial["state"]), (&json!(number), &json!("done")));
        let run = server.json(&format!("/api/v1/runs/{}", trial["run"].as_str().unwrap()), 200).await;
        assert_eq!(run["best"]["validation_accuracy"]["value"], trial["value"], "a trial's value is its run's best epoch");
        assert_eq!((&run["config"]["units"], &run["config"]["epochs"]), (&trial["params"]["units"], &json!(2)));
        assert_eq!((&run["study"], &run["trial"]), (&json!(id), &json!(number)));
        assert!(trial["duration_s"].as_f64().unwrap() > 0.0);
    }
    let best = trials.iter().filter_map(|trial| trial["value"].as_f64()).fold(0.0, f64::max);
    assert_eq!(done["best"]["value"].as_f64(), Some(best));

    let events = parse_events(&server.get(&format!("/api/v1/studies/{id}/events")).await.text().await.unwrap());
    assert!(events.iter().zip(1..).all(|((number, ..), expected)| *number == expected), "numbers have no gaps");
    assert_eq!(events.iter().filter(|(_, kind, data)| kind == "trial" && data["state"] == "done").count(), 5);
    assert_eq!(events.last().unwrap().2["state"], "done");
    assert_eq!(server.get(&format!("/api/v1/studies/{id}/events?after={}", events.len())).await.status(), 204);

    for language in ["en", "fa"] {
        let page = server.page(&format!("/studies/{id}?lang={language}")).await;
        for figure in
            ["studies-history", "studies-importance", "studies-contour", "studies-parallel", "studies-slice-units", "studies-timeline"]
        {
            assert!(page.contains(&format!("id=\"{figure}\"")), "{figure}");
        }
        assert!(server.page(&format!("/studies?lang={language}")).await.contains(&id));
    }
    for figure in ["history", "importance", "contour", "parallel", "timeline"] {
        for face in ["svg", "png", "csv", "json"] {
            assert_eq!(server.get(&format!("/figures/studies-{figure}.{face}?study={id}")).await.status(), 200, "{figure}.{face}");
        }
    }
    assert_eq!(server.get(&format!("/figures/studies-slice.csv?study={id}&dimension=nothing")).await.status(), 404);

    let sent =
        server.request("POST", &format!("/studies/{id}")).header("origin", &server.address).body("action=train").send().await.unwrap();
    let run = sent.headers()["location"].to_str().unwrap().trim_start_matches("/runs/").to_owned();
    let run = server.run_in_state(&run, "done").await;
    assert_eq!((&run["config"]["units"], &run["study"]), (&done["best"]["params"]["units"], &Value::Null));
}

#[tokio::test]
async fn a_study_that_is_cancelled_and_resumed_tries_what_it_would_have_tried() {
    let server = Server::start();
    let whole = server.start_study(&study(6, 3)).await;
    let whole = server.study_when(&whole, |study| study["state"] == "done").await;

    let cut = server.start_study(&study(6, 3)).await;
    server.study_when(&cut, |study| study["trials"].as_array().unwrap().len() >= 2).await;
    server.post(&format!("/api/v1/studies/{cut}/cancel"), "", 202).await;
    let cancelled = server.study_when(&cut, |study| study["state"] != "running").await;
    assert_eq!(cancelled["state"], "cancelled");
    assert!(cancelled["trials"].as_array().unwrap().iter().all(|trial| trial["state"] != "running"));
    server.post(&format!("/api/v1/studies/{cut}/resume"), "", 202).await;
    let resumed = server.study_when(&cut, |study| study["state"] == "done").await;
    assert_eq!(settings(&resumed), settings(&whole));
    let values = |study: &Value| study["trials"].as_array().unwrap().iter().map(|trial| trial["value"].clone()).collect::<Vec<_>>();
    assert_eq!(values(&resumed), values(&whole), "a resumed trial ends with the numbers of an uninterrupted one");
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_a_study_that_can_be_resumed() {
    let mut server = Server::start();
    let id = server.start_study(&study(4, 300)).await;
    server.study_when(&id, |study| !study["trials"].as_array().unwrap().is_empty()).await;
    server.restart("-KILL");
    server.study_when(&id, |study| study["state"] == "interrupted").await;
    server.post(&format!("/api/v1/studies/{id}/resume"), "", 202).await;
    let done = server.study_when(&id, |study| study["state"] == "done").await;
    let mut tried = settings(&done);
    assert_eq!(tried.len(), 4);
    tried.sort();
    tried.dedup();
    assert_eq!(tried.len(), 4, "nothing twice");
}

#[tokio::test]
async fn trials_go_at_one_time_and_a_space_that_is_used_up_ends_the_study() {
    let server = Server::start_with(&["--workers".as_ref(), "3".as_ref()]);
    let mut body = study(20, 2);
    body["parallel"] = json!(3);
    body["space"] = json!({ "units": { "type": "integer", "min": 4, "max": 6 }, "flip": { "type": "choice", "values": [true, false] } });
    let id = server.start_study(&body).await;
    let done = server.study_when(&id, |study| study["state"] == "done").await;
    let mut tried = settings(&done);
    tried.sort();
    tried.dedup();
    assert_eq!((tried.len(), done["trials"].as_array().unwrap().len()), (6, 6), "each once");
    assert!(done["reason"].as_str().unwrap().contains("all 6 configurations"), "{}", done["reason"]);
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused_with_its_field() {
    let server = Server::start();
    let with = |key: &str, value: Value| {
        let mut body = study(3, 2);
        body[key] = value;
        body
    };
    for (body, field) in [
        (with("space", json!({ "units": { "type": "integer", "min": 4, "max": 8, "step": 0 } })), "space.units.step"),
        (with("space", json!({ "units": { "type": "integer", "min": 0, "max": 8 } })), "space.units"),
        (with("space", json!({ "momentum": { "type": "float", "min": 0, "max": 1 } })), "space.momentum"),
        (with("objective", json!("beauty")), "objective"),
        (with("max_trials", json!(0)), "max_trials"),
        (with("epochs", json!(0)), "config.epochs"),
    ] {
        let problem = server.post("/api/v1/studies", &body.to_string(), 422).await;
        assert_eq!(problem["field"], field, "{problem}");
    }
    server.json("/api/v1/studies/nothing", 404).await;
    let sent = server.request("POST", "/studies").header("origin", &server.address).body("space=units%3D9..1").send().await.unwrap();
    assert_eq!(sent.status(), 422);
    let page = sent.text().await.unwrap();
    assert!(page.contains("space.units.max") && page.contains("units=9..1"), "the fault is said and what was typed stays");
}

#[test]
fn the_terminal_tells_a_study_as_keras_tuner_does_and_keeps_it_in_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "tune",
        "mlp",
        "--max-trials",
        "3",
        "--epochs",
        "2",
        "--set",
        "dataset=fashion-mnist-sample",
        "--space",
        "units=4..16:4",
        "learning_rate=0.001,0.01",
        "--seed",
        "1",
    ];
    let output = command().args(arguments).arg("--data-dir").arg(folder.path()).args(["--device", "cpu"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for said in [
        "Search space summary\nDefault search space size: 2\nunits (Int)\n",
        "Search: Running Trial #1\n\nValue             |Best Value So Far |Hyperparameter\n",
        "Trial 3 Complete [00h 00m ",
        "Best val_accuracy So Far: ",
        "Results summary\n",
        "Showing 3 best trials\nObjective(name=\"val_accuracy\", direction=\"max\")",
    ] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    let store = Store::open(folder.path()).unwrap();
    let [study] = &store.studies().unwrap()[..] else { panic!("expected one study") };
    let space = Space::written(&["units=4..16:4", "learning_rate=0.001,0.01"]).unwrap();
    let mut history: Vec<Trial> = Vec::new();
    for trial in &study.trials {
        let proposed = ask(&space, Sampler::Bayesian, Direction::Maximise, 1, &history).unwrap();
        let tried: Parameters = space.iter().map(|(name, _)| (name.to_owned(), trial.parameters[name].clone())).collect();
        assert_eq!(proposed.to_string(), tried.to_string(), "what the sampler proposes is what is tried");
        history.push(Trial { parameters: tried, outcome: Outcome::Value(trial.value.unwrap()) });
    }

    let json = command().args(arguments).arg("--json").arg("--data-dir").arg(folder.path()).args(["--device", "cpu"]).output().unwrap();
    let said = lines(&json);
    assert_eq!(said.first().unwrap()["event"], "study");
    assert_eq!(said.iter().filter(|line| line["event"] == "ended").count(), 3);
    assert_eq!(said.last().unwrap()["state"], "done");
}
