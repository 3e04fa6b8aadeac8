//! `/`: live results, the same as the words page and the API have them.

use crate::support::Server;

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
