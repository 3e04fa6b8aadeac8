//! The triplet network: trained on drawn digits, watched for collapse, its embeddings, maps and neighbours over HTTP.

use std::{collections::HashSet, process::Output};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{
    classifiers::form,
    runs::lines,
    support::{Server, command},
};

/// The report's way in small: 250 triplets for each label, and a network that learns in seconds.
const SMALL: [&str; 6] = ["dataset=mnist-sample", "pairs=10", "negatives=25", "filters=8", "units=32", "epochs=2"];

fn train(server: &Server, settings: &[&str]) -> Output {
    let mut command = command();
    command.args(["train", "triplet", "--json", "--device", "cpu", "--set"]).args(SMALL).args(settings);
    command.arg("--data-dir").arg(server.data_dir()).output().unwrap()
}

/// A server whose store has one such run, and the run's id. Trained in another process, as from a terminal.
pub fn trained(settings: &[&str]) -> (Server, String) {
    let server = Server::start();
    let output = train(&server, settings);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = lines(&output)[0]["run"].as_str().unwrap().to_owned();
    (server, id)
}

fn last_of(events: &[Value], split: &str, name: &str) -> f64 {
    let found = events.iter().rfind(|event| event["event"] == "metric" && event["split"] == split && event["name"] == name);
    found.unwrap_or_else(|| panic!("no {split} {name}"))["value"].as_f64().unwrap()
}

#[tokio::test]
async fn triplets_made_before_the_training_are_learned() {
    let (server, id) = trained(&["learning_rate=0.003", "epochs=6", "held_out=0.2"]);
    let run = server.json(&format!("/api/v1/runs/{id}"), 200).await;
    assert_eq!((&run["system"], &run["dataset"]["id"], &run["state"]), (&json!("triplet"), &json!("mnist-sample"), &json!("done")));
    let curves = server.json(&format!("/api/v1/runs/{id}/metrics"), 200).await;
    let series = |name: &str, split: &str| -> Vec<f64> {
        let found = curves["series"].as_array().unwrap().iter().find(|series| series["name"] == name && series["split"] == split);
        found.unwrap()["points"].as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).collect()
    };
    let (train, validation, active) = (series("loss", "train"), series("loss", "validation"), series("active", "train"));
    assert_eq!((train.len(), validation.len()), (6, 6));
    assert!(train[5] < 0.5 * train[0] && validation[5] < validation[0], "{train:?} {validation:?}");
    assert!(active[5] < active[0] && active.iter().all(|share| (0.0..=1.0).contains(share)), "{active:?}");
    assert!(series("knn_accuracy", "validation")[5] > 0.8);
}

#[tokio::test]
async fn every_way_to_choose_triplets_and_every_loss_trains() {
    let server = Server::start();
    let ways = ["triplets=random", "triplets=batch_all", "triplets=semi_hard", "triplets=distance_weighted", "triplets=batch_hard"];
    for (way, more) in ways.into_iter().map(|way| (way, "loss=triplet")).chain([
        ("loss=multi_similarity", "normalised=true"),
        ("loss=supervised_contrastive", "normalised=true"),
        ("triplets=batch_all", "distance=euclidean"),
    ]) {
        let output = train(&server, &[way, more, "images_per_class=6", "learning_rate=0.001"]);
        assert!(output.status.success(), "{way} {more}: {}", String::from_utf8_lossy(&output.stderr));
        let events = lines(&output);
        assert!(last_of(&events, "train", "loss") > 0.0 && last_of(&events, "validation", "loss") >= 0.0, "{way} {more}");
        assert!(last_of(&events, "train", "spread") > 0.0, "{way} {more}");
    }
}

