//! A real Chromium reads every page as those do who see little, use no pointer, have a small window, or ask for less motion: WCAG 2.2, level AA.
//!
//! What a machine can tell by itself is asked of axe-core, which is brought for this and is no part of the program.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    browser_words::eventually,
    support::{SET, Server},
    triplet,
};

/// WCAG 2.0, 2.1 and 2.2, levels A and AA.
const RULES: &str = "{ type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }";

/// Nothing is read before it stands as it stays: maps and live curves have come, and what is folded is open.
const SETTLED: &str = "const all = (selector, holds) => [...document.querySelectorAll(selector)].every(holds); \
    document.querySelectorAll('details').forEach((details) => (details.open = true)); \
    return document.readyState === 'complete' && all('.side:not(.taken .side)', (side) => side.dataset.phase === 'done') && all('.chart .live', (live) => !live.hidden)";

/// A server whose pages have what they can show, with a run of each system and a study; and the pages' addresses.
async fn furnished() -> (Server, Vec<String>) {
    let server = Server::start();
    let mut runs = Vec::new();
    for (system, config) in [
        ("mlp", json!({"dataset": "fashion-mnist-sample", "epochs": 3, "units": 16, "learning_rate": 0.005})),
        ("resnet14", json!({"dataset": "skin-sample", "filters": 4, "epochs": 4, "learning_rate": 0.01})),
        ("triplet", json!({"dataset": "mnist-sample", "pairs": 10, "negatives": 25, "filters": 8, "units": 32, "epochs": 2})),
    ] {
        let body = json!({"system": system, "name": system, "config": config}).to_string();
        let id = server.post("/api/v1/runs", &body, 202).await["id"].as_str().unwrap().to_owned();
        server.run_in_state(&id, "done").await;
        runs.push(id);
    }
    let body = json!({
        "system": "mlp", "name": "widths", "sampler": "random", "objective": "validation_accuracy", "max_trials": 3, "epochs": 1, "seed": 3,
        "space": {"units": {"type": "integer", "min": 4, "max": 16, "step": 4}, "learning_rate": {"type": "choice", "values": [0.001, 0.01]}},
        "config": {"dataset": "fashion-mnist-sample"}
    });
    let study = server.post("/api/v1/studies", &body.to_string(), 202).await["id"].as_str().unwrap().to_owned();
    let mut state = Value::Null;
    for _ in 0..600 {
        state = server.json(&format!("/api/v1/studies/{study}"), 200).await["state"].take();
        if state == "done" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state, "done");
    let (mlp, resnet, triplet) = (&runs[0], &runs[1], &runs[2]);
    let groups = "groups=all%3A+king+queen+man+woman%0Aking+-%3E+queen";
    let pages = [
        "/".to_owned(),
        format!("/words?set={SET}&words=kinng&x=man,+king&y=woman,+queen&a=man,+king&b=woman,+queen&{groups}"),
        format!("/words/maps?set={SET}&{groups}"),
        format!("/triplet?run={triplet}&split=test&n=300&look=1"),
        format!("/triplet?run={triplet}&split=test&n=300&colour=error"),
        format!("/skin?run={resnet}&only=errors&attention=on"),
        format!("/fashion?run={mlp}"),
        "/runs".to_owned(),
        format!("/runs/{mlp}"),
        format!("/runs/{resnet}"),
        format!("/runs/{triplet}"),
        format!("/compare?run={mlp}&run={resnet}"),
        "/studies".to_owned(),
        format!("/studies/{study}"),
        "/datasets?set=skin-sample".to_owned(),
        "/report".to_owned(),
        "/reports".to_owned(),
        format!("/reports/pick?page=/runs/{mlp}"),
        "/shares".to_owned(),
        "/imports".to_owned(),
        "/api".to_owned(),
        "/account".to_owned(),
        "/nothing".to_owned(),
    ];
    let pages = pages.iter().map(|page| format!("{}{page}", server.address)).collect();
    (server, pages)
}

