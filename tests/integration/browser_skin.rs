//! A real Chromium looks into the matrices, moves a threshold and sends a photograph.

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    browser_words::eventually,
    skin_page::{predictions, train, trained},
};

#[tokio::test]
async fn a_cell_shows_its_images_and_arrows_lead_from_cell_to_cell() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained();
    let rows = predictions(&server, &id).await;
    let count = |label: usize, said: usize| rows.iter().filter(|row| row.1 == label && row.2 == said).count();
    let (label, said) = (0..49)
        .map(|cell| (cell / 7, cell % 7))
        .filter(|(label, said)| label != said)
        .max_by_key(|&(label, said)| count(label, said))
        .unwrap();
    browser.look(1280, "light").await;
    browser.open(&format!("{}/skin?run={id}&lang=en", server.address)).await;
    browser.run("window.stays = true").await;
    let cell = format!("document.querySelector('.matrix[data-split=test] tbody').rows[{label}].cells[{}].firstElementChild", said + 1);
    assert_eq!(browser.run(&format!("return {cell}.textContent")).await, count(label, said).to_string());
    browser.run(&format!("{cell}.click()")).await;
    let expected = count(label, said).min(24);
    eventually(&browser, &format!("return new URLSearchParams(location.search).get('predicted') === '{said}' && document.querySelectorAll('#examples .example').length === {expected}")).await;
    assert_eq!(browser.run("return window.stays").await, json!(true), "the page stays");
    assert_eq!(browser.run(&format!("return {cell}.classList.contains('chosen')")).await, json!(true));
    eventually(&browser, "return document.querySelector('#examples .example img').naturalWidth === 28").await;

    // Where it looked, by a list that needs no button; then back.
    browser.run("const list = document.querySelector('#attention'); list.value = 'on'; list.dispatchEvent(new Event('change', { bubbles: true }))").await;
    eventually(&browser, "const image = document.querySelector('#examples .example img'); return image.src.includes('/attention/') && image.naturalWidth === 112").await;
    browser.run("history.back()").await;
    eventually(&browser, "return document.querySelector('#examples .example img').naturalWidth === 28").await;

    // One stop for the tabulator in each matrix, arrows within.
    let stops = "return [...document.querySelectorAll('.matrix')].filter((m) => m.querySelector('a')).map((m) => m.querySelectorAll('a[tabindex=\"0\"]').length)";
    assert_eq!(browser.run(stops).await, json!([1, 1, 1]));
    browser.run("document.querySelector('.matrix[data-split=train] a').focus()").await;
    for (key, code) in [("ArrowRight", 39), ("ArrowDown", 40), ("ArrowDown", 40)] {
        browser.press(key, code).await;
    }
    let here = "const cell = document.activeElement.closest('td'); return [cell.closest('tr').sectionRowIndex, cell.cellIndex, document.activeElement.closest('.matrix').dataset.split]";
    assert_eq!(browser.run(here).await, json!([2, 2, "train"]));
    browser.press("Enter", 13).await;
    eventually(
        &browser,
        "return new URLSearchParams(location.search).get('true') === '2' && new URLSearchParams(location.search).get('split') === 'train'",
    )
    .await;

    // Shares instead of counts, without losing what is listed.
    browser.run("[...document.querySelectorAll('#splits .choice a')].find((link) => link.href.includes('matrix=rows')).click()").await;
    eventually(&browser, "return document.querySelector('.matrix[data-split=test] td.right').textContent.includes('.')").await;
    assert_eq!(browser.run("return new URLSearchParams(location.search).get('true')").await, "2");
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}

/// What the page says in the places that follow the threshold.
const SAID: &str =
    "return Object.fromEntries([...document.querySelectorAll('#point [data-out]')].map((part) => [part.dataset.out, part.textContent]))";
const MATRIX: &str = "return [...document.querySelectorAll('#point .seven tbody td')].map((cell) => [cell.textContent, cell.className, cell.firstElementChild.className])";

