//! What goes wrong is said in the reader's language, wherever it is said.

use regex::Regex;
use serde_json::Value;

use crate::{
    accounts::{get, people, post, shared},
    support::Server,
};

/// What a page says is wrong: the text of its faults, without names and what was given, which stay as they are.
fn said(page: &str) -> String {
    let faults = Regex::new(r#"(?s)<(p|small) class="(?:detail|fault|fault full)"[^>]*>(.*?)</(?:p|small)>"#).unwrap();
    let as_given = Regex::new(r"(?s)<(?:bdi|code)[ >].*?</(?:bdi|code)>").unwrap();
    let tags = Regex::new("<[^>]*>").unwrap();
    let found: Vec<String> = faults.captures_iter(page).map(|fault| as_given.replace_all(&fault[2], "").into_owned()).collect();
    tags.replace_all(&found.join(" "), "").into_owned()
}

/// Whether it is written in Persian, but for names that have no other form.
fn is_persian(text: &str) -> bool {
    let english = Regex::new("[a-z]{2,}").unwrap();
    text.chars().any(|letter| ('آ'..='ی').contains(&letter)) && !english.is_match(text)
}

#[tokio::test]
async fn a_page_that_can_not_be_shown_says_so_in_the_reader_s_language() {
    let server = Server::start();
    for (path, status, english) in [
        ("/nothing", 404, "There is nothing at this address"),
        ("/runs/none", 404, "There is no run"),
        ("/runs?cursor=%22x", 422, "is none that an earlier page gave"),
        ("/studies/none", 404, "There is no study"),
        ("/datasets?set=none", 404, "There is no data set"),
        ("/datasets?set=mnist-sample&split=none", 422, "expected one of"),
        ("/datasets?set=mnist-sample&page=99999", 422, "there are"),
        ("/skin?matrix=none", 422, "expected"),
        ("/words/none", 404, "The words page has no section"),
        ("/words?set=none", 404, "there are no word vectors called"),
        ("/compare?run=none", 404, "There is no run"),
        ("/frozen?page=/people", 422, "expected the address of a page of results"),
        ("/reports/none", 404, "There is no report"),
        ("/s/none", 404, "This link shows nothing"),
        ("/frozen", 422, "is missing; expected ?page="),
    ] {
        let question = if path.contains('?') { '&' } else { '?' };
        for language in ["en", "fa"] {
            let response = server.get(&format!("{path}{question}lang={language}")).await;
            assert_eq!(response.status(), status, "{path}");
            let page = response.text().await.unwrap();
            assert!(!page.contains("class=\"keep\""), "{path}: what is not there can't be shared");
            let said = said(&page);
            assert!(if language == "en" { said.contains(english) } else { is_persian(&said) }, "{path} in {language}: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_form_that_is_refused_says_why_in_the_reader_s_language_and_keeps_what_was_typed() {
    let server = Server::start();
    for (path, body, kept) in [
        ("/runs", "system=mlp&name=a&config.units=zero&seed=", "zero"),
        ("/runs", "system=mlp&name=a&seed=minus+one", "minus one"),
        ("/runs", "system=mlp&name=a&config.learning_rate=9e99", "9e99"),
        ("/studies", "system=mlp&space=units%3Dnarrow&max_trials=3&epochs=1&objective=val_accuracy&sampler=bayesian", "units=narrow"),
        ("/studies", "system=mlp&space=units%3D1..4&max_trials=many&epochs=1&objective=val_accuracy&sampler=bayesian", "many"),
    ] {
        let response = post(&server, path, "language=fa", body).await;
        assert_eq!(response.status(), 422, "{body}");
        let page = response.text().await.unwrap();
        let said = said(&page);
        assert!(is_persian(&said), "{body}: {said:?}");
        assert!(page.contains(kept), "{body}: what was typed is gone");
    }
}

#[tokio::test]
async fn accounts_refuse_in_the_reader_s_language_too() {
    let server = shared(&[]);
    let [admin, trainer, viewer] = people(&server).await;
    let persian = |cookie: &str| format!("{cookie}; language=fa");
    for (cookie, path, body, status) in [
        (&viewer, "/runs", "system=mlp", 403),
        (&trainer, "/people/invitations", "role=viewer", 403),
        (&admin, "/people/invitations", "role=king", 422),
        (&admin, "/people/accounts/sara", "role=viewer", 409),
        (&viewer, "/account/tokens", "name=a&scopes=train&days=30", 422),
        (&viewer, "/account/tokens", "name=a&scopes=read&days=9000", 422),
        (&viewer, "/account/password", "password=wrong+one&new_password=something+long&again=something+long", 422),
    ] {
        let response = post(&server, path, &persian(cookie), body).await;
        assert_eq!(response.status(), status, "{path} {body}");
        let said = said(&response.text().await.unwrap());
        assert!(is_persian(&said), "{path} {body}: {said:?}");
    }
}

#[tokio::test]
async fn programs_are_told_in_english_unless_they_ask_for_persian() {
    let server = Server::start();
    let ask = async |accepted: &str| {
        let response = server.request("GET", "/api/v1/runs/none").header("accept-language", accepted).send().await.unwrap();
        let language = response.headers()["content-language"].to_str().unwrap().to_owned();
        let varies = response.headers().get_all("vary").iter().any(|value| value.to_str().unwrap().contains("accept-language"));
        assert!(varies, "what is kept between must not be given to readers of another language");
        (language, response.json::<Value>().await.unwrap())
    };
    let (language, english) = ask("").await;
    assert_eq!((language.as_str(), english["detail"].as_str()), ("en", Some("There is no run \"none\".")));
    let (language, persian) = ask("fa-IR,fa;q=0.9,en;q=0.5").await;
    assert!(language == "fa" && is_persian(&persian["detail"].as_str().unwrap().replace("none", "")), "{persian}");
    for same in ["type", "title", "status"] {
        assert_eq!(english[same], persian[same], "{same} is for programs");
    }
    let request = server.request("GET", "/api/v1/datasets/mnist/images/test/0.png").header("accept-language", "fa");
    let absent = request.send().await.unwrap().json::<Value>().await.unwrap();
    assert!(absent["detail"].as_str().unwrap().contains("موجود نیست. دستور"), "put together from two sentences: {absent}");
}

#[tokio::test]
async fn a_page_that_is_kept_for_one_account_is_not_shown_to_another() {
    let server = shared(&["--open-to-read"]);
    let [admin, _, viewer] = people(&server).await;
    for _ in 0..3 {
        for (cookie, own, may_share) in
            [(admin.as_str(), "<bdi>sara</bdi>", true), (&viewer, "<bdi>nima</bdi>", false), ("", "/sign-in?back=", false)]
        {
            let page = get(&server, "/fashion", cookie).await.text().await.unwrap();
            let others: Vec<&str> =
                ["<bdi>sara</bdi>", "<bdi>nima</bdi>", "/sign-in?back="].into_iter().filter(|other| page.contains(other)).collect();
            assert_eq!(others, [own]);
            assert_eq!(page.contains("action=\"/shares\""), may_share, "{own}");
        }
    }
}