#[test]
fn a_run_that_is_cut_off_and_resumed_ends_with_the_same_weights() {
    use crate::training::{cancel_after, hash, train as fit};
    let whole = tempfile::tempdir().unwrap();
    let cut = tempfile::tempdir().unwrap();
    for settings in [
        vec![("triplets", json!("offline"))],
        vec![("triplets", json!("batch_all")), ("shift", json!(1)), ("rotation", json!(10.0)), ("averaging", json!(0.9))],
    ] {
        let spec = |folder: &std::path::Path, resume: bool| {
            let mut given: serde_json::Map<String, Value> =
                settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            for (key, value) in [("dataset", json!("mnist-sample")), ("filters", json!(8)), ("units", json!(16)), ("epochs", json!(3))] {
                given.insert(key.into(), value);
            }
            given.extend([("pairs".to_owned(), json!(5)), ("negatives".to_owned(), json!(10)), ("images_per_class".to_owned(), json!(5))]);
            let config = torchboard::train::configuration::resolve("triplet", &given).unwrap();
            let spec = crate::training::spec(folder, &[], 7);
            torchboard::train::Spec { system: "triplet".into(), config, resume, ..spec }
        };
        let (ended, _) = fit(&spec(whole.path(), false));
        cancel_after(&spec(cut.path(), false), 1);
        let (resumed, events) = fit(&spec(cut.path(), true));
        assert_eq!(hash(&ended), hash(&resumed), "{settings:?}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, torchboard::train::Event::Log { message } if message.contains("resumed after epoch 1")))
        );
        for folder in [whole.path(), cut.path()] {
            std::fs::read_dir(folder).unwrap().for_each(|entry| std::fs::remove_file(entry.unwrap().path()).unwrap_or_default());
        }
    }
}

#[test]
fn a_network_that_collapses_is_stopped_with_the_reason_and_the_remedy() {
    let server = Server::start();
    let output = train(&server, &["triplets=batch_hard", "warm_up=0", "learning_rate=0.01", "epochs=200", "images_per_class=5"]);
    assert_eq!(output.status.code(), Some(1));
    let events = lines(&output);
    let reason = events.last().unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("the network has collapsed in epoch"), "{reason}");
    assert!(reason.contains("triplets=semi_hard") && reason.contains("learning_rate=0.001"), "{reason}");
}

