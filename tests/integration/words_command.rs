//! `torchboard words` in the terminal: the same answers as the API, tables for people, and what bad questions are told.

use std::{path::Path, process::Output};

use serde_json::{Value, json};

use crate::support::{Server, command, import_small_set, with_questions};

/// `torchboard words ...` on the data folder `folder`.
fn words(folder: &Path, arguments: &[&str]) -> Output {
    command().arg("words").args(arguments).arg("--data-dir").arg(folder).output().unwrap()
}

fn small() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    import_small_set(folder.path());
    folder
}

/// What a call that must succeed printed.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = words(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a call that must fail with this status said.
fn refused(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = words(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(status), &b""[..]), "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

#[tokio::test]
async fn json_is_what_the_api_answers() {
    let server = Server::start();
    let folder = small();
    for (arguments, path) in [
        ("neighbors king -k 3", "neighbors?word=king&k=3"),
        ("neighbors KING", "neighbors?word=KING"),
        ("similarity king man", "similarity?a=king&b=man"),
        ("analogy --positive king woman --negative man -k 2", "analogy?positive=king&positive=woman&negative=man&k=2"),
        (
            "analogy --positive king --positive woman --negative man --method mul",
            "analogy?positive=king&positive=woman&negative=man&method=mul",
        ),
        ("odd-one-out king filler3 queen man", "odd-one-out?word=king&word=filler3&word=queen&word=man"),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').chain(["--set", "small", "--json"]).collect();
        let line = printed(folder.path(), &arguments);
        assert_eq!(line.lines().count(), 1, "{line}");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer, server.json(&format!("/api/v1/words/small/{path}"), 200).await, "{arguments:?}");
    }
}

#[test]
fn people_get_tables() {
    let folder = small();
    let rows = |arguments: &[&str]| {
        let text = printed(folder.path(), &[arguments, &["--set", "small"]].concat());
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["neighbors", "king", "-k", "2"]), [["man", "0.7071"], ["queen", "0.5000"]]);
    assert_eq!(rows(&["similarity", "king", "man"]), [["similarity", "0.7071", "distance", "0.2929"]]);
    assert_eq!(rows(&["analogy", "--positive", "king", "woman", "--negative", "man", "-k", "1"])[0][0], "queen");
    let odd = rows(&["odd-one-out", "king", "filler3", "queen"]);
    assert_eq!(odd.iter().map(|row| (row[0].as_str(), row.len())).collect::<Vec<_>>(), [("king", 2), ("filler3", 5), ("queen", 2)]);
}

#[test]
fn without_a_set_the_embedded_one_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let answer: Value = serde_json::from_str(&printed(folder.path(), &["neighbors", "queen", "--json"])).unwrap();
    assert_eq!((&answer["set"], answer["neighbors"].as_array().unwrap().len()), (&json!("default"), 10));
}

