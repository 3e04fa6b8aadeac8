//! A real Chromium looks into the maps of a triplet network and draws a digit: with WebGL, and where there is none.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{browser::Browser, browser_words::eventually, triplet::trained};

/// `point(kind, x, y)`: a pointer event on the canvas of the map after the training, at CSS pixels from its corner.
const HAND: &str = "const canvas = document.querySelector('[data-stage=after] .points'); \
    const point = (kind, x, y, more = {}) => { const box = canvas.getBoundingClientRect(); \
    canvas.dispatchEvent(new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true, ...more })); }; \
    const tooltip = document.querySelector('.tooltip');";

async fn with_hand(browser: &Browser, script: &str) -> Value {
    browser.run(&format!("{HAND} {script}")).await
}

/// How many pixels of the map after the training have this colour, give or take what its rim mixes in.
async fn pixels(browser: &Browser, colour: [u8; 3]) -> usize {
    let script = "const canvas = document.querySelector('[data-stage=after] .points'); canvas.scrollIntoView({ block: 'center', behavior: 'instant' }); \
                  const box = canvas.getBoundingClientRect(); return [box.left + scrollX, box.top + scrollY, box.width, box.height]";
    let place: Vec<f64> = serde_json::from_value(browser.run(script).await).unwrap();
    let clip = json!({"x": place[0], "y": place[1], "width": place[2], "height": place[3], "scale": 1});
    let picture = browser.chromium("Page.captureScreenshot", json!({"format": "png", "clip": clip})).await;
    let bytes = BASE64.decode(picture["data"].as_str().unwrap()).unwrap();
    let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
    picture.pixels().filter(|pixel| pixel.0.iter().zip(colour).all(|(one, other)| one.abs_diff(other) < 12)).count()
}

/// The colour of class 1 on light paper.
const CLASS_1: [u8; 3] = [0xc5, 0x35, 0x00];

async fn look_into_the_maps(browser: &Browser, address: &str, id: &str) {
    browser.look(1280, "light").await;
    browser.open(&format!("{address}/triplet?run={id}&lang=en&split=test&n=300")).await;
    eventually(
        browser,
        "return [...document.querySelectorAll('.side')].every((side) => side.dataset.phase === 'done' && Number(side.dataset.shown) > 0)",
    )
    .await;
    assert!(pixels(browser, CLASS_1).await > 100, "points are drawn");

    // A point tells what it is.
    let found = eventually(
        browser,
        &format!(
            "{HAND} for (let y = 4; y < canvas.clientHeight; y += 6) for (let x = 4; x < canvas.clientWidth; x += 6) {{ point('pointermove', x, y); if (!tooltip.hidden) return [x, y]; }} return false"
        ),
    )
    .await;
    eventually(browser, "return document.querySelector('.tooltip img').naturalWidth === 28").await;
    let told = eventually(browser, "const t = document.querySelector('.tooltip'); return t.textContent.includes('Neighbours say') ? t.innerText : (document.querySelector('#ring').click(), false)").await;
    assert!(told.as_str().unwrap().contains("Label"), "{told}");

    // A click shows its neighbours in the original space.
    with_hand(browser, &format!("const [x, y] = {found}; point('pointerdown', x, y); point('pointerup', x, y);")).await;
    eventually(browser, "return document.querySelectorAll('.near .strip li').length === 11").await;
    let distances = browser.run("return [...document.querySelectorAll('.near .strip li:not(.own) span')].map((s) => Number(s.textContent.trim().split(' ').pop()))").await;
    let distances: Vec<f64> = serde_json::from_value(distances).unwrap();
    assert!(distances.is_sorted(), "{distances:?}");

    // A class comes and goes.
    with_hand(browser, "point('pointerleave', 0, 0); document.querySelector('[data-class=\"1\"]').click(); return null").await;
    assert_eq!(browser.run("return document.querySelector('[data-class=\"1\"]').getAttribute('aria-pressed')").await, "false");
    eventually(browser, "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))").await;
    assert_eq!(pixels(browser, CLASS_1).await, 0, "none of class 1 is left");
    browser.run("document.querySelector('[data-class=\"1\"]').click()").await;
    eventually(browser, "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))").await;
    assert!(pixels(browser, CLASS_1).await > 100);

    // A lasso around everything but a margin chooses what lies within.
    with_hand(
        browser,
        "const [w, h] = [canvas.clientWidth, canvas.clientHeight]; point('pointerdown', 1, 1, { shiftKey: true }); \
         [[w - 1, 1], [w - 1, h - 1], [1, h - 1]].forEach(([x, y]) => point('pointermove', x, y)); point('pointerup', 1, h - 1);",
    )
    .await;
    let chosen = eventually(
        browser,
        "const panel = document.querySelector('.chosen'); return !panel.hidden && panel.querySelector('.reading').textContent",
    )
    .await;
    assert_eq!(chosen, "100 images selected");
    let list = browser.run("return [document.querySelectorAll('.chosen .strip li').length, document.querySelector('.chosen .save').href.startsWith('blob:'), document.querySelector('.indices').textContent.split(', ').length]").await;
    assert_eq!(list, json!([24, true, 100]));
    browser.run("document.querySelector('.release').click()").await;

    // Its frames can be gone through, and it can be zoomed, moved and searched.
    browser.run("const range = document.querySelector('[data-stage=after] input[type=range]'); range.value = 0; range.dispatchEvent(new Event('input'))").await;
    assert_eq!(browser.run("return document.querySelector('[data-stage=after]').dataset.shown").await, "0");
    browser.run("document.querySelector('[data-stage=after] .play').click()").await;
    eventually(browser, "const side = document.querySelector('[data-stage=after]'); return Number(side.dataset.shown) === Number(side.querySelector('input[type=range]').max)").await;
    browser.run("document.querySelector('[data-stage=after] .points').focus()").await;
    for (key, code) in [("+", 187), ("ArrowLeft", 37), ("0", 48)] {
        browser.press(key, code).await;
    }
    // Two fingers that part zoom in about the middle between them, and out again as they meet.
    let fingers = |from: f64, to: f64| {
        format!(
            "{HAND} const [w, h] = [canvas.clientWidth, canvas.clientHeight]; \
             const finger = (kind, id, share) => point(kind, w / 2 + (id === 1 ? -share : share) * w, h / 2, {{ pointerId: id }}); \
             for (const id of [1, 3]) finger('pointerdown', id, {from}); for (const id of [1, 3]) finger('pointermove', id, {to}); \
             for (const id of [1, 3]) finger('pointerup', id, {to}); \
             const seen = new Set(); for (let y = 4; y < h; y += 8) for (let x = 4; x < w; x += 8) {{ point('pointermove', x, y); \
             if (!tooltip.hidden) seen.add(tooltip.querySelector('dd').textContent); }} point('pointerleave', 0, 0); return seen.size"
        )
    };
    let [all, near, again] = [(0.1, 0.1), (0.1, 0.4), (0.4, 0.1)].map(|(from, to)| fingers(from, to));
    let [all, near, again] =
        [browser.run(&all).await, browser.run(&near).await, browser.run(&again).await].map(|seen| seen.as_u64().unwrap());
    assert!(near > 0 && near < all / 2 && again == all, "{all} points are seen, {near} of them from near, then {again}");
    browser.run("document.querySelector('#find').value = 7; document.querySelector('form.find').requestSubmit()").await;
    eventually(browser, "return document.querySelector('.near .reading').textContent.startsWith('#7 ')").await;
}

