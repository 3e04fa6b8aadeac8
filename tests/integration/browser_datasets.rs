//! A real Chromium looks at data sets: images by class, and the state in the address.

use serde_json::json;

use crate::{browser::Browser, browser_words::eventually, support::Server};

#[tokio::test]
async fn images_are_chosen_by_split_and_class_and_the_address_says_which() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/datasets?set=skin-sample&lang=en", server.address)).await;
    browser.run("const list = document.querySelector('#class'); list.value = '5'; list.dispatchEvent(new Event('change'))").await;
    eventually(&browser, "return new URLSearchParams(location.search).get('class') === '5' && document.readyState === 'complete'").await;
    let classes = "return [...new Set([...document.querySelectorAll('.images .class')].map((element) => element.textContent))]";
    assert_eq!(browser.run(classes).await, json!(["melanocytic nevi"]));
    browser.run("document.querySelector('.images img').scrollIntoView()").await;
    eventually(&browser, "return document.querySelector('.images img').naturalWidth === 28").await;
    browser.run("[...document.querySelectorAll('.pager a')].find((link) => link.textContent === 'Next').click()").await;
    eventually(&browser, "return new URLSearchParams(location.search).get('page') === '2' && document.readyState === 'complete'").await;
    assert_eq!(browser.run(classes).await, json!(["melanocytic nevi"]), "the class stays");
    assert!(browser.run("return document.querySelector('#images .note').textContent").await.as_str().unwrap().starts_with("61–120 of 469"));
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}