/// Opens the page in this language, in a window that is `width` wide, and waits until it stands.
async fn read(browser: &Browser, address: &str, language: &str, width: u32, colours: &str) {
    browser.look(width, colours).await;
    let separator = if address.contains('?') { '&' } else { '?' };
    browser.open(&format!("{address}{separator}lang={language}")).await;
    eventually(browser, SETTLED).await;
}

/// Lets axe-core into the page that is open. The page's policy forbids it other scripts, but not what the browser's own tools evaluate.
async fn admit_axe(browser: &Browser) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(file).expect("`make setup` brings axe-core");
    browser.chromium("Runtime.evaluate", json!({"expression": format!("{axe}; 0")})).await;
}

/// What axe-core finds wrong: rule, place and what is wanted.
async fn faults(browser: &Browser) -> Vec<String> {
    let ask = format!(
        "axe.run({{ runOnly: {RULES}, resultTypes: ['violations'] }}).then((found) => \
         found.violations.flatMap(({{ id, help, nodes }}) => nodes.map(({{ target }}) => `${{id}} at ${{target.join(' ')}}: ${{help}}`)))"
    );
    let answer = browser.chromium("Runtime.evaluate", json!({"expression": ask, "awaitPromise": true, "returnByValue": true})).await;
    assert!(answer["exceptionDetails"].is_null(), "{answer}");
    serde_json::from_value(answer["result"]["value"].clone()).unwrap()
}

/// Adds what axe-core finds on these pages, each line with its page, language and colours.
///
/// Both languages and both colours of each: a desk in English by day, and a telephone in Persian by night. Each look at a page costs seconds, so
/// that the other two are not taken; and one at the whole report, whose parts are looked at on their own pages, is enough.
async fn examine(browser: &Browser, pages: &[String], told: &mut String) {
    for address in pages {
        let looks = [("en", 1280, "light"), ("fa", 390, "dark")];
        for (language, width, colours) in looks.into_iter().skip(usize::from(address.ends_with("/report"))) {
            read(browser, address, language, width, colours).await;
            admit_axe(browser).await;
            for fault in faults(browser).await {
                writeln!(told, "{address} in {language}, {colours}, at {width}: {fault}").unwrap();
            }
        }
    }
}

#[tokio::test]
async fn axe_finds_no_violation_on_any_page_in_both_languages_and_colours() {
    let Some(browser) = Browser::start().await else { return };
    let (_server, pages) = furnished().await;
    let mut told = String::new();
    examine(&browser, &pages, &mut told).await;
    assert!(told.is_empty(), "\n{told}");
}

#[tokio::test]
async fn axe_finds_no_violation_on_the_pages_of_accounts() {
    let Some(browser) = Browser::start().await else { return };
    let server = Server::start_with(&["--lan".as_ref()]);
    let link = server.says("/join/").trim().to_owned();
    let mut told = String::new();
    examine(&browser, &[link.clone(), format!("{}/sign-in", server.address)], &mut told).await;
    browser.open(&link).await;
    browser.run("document.querySelector('#name').value = 'sara'; for (const field of ['#password', '#again']) document.querySelector(field).value = 'correct horse battery'; document.querySelector('form.tall').requestSubmit()").await;
    eventually(&browser, "return location.pathname === '/' && document.readyState === 'complete'").await;
    // A token and an invitation, so that their tables are there.
    for (page, fill) in [("account", "document.querySelector('#token-name').value = 'nightly';"), ("people", "")] {
        browser.open(&format!("{}/{page}", server.address)).await;
        let form = if page == "account" { "#tokens" } else { "#invitations" };
        browser.run(&format!("{fill} document.querySelector('{form} form.query').requestSubmit()")).await;
        eventually(&browser, "return document.querySelector('.secret code') !== null").await;
    }
    examine(&browser, &["account", "people"].map(|page| format!("{}/{page}", server.address)), &mut told).await;
    assert!(told.is_empty(), "\n{told}");
}