#[tokio::test]
async fn the_maps_are_looked_into_with_webgl_and_a_drawn_digit_is_recognised() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained(&["learning_rate=0.003", "epochs=6"]);
    look_into_the_maps(&browser, &server.address, &id).await;
    let is_fast = "return Boolean(document.querySelector('[data-stage=after] .points').getContext('webgl2'))";
    if browser.run(is_fast).await == json!(false) {
        println!("this Chromium has no WebGL: the plain canvas was tested instead");
    }

    let draw = "const pad = document.querySelector('#pad'); const box = pad.getBoundingClientRect(); \
        const point = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, pointerId: 2, bubbles: true })); \
        point('pointerdown', 142, 50); for (let y = 55; y < 230; y += 5) point('pointermove', 142, y); point('pointerup', 142, 230); document.querySelector('#ask').click();";
    browser.run(draw).await;
    let said = eventually(&browser, "return document.querySelector('.answer .prediction')?.textContent").await;
    assert_eq!(said, "1", "an upright stroke");
    assert_eq!(
        browser.run("return [location.pathname, document.querySelectorAll('.answer .strip li').length]").await,
        json!(["/triplet", 10])
    );
    assert!(browser.run("return document.querySelector('.answer').dataset.x").await.is_string(), "it has a place on the map");
    browser.run("document.querySelector('#clear').click(); document.querySelector('#ask').click()").await;
    eventually(&browser, "return document.querySelector('#image-faults .fault')?.textContent.includes('is blank')").await;
    let said = browser.console().await;
    // The test itself reads pixels back, which the driver remarks on.
    assert!(
        said.iter().all(|line| line.contains("422") || line.contains("ReadPixels")),
        "nothing but the refusal of the blank canvas: {said:?}"
    );

    for language in ["en", "fa"] {
        for width in [390, 1280] {
            browser.look(width, "dark").await;
            browser.open(&format!("{}/triplet?run={id}&lang={language}&n=300", server.address)).await;
            let beyond = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            assert_eq!(beyond, 0, "sideways scroll at {width} in {language}");
        }
    }
}

#[tokio::test]
async fn the_maps_are_looked_into_without_webgl() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained(&["learning_rate=0.003", "epochs=3"]);
    let without = "const own = HTMLCanvasElement.prototype.getContext; \
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) { return kind.startsWith('webgl') ? null : own.call(this, kind, ...more); };";
    browser.chromium("Page.addScriptToEvaluateOnNewDocument", json!({ "source": without })).await;
    look_into_the_maps(&browser, &server.address, &id).await;
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}
