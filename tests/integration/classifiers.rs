//! A trained network judged and asked: over HTTP, in the terminal and on `/fashion`, on the synthetic sample of Fashion-MNIST.

use serde_json::{Value, json};

use crate::support::{Server, command};

/// A server whose store has one run that is done, and the run's id. Trained in another process, as from a terminal.
pub fn trained() -> (Server, String) {
    let server = Server::start();
    let id = train(&server, &["units=16", "learning_rate=0.005", "epochs=3"]);
    (server, id)
}

fn train(server: &Server, settings: &[&str]) -> String {
    let output = command()
        .args(["train", "mlp", "--json", "--device", "cpu", "--set", "dataset=fashion-mnist-sample"])
        .args(settings)
        .arg("--data-dir")
        .arg(server.data_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
    serde_json::from_str::<Value>(&first).unwrap()["run"].as_str().unwrap().to_owned()
}

fn evaluate(server: &Server, arguments: &[&str]) -> std::process::Output {
    command().arg("evaluate").args(arguments).arg("--data-dir").arg(server.data_dir()).output().unwrap()
}

/// A form with one file, as a browser sends it.
pub fn form(name: &str, file: &[u8], fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "----torchboard-test";
    let mut body = Vec::new();
    for (field, value) in fields {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend_from_slice(file);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// The status and the text that a form is answered with.
pub async fn post(server: &Server, path: &str, (kind, body): (String, Vec<u8>)) -> (u16, String) {
    let response = server.request("POST", path).header("Content-Type", kind).body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn an_evaluation_has_the_shape_of_the_contract_and_is_the_same_in_the_terminal() {
    let (server, id) = trained();
    let evaluation = server.json(&format!("/api/v1/runs/{id}/evaluation?split=test"), 200).await;
    let n = evaluation["n"].as_u64().unwrap();
    assert!(n > 0 && evaluation["split"] == "test");
    let confusion = evaluation["confusion"].as_array().unwrap();
    for (label, class) in evaluation["per_class"].as_array().unwrap().iter().enumerate() {
        let row: u64 = confusion[label].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!((&class["label"], class["support"].as_u64().unwrap()), (&json!(label), row));
        assert!(class["name"].is_string() && number(&class["recall"]) <= 1.0);
    }
    let right: u64 = (0..10).map(|label| confusion[label][label].as_u64().unwrap()).sum();
    assert!((number(&evaluation["accuracy"]) - right as f64 / n as f64).abs() < 1e-12);
    assert!(number(&evaluation["accuracy"]) > 0.5, "three epochs on drawings of ten kinds: {}", evaluation["accuracy"]);
    for path in
        ["/macro/precision", "/weighted/f1", "/balanced_accuracy", "/auc/macro", "/average_precision/macro", "/average_precision/micro"]
    {
        assert!((0.0..=1.0).contains(&number(evaluation.pointer(path).unwrap())), "{path}");
    }
    assert_eq!(evaluation["auc"]["per_class"].as_array().unwrap().len(), 10);

    let printed = evaluate(&server, &[&id, "--split", "test", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), evaluation);
    let text = String::from_utf8(evaluate(&server, &[&id]).stdout).unwrap();
    assert!(
        text.contains("precision    recall  f1-score   support") && text.contains("weighted avg") && text.contains("Ankle boot"),
        "{text}"
    );

    // What the network said is kept, and what is kept is believed only for the same weights.
    assert!(server.data_dir().join("runs").join(&id).join("predictions-test.safetensors").is_file());
    let validation = server.json(&format!("/api/v1/runs/{id}/evaluation?split=validation"), 200).await;
    let run = server.json(&format!("/api/v1/runs/{id}"), 200).await;
    let last = number(&run["best"]["validation_accuracy"]["last"]);
    assert!(
        (number(&validation["accuracy"]) - last).abs() < 1e-9,
        "the training measured {last}, the evaluation {}",
        validation["accuracy"]
    );
}

#[tokio::test]
async fn curves_and_predictions_agree_with_the_evaluation() {
    let (server, id) = trained();
    let evaluation = server.json(&format!("/api/v1/runs/{id}/evaluation"), 200).await;
    for (kind, area) in [("pr", "/average_precision"), ("roc", "/auc")] {
        let curves = server.json(&format!("/api/v1/runs/{id}/curves/{kind}?split=test"), 200).await;
        for (label, curve) in curves["curves"].as_array().unwrap().iter().enumerate() {
            let expected = evaluation.pointer(&format!("{area}/per_class/{label}")).unwrap();
            assert!((number(&curve["area"]) - number(expected)).abs() < 1e-12, "{kind} {label}");
            assert_eq!(curve["x"].as_array().unwrap().len(), curve["y"].as_array().unwrap().len());
        }
        assert!((number(&curves["macro"]["area"]) - number(evaluation.pointer(&format!("{area}/macro")).unwrap())).abs() < 1e-12);
        let thinned = server.json(&format!("/api/v1/runs/{id}/curves/{kind}?tolerance=0.01"), 200).await;
        let points = |curves: &Value| curves["micro"]["x"].as_array().unwrap().len();
        assert!(points(&thinned) < points(&curves), "{kind}");
        assert_eq!(thinned["micro"]["area"], curves["micro"]["area"]);
    }
    let csv = server.page(&format!("/api/v1/runs/{id}/predictions.csv?split=test")).await;
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("index,label,prediction,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len() as u64, evaluation["n"].as_u64().unwrap());
    let right = rows.iter().filter(|row| row[1] == row[2]).count();
    assert!((right as f64 / rows.len() as f64 - number(&evaluation["accuracy"])).abs() < 1e-12);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row[0], index.to_string());
        let sum: f64 = row[3..].iter().map(|value| value.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
    }
}

#[tokio::test]
async fn an_image_of_the_data_set_gets_the_same_answer_as_a_picture_as_pixels_and_in_the_table() {
    let (server, id) = trained();
    let csv = server.page(&format!("/api/v1/runs/{id}/predictions.csv?split=test")).await;
    let row: Vec<f64> = csv.lines().nth(8).unwrap().split(',').map(|value| value.parse().unwrap()).collect();
    let png = server.get("/api/v1/datasets/fashion-mnist-sample/images/test/7.png").await.bytes().await.unwrap();
    let (status, answer) = post(&server, &format!("/api/v1/runs/{id}/predict"), form("image", &png, &[])).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(number(&answer["prediction"]), row[2]);
    for (label, class) in answer["probabilities"].as_array().unwrap().iter().enumerate() {
        assert_eq!((class["label"].as_u64(), class["name"].is_string()), (Some(label as u64), true));
        assert!((number(&class["probability"]) - row[3 + label]).abs() < 1e-5, "{class} {}", row[3 + label]);
    }
    let picture = image::load_from_memory(&png).unwrap().to_luma8();
    let pixels: Vec<Vec<f64>> = picture.rows().map(|row| row.map(|pixel| f64::from(pixel[0]) / 255.0).collect()).collect();
    let response = server.request("POST", &format!("/api/v1/runs/{id}/predict")).json(&json!({ "pixels": pixels })).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["prediction"], answer["prediction"]);
}

#[tokio::test]
async fn what_cannot_be_judged_or_classified_is_refused_by_its_name() {
    let (server, id) = trained();
    server.json("/api/v1/runs/nobody/evaluation", 404).await;
    let problem = server.json(&format!("/api/v1/runs/{id}/evaluation?split=all"), 422).await;
    assert_eq!(problem["field"], "split");
    assert_eq!(server.json(&format!("/api/v1/runs/{id}/curves/pr?tolerance=2"), 422).await["field"], "tolerance");
    let unseen = server.json(&format!("/api/v1/runs/{id}/evaluation?lesions=unseen"), 422).await;
    assert!(
        unseen["field"] == "lesions" && unseen["detail"].as_str().unwrap().contains("Nobody says which images of Synthetic garments"),
        "{unseen}"
    );
    let points = server.json(&format!("/api/v1/runs/{id}/operating-points"), 422).await;
    assert!(points["field"] == "of" && points["detail"].as_str().unwrap().contains("none of its classes is a disease"), "{points}");
    assert_eq!(server.json(&format!("/api/v1/runs/{id}/evaluation"), 200).await["resampled_by"], "example");
    let attention = server.json(&format!("/api/v1/runs/{id}/attention/test/0.json"), 409).await;
    assert!(attention["detail"].as_str().unwrap().contains("does not tell where it looks"), "{attention}");
    for (name, file) in [("image", &b"hello"[..]), ("image", b""), ("picture", b"hello")] {
        let (status, problem) = post(&server, &format!("/api/v1/runs/{id}/predict"), form(name, file, &[])).await;
        let problem: Value = serde_json::from_str(&problem).unwrap();
        assert_eq!((status, &problem["field"]), (422, &json!("image")), "{problem}");
    }
    let large = vec![0; 11 << 20];
    let (status, problem) = post(&server, &format!("/api/v1/runs/{id}/predict"), form("image", &large, &[])).await;
    assert!(status == 422 && problem.contains("at most 10485760"), "{status} {problem}");
    let few = server.request("POST", &format!("/api/v1/runs/{id}/predict")).json(&json!({ "pixels": [[0.0]] })).send().await.unwrap();
    assert_eq!((few.status().as_u16(), few.json::<Value>().await.unwrap()["field"].clone()), (422, json!("pixels")));

    let whole = train(&server, &["units=4", "epochs=1", "validation_share=0"]);
    server.json(&format!("/api/v1/runs/{whole}/evaluation?split=validation"), 404).await;
    let refused = evaluate(&server, &["nobody"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("nobody"));
}

#[tokio::test]
async fn many_pictures_at_once_are_all_answered() {
    let (server, id) = trained();
    let png = server.get("/api/v1/datasets/fashion-mnist-sample/images/test/3.png").await.bytes().await.unwrap();
    let path = format!("/api/v1/runs/{id}/predict");
    let answers = futures_util::future::join_all((0..64).map(|_| post(&server, &path, form("image", &png, &[])))).await;
    for (status, answer) in &answers {
        assert_eq!(*status, 200, "{answer}");
        let class = |text: &str| serde_json::from_str::<Value>(text).unwrap()["prediction"].clone();
        assert_eq!(class(answer), class(&answers[0].1));
    }
}

#[tokio::test]
async fn the_page_says_how_to_begin_and_then_shows_what_the_network_does() {
    let server = Server::start();
    let empty = server.page("/fashion").await;
    assert!(empty.contains("torchboard train mlp --set units=32 learning_rate=0.001 epochs=50"), "the command of the tuned run");
    assert!(empty.contains("dataset=fashion-mnist-sample"), "and what works without a network");
    for figure in ["0.2991", "0.8475", "0.4021", "0.8780", "25,450", "0.8861"] {
        assert!(empty.contains(figure), "the report's {figure}");
    }

    let id = train(&server, &["units=16", "learning_rate=0.005", "epochs=3"]);
    let page = server.page("/fashion").await;
    assert!(page.contains(&format!("/runs/{id}")) && page.contains("synthetic"), "whose numbers they are, and that they are not real");
    for part in ["id=\"confusion\"", "id=\"precision-recall\"", "id=\"reliability\"", "id=\"mistakes\"", "enctype=\"multipart/form-data\""]
    {
        assert!(page.contains(part), "{part}");
    }
    let persian = server.page("/fashion?lang=fa&matrix=rows").await;
    assert!(persian.contains("dir=\"rtl\"") && persian.contains("بدترین خطاها"));

    let png = server.get("/api/v1/datasets/fashion-mnist-sample/images/test/3.png").await.bytes().await.unwrap();
    let (status, answered) = post(&server, "/fashion/predict", form("image", &png, &[("run", &id)])).await;
    assert_eq!(status, 200);
    assert!(answered.contains("data:image/png,%89%50%4e%47") && answered.contains("class=\"probabilities\""));
    let (status, refused) = post(&server, "/fashion/predict", form("image", b"hello", &[("run", &id)])).await;
    assert!(status == 422 && refused.contains("is no picture in PNG, JPEG or WebP"), "{status}");
}

#[tokio::test]
async fn every_figure_of_the_page_has_every_form() {
    let (server, id) = trained();
    for name in ["confusion", "precision-recall", "roc", "reliability"] {
        for (extension, kind) in
            [("svg", "image/svg+xml"), ("png", "image/png"), ("csv", "text/csv; charset=utf-8"), ("json", "application/json")]
        {
            let path = format!("/figures/fashion-{name}.{extension}?run={id}");
            let response = server.get(&path).await;
            assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &kind.parse().unwrap()), "{path}");
        }
    }
    let csv = server.page(&format!("/figures/fashion-confusion.csv?run={id}&matrix=rows")).await;
    assert!(csv.starts_with("row,column,value\r\n") && csv.lines().count() == 101);
    server.json("/figures/fashion-loss.json", 503).await;
    server.json("/figures/fashion-other.json", 404).await;
}
