//! `/triplet` without scripts, on a small run of the drawn digits: the page, its figures, pictures that are sent to it.

use serde_json::Value;

use crate::{
    classifiers::{form, post},
    support::Server,
    triplet::trained,
};

/// What a run that tells digits apart needs, in seconds.
const LEARNED: [&str; 2] = ["learning_rate=0.003", "epochs=4"];

/// So many times `part` stands in `text`.
fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[tokio::test]
async fn the_page_says_how_to_begin_and_then_shows_what_the_network_does() {
    let server = Server::start();
    let empty = server.page("/triplet").await;
    for text in [
        "torchboard fetch mnist",
        "torchboard train triplet",
        "dataset=mnist-sample",
        "0.0924",
        "0.0374",
        "0.0020",
        "0.0107",
        "600,810",
        "24 × 24 × 32",
    ] {
        assert!(empty.contains(text), "{text}");
    }
    assert!(!empty.contains("id=\"map\"") && empty.contains("/figures/triplet-loss.svg"), "the report's curve needs no run");
    assert!(server.page("/").await.contains("href=\"/triplet\""), "the overview leads there");

    let (server, id) = trained(&LEARNED);
    let page = server.page("/triplet").await;
    for part in [
        "id=\"map\"",
        "id=\"hardest\"",
        "enctype=\"multipart/form-data\"",
        "id=\"triplet-map-before-wide-title\"",
        "id=\"triplet-map-after-wide-title\"",
        "synthetic",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains(&format!("/runs/{id}")));
    let hardest = &page[page.find("id=\"hardest\"").unwrap()..];
    assert_eq!(count(hardest, "<figure>"), 3 * 12);
    let persian = server.page("/triplet?lang=fa&method=pca&colour=error&n=2000").await;
    assert!(persian.contains("dir=\"rtl\"") && persian.contains("دشوارترین سه‌گانه‌های کنونی"));
    assert!(
        persian.contains("value=\"pca\" selected") && persian.contains("value=\"error\" selected"),
        "the form says what the address asks"
    );
}

#[tokio::test]
async fn the_hardest_triplets_are_what_the_embeddings_say() {
    let (server, id) = trained(&LEARNED);
    let csv = server.page(&format!("/api/v1/runs/{id}/embeddings.csv?split=test")).await;
    let rows: Vec<Vec<f64>> = csv.lines().skip(1).map(|line| line.split(',').map(|value| value.parse().unwrap()).collect()).collect();
    let distance = |a: usize, b: usize| rows[a][2..].iter().zip(&rows[b][2..]).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let rows = &rows;
    let excess = |anchor: usize| {
        let others = |same: bool| (0..rows.len()).filter(move |&other| other != anchor && (rows[other][1] == rows[anchor][1]) == same);
        others(true).map(|other| distance(anchor, other)).fold(0.0, f64::max)
            - others(false).map(|other| distance(anchor, other)).fold(f64::MAX, f64::min)
    };
    let worst = (0..rows.len()).max_by(|&one, &other| excess(one).total_cmp(&excess(other))).unwrap();
    let page = server.page("/triplet").await;
    let hardest = &page[page.find("id=\"hardest\"").unwrap()..];
    let first = hardest.split("images/test/").nth(1).unwrap();
    assert_eq!(first.split('.').next().unwrap(), worst.to_string(), "the anchor that violates the margin most comes first");
}

#[tokio::test]
async fn votes_are_those_that_the_accuracy_counts() {
    let (server, id) = trained(&LEARNED);
    let answer = server.json(&format!("/api/v1/runs/{id}/votes?split=test"), 200).await;
    let said = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, answer["said"].as_str().unwrap()).unwrap();
    let csv = server.page(&format!("/api/v1/runs/{id}/embeddings.csv?split=test")).await;
    let labels: Vec<u8> = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!((said.len(), answer["n"].as_u64()), (labels.len(), Some(labels.len() as u64)));
    let right = said.iter().zip(&labels).filter(|(said, label)| said == label).count() as f64 / labels.len() as f64;
    let retrieval = server.json(&format!("/api/v1/runs/{id}/retrieval?split=test"), 200).await;
    assert!((retrieval["knn_accuracy"].as_f64().unwrap() - right).abs() < 1e-12);
    assert_eq!(server.json(&format!("/api/v1/runs/{id}/votes?split=half"), 422).await["field"], "split");
}

