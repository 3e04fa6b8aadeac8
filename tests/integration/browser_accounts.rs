//! Two browsers at once at a shared server: an administrator who invites, and whoever joins.

use serde_json::json;

use crate::{
    browser::{Browser, LAYOUT_SHIFT},
    browser_words::eventually,
    support::Server,
};

async fn join(browser: &Browser, link: &str, name: &str) {
    browser.look(1280, "light").await;
    browser.open(link).await;
    browser.run(&format!("document.querySelector('#name').value = '{name}'; for (const field of ['#password', '#again']) document.querySelector(field).value = 'correct horse battery'; document.querySelector('form.tall').requestSubmit()")).await;
    eventually(browser, &format!("return location.pathname === '/' && document.querySelector('.who bdi')?.textContent === '{name}'")).await;
}

#[tokio::test]
async fn an_administrator_invites_a_viewer_who_looks_and_is_offered_no_more() {
    let (Some(admin), Some(viewer)) = (Browser::start().await, Browser::start().await) else { return };
    let server = Server::start_with(&["--lan".as_ref()]);
    let line = server.says("/join/");
    join(&admin, line.trim(), "sara").await;
    admin.open(&format!("{}/people?lang=en", server.address)).await;
    admin.run("document.querySelector('#role').value = 'viewer'; document.querySelector('#invitations form.query').requestSubmit()").await;
    let link = eventually(&admin, "return document.querySelector('.secret code')?.textContent").await;
    join(&viewer, link.as_str().unwrap(), "omid").await;
    viewer.open(&format!("{}/runs?lang=en", server.address)).await;
    assert_eq!(
        viewer.run("return [document.querySelector('#new') === null, document.querySelector('.who').textContent.includes('People')]").await,
        json!([true, false])
    );
    admin.open(&format!("{}/people?lang=en", server.address)).await;
    admin.run("document.querySelector('form[action$=\"/omid\"] button[name=disabled]').click()").await;
    eventually(&admin, "return document.querySelector('tr.disabled bdi')?.textContent === 'omid'").await;
    viewer.open(&format!("{}/runs?lang=en", server.address)).await;
    assert_eq!(
        viewer.run("return location.pathname + location.search").await,
        json!("/sign-in?back=%2Fruns%3Flang%3Den"),
        "shut out at once"
    );

    admin.open(&format!("{}/account?lang=en", server.address)).await;
    admin
        .run("document.querySelector('#token-name').value = 'nightly runs'; document.querySelector('#tokens form.query').requestSubmit()")
        .await;
    eventually(&admin, "return document.querySelector('.secret code')?.textContent.startsWith('torchboard_')").await;
    for (width, colours) in [(1280, "light"), (390, "dark")] {
        for (browser, paths) in [(&admin, &["/people", "/account"][..]), (&viewer, &["/sign-in"])] {
            browser.look(width, colours).await;
            for (path, language) in paths.iter().flat_map(|path| [(path, "en"), (path, "fa")]) {
                let at = format!("{path} in {language}, {colours}, at {width}");
                browser.open(&format!("{}{path}?lang={language}", server.address)).await;
                let beyond = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
                assert_eq!(beyond, 0, "{at}: sideways scroll");
                let shift = browser.run(LAYOUT_SHIFT).await.as_f64().unwrap();
                assert!(shift < 0.02, "{at}: something moved as it loaded, by {shift}");
                let said = browser.console().await;
                assert!(said.is_empty(), "{at}: {said:?}");
            }
        }
    }
}
