//! The residual network on synthetic skin lesions: judged by lesion, by other decisions, explained, its images listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use torchboard::data::{Split, datasets};

use crate::{
    runs::lines,
    support::{Served, Server, command},
};

const SMALL: [&str; 4] = ["dataset=skin-sample", "filters=4", "epochs=3", "learning_rate=0.003"];

/// What the training of a small residual network on the synthetic sample said, into the server's store.
pub fn trained(server: &Server) -> Vec<Value> {
    let mut command = command();
    command.args(["train", "resnet14", "--json", "--device", "cpu", "--set"]).args(SMALL).arg("--data-dir").arg(server.data_dir());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&output)
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn it_is_judged_by_lesion_and_on_those_lesions_alone_that_it_never_saw() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let asked = |rest: &str| format!("/api/v1/runs/{id}/{rest}");
    let all = server.json(&asked("evaluation"), 200).await;
    assert_eq!(
        (&all["lesions"], &all["images"], &all["n"], &all["resampled_by"]),
        (&json!("all"), &json!(200), &json!(200), &json!("lesion"))
    );
    assert_eq!((&all["majority"]["label"], number(&all["majority"]["accuracy"])), (&json!(5), 134.0 / 200.0));
    assert_eq!((number(&all["majority"]["balanced_accuracy"]), &all["decision"]), (1.0 / 7.0, &json!({"by": "most_probable"})));
    for figure in ["accuracy", "balanced_accuracy"] {
        let (low, high) = (number(&all["intervals"][figure]["low"]), number(&all["intervals"][figure]["high"]));
        assert!(low <= number(&all[figure]) && number(&all[figure]) <= high && high - low < 0.4, "{figure}: {low} to {high}");
    }
    assert!(number(&all["intervals"]["macro_auc"]["low"]) < number(&all["auc"]["macro"]));

    // As many as the sample itself says, worked out here from its groups.
    let skin = datasets().iter().find(|dataset| dataset.id() == "skin-sample").unwrap();
    let torchboard::data::manifest::Format::Drawn(sample) = skin.format else { panic!("it is drawn") };
    let groups = sample.groups().unwrap();
    let met: BTreeSet<u32> = groups.of(Split::Train).iter().chain(groups.of(Split::Validation).iter()).copied().collect();
    let expected: Vec<String> =
        (0..200).filter(|&index| !met.contains(&groups.of(Split::Test)[index])).map(|index| index.to_string()).collect();
    let unseen = server.json(&asked("evaluation?lesions=unseen"), 200).await;
    assert_eq!((&unseen["lesions"], &unseen["images"], &unseen["n"]), (&json!("unseen"), &json!(200), &json!(expected.len())));
    let distinct = |indices: &mut dyn Iterator<Item = usize>| {
        json!(indices.map(|index| groups.of(Split::Test)[index]).collect::<BTreeSet<u32>>().len())
    };
    assert_eq!(unseen["lesion_count"], distinct(&mut expected.iter().map(|index| index.parse().unwrap())));
    assert_eq!(all["lesion_count"], distinct(&mut (0..200)));
    let whole = server.page(&asked("predictions.csv")).await;
    let part = server.page(&asked("predictions.csv?lesions=unseen")).await;
    let rows: BTreeSet<&str> = whole.lines().collect();
    assert!(part.lines().all(|row| rows.contains(row)), "what it said of an image does not depend on the others");
    let indices: Vec<&str> = part.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(indices, expected);
    let roc = server.json(&asked("curves/roc?lesions=unseen"), 200).await;
    assert_eq!(roc["macro"]["area"], unseen["auc"]["macro"]);
    assert_ne!(roc["macro"]["area"], all["auc"]["macro"]);
    let validation = server.json(&asked("evaluation?split=validation&lesions=unseen"), 200).await;
    assert!(number(&validation["n"]) < 99.0 && number(&validation["n"]) > 50.0);
    let refused = server.json(&asked("evaluation?split=train&lesions=unseen"), 422).await;
    assert!(refused["field"] == "lesions" && refused["detail"].as_str().unwrap().contains("has seen every lesion"), "{refused}");

    let mut printed = command();
    printed.args(["evaluate", id, "--lesions", "unseen", "--data-dir"]).arg(server.data_dir());
    let text = String::from_utf8(printed.output().unwrap().stdout).unwrap();
    assert!(text.contains("resampled by lesion") && text.contains("of 200 images whose lesion was never seen"), "{text}");
    assert!(text.contains("always answering \"melanocytic nevi\": accuracy 0."), "{text}");
    let json = printed.arg("--json").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap(), unseen);
}