#[test]
fn bad_questions_are_told_what_is_wrong() {
    let folder = small();
    let asked = |arguments: &[&str], status| refused(folder.path(), &[arguments, &["--set", "small"]].concat(), status);
    for arguments in [
        &["neighbors", "quen"] as &[&str],
        &["similarity", "king", "quen"],
        &["analogy", "--positive", "king", "--negative", "quen"],
        &["odd-one-out", "king", "man", "quen"],
    ] {
        let error = asked(arguments, 1);
        assert!(error.contains("“quen”") && error.contains("did you mean queen"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for k in ["0", "1001", "1000000000", "99999999999999999999", "-1", "ten"] {
        let error = asked(&["neighbors", "king", &format!("-k={k}")], 2);
        assert!(error.contains("-k <N>"), "{k}: {error}");
    }
    assert!(asked(&["analogy", "--negative", "king"], 2).contains("--positive"));
    assert!(asked(&["analogy", "--positive", "king", "--method", "divide"], 2).contains("add, mul"));
    asked(&["odd-one-out", "king", "man"], 2);
    asked(&["neighbors", ""], 1);
    let error = refused(folder.path(), &["neighbors", "king", "--set", "nosuchset"], 1);
    assert!(error.contains("nosuchset") && error.contains("default") && error.contains("small"), "{error}");
    for id in ["../small", "", "small/../small", "a\u{e9}"] {
        refused(folder.path(), &["neighbors", "king", "--set", id], 1);
    }
}

#[test]
fn an_evaluation_counts_by_section_and_in_all() {
    let folder = small();
    let datasets = with_questions("man woman king queen\nking queen man woman\nman woman king filler1\nman woman king nothere\n");
    let datasets = datasets.path().to_str().unwrap();
    let row = |name: &str| json!({"name": name, "questions": 4, "covered": 3, "correct": 2, "accuracy": 2.0 / 3.0});
    let expected = json!({"set": "small", "limit": 64, "sections": [row("royal")], "total": row("total"), "stored": false});
    for given in
        [["--datasets".to_owned(), datasets.to_owned()], ["--questions".to_owned(), format!("{datasets}/glove/questions/royal.txt")]]
    {
        let arguments = [&["evaluate", "--set", "small", "--json"][..], &given.each_ref().map(String::as_str)].concat();
        assert_eq!(serde_json::from_str::<Value>(&printed(folder.path(), &arguments)).unwrap(), expected, "{given:?}");
    }
    let limited = printed(folder.path(), &["evaluate", "--set", "small", "--datasets", datasets, "--limit", "3", "4", "--json"]);
    let limited: Value = serde_json::from_str(&limited).unwrap();
    assert_eq!([&limited[0]["limit"], &limited[0]["total"]["covered"]], [&json!(3), &json!(0)]);
    assert_eq!([&limited[1]["limit"], &limited[1]["total"]["covered"]], [&json!(4), &json!(2)]);
    let table = printed(folder.path(), &["evaluate", "--set", "small", "--datasets", datasets]);
    assert!(table.lines().any(|line| line.split_whitespace().eq(["royal", "4", "3", "2", "66.7%"])), "{table}");
}

#[test]
fn without_questions_the_embedded_set_has_a_stored_evaluation_and_others_say_what_to_do() {
    let folder = small();
    let error = refused(folder.path(), &["evaluate", "--set", "small"], 1);
    assert!(error.contains("glove/questions") && error.contains("TORCHBOARD_DATA"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = refused(folder.path(), &["evaluate", "--set", "small", "--datasets", empty.path().to_str().unwrap()], 1);
    assert!(error.contains("there is no folder glove/questions"), "{error}");
    let stored: Value = serde_json::from_str(&printed(folder.path(), &["evaluate", "--limit", "20000", "300000", "--json"])).unwrap();
    for (evaluation, limit) in stored.as_array().unwrap().iter().zip([Some(20_000), None]) {
        assert_eq!(
            (&evaluation["set"], &evaluation["stored"], &evaluation["total"]["questions"]),
            (&json!("default"), &json!(true), &json!(19_544))
        );
        assert!(limit.is_none_or(|limit| evaluation["limit"] == limit), "{evaluation}");
    }
    assert!(printed(folder.path(), &["evaluate"]).contains("stored with the program"));
    refused(folder.path(), &["evaluate", "--limit", "12345"], 1);
    refused(folder.path(), &["evaluate", "--limit", "0"], 2);
    let missing = refused(folder.path(), &["evaluate", "--questions", "/nowhere/questions.txt"], 1);
    assert!(missing.contains("/nowhere/questions.txt"), "{missing}");
    let no_questions = empty.path().join("no-questions.txt");
    std::fs::write(&no_questions, "one two\n\n: header\n").unwrap();
    assert!(refused(folder.path(), &["evaluate", "--questions", no_questions.to_str().unwrap()], 1).contains("no question of four words"));
    std::fs::write(&no_questions, [0xFF, 0xFE, b'\n']).unwrap();
    assert!(refused(folder.path(), &["evaluate", "--questions", no_questions.to_str().unwrap()], 1).contains("no-questions.txt"));
}

#[test]
fn bias_is_measured_by_lists_that_can_be_edited() {
    let folder = small();
    let default: Value = serde_json::from_str(&printed(folder.path(), &["bias", "--json"])).unwrap();
    let tests = default["tests"].as_array().unwrap();
    assert_eq!(
        tests.iter().map(|test| test["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["career-family", "math-arts", "science-arts", "flowers-insects"]
    );
    assert!(tests.iter().all(|test| test["effect_size"].is_number() && test["p_value"].is_number()), "{default:#}");
    let axis = &default["axis"];
    assert_eq!((&axis["from"], &axis["to"]), (&json!("she"), &json!("he")));
    assert!(axis["words"].as_array().unwrap().is_sorted_by(|a, b| a["position"].as_f64() >= b["position"].as_f64()));

    let lists = printed(folder.path(), &["bias", "--print-lists"]);
    let file = folder.path().join("lists.json");
    let mut edited: Value = serde_json::from_str(&lists).unwrap();
    edited["source"] = "edited".into();
    edited["tests"].as_array_mut().unwrap().truncate(2);
    edited["tests"][1]["targets"][0]["words"] = json!(["nosuchword", "norsuchaone"]);
    edited["occupations"]["words"] = json!(["nurse", "captain", "nosuchword"]);
    std::fs::write(&file, edited.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let mine: Value = serde_json::from_str(&printed(folder.path(), &["bias", "--lists", file, "--json"])).unwrap();
    assert_eq!((&mine["source"], &mine["tests"][0]), (&json!("edited"), &default["tests"][0]));
    assert!(mine["tests"][1]["unanswered"].as_str().unwrap().contains("fewer than two words"), "{mine:#}");
    assert_eq!((mine["axis"]["words"][0]["word"].as_str(), &mine["axis"]["missing"]), (Some("nurse"), &json!(["nosuchword"])));
    let table = printed(folder.path(), &["bias", "--lists", file]);
    for expected in ["career-family", "effect size", "p-value", "fewer than two words", "nurse", "not in this set: nosuchword"] {
        assert!(table.contains(expected), "{expected} is not in\n{table}");
    }

    std::fs::write(file, "{\"tests\": [{\"id\": \"x\"}]}").unwrap();
    let error = refused(folder.path(), &["bias", "--lists", file], 1);
    assert!(error.contains("lists.json") && error.contains("targets") && error.contains("line 1"), "{error}");
    refused(folder.path(), &["bias", "--lists", "/nowhere/lists.json"], 1);
    assert!(refused(folder.path(), &["bias", "--set", "small"], 1).contains("“she”"));
}

#[test]
fn an_import_says_what_it_left_out_and_a_bad_file_where_it_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.txt");
    let named = file.to_str().unwrap();
    std::fs::write(&file, b"king 1 2\nking 3 4\n\xff\xfe 5 6\nqueen 7 8\n").unwrap();
    let said = printed(folder.path(), &["import", named, "--id", "some"]);
    assert!(
        said.contains("2 words of 2 dimensions")
            && said.contains("1 rows whose word had come before")
            && said.contains("1 rows whose word is empty or not valid UTF-8"),
        "{said}"
    );
    assert!(printed(folder.path(), &["list"]).contains("some"));
    let neighbors: Value = serde_json::from_str(&printed(folder.path(), &["neighbors", "king", "--set", "some", "--json"])).unwrap();
    assert_eq!(neighbors["neighbors"][0]["word"], "queen");
    for (bytes, expected) in
        [(&b"king 1 2\nqueen 1\n"[..], "some.txt, line 2"), (b"king 1 NaN\n", "some.txt, line 1"), (b"", "some.txt: the file is empty")]
    {
        std::fs::write(&file, bytes).unwrap();
        assert!(refused(folder.path(), &["import", named, "--id", "bad"], 1).contains(expected), "{expected}");
    }
    assert!(refused(folder.path(), &["import", named, "--id", "../bad"], 1).contains("--id"));
    assert!(refused(folder.path(), &["neighbors", "king", "--set", "bad"], 1).contains("“bad”"), "nothing of a bad file is kept");
}
