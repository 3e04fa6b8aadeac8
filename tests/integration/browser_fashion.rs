//! A real Chromium sends a picture to a network and reads the answer, and a page without scripts gets the same.

use serde_json::json;

use crate::{browser::Browser, browser_words::eventually, classifiers::trained};

#[tokio::test]
async fn a_picture_is_classified_without_leaving_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained();
    browser.open(&format!("{}/fashion?run={id}&lang=en", server.address)).await;
    let choose = |script: &str| {
        format!(
            "const choose = (blob) => {{ const files = new DataTransfer(); files.items.add(new File([blob], 'x.png', {{ type: 'image/png' }})); \
             const input = document.querySelector('#image'); input.files = files.files; input.dispatchEvent(new Event('change')); }}; {script}"
        )
    };
    let picture = "fetch('/api/v1/datasets/fashion-mnist-sample/images/test/3.png').then((answer) => answer.blob()).then(choose)";
    browser.run(&choose(picture)).await;
    eventually(&browser, "return document.querySelectorAll('.probabilities tbody tr').length === 10").await;
    assert_eq!(browser.run("return document.querySelector('.picture img').naturalWidth").await, json!(28));
    assert_eq!(browser.run("return location.pathname").await, json!("/fashion"), "the page stays");

    browser.run(&choose("choose(new Blob(['hello']))")).await;
    eventually(&browser, "return document.querySelector('#image-faults .fault')?.textContent.includes('no picture')").await;

    // The list of runs needs no button, and the matrix can count by row; both stand in the address.
    browser.run("[...document.querySelectorAll('.choice a')].find((link) => link.href.includes('matrix=rows')).click()").await;
    eventually(&browser, "return new URLSearchParams(location.search).get('matrix') === 'rows' && document.readyState === 'complete'")
        .await;
    assert_eq!(
        browser.run("return document.querySelector('#confusion .choice [aria-current]').href.includes('matrix=rows')").await,
        json!(true)
    );
    let said = browser.console().await;
    assert!(said.iter().all(|line| line.contains("422")), "nothing but the refusal that was asked for: {said:?}");
}