#[tokio::test]
async fn a_threshold_moves_what_follows_from_it_and_its_address_says_the_same() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained();
    browser.look(1280, "dark").await;
    for of in ["malignant", "melanoma"] {
        browser.open(&format!("{}/skin?run={id}&lang=en&of={of}&miss=7", server.address)).await;
        let chosen = browser.run(SAID).await;
        // Dragged: what follows is counted in the page, before the server is asked.
        let drag = "const slider = document.querySelector('#threshold'); slider.value = '0.2314'; slider.dispatchEvent(new Event('input', { bubbles: true }))";
        browser.run(drag).await;
        eventually(&browser, "return document.querySelector('form.dial').dataset.counted === '0.231'").await;
        let (dragged, matrix) = (browser.run(SAID).await, browser.run(MATRIX).await);
        assert_ne!(dragged, chosen);
        // Let go: the server says the same, and the address names the point.
        browser.run("window.old = document.querySelector('#point'); document.querySelector('#threshold').dispatchEvent(new Event('change', { bubbles: true }))").await;
        eventually(
            &browser,
            "return document.querySelector('#point') !== window.old && new URLSearchParams(location.search).get('threshold') === '0.231'",
        )
        .await;
        assert_eq!((browser.run(SAID).await, browser.run(MATRIX).await), (dragged.clone(), matrix.clone()), "{of}");
        let address = browser.run("return document.querySelector('#point .permalink').href").await;
        browser.open(address.as_str().unwrap()).await;
        assert_eq!((browser.run(SAID).await, browser.run(MATRIX).await), (dragged, matrix), "and so it does who is sent the address");
    }
    // Another price chooses another threshold, unless one was set by hand: of a network that has hardly learned, since one that is never wrong
    // has one threshold for every price.
    let unsure = train(&server, &["dataset=skin-sample", "filters=2", "epochs=1", "learning_rate=0.00001"], 0);
    browser.open(&format!("{}/skin?run={unsure}&lang=en&of=melanoma&miss=0.01&alarm=1000", server.address)).await;
    let before = browser.run("return document.querySelector('form.dial').dataset.chosen").await;
    browser.run("window.old = document.querySelector('#point'); const miss = document.querySelector('#miss'); miss.value = '10000'; miss.dispatchEvent(new Event('change', { bubbles: true }))").await;
    eventually(&browser, "return document.querySelector('#point') !== window.old").await;
    let after = browser.run("const form = document.querySelector('form.dial'); return [form.dataset.chosen, form.threshold.value, location.search.includes('threshold')]").await;
    assert_ne!(after[0], before);
    assert_eq!((&after[0], &after[2]), (&after[1], &json!(false)));
    let said = browser.console().await;
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test]
async fn a_photograph_is_looked_at_without_leaving_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained();
    browser.look(1280, "light").await;
    browser.open(&format!("{}/skin?run={id}&lang=en", server.address)).await;
    browser.run("window.stays = true").await;
    let draw = "const canvas = document.createElement('canvas'); canvas.width = 400; canvas.height = 300; const brush = canvas.getContext('2d'); \
        brush.fillStyle = '#dca896'; brush.fillRect(0, 0, 400, 300); brush.fillStyle = '#46302a'; brush.fillRect(160, 110, 80, 80);";
    let give =
        "canvas.toBlob((blob) => { const files = new DataTransfer(); files.items.add(new File([blob], 'x.png', { type: 'image/png' }));";
    // Dropped, pasted, chosen.
    let ways = [
        "document.querySelector('form.upload').dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true })) })",
        "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, bubbles: true })) })",
        "const input = document.querySelector('#image'); input.files = files.files; input.dispatchEvent(new Event('change')) })",
    ];
    for way in ways {
        browser.run(&format!("document.querySelector('.answer')?.remove(); {draw} {give} {way}")).await;
        eventually(&browser, "return document.querySelectorAll('.answer .bars tbody tr').length === 7").await;
        eventually(
            &browser,
            "return [...document.querySelectorAll('.answer .sights img')].filter((image) => image.naturalWidth > 0).length === 2",
        )
        .await;
    }
    let answer: Value = browser.run("return [document.querySelector('.answer').textContent, window.stays, location.pathname]").await;
    assert!(answer[0].as_str().unwrap().contains("300 × 300") && answer[1] == json!(true) && answer[2] == "/skin", "{answer}");
    browser.run("const files = new DataTransfer(); files.items.add(new File(['hello'], 'x.png', { type: 'image/png' })); const input = document.querySelector('#image'); input.files = files.files; input.dispatchEvent(new Event('change'))").await;
    eventually(&browser, "return document.querySelector('#image-faults .fault')?.textContent.includes('no picture')").await;
    let said = browser.console().await;
    assert!(said.iter().all(|line| line.contains("422")), "nothing but the refusal that was asked for: {said:?}");
}

#[tokio::test]
async fn the_page_fits_in_both_languages_colours_and_widths_with_a_run_to_show() {
    let Some(browser) = Browser::start().await else { return };
    let (server, id) = trained();
    for (width, colours) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.look(width, colours).await;
        for language in ["en", "fa"] {
            let at = format!("{language}, {colours}, at {width}");
            browser.open(&format!("{}/skin?run={id}&lang={language}&only=errors&attention=on", server.address)).await;
            let beyond = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            assert_eq!(beyond, 0, "{at}: sideways scroll");
            let shift = browser.run(crate::browser::LAYOUT_SHIFT).await.as_f64().unwrap();
            assert!(shift < 0.02, "{at}: something moved as it loaded, by {shift}");
            let said = browser.console().await;
            assert!(said.is_empty(), "{at}: {said:?}");
        }
    }
}
