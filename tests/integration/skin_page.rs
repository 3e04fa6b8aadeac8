//! `/skin` without scripts, on small runs of the drawn lesions: the page, its figures, its images, thresholds, pictures that are sent to it.

use serde_json::{Value, json};

use crate::{
    classifiers::{form, post},
    support::{Server, command},
};

/// What a run needs that finds more than one class, in seconds.
pub const LEARNED: [&str; 4] = ["dataset=skin-sample", "filters=4", "epochs=4", "learning_rate=0.01"];

/// Trains on `server`'s store, as from a terminal; the run's id.
pub fn train(server: &Server, settings: &[&str], seed: u64) -> String {
    let output = command()
        .args(["train", "resnet14", "--json", "--device", "cpu", "--seed", &seed.to_string(), "--set"])
        .args(settings)
        .arg("--data-dir")
        .arg(server.data_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
    serde_json::from_str::<Value>(&first).unwrap()["run"].as_str().unwrap().to_owned()
}

/// A server with one run that is done, and its id.
pub fn trained() -> (Server, String) {
    let server = Server::start();
    let id = train(&server, &LEARNED, 0);
    (server, id)
}

/// Index, label, prediction and probabilities of each image of the test split.
pub async fn predictions(server: &Server, id: &str) -> Vec<(usize, usize, usize, Vec<f64>)> {
    let csv = server.page(&format!("/api/v1/runs/{id}/predictions.csv?split=test")).await;
    let row = |line: &str| {
        let values: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
        (values[0] as usize, values[1] as usize, values[2] as usize, values[3..].to_vec())
    };
    csv.lines().skip(1).map(row).collect()
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// The section of this id.
fn section<'page>(page: &'page str, id: &str) -> &'page str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    let rest = &page[start..];
    &rest[..rest[1..].find("\n  <section id=").map_or(rest.len(), |end| end + 1)]
}

#[tokio::test]
async fn the_page_says_how_to_begin_and_then_shows_what_the_network_does() {
    let server = Server::start();
    let empty = server.page("/skin").await;
    for text in [
        "torchboard fetch dermamnist",
        "dataset=skin-sample",
        "no medical device",
        "CC BY-NC 4.0",
        "1,341 of 2,005",
        "0.669",
        "174,871",
        "block_2_1.projection",
        "VGG-16",
        "0.927",
        "28 × 28 × 16",
    ] {
        assert!(empty.contains(text), "{text}");
    }
    let report = section(&empty, "splits");
    for figure in [">0.72<", ">0.86<", ">4693<", ">2005<"] {
        assert!(report.contains(figure), "the report's {figure}");
    }
    assert!(!empty.contains("id=\"examples\"") && !empty.contains("id=\"point\""), "nothing to show without a run");
    assert!(server.page("/").await.contains("href=\"/skin\""), "the overview leads there");

    let id = train(&server, &LEARNED, 0);
    let page = server.page("/skin").await;
    for id in ["splits", "examples", "point", "remedies", "try"] {
        section(&page, id);
    }
    assert!(
        page.contains(&format!("/runs/{id}")) && count(&page, "class=\"synthetic\"") >= 4,
        "whose numbers these are, and that they are not real"
    );
    assert_eq!(count(section(&page, "splits"), "#examples\""), 3 * 49, "each cell of three matrices leads to its images");
    assert!(!section(&page, "splits").contains("class=\"theirs\""), "nobody holds drawn lesions against the report");
    for part in ["confusion-train", "precision-recall-validation", "reliability-test"] {
        assert!(page.contains(&format!("id=\"{part}\"")), "{part}");
    }
    let evaluation = server.json(&format!("/api/v1/runs/{id}/evaluation?split=test"), 200).await;
    let accuracy = format!("<span class=\"ours\">{:.3}</span>", evaluation["accuracy"].as_f64().unwrap());
    assert!(section(&page, "splits").contains(&accuracy), "{accuracy}");
    assert!(server.page("/skin?curves=roc").await.contains("id=\"roc-test\""));
    let persian = server.page("/skin?lang=fa&matrix=rows").await;
    assert!(persian.contains("dir=\"rtl\"") && persian.contains("ابزار پزشکی نیست") && !persian.contains("localization"));

    let alone = server.page("/skin?part=examples").await;
    assert!(alone.contains("id=\"examples\"") && !alone.contains("id=\"splits\"") && !alone.contains("id=\"point\""));
}