#[tokio::test]
async fn a_picture_is_placed_among_the_digits_without_scripts() {
    let (server, id) = trained(&LEARNED);
    let png = server.get("/api/v1/datasets/mnist-sample/images/test/3.png").await.bytes().await.unwrap();
    let (status, answer) = post(&server, &format!("/api/v1/runs/{id}/predict"), form("image", &png, &[])).await;
    assert_eq!(status, 200, "{answer}");
    let expected: Value = serde_json::from_str(&answer).unwrap();
    server.page("/triplet").await; // draws the map that the picture is placed on
    let (status, page) = post(&server, "/triplet/predict", form("image", &png, &[("run", &id)])).await;
    assert_eq!(status, 200);
    assert!(page.contains(&format!("<strong class=\"prediction\" dir=\"ltr\">{}</strong>", expected["prediction"])));
    for neighbor in expected["neighbors"].as_array().unwrap() {
        assert!(page.contains(&format!("/images/train/{}.png", neighbor["index"])), "{neighbor}");
    }
    assert_eq!(count(&page, "<th scope=\"row\">e"), 10, "the embedding's numbers");
    assert!(page.contains("data-x=") && page.contains("&amp;mark="), "its place on the map");

    let mut animation = Vec::new();
    let mut encoder = png::Encoder::new(&mut animation, 4, 4);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    (0..2).for_each(|_| writer.write_image_data(&[0; 16]).unwrap());
    drop(writer);
    let mut blank = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(280, 280, image::Luma([0])).write_to(&mut blank, image::ImageFormat::Png).unwrap();
    let broken = &png[..png.len() / 2];
    for (file, reason) in [
        (&b"hello"[..], "is no picture"),
        (b"", "is empty"),
        (&animation, "is an animation"),
        (blank.get_ref(), "is blank"),
        (broken, "can&#39;t be read"),
    ] {
        let (status, page) = post(&server, "/triplet/predict", form("image", file, &[("run", &id)])).await;
        assert!(status == 422 && page.contains(reason), "{reason}: {status}");
    }
    let (status, _) = post(&server, "/triplet/predict", form("image", &png, &[("run", "nobody")])).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn every_figure_of_the_page_has_every_form() {
    let (server, id) = trained(&LEARNED);
    let map = format!("run={id}&n=100&split=test");
    let figures = ["triplet-loss", "triplet-active", "triplet-map"].map(|name| (name, String::new()));
    let maps = ["stage=before", "stage=after&colour=said", "colour=error&method=pca", "mark=1,2"]
        .map(|more| ("triplet-map", format!("{map}&{more}")));
    for (name, query) in figures.into_iter().chain(maps) {
        for (extension, kind) in
            [("svg", "image/svg+xml"), ("png", "image/png"), ("csv", "text/csv; charset=utf-8"), ("json", "application/json")]
        {
            let path = format!("/figures/{name}.{extension}?{query}");
            let response = server.get(&path).await;
            assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &kind.parse().unwrap()), "{path}");
        }
    }
    let csv = server.page(&format!("/figures/triplet-map.csv?{map}&stage=after")).await;
    assert_eq!(csv.lines().count(), 101);
    let projection = server.json(&format!("/api/v1/runs/{id}/projection?{map}"), 200).await;
    let point = &projection["points"][0];
    let row = csv.lines().find(|line| line.split(',').nth(1) == Some("0")).unwrap();
    let numbers: Vec<f64> = row.split(',').map(|value| value.parse().unwrap()).collect();
    assert!(numbers[0] == point["label"].as_f64().unwrap() && (numbers[2] - point["x"].as_f64().unwrap()).abs() < 1e-4, "{row} {point}");
    server.json("/figures/triplet-other.json", 404).await;
    assert_eq!(server.json(&format!("/figures/triplet-map.json?{map}&mark=x"), 422).await["field"], "mark");
    assert_eq!(server.json(&format!("/figures/triplet-map.json?{map}&stage=later"), 422).await["field"], "stage");
}
