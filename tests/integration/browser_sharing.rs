//! A real Chromium opens what was kept and shared: a file without a server, a link, the report on paper; and puts a report together.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    browser::Browser,
    browser_words::eventually,
    sharing::{RUN, bring},
    support::{Served, Server},
};

#[tokio::test]
async fn a_kept_page_opens_from_a_disk_without_a_server_and_asks_for_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let mut server = Server::start();
    bring(&server);
    let folder = tempfile::tempdir().unwrap();
    for (name, page) in [("run", format!("/runs/{RUN}")), ("report", "/report".to_owned())] {
        let kept = server.get(&format!("/frozen?page={page}&lang=fa")).await.bytes().await.unwrap();
        std::fs::write(folder.path().join(format!("{name}.html")), kept).unwrap();
    }
    server.terminate();
    for (name, figures) in [("run", 2), ("report", 5)] {
        for (width, colours) in [(1280, "light"), (390, "dark")] {
            browser.look(width, colours).await;
            browser.open(&format!("file://{}/{name}.html", folder.path().display())).await;
            let found = browser
                .run("return document.fonts.ready.then(() => [performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith('data:')).length, \
                      document.fonts.check('16px Vazirmatn', 'م'), getComputedStyle(document.body).fontFamily.includes('Vazirmatn'), \
                      document.documentElement.scrollWidth - document.documentElement.clientWidth])")
                .await;
            assert_eq!(found, json!([0, true, true, 0]), "{name} at {width}");
            let drawn = browser
                .run("return [...document.querySelectorAll('main svg')].filter((svg) => svg.getBoundingClientRect().width > 200).length")
                .await;
            assert!(drawn.as_u64() >= Some(figures), "{name} at {width}: {drawn} figures");
            let said = browser.console().await;
            assert!(said.is_empty(), "{name} at {width}: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_page_is_shared_from_its_foot_and_opened_by_another() {
    let (Some(owner), Some(guest)) = (Browser::start().await, Browser::start().await) else { return };
    let server = Server::start();
    bring(&server);
    owner.look(1280, "light").await;
    guest.look(390, "light").await;
    owner.open(&format!("{}/runs/{RUN}?lang=en", server.address)).await;
    owner.run("document.querySelector('label[for=keep-file]').click(); document.querySelector('.keep form').requestSubmit()").await;
    let link = eventually(&owner, "return document.querySelector('.secret a')?.href").await;
    guest.open(link.as_str().unwrap()).await;
    let shown = guest.run("return [document.querySelector('h1').textContent.length > 0, document.scripts.length, document.forms.length, document.querySelector('.stamp').textContent.includes('UTC'), new URL(document.querySelector('.stamp a[download]').href).pathname === `${location.pathname}/runs.torchboard`]").await;
    assert_eq!(shown, json!([true, 0, 0, true, true]));
    guest.run("document.querySelector('.stamp a').click()").await;
    eventually(&guest, "return document.documentElement.lang === 'fa' && document.documentElement.dir === 'rtl'").await;
    let said = guest.console().await;
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test]
async fn a_report_is_put_together_by_hand_and_printed() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start();
    browser.look(1280, "light").await;
    browser.open(&format!("{}/words?lang=en", server.address)).await;
    browser.run("document.querySelector('.keep a[href*=\"/reports/pick\"]').click()").await;
    eventually(&browser, "return document.querySelector('input[value=neighbors]') !== null").await;
    browser
        .run("document.querySelector('input[value=neighbors]').checked = true; document.querySelector('#title').value = 'Ours'; document.querySelector('form.tall').requestSubmit()")
        .await;
    eventually(&browser, "return document.querySelector('#block-0') !== null").await;
    browser.run("document.querySelector('button[value=text-1]').click()").await;
    eventually(&browser, "return document.querySelector('textarea[name=text-1]') !== null").await;
    browser.run("document.querySelector('textarea[name=text-1]').value = 'What *we* think.'; document.querySelector('button[value=save]').click()").await;
    eventually(&browser, "return document.querySelector('.document .text em')?.textContent === 'we'").await;
    let printed = browser.chromium("Page.printToPDF", json!({})).await;
    let pdf = STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 10_000, "{} bytes", pdf.len());
    browser.chromium("Emulation.setEmulatedMedia", json!({"media": "print"})).await;
    let hidden = browser
        .run("const shown = (selector) => [...document.querySelectorAll(selector)].some((element) => element.checkVisibility()); return ['nav', '.keep', '.switches', '.faces', 'form'].filter(shown)")
        .await;
    assert_eq!(hidden, json!([]), "what belongs to a screen is not on paper");

    browser.look(718, "light").await; // what A4 leaves between its margins
    browser.open(&format!("{}/report?lang=en", server.address)).await;
    let printed = browser.chromium("Page.printToPDF", json!({})).await;
    let pdf = STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
    let pages = String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count();
    assert!((3..20).contains(&pages), "{pages} pages of the course report without a network");
    browser.chromium("Emulation.setEmulatedMedia", json!({"media": "print"})).await;
    let long = browser
        .run("return [...document.querySelectorAll('main, main *')].filter((element) => !element.closest('svg') && /grid|flex/.test(getComputedStyle(element).display) && element.getBoundingClientRect().height > 1000).map((element) => element.className)")
        .await;
    assert_eq!(long, json!([]), "a grid that is longer than a page is laid over what follows");
    let opened =
        browser.run("return [...document.querySelectorAll('main details table')].filter((table) => table.checkVisibility()).length").await;
    assert_eq!(opened, json!(0), "the numbers behind drawings");
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test]
async fn paper_is_light_and_nothing_is_wider_than_it_in_both_languages() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start(folder.path());
    browser.look(718, "dark").await; // what A4 leaves between its margins
    for language in ["en", "fa"] {
        browser.open(&format!("{}/report?lang={language}", server.address)).await;
        let dark = json!({"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        browser.chromium("Emulation.setEmulatedMedia", dark).await;
        let ink = browser.run("return getComputedStyle(document.body).color.match(/\\d+/g).map(Number)").await;
        assert!(ink.as_array().unwrap().iter().all(|part| part.as_u64() < Some(80)), "{language}: written with {ink} on white");
        let wide = browser
            .run("const width = document.documentElement.clientWidth; return [...document.querySelectorAll('main table, main figure, main dl, main .drawn')].filter((part) => part.checkVisibility()).map((part) => [part.className, part.getBoundingClientRect()]).filter(([, place]) => place.right > width + 1 || place.left < -1).map(([name, place]) => [name, Math.round(place.left), Math.round(place.right)])")
            .await;
        assert_eq!(wide, json!([]), "{language}: cut off, or all the rest made small for it");
        let tables = browser.run("return document.querySelectorAll('main table').length").await;
        assert!(tables.as_u64() > Some(20), "{tables} tables: what is the report made of?");
        let printed = browser.chromium("Page.printToPDF", json!({})).await;
        let pdf = STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
        let pages = String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count();
        assert!((10..40).contains(&pages), "{language}: {pages} pages");
        browser.chromium("Emulation.setEmulatedMedia", json!({"media": ""})).await;
    }
}