#[tokio::test]
async fn a_cell_of_a_matrix_leads_to_its_images_most_confident_first() {
    let (server, id) = trained();
    let rows = predictions(&server, &id).await;
    let of = |label: usize, said: usize| rows.iter().filter(move |row| row.1 == label && row.2 == said);
    let (label, said) = (0..49)
        .map(|cell| (cell / 7, cell % 7))
        .filter(|(label, said)| label != said)
        .max_by_key(|&(label, said)| of(label, said).count())
        .unwrap();
    let mut expected: Vec<_> = of(label, said).collect();
    assert!(expected.len() > 1, "the network errs");
    expected.sort_by(|one, other| other.3[said].total_cmp(&one.3[said]));

    let page = server.page("/skin").await;
    let address = format!("/skin?split=test&#38;true={label}&#38;predicted={said}#examples");
    let cell = page.split(&format!("href=\"{address}\"")).nth(1).unwrap_or_else(|| panic!("no link to {address}"));
    assert!(cell.contains(&format!(">{}</a>", expected.len())), "its count");

    let shown = server.page(&format!("/skin?split=test&true={label}&predicted={said}")).await;
    let images = section(&shown, "examples");
    let indices: Vec<usize> =
        images.split("images/test/").skip(1).step_by(2).map(|rest| rest.split('.').next().unwrap().parse().unwrap()).collect();
    let wanted: Vec<usize> = expected.iter().take(24).map(|row| row.0).collect();
    assert_eq!(indices, wanted);
    assert!(images.contains(&format!("{:.1}%", 100.0 * expected[0].3[said])), "with its probabilities");
    assert_eq!(count(images, "<table class=\"bars\""), wanted.len());
    assert!(shown.contains("chosen\" href="), "the cell is marked");

    // Errors alone, the farthest from the truth first; page by page.
    let mut wrong: Vec<_> = rows.iter().filter(|row| row.1 != row.2).collect();
    wrong.sort_by(|one, other| one.3[one.1].total_cmp(&other.3[other.1]));
    let shown = server.page("/skin?only=errors&order=loss&part=examples").await;
    assert!(shown.contains(&format!("#{}</small>", wrong[0].0)) && shown.contains("rel=\"next\"") == (wrong.len() > 24));
    let beyond = server.page("/skin?only=errors&page=99&part=examples").await;
    assert!(beyond.contains("rel=\"prev\"") && count(&beyond, "class=\"example\"") == 0);
    // By short name, as people write them; and with what the network looked at.
    let named = server.page("/skin?true=mel&attention=on&part=examples").await;
    assert!(named.contains(&format!("/api/v1/runs/{id}/attention/test/")));
    let picture = named.split("/api/v1/runs/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(server.get(&format!("/api/v1/runs/{picture}")).await.headers()["content-type"], "image/png");
}

/// What the page says in a place that scripts write to.
fn out(page: &str, name: &str) -> String {
    let rest = page.split(&format!("data-out=\"{name}\">")).nth(1).unwrap_or_else(|| panic!("no {name}"));
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_threshold_decides_as_it_says_and_the_validation_images_choose_it() {
    let (server, id) = trained();
    let rows = predictions(&server, &id).await;
    for (of, classes, threshold) in [("melanoma", &[4][..], 0.2), ("malignant", &[0, 1, 4], 0.35)] {
        let yes =
            |row: &&(usize, usize, usize, Vec<f64>)| classes.iter().map(|&class| row.3[class] as f32).sum::<f32>() >= threshold as f32;
        let is = |row: &&(usize, usize, usize, Vec<f64>)| classes.contains(&row.1);
        let hits = rows.iter().filter(|row| yes(row) && is(row)).count();
        let alarms = rows.iter().filter(|row| yes(row) && !is(row)).count();
        let misses = rows.iter().filter(|row| !yes(row) && is(row)).count();
        let page = server.page(&format!("/skin?of={of}&threshold={threshold}&miss=20&alarm=2&part=point")).await;
        assert_eq!(
            [out(&page, "hits"), out(&page, "false_alarms"), out(&page, "misses")],
            [hits, alarms, misses].map(|count| count.to_string()),
            "{of}"
        );
        assert_eq!(out(&page, "alarms"), format!("{:.1}", 100.0 * alarms as f64 / rows.len() as f64));
        let cost = 100.0 * (20 * misses + 2 * alarms) as f64 / rows.len() as f64;
        assert_eq!(out(&page, "cost"), format!("{cost:.1}"));
        // The seven classes: rows add up to what there is of each.
        let matrix = page.split("class=\"seven\"").nth(1).unwrap().split("</table>").next().unwrap();
        let cells: Vec<usize> = matrix.split("</span></td>").filter_map(|cell| cell.rsplit('>').next()?.parse().ok()).collect();
        assert_eq!(cells.len(), 49);
        for label in 0..7 {
            assert_eq!(cells[7 * label..7 * label + 7].iter().sum::<usize>(), rows.iter().filter(|row| row.1 == label).count());
        }
        let told: usize = (0..7).flat_map(|label| classes.iter().map(move |&said| 7 * label + said)).map(|cell| cells[cell]).sum();
        assert_eq!(told, hits + alarms, "who is told yes is put into one of the question's classes");
    }
    // Without a threshold stands the one that the validation images choose, the same as over HTTP.
    let page = server.page("/skin?of=melanoma&miss=20&alarm=1&part=point").await;
    let points = server.json(&format!("/api/v1/runs/{id}/operating-points?split=test&of=melanoma&miss=20&false_alarm=1"), 200).await;
    let chosen = points["chosen"]["threshold"].as_f64().unwrap();
    let shown: f64 = page.split("data-chosen=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(shown <= chosen && chosen - shown < 1.1e-9, "{shown} {chosen}");
    assert_eq!(out(&page, "hits"), points["chosen"]["here"]["hits"].to_string());
    assert_eq!(out(&page, "false_alarms"), points["chosen"]["here"]["false_alarms"].to_string());
    assert!(page.contains("<tr class=\"shown\"><th scope=\"row\" class=\"number\" dir=\"ltr\">20 : 1"), "its ratio is marked in the table");
    for (query, field) in [
        ("of=death", "of"),
        ("threshold=2", "threshold"),
        ("true=9", "true"),
        ("sort=name", "sort"),
        ("page=0", "page"),
        ("curves=x", "curves"),
    ] {
        let response = server.request("GET", &format!("/skin?{query}")).send().await.unwrap();
        assert_eq!(response.status(), 422, "{query}");
        assert!(response.text().await.unwrap().contains(field), "{query}");
    }
}

async fn tag(server: &Server, id: &str, tags: &[&str]) {
    let changed = server.request("PATCH", &format!("/api/v1/runs/{id}")).json(&json!({"tags": tags})).send().await.unwrap();
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn remedies_are_rows_with_means_over_seeds_that_can_be_sorted() {
    let server = Server::start();
    let quick = ["dataset=skin-sample", "filters=2", "epochs=2", "learning_rate=0.01"];
    let plain = [train(&server, &quick, 0), train(&server, &quick, 1)];
    let flipped = train(&server, &[&quick[..], &["flip=true", "turn=true"]].concat(), 0);
    let best = train(&server, &[&quick[..], &["averaging=0.9"]].concat(), 0);
    for id in &plain {
        tag(&server, id, &["skin", "remedy:plain"]).await;
    }
    tag(&server, &best, &["skin", "remedy:best"]).await;
    let page = server.page("/skin").await;
    server.page("/skin?measure=1&part=remedies").await; // three are judged at a time
    let page_of = |query: &'static str| {
        let server = &server;
        async move { server.page(&format!("/skin?{query}part=remedies")).await }
    };
    assert!(page.contains(&format!("<option value=\"{best}\" selected>")), "the best is shown where nobody asks for another");
    let table = page_of("").await;
    let rows: Vec<&str> = table.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap().split("<tr").skip(1).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0].contains("Plain, as in the report") && rows[0].contains(&plain[0]) && rows[0].contains(&plain[1]));
    assert!(
        rows[1].contains("<code dir=\"ltr\">epochs=2 filters=2 flip=true learning_rate=0.01 turn=true</code>")
            && rows[1].contains(&flipped)
    );
    assert!(rows[2].starts_with(" class=\"best\"") && rows[2].contains("Best combination"));

    let accuracy = |evaluation: &Value| evaluation["accuracy"].as_f64().unwrap();
    let mut accuracies = Vec::new();
    for id in &plain {
        accuracies.push(accuracy(&server.json(&format!("/api/v1/runs/{id}/evaluation?split=test"), 200).await));
    }
    let (mean, half) = (f64::midpoint(accuracies[0], accuracies[1]), (accuracies[0] - accuracies[1]).abs() / 2.0);
    let written = format!("{mean:.3}<small> ± {:.3}</small>", half * 2.0_f64.sqrt());
    assert!(rows[0].contains(&written), "{written} in {}", rows[0]);
    let recalls = |evaluation: &Value| {
        evaluation["per_class"].as_array().unwrap().iter().map(|class| class["recall"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let own = recalls(&server.json(&format!("/api/v1/runs/{best}/evaluation?split=test"), 200).await);
    let mut theirs = vec![0.0; 7];
    for id in &plain {
        for (sum, recall) in theirs.iter_mut().zip(recalls(&server.json(&format!("/api/v1/runs/{id}/evaluation?split=test"), 200).await)) {
            *sum += recall / 2.0;
        }
    }
    let csv = server.page("/figures/skin-recall.csv?remedy=best").await;
    let changes: Vec<f64> = csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert!(changes.iter().zip(own.iter().zip(&theirs)).all(|(change, (own, theirs))| (change - (own - theirs)).abs() < 1e-9), "{csv}");

    let sorted = page_of("sort=accuracy&").await;
    let values: Vec<f64> = sorted
        .split("<tbody>")
        .nth(1)
        .unwrap()
        .split("</tbody>")
        .next()
        .unwrap()
        .split("<tr")
        .skip(1)
        .map(|row| row.split("<td class=\"number\" dir=\"ltr\">").nth(1).unwrap().split('<').next().unwrap().parse().unwrap())
        .collect();
    assert!(values.is_sorted_by(|one, other| one >= other), "{values:?}");
    assert!(sorted.contains("aria-sort=\"descending\""));
}

#[tokio::test]
async fn a_picture_is_looked_at_without_scripts_and_nothing_of_it_is_kept() {
    let (server, id) = trained();
    let files = || walk(server.data_dir());
    let mut photograph = image::RgbImage::from_pixel(600, 450, image::Rgb([222, 170, 150]));
    for (x, y) in (250..350).flat_map(|x| (180..270).map(move |y| (x, y))) {
        photograph.put_pixel(x, y, image::Rgb([70, 45, 40]));
    }
    let mut png = std::io::Cursor::new(Vec::new());
    photograph.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let send = form("image", png.get_ref(), &[("run", &id)]);
    let (status, first) = post(&server, "/skin/predict", send.clone()).await;
    assert_eq!(status, 200);
    let before = files();
    let (_, page) = post(&server, "/skin/predict", send.clone()).await;
    assert_eq!(page, first, "the same picture has the same answer");
    assert_eq!(files(), before, "no file is added, and none grows");

    let (status, answer) = post(&server, &format!("/api/v1/runs/{id}/predict"), send).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let answered = &page[page.find("class=\"answer\"").unwrap()..];
    for class in answer["probabilities"].as_array().unwrap() {
        let written = format!("{:.1}%", 100.0 * class["probability"].as_f64().unwrap());
        assert!(answered.contains(&written), "{written}");
    }
    for near in answer["nearest"].as_array().unwrap() {
        assert!(answered.contains(&format!("/images/train/{}.png", near["index"])), "{near}");
    }
    assert!(answered.contains("450 × 450") && answered.contains("28 × 28"), "what was done to it");
    assert!(page.contains("makes no diagnosis") && page.contains("never stored"));
    assert!(count(answered, "data:image/png") >= 2, "as the network saw it, and where it looked");

    for (file, reason) in
        [(&b"hello"[..], "is no picture"), (b"", "is empty"), (&png.get_ref()[..png.get_ref().len() / 2], "can&#39;t be read")]
    {
        let (status, page) = post(&server, "/skin/predict", form("image", file, &[("run", &id)])).await;
        assert!(status == 422 && page.contains(reason), "{reason}: {status}");
    }
    assert_eq!(post(&server, "/skin/predict", form("image", png.get_ref(), &[("run", "nobody")])).await.0, 404);
}

/// Every file of a folder with its length, but for the store's own journal.
fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else if !path.display().to_string().contains(".sqlite") {
            found.push((path, entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn every_figure_of_the_page_has_every_form() {
    let (server, id) = trained();
    let figures = [
        ("network", ""),
        ("confusion", "&split=validation&matrix=columns"),
        ("precision-recall", "&split=test"),
        ("roc", "&split=train"),
        ("reliability", ""),
        ("point", "&of=malignant&threshold=0.3"),
        ("accuracy", ""),
        ("loss", ""),
    ];
    for (name, query) in figures {
        for (extension, kind) in
            [("svg", "image/svg+xml"), ("png", "image/png"), ("csv", "text/csv; charset=utf-8"), ("json", "application/json")]
        {
            let path = format!("/figures/skin-{name}.{extension}?run={id}{query}");
            let response = server.get(&path).await;
            assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &kind.parse().unwrap()), "{path}");
        }
    }
    let csv = server.page(&format!("/figures/skin-confusion.csv?run={id}&matrix=rows&split=test")).await;
    assert!(csv.starts_with("row,column,value\r\nakiec,akiec,") && csv.lines().count() == 50, "{csv}");
    let network = server.page("/figures/skin-network.csv").await;
    assert!(network.contains("block_3_1.sum,+,7 × 7 × 16,0,block_3_1.convolution_2 + block_3_1.projection"), "{network}");
    server.json("/figures/skin-other.json", 404).await;
    assert_eq!(server.json(&format!("/figures/skin-point.json?run={id}&of=x"), 422).await["field"], "of");
    let empty = Server::start();
    server.page("/figures/skin-network.svg").await;
    empty.json("/figures/skin-roc.json", 503).await;
}
