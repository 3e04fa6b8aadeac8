//! Word vectors over HTTP: the contract, and what bad questions are told.

use serde_json::{Value, json};

use crate::support::{SET, Server, VOCABULARY};

/// Numbers agree to single precision.
fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["word"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_has_what_a_set_says_of_itself() {
    let server = Server::start();
    let list = server.json("/api/v1/words", 200).await;
    assert_eq!(list["next_cursor"], Value::Null);
    let set = list["items"].as_array().unwrap().iter().find(|set| set["id"] == SET).unwrap();
    assert_eq!(
        *set,
        json!({"id": SET, "name": "A small set", "dimension": 5, "vocabulary": VOCABULARY, "source": "made for a test", "licence": "CC0"})
    );
}

#[tokio::test]
async fn neighbors_come_best_first_without_the_word_itself() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/neighbors?word=king&k=3", 200).await;
    assert_eq!((&answer["set"], &answer["word"], &answer["k"]), (&json!("small"), &json!("king"), &json!(3)));
    assert_eq!(words(&answer["neighbors"])[..2], ["man", "queen"]);
    close(&answer["neighbors"][0]["similarity"], 0.5_f64.sqrt());
    close(&answer["neighbors"][1]["similarity"], 0.5);
    assert_eq!(answer["neighbors"].as_array().unwrap().len(), 3);
    let by_default = server.json("/api/v1/words/small/neighbors?word=KING", 200).await;
    assert_eq!((&by_default["word"], by_default["neighbors"].as_array().unwrap().len()), (&json!("king"), 10));
    let all = server.json("/api/v1/words/small/neighbors?word=king&k=1000", 200).await;
    assert_eq!(all["neighbors"].as_array().unwrap().len(), VOCABULARY - 1);
}

#[tokio::test]
async fn similarity_and_distance_sum_to_one() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/similarity?a=king&b=man", 200).await;
    assert_eq!((&answer["a"], &answer["b"]), (&json!("king"), &json!("man")));
    assert_eq!(server.json("/api/v1/words/small/similarity?a=KING&b=Man", 200).await, answer, "as neighbours do, in lower case");
    close(&answer["similarity"], 0.5_f64.sqrt());
    close(&answer["distance"], 1.0 - 0.5_f64.sqrt());
}

#[tokio::test]
async fn an_analogy_leaves_its_words_out() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/analogy?positive=king&positive=woman&negative=man&k=1&method=add", 200).await;
    assert_eq!(answer["positive"], json!(["king", "woman"]));
    assert_eq!((&answer["negative"], &answer["method"], &answer["k"]), (&json!(["man"]), &json!("add"), &json!(1)));
    assert_eq!(words(&answer["neighbors"]), ["queen"]);
    // (r - 1, 1, r) with r = sqrt(1/2), against (0, 1, 1) / sqrt(2)
    let r = 0.5_f64.sqrt();
    close(&answer["neighbors"][0]["similarity"], (1.0 + r) * r / ((r - 1.0).powi(2) + 1.0 + r * r).sqrt());
}

#[tokio::test]
async fn the_odd_one_out_is_the_least_like_the_rest() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/odd-one-out?word=king&word=filler3&word=queen&word=man", 200).await;
    assert_eq!(answer["odd_one_out"], "filler3");
    assert_eq!(words(&answer["words"]), ["king", "filler3", "queen", "man"]);
    server.json("/api/v1/words/small/odd-one-out?word=king&word=man", 422).await;
}

#[tokio::test]
async fn vectors_come_as_their_file_has_them() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/vectors?word=king&word=woman", 200).await;
    let expected = json!({"dimension": 5, "vectors": [
        {"word": "king", "values": [1.0, 0.0, 1.0, 0.0, 0.0]}, {"word": "woman", "values": [0.0, 1.0, 0.0, 0.0, 0.0]}]});
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn completions_begin_as_typed_and_a_slip_gets_near_spellings() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/completions?prefix=filler1&limit=3", 200).await;
    assert_eq!(answer["words"], json!(["filler1", "filler10", "filler11"]));
    let slip = server.json("/api/v1/words/small/completions?prefix=quen", 200).await;
    assert_eq!((&slip["words"], &slip["suggestions"][0]), (&json!([]), &json!("queen")));
}

