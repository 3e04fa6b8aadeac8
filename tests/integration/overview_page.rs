//! `/`: live results, the same as the words page and the API have them.

use crate::support::{Served, Server};

#[tokio::test]
async fn the_overview_shows_what_the_api_answers_beside_the_reports_figures() {
    let server = Server::start();
    let page = server.page("/").await;
    let answer = server.json("/api/v1/words/default/analogy?positive=king&positive=woman&negative=man&k=10", 200).await;
    let mut rest = page.as_str();
    for neighbor in answer["neighbors"].as_array().unwrap() {
        for text in [neighbor["word"].as_str().unwrap().replace('\'', "&#39;"), format!("{:.3}", neighbor["similarity"].as_f64().unwrap())]
        {
            let at = rest.find(&format!(">{text}<")).unwrap_or_else(|| panic!("no {text:?} in its place"));
            rest = &rest[at..];
        }
    }
    assert!(page.contains("comes first, as in the report") && page.contains(">0.70<"));
}

#[tokio::test]
async fn the_overview_draws_a_map_and_the_stored_accuracy() {
    let server = Server::start();
    let accuracy = server.json("/figures/words-accuracy.json", 200).await;
    let map = server.json("/figures/words-map.json?map=world", 200).await;
    for language in ["en", "fa"] {
        let page = server.page(&format!("/?lang={language}")).await;
        let iran = map["rows"].as_array().unwrap().iter().find(|row| row["word"] == "iran").unwrap();
        let place = format!("<title>iran: {:.3}, ", iran["x"].as_f64().unwrap()).replace('-', "−");
        assert!(page.contains(&place), "{language}: no {place}");
        for row in accuracy["rows"].as_array().unwrap().iter().filter(|row| row["limit"] == 20_000 && row["section"] != "total") {
            let right = format!(">{}/{}</text>", row["correct"], row["covered"]);
            assert!(page.contains(&right), "{language}: no {right}");
        }
        assert!(!page.contains("No localization"));
    }
}

#[tokio::test]
async fn a_word_typed_on_the_overview_is_answered_on_the_words_page() {
    let server = Server::start();
    let page = server.page("/").await;
    let form = page.split("<form").find(|form| form.contains("id=\"ask\"")).unwrap();
    assert!(form.contains("method=\"get\"") && form.contains("action=\"/words#neighbors\"") && form.contains("name=\"words\""));
    assert!(server.page("/words?words=ship").await.contains("Nearest to “ship”"));
}

/// With the runs that come with the program: what their own evaluation and curves say, seed by seed, is what the overview says.
#[tokio::test]
async fn the_networks_stand_beside_the_report_with_the_means_of_our_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start(folder.path());
    let get = async |path: &str| reqwest::get(format!("{}{path}", server.address)).await.unwrap().text().await.unwrap();
    let runs: serde_json::Value = serde_json::from_str(&get("/api/v1/runs?system=resnet14&limit=200").await).unwrap();
    let mut means = Vec::new();
    for tag in ["remedy:plain", "remedy:best"] {
        let mut accuracies = Vec::new();
        for run in runs["items"].as_array().unwrap() {
            if run["tags"].as_array().unwrap().contains(&tag.into()) && run["dataset"]["id"] == "ham10000-28" {
                let id = run["id"].as_str().unwrap();
                let judged: serde_json::Value =
                    serde_json::from_str(&get(&format!("/api/v1/runs/{id}/evaluation?split=test")).await).unwrap();
                accuracies.push(judged["accuracy"].as_f64().unwrap());
            }
        }
        means.push(format!("{:.3}", accuracies.iter().sum::<f64>() / accuracies.len() as f64));
    }
    let page = get("/").await;
    let system = page.split("<li class=\"system\">").skip(1).find(|system| system.contains("href=\"/skin\"")).unwrap();
    let figures: Vec<&str> = system.split("<dd>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(figures, ["0.60", &means[0], &means[1]]);
    for page in ["triplet", "fashion"] {
        let marker = format!("href=\"/{page}\"");
        let text = get("/?lang=fa").await;
        let system = text.split("<li class=\"system\">").skip(1).find(|system| system.contains(&marker)).unwrap();
        assert_eq!(system.matches("<dd>۰٫").count(), 2, "{page}: the report's and ours: {system}");
    }
}
