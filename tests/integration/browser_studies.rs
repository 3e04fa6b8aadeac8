//! A real Chromium starts a study on drawn images, watches its trials come in, stops it and takes it up again.

use serde_json::json;

use crate::{browser::Browser, browser_words::eventually, support::Server};

#[tokio::test]
async fn a_study_is_started_watched_stopped_and_taken_up_again() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/studies?lang=en", server.address)).await;

    // What can't be searched is told beside the form, and what was typed stays.
    let fill = |space: &str| {
        format!(
            "document.querySelector('.new').open = true; const form = document.querySelector('.new form'); \
             form.elements['name'].value = 'watched'; form.elements['space'].value = '{space}'; form.elements['max_trials'].value = 40; \
             form.elements['epochs'].value = 2; form.elements['set'].value = 'dataset=fashion-mnist-sample'; form.requestSubmit()"
        )
    };
    browser.run(&fill("units=banana")).await;
    eventually(&browser, "return document.querySelector('.new .fault')?.textContent.includes('units')").await;
    assert_eq!(browser.run("return document.querySelector('#name').value").await, json!("watched"));

    browser.run(&fill("units=4..64:4\\nlearning_rate=0.0001..0.01:log")).await;
    eventually(&browser, "return location.pathname.startsWith('/studies/study-') && document.readyState === 'complete'").await;
    browser.run("window.stayed = true").await;
    let trials = "document.querySelectorAll('#trials tbody tr').length";
    eventually(&browser, &format!("return {trials} >= 3")).await;
    let seen = browser.run(&format!("return {trials}")).await;
    eventually(&browser, &format!("return {trials} > {seen}")).await;
    eventually(&browser, "return document.querySelectorAll('#figures figure svg').length >= 3").await;
    assert_eq!(browser.run("return window.stayed").await, json!(true), "trials come in without the page's being loaded again");
    assert_eq!(browser.run("return document.querySelectorAll('tr.winner').length").await, json!(1));

    browser.run("document.querySelector('button[value=cancel]').click()").await;
    let state = "document.querySelector('#head .state')?.textContent";
    eventually(&browser, &format!("return {state} === 'cancelled' && document.readyState === 'complete'")).await;
    let stopped = browser
        .run("return [...document.querySelectorAll('#trials tbody tr')].map((row) => row.cells[1].textContent + row.cells[2].textContent)")
        .await;
    browser.run("document.querySelector('button[value=resume]').click()").await;
    eventually(&browser, &format!("return {trials} > {}", stopped.as_array().unwrap().len())).await;
    let rows = browser
        .run("return [...document.querySelectorAll('#trials tbody tr')].map((row) => row.cells[1].textContent + row.cells[2].textContent)")
        .await;
    assert_eq!(&rows.as_array().unwrap()[..stopped.as_array().unwrap().len()], stopped.as_array().unwrap(), "earlier trials stay");
    browser.run("document.querySelector('button[value=cancel]').click()").await;
    eventually(&browser, &format!("return {state} === 'cancelled' && document.readyState === 'complete'")).await;

    // The best settings are trained as a run of its own.
    browser.run("document.querySelector('button[value=train]').click()").await;
    eventually(&browser, "return location.pathname.startsWith('/runs/mlp-') && document.readyState === 'complete'").await;
    let said = browser.console().await;
    assert!(said.iter().all(|line| line.contains("422")), "nothing but the refusal that was asked for: {said:?}");
}