/// Every stop of the tabulator that can't be seen to have the focus; the tabulator was pressed before, so that a script's focus is a keyboard's.
const UNSEEN: &str = "const rimmed = (element) => { const style = getComputedStyle(element); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; }; \
    const stops = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')] \
      .filter((element) => element.tabIndex >= 0 && !element.disabled && element.checkVisibility({ visibilityProperty: true })); \
    const isSeen = (element) => { element.focus({ preventScroll: true }); \
      return document.activeElement === element && (rimmed(element) || (element.closest('label') && rimmed(element.closest('label')))); }; \
    return stops.filter((element) => !isSeen(element)).map((element) => element.outerHTML.slice(0, 120))";

/// What reaches beyond the window without a box of its own to scroll in.
const BEYOND: &str = "const root = document.documentElement; if (root.scrollWidth <= root.clientWidth) return []; \
    const scrolls = (element) => element && element !== document.body && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement)); \
    const far = (element) => { const box = element.getBoundingClientRect(); return box.width > 0 && (box.right > root.clientWidth + 1 || box.left < -1); }; \
    const found = [...document.body.querySelectorAll('*')].filter((element) => far(element) && !scrolls(element)).map((element) => element.outerHTML.slice(0, 120)); \
    return found.length ? found.slice(-5) : [`${root.scrollWidth} pixels`]";

/// Drawings without a name, a reading or a table.
const UNTOLD: &str = "const name = (drawing) => drawing.getAttribute('aria-label') ?? drawing.querySelector('title')?.textContent ?? ''; \
    const isTold = (drawing) => { const place = drawing.closest('figure, .panel'); \
      return name(drawing) && place?.querySelector('.reading')?.textContent.trim() && place.querySelector('table tbody tr'); }; \
    return [...document.querySelectorAll('.figure-drawing, .points, .u-wrap')].filter((drawing) => drawing.checkVisibility() && !isTold(drawing)) \
      .map((drawing) => `${drawing.closest('[id]').id}: ${drawing.outerHTML.slice(0, 100)}`)";

/// What moves although the reader's system asks for stillness.
const MOVING: &str = "const moves = document.getAnimations().map((animation) => String(animation.effect?.target?.outerHTML).slice(0, 120)); \
    if (getComputedStyle(document.documentElement).scrollBehavior !== 'auto') moves.push('scrolling'); return moves";

