//! A real Chromium uses `/words`: completion by keyboard, near spellings, maps, the language switch.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{browser::Browser, support::Server};

/// Runs `script` until it returns something true; what it waits for comes from the network, so there is no other sign.
pub async fn eventually(browser: &Browser, script: &str) -> Value {
    for _ in 0..600 {
        let value = browser.run(script).await;
        if !(value.is_null() || value == json!(false)) {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never came true: {script}");
}

async fn type_text(browser: &Browser, field: &str, text: &str) {
    browser.run(&format!("const f = document.querySelector('{field}'); f.focus(); f.value = ''; f.setSelectionRange(0, 0);")).await;
    browser.chromium("Input.insertText", json!({"text": text})).await;
}

#[tokio::test]
async fn a_word_is_completed_by_keyboard_and_answered_in_place() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/words?set=small&lang=en", server.address)).await;
    browser.run("window.stays = true").await;
    type_text(&browser, "#words", "que").await;
    eventually(
        &browser,
        "return [...document.querySelectorAll('#words-suggestions [role=option]')].some((o) => o.textContent === 'queen')",
    )
    .await;
    browser.press("ArrowDown", 40).await;
    browser.press("Enter", 13).await;
    assert_eq!(browser.run("return document.querySelector('#words').value").await, "queen");
    browser.press("Enter", 13).await;
    eventually(&browser, "return document.querySelector('#neighbors caption')?.textContent.includes('queen')").await;
    assert_eq!(browser.run("return window.stays").await, true, "the page was not loaded anew");
    assert_eq!(browser.run("return new URLSearchParams(location.search).get('words')").await, "queen");
    browser.run("history.back()").await;
    eventually(&browser, "return document.querySelector('#neighbors caption')?.textContent.includes('john')").await;
}

#[tokio::test]
async fn a_wrong_word_gets_near_spellings_as_it_is_typed_and_when_it_is_sent() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/words?set=small&lang=en", server.address)).await;
    type_text(&browser, "#words", "kinng").await;
    eventually(&browser, "return [...document.querySelectorAll('#words-suggestions [role=option]')].some((o) => o.textContent === 'king')")
        .await;
    browser.press("Escape", 27).await;
    assert_eq!(browser.run("return document.querySelector('#words-suggestions').hidden").await, true);
    browser.press("Enter", 13).await;
    eventually(&browser, "return [...document.querySelectorAll('#words-faults a')].some((a) => a.textContent === 'king')").await;
    browser.run("document.querySelector('#words-faults a').click()").await;
    eventually(&browser, "return document.querySelector('#neighbors caption')?.textContent.includes('king')").await;
}

#[tokio::test]
async fn a_point_of_a_map_tells_its_place_and_neighbors_on_focus() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/words/maps?set=small&lang=en&groups=all%3A+king+queen+man+woman", server.address)).await;
    eventually(&browser, "return document.querySelectorAll('#map-own .figure-wide [data-word]').length === 4").await;
    browser.run("document.querySelector('#map-own .figure-wide [data-word=king]').focus()").await;
    let told = eventually(
        &browser,
        "const t = document.querySelector('#map-tooltip'); return !t.hidden && t.querySelector('table') && t.textContent",
    )
    .await;
    let told = told.as_str().unwrap();
    assert!(told.starts_with("king: ") && told.contains("0.707"), "{told}");
    browser.press("Escape", 27).await;
    assert_eq!(browser.run("return document.querySelector('#map-tooltip').hidden").await, true);
}

#[tokio::test]
async fn a_list_of_the_association_test_is_edited_and_tested_in_place() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    let lists = "x=man,+king&y=woman,+queen&a=man,+king&b=woman,+queen";
    browser.open(&format!("{}/words?set=small&lang=en&{lists}", server.address)).await;
    browser.run("window.stays = true").await;
    assert_eq!(browser.run("return document.querySelector('#bias .measures .number').textContent").await, "1.707");
    browser.run("const f = document.querySelector('#y'); f.focus(); f.setSelectionRange(0, 5)").await; // woman
    browser.chromium("Input.insertText", json!({"text": "filler1"})).await;
    let beneath = "const list = document.querySelector('#y-suggestions'); if (!list || list.hidden) return false; \
                   return list.getBoundingClientRect().top >= document.querySelector('#y').getBoundingClientRect().bottom && list.textContent";
    assert!(eventually(&browser, beneath).await.as_str().unwrap().starts_with("filler1"));
    browser.press("Escape", 27).await;
    browser.run("document.querySelector('#bias form').requestSubmit()").await;
    eventually(&browser, "return document.querySelector('#bias .measures .number').textContent !== '1.707'").await;
    assert_eq!(browser.run("return window.stays").await, true, "the page was not loaded anew");
    assert_eq!(browser.run("return new URLSearchParams(location.search).get('y')").await, "filler1, queen");
    browser.run("document.querySelector('#bias .presets a').click()").await;
    eventually(&browser, "return document.readyState === 'complete' && document.querySelector('#x').value.startsWith('john')").await;
}

#[tokio::test]
async fn accuracy_is_asked_for_with_a_plain_link() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start_with_questions(&[("family", "man woman king queen\n")]);
    browser.open(&format!("{}/words?set=small&lang=en", server.address)).await;
    browser.run("document.querySelector('#accuracy a.button').click()").await;
    eventually(&browser, "return document.querySelector('#accuracy tfoot')?.textContent.includes('100.0')").await;
    let shown = browser.run("return document.querySelector('#accuracy .figure-wide').getBoundingClientRect().width > 500").await;
    assert_eq!(shown, true);
}

#[tokio::test]
async fn the_language_switch_keeps_what_is_asked() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/words?set=small&words=queen", server.address)).await;
    browser.run("document.querySelector('button[name=language][value=fa]').click()").await;
    eventually(&browser, "return document.documentElement.lang === 'fa' && document.readyState === 'complete'").await;
    assert_eq!(browser.run("return document.querySelector('#words').value").await, "queen");
    assert_eq!(browser.run("return document.documentElement.dir").await, "rtl");
}

#[tokio::test]
async fn the_words_page_fits_a_telephone_and_the_policy_refuses_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    for language in ["en", "fa"] {
        for width in [390, 1280] {
            browser.look(width, "light").await;
            browser.open(&format!("{}/words?set=small&lang={language}&groups=all%3A+king+queen+man+woman", server.address)).await;
            let overflow = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            assert_eq!(overflow, 0, "sideways scroll at {width} in {language}");
        }
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
}