/// Of the published split, whose table of lesions came with the run: 1,232 test images show a lesion that is in neither of the other splits.
#[tokio::test]
async fn lesions_that_validated_were_met_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Served::start(folder.path());
    let path = "/api/v1/runs/skin-plain-0/evaluation?split=test&lesions=unseen";
    let found: Value = reqwest::get(format!("{}{path}", server.address)).await.unwrap().json().await.unwrap();
    assert_eq!((&found["n"], &found["images"]), (&json!(1232), &json!(2005)));
}

#[tokio::test]
async fn where_it_could_decide_otherwise_is_told_and_tried() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let asked = |rest: &str| format!("/api/v1/runs/{id}/{rest}");
    for (of, labels, positives) in [("melanoma", vec![4], 22), ("malignant", vec![0, 1, 4], 7 + 10 + 22)] {
        let found = server.json(&asked(&format!("operating-points?of={of}&miss=20&threshold=0.3")), 200).await;
        let classes: Vec<u64> = found["classes"].as_array().unwrap().iter().map(|class| class["label"].as_u64().unwrap()).collect();
        assert_eq!((&found["of"], classes, &found["positives"], &found["n"]), (&json!(of), labels, &json!(positives), &json!(200)));
        assert_eq!(found["costs"], json!({"miss": 20.0, "false_alarm": 1.0}));
        let points = found["points"].as_array().unwrap();
        let (first, last) = (&points[0], &points[points.len() - 1]);
        assert_eq!((&first["threshold"], &first["hits"], &first["misses"]), (&Value::Null, &json!(0), &json!(positives)));
        assert_eq!((&last["misses"], &last["rejections"], points.len() <= 200), (&json!(0), &json!(0), true));
        for point in points {
            let of = |key: &str| number(&point[key]);
            assert_eq!(of("hits") + of("misses"), f64::from(positives));
            assert_eq!(of("hits") + of("misses") + of("false_alarms") + of("rejections"), 200.0);
            assert!((of("cost") - (20.0 * of("misses") + of("false_alarms")) / 200.0).abs() < 1e-12);
            assert!((of("false_alarms_per_hundred") - of("false_alarms") / 2.0).abs() < 1e-12);
        }
        // The chosen threshold is the validation split's, and deciding by it gives what the table says.
        let chosen = &found["chosen"];
        let on_validation = server.json(&asked(&format!("operating-points?split=validation&of={of}&miss=20")), 200).await;
        assert_eq!(on_validation["chosen"]["here"], chosen["validation"]);
        for (threshold, point) in [("chosen", &chosen["here"]), ("0.3", &found["at"])] {
            let decided = server.json(&asked(&format!("evaluation?of={of}&threshold={threshold}&miss=20")), 200).await;
            assert_eq!((&decided["decision"]["by"], &decided["decision"]["of"]), (&json!("threshold"), &json!(of)));
            let matrix = decided["confusion"].as_array().unwrap();
            let is_yes = |label: usize| found["classes"].as_array().unwrap().iter().any(|class| class["label"] == label);
            let counted = |truth: bool, said: bool| -> u64 {
                let cells = (0..7).flat_map(|row| (0..7).map(move |column| (row, column)));
                cells
                    .filter(|&(row, column)| is_yes(row) == truth && is_yes(column) == said)
                    .map(|(row, column)| matrix[row][column].as_u64().unwrap())
                    .sum()
            };
            assert_eq!(
                (point["hits"].as_u64(), point["false_alarms"].as_u64()),
                (Some(counted(true, true)), Some(counted(false, true))),
                "{threshold}"
            );
        }
    }
    let plain = server.json(&asked("evaluation"), 200).await;
    let found = server.json(&asked("operating-points"), 200).await;
    assert_eq!((&found["of"], found["prior"]["exponents"].as_array().unwrap().len()), (&json!("melanoma"), 31));
    let (chosen, adjusted) = (&found["prior"]["chosen"], server.json(&asked("evaluation?prior=chosen"), 200).await);
    assert_eq!(adjusted["decision"], json!({"by": "prior", "exponent": chosen["exponent"], "chosen": true}));
    assert_eq!(
        (&adjusted["balanced_accuracy"], &adjusted["accuracy"]),
        (&chosen["here"]["balanced_accuracy"], &chosen["here"]["accuracy"])
    );
    let validation = server.json(&asked(&format!("evaluation?split=validation&prior={}", chosen["exponent"])), 200).await;
    assert_eq!(validation["balanced_accuracy"], chosen["validation"]["balanced_accuracy"]);
    let best = server.json(&asked("operating-points?split=validation"), 200).await["prior"]["exponents"].clone();
    assert!(
        best.as_array()
            .unwrap()
            .iter()
            .all(|other| number(&other["balanced_accuracy"]) <= number(&chosen["validation"]["balanced_accuracy"]))
    );
    for kept in ["auc", "log_loss", "brier", "calibration", "average_precision"] {
        assert_eq!(adjusted[kept], plain[kept], "{kept} is a property of the probabilities");
    }
    assert_eq!(server.json(&asked("operating-points?of=measles"), 422).await["field"], "of");
}