#[tokio::test]
async fn embeddings_retrieval_and_neighbours_have_the_shapes_of_the_contract() {
    let (server, id) = trained(&["learning_rate=0.003"]);
    let csv = |split: &str, stage: &str| format!("/api/v1/runs/{id}/embeddings.csv?split={split}&stage={stage}");
    let after = server.page(&csv("test", "after")).await;
    let before = server.page(&csv("test", "before")).await;
    assert_eq!(after.lines().next().unwrap(), "index,label,e0,e1,e2,e3,e4,e5,e6,e7,e8,e9");
    assert_eq!(after.lines().count(), before.lines().count());
    assert_ne!(after, before, "the training changed something");
    assert_eq!(before, server.page(&csv("test", "before")).await);

    let found = server.json(&format!("/api/v1/runs/{id}/retrieval?split=test"), 200).await;
    for path in ["/knn_accuracy", "/recall_at/1", "/recall_at/5", "/recall_at/10", "/map_at_r"] {
        assert!((0.0..=1.0).contains(&found.pointer(path).unwrap().as_f64().unwrap()), "{path}");
    }
    assert!(found["triplet_loss"].as_f64().unwrap() >= 0.0 && found["silhouette"].as_f64().unwrap() <= 1.0);
    assert_eq!(server.json(&format!("/api/v1/runs/{id}/retrieval?split=test"), 200).await, found);

    // The neighbours are those that the table of embeddings gives.
    let rows = |text: &str| -> Vec<(u64, Vec<f64>)> {
        let row = |line: &str| {
            let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
            (numbers[1] as u64, numbers[2..].to_vec())
        };
        text.lines().skip(1).map(row).collect()
    };
    let (tests, gallery) = (rows(&after), rows(&server.page(&csv("train", "after")).await));
    let answer = server.json(&format!("/api/v1/runs/{id}/neighbors?split=test&index=3&k=4"), 200).await;
    let distance = |row: &[f64]| row.iter().zip(&tests[3].1).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let mut nearest: Vec<(f64, usize)> = gallery.iter().enumerate().map(|(index, row)| (distance(&row.1), index)).collect();
    nearest.sort_by(|one, other| one.partial_cmp(other).unwrap());
    for (said, (distance, index)) in answer["neighbors"].as_array().unwrap().iter().zip(&nearest[..4]) {
        assert_eq!(said["index"], json!(index));
        assert_eq!(said["label"], json!(gallery[*index].0));
        assert!((said["distance"].as_f64().unwrap() - distance).abs() < 1e-4);
    }
    assert_eq!(answer["label"], json!(tests[3].0));

    for (path, status) in [
        (csv("validation", "after"), 404), // no image was held out
        (csv("test", "later"), 422),
        (csv("both", "after"), 422),
        (format!("/api/v1/runs/{id}/neighbors?split=test"), 422),
        (format!("/api/v1/runs/{id}/neighbors?split=test&index=100000"), 404),
        (format!("/api/v1/runs/{id}/neighbors?split=test&index=0&k=0"), 422),
        (format!("/api/v1/runs/{id}/evaluation?split=test"), 409),
        ("/api/v1/runs/nobody/embeddings.csv".into(), 404),
    ] {
        assert_eq!(server.get(&path).await.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_map_is_drawn_once_unfolds_as_events_and_is_the_same_after_a_restart() {
    let (mut server, id) = trained(&["learning_rate=0.003"]);
    let path = format!("/api/v1/runs/{id}/projection?split=test&n=60&seed=3&perplexity=10");
    let map = server.json(&path, 200).await;
    assert_eq!((&map["method"], &map["n"], map["points"].as_array().unwrap().len()), (&json!("tsne"), &json!(60), 60));
    assert!(map["kl_divergence"].as_f64().unwrap() > 0.0);
    let points = map["points"].as_array().unwrap();
    assert!(points.iter().enumerate().all(|(index, point)| point["index"] == json!(index)));
    let places: HashSet<String> = points.iter().map(|point| format!("{} {}", point["x"], point["y"])).collect();
    assert_eq!(places.len(), 60, "no two on one spot");

    let told = server.page(&path.replace("/projection?", "/projection/events?")).await;
    let field = |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    let events: Vec<(String, Value)> = told
        .split("\n\n")
        .filter(|block| block.contains("data:"))
        .map(|block| (field(block, "event:"), serde_json::from_str(&field(block, "data:")).unwrap()))
        .collect();
    let labels = BASE64.decode(events[0].1["labels"].as_str().unwrap()).unwrap();
    assert!(labels.iter().zip(points).all(|(label, point)| point["label"] == json!(label)) && labels.len() == 60);
    let frames: Vec<&Value> = events.iter().filter(|(kind, _)| kind == "frame").map(|(_, data)| data).collect();
    assert!(frames.len() > 5, "it unfolds: {}", frames.len());
    assert!(frames.is_sorted_by(|one, other| one["iteration"].as_u64() < other["iteration"].as_u64()));
    let bytes = BASE64.decode(frames.last().unwrap()["places"].as_str().unwrap()).unwrap();
    let last: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(last.len(), 120);
    for (point, place) in points.iter().zip(last.chunks(2)) {
        assert_eq!((point["x"].as_f64().unwrap() as f32, point["y"].as_f64().unwrap() as f32), (place[0], place[1]));
    }
    assert_eq!(events.last().unwrap().0, "end");

    server.restart("-KILL");
    assert_eq!(server.json(&path, 200).await, map, "kept in the run's folder");
    let kept: Vec<String> = std::fs::read_dir(server.data_dir().join("runs").join(&id))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("map-"))
        .collect();
    assert_eq!(kept, ["map-tsne-after-test-60-10-3.safetensors"]);

    let all = server.json(&format!("/api/v1/runs/{id}/projection?split=all&method=pca&n=100000&stage=before"), 200).await;
    assert!(all["kl_divergence"].is_null() && all["n"].as_u64().unwrap() > 60);
    for (query, field) in [
        ("n=1", "n"),
        ("perplexity=0", "perplexity"),
        ("method=umap", "method"),
        ("split=none", "split"),
        ("seed=-1", "seed"),
        ("stage=x", "stage"),
    ] {
        let refused = server.json(&format!("/api/v1/runs/{id}/projection?{query}"), 422).await;
        assert_eq!(refused["field"], json!(field), "{query}");
    }
    let refused = server.json(&format!("/api/v1/runs/{id}/projection/events?lang=xx"), 422).await;
    assert_eq!(refused["field"], json!("lang"));
}

#[tokio::test]
async fn a_server_that_is_killed_while_a_map_unfolds_draws_it_anew() {
    let (mut server, id) = trained(&["learning_rate=0.003"]);
    let query = |seed: u64| format!("/api/v1/runs/{id}/projection?split=all&n=100000&seed={seed}");
    server.json(&query(0), 200).await; // and with it the embeddings
    // A map may be done before the signal is there; then another is begun, and if that goes on, the first word of one is not waited out.
    for seed in 1..=30 {
        let awaited = if seed <= 5 { "event: frame" } else { "event:" };
        let mut stream = server.get(&query(seed).replace("/projection?", "/projection/events?")).await;
        let mut told = String::new();
        while !told.contains(awaited) {
            told += &String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("a frame comes before the end"));
        }
        server.restart("-KILL");
        let kept = std::fs::read_dir(server.data_dir().join("runs").join(&id)).unwrap();
        let is_map = |name: std::ffi::OsString| name.to_string_lossy().ends_with(&format!("-{seed}.safetensors"));
        if kept.into_iter().any(|entry| is_map(entry.unwrap().file_name())) {
            continue;
        }
        let map = server.json(&query(seed), 200).await;
        assert_eq!(map["points"].as_array().unwrap().len() as u64, map["n"].as_u64().unwrap());
        assert!(map["kl_divergence"].as_f64().unwrap() > 0.0);
        return;
    }
    panic!("every map was done before the server was killed");
}

#[tokio::test]
async fn a_run_travels_with_its_embeddings_what_was_found_and_its_maps() {
    let (server, id) = trained(&["learning_rate=0.003"]);
    let paths = [
        format!("/api/v1/runs/{id}/embeddings.csv?split=test&stage=before"),
        format!("/api/v1/runs/{id}/retrieval?split=test"),
        format!("/api/v1/runs/{id}/projection?n=40&perplexity=5"),
    ];
    let mut there = Vec::new();
    for path in &paths {
        there.push(server.page(path).await);
    }
    let file = server.data_dir().join("run.torchboard");
    let told = |arguments: &[&str], server: &Server| {
        let output = command().args(arguments).arg("--data-dir").arg(server.data_dir()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    told(&["export", &id, "--output", file.to_str().unwrap()], &server);
    let other = Server::start();
    told(&["import", file.to_str().unwrap()], &other);
    // Without its weights the other machine can compute none of it: what answers is what travelled.
    std::fs::remove_file(other.data_dir().join("runs").join(&id).join("weights.safetensors")).unwrap();
    for (path, expected) in paths.iter().zip(there) {
        // The last digit of what is kept as text may turn over.
        let short = |text: &str| text.split([',', '}']).map(|part| part.chars().take(26).collect::<String>()).collect::<Vec<_>>();
        assert_eq!(short(&other.page(path).await), short(&expected), "{path}");
    }
}

#[tokio::test]
async fn a_picture_is_answered_with_its_embedding_and_its_neighbours() {
    let (server, id) = trained(&["learning_rate=0.003", "epochs=6"]);
    let picture = server.get("/api/v1/datasets/mnist-sample/images/train/5.png").await.bytes().await.unwrap();
    let (kind, body) = form("image", &picture, &[]);
    let path = format!("/api/v1/runs/{id}/predict");
    let response = server.request("POST", &path).header("Content-Type", kind).body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let said: Value = response.json().await.unwrap();
    assert_eq!(said["embedding"].as_array().unwrap().len(), 10);
    let neighbors = said["neighbors"].as_array().unwrap();
    assert_eq!(neighbors.len(), 10);
    assert!(neighbors.is_sorted_by(|one, other| one["distance"].as_f64() <= other["distance"].as_f64()));
    let labels: Vec<u64> = neighbors[..5].iter().map(|neighbor| neighbor["label"].as_u64().unwrap()).collect();
    let votes = |label: u64| labels.iter().filter(|other| **other == label).count();
    let prediction = said["prediction"].as_u64().unwrap();
    assert!(labels.iter().all(|label| votes(*label) <= votes(prediction)), "{labels:?} {prediction}");
    let refused = server.request("POST", &path).json(&json!({ "pixels": [[0.0]] })).send().await.unwrap();
    assert_eq!(refused.status(), 422);
}
