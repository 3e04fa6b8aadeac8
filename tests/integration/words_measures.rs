//! What vectors get right and what they associate, over HTTP; and the evaluation that ships with the embedded set.

use serde_json::{Value, json};
use torchboard::{
    config::Settings,
    models::DeviceChoice,
    words::{DEFAULT, Evaluations, Library},
};

use crate::support::Server;

async fn associate(server: &Server, set: &str, body: &Value) -> (u16, Value) {
    let response = server.request("POST", &format!("/api/v1/words/{set}/association")).json(body).send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, if status == 200 { "application/json" } else { "application/problem+json" });
    (status, response.json().await.unwrap())
}

fn list(words: &[&str]) -> Value {
    json!({"name": words.join("-"), "words": words})
}

#[tokio::test]
async fn an_evaluation_counts_by_section_and_in_all() {
    let questions = "man woman king queen\nking queen man woman\nman woman king filler1\nman woman king nothere\n";
    let server = Server::start_with_questions(&[("royal", questions)]);
    let row = |name: &str| json!({"name": name, "questions": 4, "covered": 3, "correct": 2, "accuracy": 2.0 / 3.0});
    let expected = json!({"set": "small", "limit": 64, "sections": [row("royal")], "total": row("total"), "stored": false});
    for _ in 0..2 {
        assert_eq!(server.json("/api/v1/words/small/evaluation", 200).await, expected);
    }
    let limited = server.json("/api/v1/words/small/evaluation?limit=4", 200).await;
    assert_eq!((&limited["limit"], &limited["total"]["covered"], &limited["total"]["accuracy"]), (&json!(4), &json!(2), &json!(1.0)));
    let uncovered = server.json("/api/v1/words/small/evaluation?limit=1", 200).await;
    assert_eq!((&uncovered["total"]["covered"], &uncovered["total"]["accuracy"]), (&json!(0), &Value::Null));
    for limit in ["0", "-1", "many", "", "10000001", "99999999999999999999"] {
        assert_eq!(server.json(&format!("/api/v1/words/small/evaluation?limit={limit}"), 422).await["field"], "limit");
    }
    assert_eq!(server.json("/api/v1/words/nosuchset/evaluation", 404).await["status"], 404);
}

#[tokio::test]
async fn without_questions_an_evaluation_says_what_to_do_until_they_come() {
    let datasets = tempfile::tempdir().unwrap();
    let server = Server::start_with(&["--datasets".as_ref(), datasets.path().as_os_str()]);
    let response = server.get("/api/v1/words/small/evaluation").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (503, "application/problem+json"));
    let problem: Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("glove/questions"), "{problem}");
    let stored = server.json("/api/v1/words/default/evaluation?limit=20000", 200).await;
    assert_eq!((&stored["stored"], &stored["limit"]), (&json!(true), &json!(20_000)));

    let questions = datasets.path().join("glove/questions");
    std::fs::create_dir_all(&questions).unwrap();
    std::fs::write(questions.join("royal.txt"), "man woman king queen\n").unwrap();
    assert_eq!(server.json("/api/v1/words/small/evaluation", 200).await["total"]["correct"], 1);
    assert_eq!(server.json("/api/v1/words/default/evaluation?limit=20000", 200).await["stored"], false);
}

#[tokio::test]
async fn many_who_ask_for_one_evaluation_get_one_answer() {
    let server = Server::start_with_questions(&[("royal", &"man woman king queen\n".repeat(2000))]);
    let answers = tokio::join!(
        server.json("/api/v1/words/default/evaluation", 200),
        server.json("/api/v1/words/default/evaluation", 200),
        server.json("/api/v1/words/default/evaluation", 200),
        server.json("/api/v1/words/small/neighbors?word=king", 200)
    );
    assert_eq!((&answers.0, &answers.1), (&answers.1, &answers.2));
    assert_eq!(answers.0["total"]["covered"], 2000);
}

#[tokio::test]
async fn an_association_is_that_worked_out_by_hand() {
    let server = Server::start();
    // king and queen lie at 45 degrees to man and woman, at 60 to each other.
    let body = json!({"targets": [list(&["man", "king"]), list(&["woman", "queen", "nothere"])], "attributes": [list(&["man", "king"]), list(&["woman", "queen"])]});
    let (status, answer) = associate(&server, "small", &body).await;
    assert_eq!((status, &answer["used"], &answer["missing"]), (200, &json!([2, 2, 2, 2]), &json!(["nothere"])));
    // man: (1 + .7071) / 2 - 0; king: (.7071 + 1) / 2 - (0 + .5) / 2; woman and queen the same with the sign turned.
    let man = f64::midpoint(1.0, 0.5_f64.sqrt());
    let king = man - 0.25;
    let deviation = (2.0 * (man * man + king * king) / 3.0).sqrt();
    let effect_size = answer["effect_size"].as_f64().unwrap();
    assert!((effect_size - (man + king) / deviation).abs() < 1e-6, "{answer}");
    assert!((answer["p_value"].as_f64().unwrap() - 1.0 / 6.0).abs() < 1e-12 && answer["exact"] == true && answer["permutations"] == 6);
}