/// The values of a map, row after row.
fn flat(map: &Value) -> Vec<f64> {
    map.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap().iter().map(number)).collect()
}

#[tokio::test]
async fn where_it_looks_is_shown_over_the_image_and_told_with_what_it_finds_alike() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let told = server.json(&format!("/api/v1/runs/{id}/attention/test/3.json"), 200).await;
    assert_eq!(
        (&told["split"], &told["index"], &told["class"], &told["kept"]),
        (&json!("test"), &json!(3), &told["prediction"], &json!(false))
    );
    let probabilities: Vec<f64> = told["probabilities"].as_array().unwrap().iter().map(number).collect();
    let row = server.page(&format!("/api/v1/runs/{id}/predictions.csv")).await.lines().nth(4).unwrap().to_owned();
    let row: Vec<f64> = row.split(',').map(|value| value.parse().unwrap()).collect();
    assert!(
        row[3..].iter().zip(&probabilities).all(|(one, other)| (one - other).abs() < 1e-5)
            && row[2] == number(&told["prediction"]["label"])
    );
    let map = flat(&told["values"]);
    assert_eq!((map.len(), told["values"].as_array().unwrap().len()), (49, 7));
    assert!(map.iter().all(|value| *value >= 0.0) && (map.iter().copied().fold(0.0, f64::max) - number(&told["most"])).abs() < 1e-6);
    let nearest = told["nearest"].as_array().unwrap();
    assert_eq!(nearest.len(), 10);
    assert!(nearest.windows(2).all(|pair| number(&pair[0]["similarity"]) >= number(&pair[1]["similarity"])));
    assert!(nearest.iter().all(|near| number(&near["index"]) < 701.0 && number(&near["similarity"]) <= 1.0 && near["name"].is_string()));
    // A training image is not its own neighbour.
    let own = server.json(&format!("/api/v1/runs/{id}/attention/train/5.json?class=nv"), 200).await;
    assert!(
        own["nearest"].as_array().unwrap().iter().all(|near| near["index"] != 5)
            && own["class"]["label"] == 5
            && own["class"]["code"] == "nv"
    );

    let address = format!("/api/v1/runs/{id}/attention/test/3.png?class=5&scale=4");
    let picture = server.get(&address).await;
    assert_eq!((picture.status().as_u16(), picture.headers()["cache-control"].to_str().unwrap()), (200, "public, max-age=86400"));
    let tag = picture.headers()["etag"].to_str().unwrap().to_owned();
    let decoded = image::load_from_memory(&picture.bytes().await.unwrap()).unwrap().to_rgb8();
    assert_eq!(decoded.dimensions(), (112, 112));
    let again = server.request("GET", &address).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), again.bytes().await.unwrap().len()), (304, 0));
    let other = server.request("GET", &address.replace("class=5", "class=4")).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(other.status(), 200, "another class is another picture");
    for (path, status) in [
        ("attention/test/200.json", 404),
        ("attention/test/200.png", 404),
        ("attention/half/0.png", 404),
        ("attention/test/0.gif", 404),
        ("attention/test/0.png?class=wart", 422),
        ("attention/test/0.png?scale=33", 422),
        ("attention/test/0.png?pixels=round", 422),
    ] {
        server.json(&format!("/api/v1/runs/{id}/{path}"), status).await;
    }
}