async fn project(server: &Server, body: &Value) -> (u16, Value) {
    let response = server.request("POST", "/api/v1/words/small/projection").json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_map_names_what_is_missing_and_repeats_with_its_seed() {
    let server = Server::start();
    for method in ["pca", "tsne"] {
        let body = json!({"words": ["king", "nothere", "queen", "man", "woman", "filler1"], "method": method, "seed": 7, "perplexity": 2});
        let (status, first) = project(&server, &body).await;
        assert_eq!((status, &first["method"], &first["missing"]), (200, &json!(method), &json!(["nothere"])));
        assert_eq!(words(&first["points"]), ["king", "queen", "man", "woman", "filler1"]);
        assert!(first["points"].as_array().unwrap().iter().all(|point| point["x"].is_number() && point["y"].is_number()));
        assert_eq!(project(&server, &body).await.1, first, "{method} with the same seed");
    }
    let (status, one) = project(&server, &json!({"words": ["king"], "method": "tsne"})).await;
    assert_eq!((status, one["points"].as_array().unwrap().len()), (200, 1));
    let (status, none) = project(&server, &json!({"words": ["nothere"]})).await;
    assert_eq!((status, &none["points"]), (200, &json!([])));
}

#[tokio::test]
async fn an_unknown_word_gets_near_spellings_and_an_unknown_set_the_sets() {
    let server = Server::start();
    let problem = server.json("/api/v1/words/small/neighbors?word=quen", 404).await;
    assert_eq!((&problem["status"], &problem["suggestions"][0]), (&json!(404), &json!("queen")));
    assert!(problem["type"].is_string() && problem["title"] == "Not Found" && problem["detail"].as_str().unwrap().contains("quen"));
    for question in [
        "neighbors?word=king",
        "similarity?a=king&b=man",
        "analogy?positive=king",
        "odd-one-out?word=king",
        "vectors?word=king",
        "completions?prefix=k",
    ] {
        let problem = server.json(&format!("/api/v1/words/nosuchset/{question}"), 404).await;
        assert!(problem["detail"].as_str().unwrap().contains(SET), "{question}: {problem}");
    }
    for question in
        ["similarity?a=king&b=quen", "analogy?positive=king&negative=quen", "odd-one-out?word=king&word=man&word=quen", "vectors?word=quen"]
    {
        assert_eq!(server.json(&format!("/api/v1/words/small/{question}"), 404).await["suggestions"][0], "queen", "{question}");
    }
    for rubbish in ["%FF%FE", "%00", "%3Cscript%3E", "%E2%80%AE", &"x".repeat(5000)] {
        server.json(&format!("/api/v1/words/small/neighbors?word={rubbish}"), 404).await;
    }
}

#[tokio::test]
async fn a_bad_question_is_told_which_field_is_wrong() {
    let server = Server::start();
    for (path, field) in [
        ("neighbors?word=king&k=0", "k"),
        ("neighbors?word=king&k=1001", "k"),
        ("neighbors?word=king&k=1000000000", "k"),
        ("neighbors?word=king&k=99999999999999999999999", "k"),
        ("neighbors?word=king&k=-1", "k"),
        ("neighbors?word=king&k=ten", "k"),
        ("neighbors?word=king&k=", "k"),
        ("neighbors?word=king&k=1&k=2", "k"),
        ("neighbors?word=king&word=man", "word"),
        ("neighbors", "word"),
        ("neighbors?word=", "word"),
        ("similarity?a=king", "b"),
        ("similarity?a=&b=king", "a"),
        ("odd-one-out", "word"),
        ("odd-one-out?word=king&word=man", "word"),
        ("odd-one-out?word=king&word=man&word=", "word"),
        ("analogy?positive=king&k=0", "k"),
        ("analogy?positive=king&k=1000000000", "k"),
        ("analogy?negative=man", "positive"),
        ("analogy?positive=king&positive=", "positive"),
        ("analogy?positive=king&method=divide", "method"),
        ("vectors", "word"),
        ("completions?prefix=a&limit=0", "limit"),
    ] {
        let response = server.get(&format!("/api/v1/words/small/{path}")).await;
        assert_eq!(response.status(), 422, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["field"], field, "{path}: {problem}");
    }
    let too_many = format!("/api/v1/words/small/vectors?{}", "word=king&".repeat(2001));
    assert_eq!(server.json(&too_many, 422).await["field"], "word");
    let long_sum = format!("/api/v1/words/small/analogy?method=mul{}", "&positive=king".repeat(101));
    assert_eq!(server.json(&long_sum, 422).await["field"], "positive");
}

#[tokio::test]
async fn a_bad_projection_is_refused_without_a_fault_of_ours() {
    let server = Server::start();
    for (body, field) in [
        (json!({"words": []}), "words"),
        (json!({"words": vec!["king"; 2001]}), "words"),
        (json!({"words": ["king", "man", "queen"], "method": "tsne", "perplexity": 0}), "perplexity"),
        (json!({"words": ["king", "man", "queen"], "method": "tsne", "perplexity": 1e9}), "perplexity"),
    ] {
        let (status, problem) = project(&server, &body).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
    }
    for (body, field) in [
        (json!({}), "words"),
        (json!({"words": "king"}), "words"),
        (json!({"words": ["king", 1]}), "words[1]"),
        (json!({"words": ["king"], "method": "umap"}), "method"),
        (json!({"words": ["king"], "seed": -1}), "seed"),
        (json!({"words": ["king"], "perplexity": null}), "perplexity"),
        (json!({"words": ["king"], "sed": 1}), "sed"),
        (json!("king"), "body"),
    ] {
        let (status, problem) = project(&server, &body).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{body}: {problem}");
    }
    let path = "/api/v1/words/small/projection";
    let send = async |kind: &str, body: Vec<u8>| {
        let response = server.request("POST", path).header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        response.status().as_u16()
    };
    assert_eq!(send("application/json", b"{\"words\":[".to_vec()).await, 400);
    assert_eq!(send("application/json", vec![0xFF, 0xFE]).await, 400);
    assert_eq!(send("application/json", Vec::new()).await, 400);
    assert_eq!(send("text/plain", b"{\"words\":[\"king\"]}".to_vec()).await, 415);
    // The server answers and hangs up without reading the rest, so the client may learn of either first.
    match server.request("POST", path).header("content-type", "application/json").body(vec![b' '; 10 << 20]).send().await {
        Ok(response) => assert_eq!(response.status().as_u16(), 413),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    let wrong = server.get(path).await;
    assert_eq!((wrong.status().as_u16(), wrong.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(server.get("/health").await.status(), 200);
}