#[tokio::test]
async fn a_bad_association_is_refused_with_its_field() {
    let server = Server::start();
    let (x, y) = (list(&["man", "king"]), list(&["woman", "queen"]));
    let many = list(&vec!["king"; 201]);
    for (body, field) in [
        (json!({"targets": [], "attributes": [x, y]}), "targets"),
        (json!({"targets": [x], "attributes": [x, y]}), "targets"),
        (json!({"targets": [x, y], "attributes": [x, y, x]}), "attributes"),
        (json!({"targets": [x, y], "attributes": [x, list(&[])]}), "attributes"),
        (json!({"targets": [x, list(&["nothere", "norhere"])], "attributes": [x, y]}), "targets"),
        (json!({"targets": [x, list(&["man", "queen"])], "attributes": [x, y]}), "targets"),
        (json!({"targets": [x, many], "attributes": [x, y]}), "targets"),
        (json!({"targets": [x, y]}), "attributes"),
        (json!({"targets": [x, y], "attributes": [x, y], "seed": 1}), "seed"),
        (json!({"targets": [x, {"name": "y", "words": "woman"}], "attributes": [x, y]}), "targets[1].words"),
        (json!({"targets": [x, y], "attributes": [x, {"words": []}]}), "attributes[1]"),
        (json!("targets"), "body"),
    ] {
        let (status, problem) = associate(&server, "small", &body).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{body}: {problem}");
    }
    assert_eq!(associate(&server, "nosuchset", &json!({"targets": [x, y], "attributes": [x, y]})).await.0, 404);
    let path = "/api/v1/words/small/association";
    assert_eq!(server.get(path).await.status(), 405);
    let send = async |kind: &str, body: &'static str| {
        server.request("POST", path).header("content-type", kind).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!([send("text/plain", "{}").await, send("application/json", "{").await, send("application/json", "").await], [415, 400, 400]);
}

#[tokio::test]
async fn an_axis_runs_between_its_words() {
    let server = Server::start();
    let axis = server.json("/api/v1/words/small/axis?from=woman&to=man&word=king&word=queen&word=Nothere&word=filler1", 200).await;
    assert_eq!(
        (&axis["set"], &axis["from"], &axis["to"], &axis["missing"]),
        (&json!("small"), &json!("woman"), &json!("man"), &json!(["Nothere"]))
    );
    // (-1, 1, 0) / sqrt 2 against (0, 1, 1) / sqrt 2: a half.
    let places: Vec<(&str, f64)> = axis["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|placed| (placed["word"].as_str().unwrap(), placed["position"].as_f64().unwrap()))
        .collect();
    assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), ["queen", "filler1", "king"]);
    assert!((places[0].1 - 0.5).abs() < 1e-6 && places[1].1.abs() < 1e-6 && (places[2].1 + 0.5).abs() < 1e-6, "{places:?}");

    let occupations = server.json("/api/v1/words/default/axis", 200).await;
    assert_eq!((&occupations["from"], &occupations["to"]), (&json!("she"), &json!("he")));
    assert!(occupations["words"].as_array().unwrap().len() > 40);
    assert_eq!(server.json("/api/v1/words/small/axis?from=womann&to=man&word=king", 404).await["suggestions"][0], "woman");
    for (query, field) in
        [("from=king&to=KING", "to"), ("from=", "from"), ("from=king&from=man", "from"), ("from=king&to=man&word=", "word")]
    {
        assert_eq!(server.json(&format!("/api/v1/words/small/axis?{query}"), 422).await["field"], field, "{query}");
    }
    let too_many = format!("/api/v1/words/small/axis?from=king&to=man{}", "&word=king".repeat(2001));
    assert_eq!(server.json(&too_many, 422).await["field"], "word");
}

#[test]
fn the_stored_evaluation_is_what_the_questions_give() {
    let Some(datasets) = std::env::var_os("TORCHBOARD_DATA") else {
        eprintln!("skipped: TORCHBOARD_DATA is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: folder.path().to_owned(),
        datasets: Some(datasets.into()),
        device: DeviceChoice::default(),
        mirror: None,
        threads: 2,
    };
    let set = Library::open_one(&settings, DEFAULT).unwrap();
    let evaluations = Evaluations::new(&settings);
    let computed = [20_000, usize::MAX].map(|limit| evaluations.get_or_compute(&set, limit).unwrap());
    let printed = format!("{}\n", serde_json::to_string(&computed.each_ref().map(|evaluation| &**evaluation)).unwrap());
    let stored = include_str!("../../data/words/default-evaluation.json");
    assert_eq!(stored, printed, "data/words/README.md says how to make data/words/default-evaluation.json again");
    for of_now in computed {
        let stored = Evaluations::stored(&set, of_now.limit).unwrap();
        assert!(stored.stored && !of_now.stored);
        assert_eq!((stored.total.covered, stored.total.correct), (of_now.total.covered, of_now.total.correct));
    }
}
