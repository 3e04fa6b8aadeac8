//! A server that is killed at random, again and again, while it trains and tunes: everything that it once said stays said.
//!
//! `TORCHBOARD_KILLS=50 cargo test --release --test integration killed_at_random -- --nocapture` counts fifty; `make test` does a few.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};

use crate::support::{Server, Standing};

const FEW: usize = 2;
const RUN: &str = r#"{"system":"mlp","config":{"dataset":"fashion-mnist-sample","epochs":10000,"units":16}}"#;

/// What was stored of each run: the numbers of its events, and what they say.
type Seen = BTreeMap<String, Vec<(u64, String)>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_random_loses_nothing_that_it_said() {
    let kills = std::env::var("TORCHBOARD_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(FEW);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(6);
    let mut server = Server::start_with(&["--workers".as_ref(), "2".as_ref()]);
    let space = json!({"units": {"type": "integer", "min": 4, "max": 64, "step": 1}});
    let study = json!({"system": "mlp", "name": "killed", "sampler": "random", "objective": "validation_accuracy", "max_trials": 60, "epochs": 150,
        "space": space, "seed": 1, "config": {"dataset": "fashion-mnist-sample"}});
    let run = server.post("/api/v1/runs", RUN, 202).await["id"].as_str().unwrap().to_owned();
    let study = server.post("/api/v1/studies", &study.to_string(), 202).await["id"].as_str().unwrap().to_owned();
    let (mut seen, mut lost, mut events, mut trials) = (Seen::new(), 0, 0, Vec::<Value>::new());
    for kill in 0..kills {
        let told = tokio::spawn(last_told(server.request("GET", &format!("/api/v1/runs/{run}/events"))));
        // The server is killed at a moment that nothing waits for: while it starts a worker, writes an event, answers.
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1500))).await;
        for (id, said) in everything(&server).await {
            events = events.max(said.len());
            seen.insert(id, said);
        }
        let before = server.json(&format!("/api/v1/studies/{study}"), 200).await["trials"].clone();
        trials = before.as_array().unwrap().iter().filter(|trial| trial["state"] == "done").cloned().collect();
        server.restart("-KILL");
        let now = everything(&server).await;
        // Stored first, then published: whoever followed was told nothing that is not there.
        lost += told.await.unwrap().saturating_sub(now[&run].len() as u64) as usize;
        for (id, said) in &seen {
            let kept = now.get(id).map(Vec::as_slice).unwrap_or_default();
            lost +=
                said.iter().zip(1..).filter(|(event, number)| event.0 != *number || kept.get(*number as usize - 1) != Some(event)).count();
        }
        for id in [&run, &study] {
            let kind = if *id == run { "runs" } else { "studies" };
            let state =
                async |server: &Server| server.json(&format!("/api/v1/{kind}/{id}"), 200).await["state"].as_str().unwrap().to_owned();
            // Whatever was under way is interrupted, and goes on when asked; what waited for its turn has begun by itself.
            for _ in 0..100 {
                if state(&server).await != "running" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let found = state(&server).await;
            if found == "interrupted" {
                server.post(&format!("/api/v1/{kind}/{id}/resume"), "", 202).await;
            } else {
                assert!(["queued", "running", "done"].contains(&found.as_str()), "after kill {kill} {id} is {found}");
            }
        }
        let after = server.json(&format!("/api/v1/studies/{study}"), 200).await["trials"].clone();
        for trial in &trials {
            let same = after.as_array().unwrap().iter().find(|other| other["number"] == trial["number"]);
            lost += usize::from(same.is_none_or(|same| same["value"] != trial["value"] || same["params"] != trial["params"]));
        }
        assert_eq!(lost, 0, "after kill {kill}");
    }
    // Nothing is only said to be under way: somebody stands behind the run and the study, and both go on.
    let step = |run: &Value| run["progress"]["step"].as_u64().unwrap_or_default();
    let (mut standing, said) = (Standing::new(), step(&server.json(&format!("/api/v1/runs/{run}"), 200).await));
    loop {
        let (study, now) =
            (server.json(&format!("/api/v1/studies/{study}"), 200).await, server.json(&format!("/api/v1/runs/{run}"), 200).await);
        let finished = study["trials"].as_array().unwrap().iter().filter(|trial| trial["state"] == "done").count();
        if (study["state"] == "done" || finished > trials.len()) && (now["state"] == "done" || step(&now) > said) {
            break;
        }
        for (kind, found) in [("studies", &study), ("runs", &now)] {
            if found["state"] == "interrupted" {
                // It was found to be so only now.
                server.post(&format!("/api/v1/{kind}/{}/resume", found["id"].as_str().unwrap()), "", 202).await;
            }
        }
        standing.wait(serde_json::json!([study, now])).await;
    }
    println!("{kills} kills: {} runs with up to {events} events and {} finished trials, {lost} lost", seen.len(), trials.len());
    assert!(seen.len() > 1 && events > 0, "something was under way");
}

/// The number of the last event that a follower was told before the connection broke.
async fn last_told(request: reqwest::RequestBuilder) -> u64 {
    let (mut text, mut last) = (String::new(), 0);
    let Ok(mut response) = request.send().await else { return 0 };
    while let Ok(Some(chunk)) = response.chunk().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((block, rest)) = text.split_once("\n\n") {
            let number = block.lines().find_map(|line| line.strip_prefix("id:")?.trim().parse().ok());
            last = number.unwrap_or(last);
            text = rest.to_owned();
        }
    }
    last
}

/// What every run has said so far, as it is stored.
async fn everything(server: &Server) -> Seen {
    let runs = server.json("/api/v1/runs?limit=200", 200).await;
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(server.data_dir().join("torchboard.sqlite"), flags).unwrap();
    let sql = "SELECT e.number, e.data FROM events AS e JOIN runs AS r ON r.number = e.run WHERE r.id = ? ORDER BY e.number";
    let mut query = database.prepare(sql).unwrap();
    let mut all = Seen::new();
    for run in runs["items"].as_array().unwrap() {
        let id = run["id"].as_str().unwrap();
        let event = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?));
        all.insert(id.to_owned(), query.query_map([id], event).unwrap().map(Result::unwrap).collect());
    }
    all
}
