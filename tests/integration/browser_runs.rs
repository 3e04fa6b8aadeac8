//! A real Chromium starts a run on drawn images, watches its curve move, reloads, cancels, resumes and compares.

use serde_json::json;

use crate::{browser::Browser, browser_words::eventually, support::Server};

#[tokio::test]
async fn a_run_is_started_watched_cancelled_resumed_and_compared() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.open(&format!("{}/runs?lang=en", server.address)).await;
    browser
        .run(
            "document.querySelector('.new').open = true; const form = document.querySelector('.new form'); \
             form.elements['name'].value = 'watched'; form.elements['config.dataset'].value = 'fashion-mnist-sample'; \
             form.elements['config.epochs'].value = 10000; form.elements['config.units'].value = 512; form.requestSubmit()",
        )
        .await;
    eventually(&browser, "return location.pathname.startsWith('/runs/mlp-') && document.readyState === 'complete'").await;

    let points = "Number(document.querySelector('#loss .live')?.dataset.points ?? 0)";
    eventually(&browser, &format!("return {points} >= 3")).await;
    let seen = browser.run(&format!("return {points}")).await;
    eventually(&browser, &format!("return {points} > {seen}")).await;
    assert_eq!(browser.run("return document.querySelector('#state').textContent").await, json!("training"));
    assert_eq!(browser.run("return document.querySelector('#loss .drawn').hidden").await, json!(true));
    eventually(&browser, "return document.querySelector('#progress-text').textContent.includes('examples a second')").await;

    // A reload loses nothing: what was measured is there at once, and the curve goes on.
    let seen = browser.run(&format!("return {points}")).await;
    browser.run("location.reload()").await;
    eventually(&browser, &format!("return document.readyState === 'complete' && {points} > {seen}")).await;

    // Controls are kept in the address, and change the live curve.
    browser
        .run("const axis = document.querySelector('#axis'); axis.value = 'step'; axis.dispatchEvent(new Event('input', { bubbles: true }))")
        .await;
    eventually(&browser, "return new URLSearchParams(location.search).get('axis') === 'step'").await;

    browser.run("document.querySelector('button[value=cancel]').click()").await;
    eventually(&browser, "return document.querySelector('#state')?.textContent === 'cancelled' && document.readyState === 'complete'")
        .await;
    browser.run("document.querySelector('button[value=resume]').click()").await;
    eventually(&browser, "return document.querySelector('#state')?.textContent === 'training' && document.readyState === 'complete'").await;
    let seen = browser.run(&format!("return {points}")).await;
    eventually(&browser, &format!("return {points} > {seen}")).await;
    browser.run("document.querySelector('button[value=cancel]').click()").await;
    eventually(&browser, "return document.querySelector('#state')?.textContent === 'cancelled'").await;

    let other =
        r#"{"system":"mlp","name":"other","config":{"dataset":"fashion-mnist-sample","epochs":3,"learning_rate":0.001,"units":32}}"#;
    let other = server.post("/api/v1/runs", other, 202).await["id"].as_str().unwrap().to_owned();
    server.run_in_state(&other, "done").await;
    browser.open(&format!("{}/runs?lang=en", server.address)).await;
    browser.run("document.querySelectorAll('.list input').forEach((box) => box.click()); document.querySelector('button[form=compare]').click()").await;
    eventually(&browser, "return location.pathname === '/compare' && document.readyState === 'complete'").await;
    eventually(&browser, &format!("return {points} > 0")).await;
    let legend = "return [...document.querySelectorAll('#loss .u-legend .u-label')].slice(1).map((label) => label.textContent)";
    assert_eq!(browser.run(legend).await, json!(["other · Validation", "watched · Validation"]));
    let differing = "return [...document.querySelectorAll('#differences tbody th')].map((cell) => cell.textContent)";
    let differing = browser.run(differing).await;
    assert!(["units", "learning_rate", "epochs"].iter().all(|name| differing.as_array().unwrap().contains(&json!(name))), "{differing}");
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}