#[tokio::test]
async fn every_page_has_its_focus_seen_its_figures_told_no_motion_and_no_sideways_scrolling() {
    let Some(browser) = Browser::start().await else { return };
    let (_server, pages) = furnished().await;
    let mut told = String::new();
    let mut note = |at: &str, fault: &str, found: Value| {
        for one in found.as_array().unwrap() {
            writeln!(told, "{at}: {fault}: {}", one.as_str().unwrap()).unwrap();
        }
    };
    for address in &pages {
        // 640 is a desk at 200%, 320 one at 400%, 390 a telephone; other tests hold both languages at the usual widths.
        read(&browser, address, "fa", 640, "light").await;
        for width in [640, 390, 320] {
            browser.look(width, "light").await;
            note(&format!("{address} at {width}"), "reaches beyond the window", browser.run(BEYOND).await);
        }
        let features = json!([{"name": "prefers-color-scheme", "value": "dark"}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        browser.chromium("Emulation.setEmulatedMedia", json!({"features": features})).await;
        browser.press("Tab", 9).await;
        note(address, "focus is not seen", browser.run(UNSEEN).await);
        note(address, "lacks a name, a reading or a table", browser.run(UNTOLD).await);
        note(address, "moves", browser.run(MOVING).await);
    }
    assert!(told.is_empty(), "\n{told}");
}

#[tokio::test]
async fn the_tabulator_goes_through_the_whole_page_and_out_again() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = triplet::trained(&["epochs=1"]);
    for page in
        [format!("/triplet?run={id}&split=test&n=300"), format!("/runs/{id}"), format!("/words/maps?set={SET}&groups=all%3A+king+queen")]
    {
        read(&browser, &format!("{}{page}", server.address), "en", 1280, "light").await;
        browser.run("window.passed = new Set(); document.addEventListener('focusin', (event) => window.passed.add(event.target))").await;
        let mut is_out = false;
        for _ in 0..400 {
            browser.press("Tab", 9).await;
            // Behind the last stop the focus leaves the page, and comes back to its beginning.
            is_out = browser.run("return window.passed.size > 1 && (document.activeElement === document.body || document.activeElement.className === 'skip')").await == json!(true);
            if is_out {
                break;
            }
        }
        assert!(is_out, "{page}: the focus stays within");
        let missed = "return [...document.querySelectorAll('main :is(a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex])')] \
            .filter((element) => element.tabIndex >= 0 && !element.disabled && element.checkVisibility({ visibilityProperty: true }) && !window.passed.has(element)) \
            .map((element) => element.outerHTML.slice(0, 120))";
        assert_eq!(browser.run(missed).await, json!([]), "{page}: never reached");
    }
}

#[tokio::test]
async fn maps_and_curves_are_used_by_keyboard() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = triplet::trained(&["epochs=2"]);
    read(&browser, &format!("{}/triplet?run={id}&split=test&n=300", server.address), "en", 1280, "light").await;
    let reading = browser.run("return document.querySelector('[data-stage=after] .told').textContent").await;
    assert!(reading.as_str().unwrap().starts_with("100 images; of all classes "), "{reading}");
    assert_eq!(browser.run("return document.querySelectorAll('[data-stage=after] .places tbody tr').length").await, json!(10));

    // A lasso of three corners: what lies between them is chosen.
    browser.run("document.querySelector('#lasso').click(); document.querySelector('[data-stage=after] .points').focus()").await;
    for (key, code, times) in
        [("-", 189, 1), (" ", 32, 1), ("ArrowRight", 39, 6), (" ", 32, 1), ("ArrowDown", 40, 6), (" ", 32, 1), ("Enter", 13, 1)]
    {
        for _ in 0..times {
            browser.press(key, code).await;
        }
    }
    eventually(
        &browser,
        "return !document.querySelector('.chosen').hidden && document.querySelector('.chosen .reading').textContent.includes('selected')",
    )
    .await;

    // The image in the middle is picked.
    browser.run("document.querySelector('.release').click(); document.querySelector('#lasso').click(); document.querySelector('#find').value = 7; document.querySelector('form.find').requestSubmit()").await;
    eventually(&browser, "return document.querySelector('.near .reading').textContent.startsWith('#7 ')").await;
    browser.run("document.querySelector('[data-stage=after] .points').focus()").await;
    browser.press("Escape", 27).await;
    eventually(&browser, "return document.querySelector('.near').hidden").await;

    // A curve: a line is hidden and shown, a stretch is looked at, then all of it.
    read(&browser, &format!("{}/runs/{id}", server.address), "en", 1280, "light").await;
    let first = "document.querySelector('.chart .u-legend .u-label[role=button]')";
    browser.run(&format!("{first}.focus()")).await;
    browser.press("Enter", 13).await;
    assert_eq!(browser.run(&format!("return {first}.getAttribute('aria-pressed')")).await, json!("false"));
    browser.press("Enter", 13).await;
    assert_eq!(browser.run(&format!("return {first}.getAttribute('aria-pressed')")).await, json!("true"));
    browser.run("document.querySelector('.chart .u-wrap').focus()").await;
    for (key, code, is_stretch) in [("+", 187, true), ("ArrowRight", 39, true), ("0", 48, false)] {
        browser.press(key, code).await;
        let stretch = browser.run("return 'stretch' in document.querySelector('.chart .live').dataset").await;
        assert_eq!(stretch, json!(is_stretch), "{key}");
    }
    let mut said = browser.console().await;
    said.retain(|line| !line.contains("GL Driver Message")); // where no graphics card draws, reading a pixel back is said to be slow
    assert!(said.is_empty(), "{said:?}");
}