/// A run that was exported after it was evaluated shows its mistakes also where neither its weights nor its images are.
#[tokio::test]
async fn where_it_looked_in_its_mistakes_is_kept_and_goes_with_the_run() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let on = |server: &Server, arguments: &[&str]| {
        let output = command().args(arguments).arg("--data-dir").arg(server.data_dir()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    on(&server, &["evaluate", id]);
    let wrong = server.json(&format!("/api/v1/runs/{id}/examples?only=errors&limit=1"), 200).await["items"][0].clone();
    let path = format!("/api/v1/runs/{id}/attention/test/{}.json", wrong["index"]);
    let whole = server.json(&path, 200).await;
    let file = server.data_dir().join("run.torchboard").to_str().unwrap().to_owned();
    on(&server, &["export", id, "--without-weights", "--output", &file]);
    let bare = Server::start();
    on(&bare, &["import", &file]);
    let kept = bare.json(&path, 200).await;
    assert_eq!((&kept["kept"], &kept["prediction"], &kept["nearest"]), (&json!(true), &whole["prediction"], &Value::Null));
    let most = number(&whole["most"]);
    assert!(flat(&kept["values"]).iter().zip(flat(&whole["values"])).all(|(kept, exact)| (kept - exact).abs() <= most / 255.0));
    bare.json(&format!("{path}?class={}", wrong["label"]), 200).await;
    let right = server.json(&format!("/api/v1/runs/{id}/examples?only=correct&limit=1"), 200).await["items"][0]["index"].clone();
    bare.json(&format!("/api/v1/runs/{id}/attention/test/{right}.json"), 503).await;
}

#[tokio::test]
async fn its_examples_are_listed_by_class_by_error_and_by_confidence() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let listed = async |query: &str| server.json(&format!("/api/v1/runs/{id}/examples{query}"), 200).await;
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    let evaluation = server.json(&format!("/api/v1/runs/{id}/evaluation"), 200).await;
    let mut counted = 0;
    for (label, code) in ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"].iter().enumerate() {
        for decided in 0..7 {
            let cell = items(&listed(&format!("?true={code}&predicted={decided}&limit=1000")).await);
            assert_eq!(json!(cell.len()), evaluation["confusion"][label][decided], "{code} taken for {decided}");
            counted += cell.len();
        }
    }
    assert_eq!(counted, 200);
    let confident = items(&listed("?only=errors&limit=1000").await);
    assert!(confident.windows(2).all(|pair| number(&pair[0]["probability"]) >= number(&pair[1]["probability"])));
    assert!(confident.iter().all(|item| item["label"] != item["prediction"]));
    let truth = |item: &Value| number(&item["probabilities"][item["label"].as_u64().unwrap() as usize]);
    let costly = items(&listed("?order=loss&limit=1000").await);
    assert!(costly.len() == 200 && costly.windows(2).all(|pair| truth(&pair[0]) <= truth(&pair[1])));
    let unsure = items(&listed("?order=uncertain&limit=2").await);
    assert!(number(&unsure[0]["probability"]) <= number(&unsure[1]["probability"]));

    let mut indices = Vec::new();
    let mut cursor = Some(String::new());
    while let Some(at) = cursor {
        let page = listed(&format!("?order=index&limit=77{}", if at.is_empty() { at } else { format!("&cursor={at}") })).await;
        indices.extend(items(&page).iter().map(|item| item["index"].as_u64().unwrap()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(indices, (0..200).collect::<Vec<u64>>(), "page by page, each once");
    let unseen = items(&listed("?order=index&lesions=unseen&limit=1000").await);
    let not_seen = items(&listed("?order=index&limit=1000").await).into_iter().filter(|item| item["lesion_seen"] == false);
    assert_eq!(unseen, not_seen.collect::<Vec<_>>());
    assert!(items(&listed("?split=train").await).iter().all(|item| item["lesion_seen"].is_null()));
    // By the prior rarer classes are decided for more often, as in the evaluation.
    let adjusted = server.json(&format!("/api/v1/runs/{id}/evaluation?prior=1.2"), 200).await;
    let said: u64 = (0..7).map(|row| adjusted["confusion"][row][4].as_u64().unwrap()).sum();
    assert_eq!(items(&listed("?predicted=mel&prior=1.2&limit=1000").await).len() as u64, said);
    let image = unseen[0]["image"].as_str().unwrap();
    assert_eq!(server.get(image).await.status(), 200);
    for (query, field) in [
        ("?true=wart", "true"),
        ("?predicted=7", "predicted"),
        ("?only=some", "only"),
        ("?order=colour", "order"),
        ("?limit=0", "limit"),
        ("?cursor=x", "cursor"),
    ] {
        assert_eq!(server.json(&format!("/api/v1/runs/{id}/examples{query}"), 422).await["field"], field);
    }
}
