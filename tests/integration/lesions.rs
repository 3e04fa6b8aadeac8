//! The residual network on synthetic skin lesions: trained, interrupted, judged on the data set's own three splits.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use torchboard::{
    models::DeviceChoice,
    train::{Predictor, Spec, configuration},
};

use crate::{
    runs::lines,
    support::{Server, command},
    training::{cancel_after, hash, spec, train},
};

const SMALL: [&str; 4] = ["dataset=skin-sample", "filters=4", "epochs=3", "learning_rate=0.003"];

#[tokio::test]
async fn a_residual_network_is_trained_and_judged_on_the_data_sets_own_splits() {
    let server = Server::start();
    let mut command = command();
    command.args(["train", "resnet14", "--json", "--device", "cpu", "--set"]).args(SMALL).arg("--data-dir").arg(server.data_dir());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events = lines(&output);
    let id = events[0]["run"].as_str().unwrap();
    let told: Vec<&Value> = events.iter().filter(|event| event["event"] == "log").collect();
    assert!(told[0]["message"].as_str().unwrap().contains("701 images to learn from, 99 to validate"), "{told:?}");
    let losses: Vec<f64> = (events.iter())
        .filter(|event| event["name"] == "loss" && event["split"] == "train")
        .map(|event| event["value"].as_f64().unwrap())
        .collect();
    assert!(losses.len() == 3 && losses[2] < losses[0], "{losses:?}");

    for (split, supports) in
        [("train", [23, 36, 77, 8, 78, 469, 10]), ("validation", [3, 5, 11, 1, 11, 67, 1]), ("test", [7, 10, 22, 2, 22, 134, 3])]
    {
        let found = server.json(&format!("/api/v1/runs/{id}/evaluation?split={split}"), 200).await;
        let counted: Vec<u64> = found["per_class"].as_array().unwrap().iter().map(|class| class["support"].as_u64().unwrap()).collect();
        assert_eq!(counted, supports, "{split}");
        let rows = found["confusion"].as_array().unwrap().iter();
        let sums: Vec<u64> = rows.map(|row| row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()).collect();
        assert_eq!(sums, supports, "{split}");
    }
    let csv = server.page(&format!("/api/v1/runs/{id}/predictions.csv?split=validation")).await;
    assert_eq!(csv.lines().count(), 1 + 99);
    for line in csv.lines().skip(1) {
        let row: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
        assert!(row.len() == 3 + 7 && (row[3..].iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
    }
}

/// What trains a small network as `given` says, in `folder`; of 8 filters, which our own kernels compute.
fn lesion_spec(folder: &std::path::Path, given: &Value) -> Spec {
    let mut config = json!({"dataset": "skin-sample", "filters": 8, "epochs": 1}).as_object().unwrap().clone();
    config.extend(given.as_object().unwrap().clone());
    Spec { system: "resnet14".into(), config: configuration::resolve("resnet14", &config).unwrap(), ..spec(folder, &[], 7) }
}

/// What it answers about a picture of noise, and what it says while it is trained.
fn trained(given: &Value) -> (String, Vec<f32>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let spec = lesion_spec(folder.path(), given);
    let (ended, events) = train(&spec);
    let predictor = Predictor::open(folder.path(), "resnet14", &spec.config, DeviceChoice::Cpu.resolve().unwrap()).unwrap();
    let noise: Vec<u8> = (0..28 * 28 * 3_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    (hash(&ended).to_owned(), predictor.answers(&noise).unwrap(), events.iter().map(|event| serde_json::to_value(event).unwrap()).collect())
}

#[test]
fn every_remedy_reaches_the_steps() {
    let remedies = [
        json!({}),
        json!({"flip": true}),
        json!({"turn": true}),
        json!({"shift": 3}),
        json!({"shift": 3, "padding": "reflected"}),
        json!({"colour": 0.3}),
        json!({"mixup": 0.3}),
        json!({"cutmix": 1}),
        json!({"class_weights": "balanced"}),
        json!({"sampling": "balanced"}),
        json!({"loss": "focal"}),
        json!({"loss": "focal", "focusing": 1}),
        json!({"label_smoothing": 0.1}),
        json!({"optimizer": "adamw", "weight_decay": 0.5}),
        json!({"averaging": 0.9}),
        json!({"schedule": "cosine"}),
    ];
    let mut known = BTreeMap::new();
    for remedy in remedies {
        let (weights, ..) = trained(&remedy);
        if let Some(same) = known.insert(weights, remedy.clone()) {
            panic!("{remedy} learned what {same} did");
        }
    }
}

#[test]
fn flips_and_turns_and_a_temperature_change_what_is_answered_and_not_what_is_learned() {
    let (weights, plain, _) = trained(&json!({}));
    let (same, turned, _) = trained(&json!({"views": "flips_and_turns"}));
    let (as_well, tempered, events) = trained(&json!({"calibrated": true}));
    assert_eq!((&same, &as_well), (&weights, &weights));
    assert_ne!(plain, turned);
    let told =
        events.iter().filter_map(|event| event["message"].as_str()).find_map(|message| message.strip_prefix("temperature ")).unwrap();
    let temperature: f64 = told.split(' ').next().unwrap().parse().unwrap();
    // The logarithms' differences are divided by it.
    let difference = |answer: &[f32]| f64::from(answer[5].ln() - answer[0].ln());
    assert!((difference(&plain) / difference(&tempered) / temperature - 1.0).abs() < 2e-3, "{plain:?} {tempered:?} {temperature}");
    for answer in [plain, turned, tempered] {
        assert!((answer.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_network_that_looks_in_eight_ways_answers_a_turned_image_as_it_does_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let spec = lesion_spec(folder.path(), &json!({"views": "flips_and_turns"}));
    train(&spec);
    let predictor = Predictor::open(folder.path(), "resnet14", &spec.config, DeviceChoice::Cpu.resolve().unwrap()).unwrap();
    let pixel = |row: usize, column: usize| [(row * 9) as u8, (column * 7) as u8, (row * column % 251) as u8];
    let image: Vec<u8> = (0..28).flat_map(|row| (0..28).flat_map(move |column| pixel(row, column))).collect();
    let turned: Vec<u8> = (0..28).flat_map(|row| (0..28).flat_map(move |column| pixel(27 - column, row))).collect();
    let mirrored: Vec<u8> = (0..28).flat_map(|row| (0..28).flat_map(move |column| pixel(row, 27 - column))).collect();
    let answer = predictor.answers(&image).unwrap();
    for other in [turned, mirrored] {
        let other = predictor.answers(&other).unwrap();
        assert!(answer.iter().zip(&other).all(|(one, other)| (one - other).abs() < 1e-5), "{answer:?} {other:?}");
    }
}

#[test]
fn a_network_is_taught_by_another_about_the_images_as_it_sees_them() {
    let runs = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = runs.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    train(&lesion_spec(&folder("teacher"), &json!({"epochs": 2})));
    let taught = |share: f64, given: Value| {
        let mut given = given.as_object().unwrap().clone();
        given.extend(json!({"teacher": "teacher", "teacher_share": share}).as_object().unwrap().clone());
        let (ended, events) = train(&lesion_spec(&folder(&format!("pupil-{share}-{}", given.len())), &given.into()));
        let once = events.iter().any(|event| serde_json::to_string(event).unwrap().contains("the teacher answered to"));
        (hash(&ended).to_owned(), once)
    };
    let ([whole, part], [mixed, none]) =
        ([taught(1.0, json!({})), taught(0.5, json!({}))], [taught(1.0, json!({"mixup": 0.3})), taught(0.0, json!({"mixup": 0.3}))]);
    assert!(whole.1 && part.1, "one view, which comes in every epoch: asked once");
    assert!(!mixed.1 && !none.1, "blends never come again: asked as they are seen");
    assert!(whole.0 != part.0 && mixed.0 != none.0 && whole.0 != mixed.0);
    assert_eq!(none.0, trained(&json!({"mixup": 0.3})).0, "a teacher without a share teaches nothing");
}

#[test]
fn one_that_is_cut_off_and_resumed_ends_with_the_same_weights_and_running_statistics() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = json!({
        "epochs": 3, "turn": true, "flip": true, "shift": 3, "padding": "reflected", "colour": 0.1, "mixup": 0.3, "cutmix": 1, "class_weights": "balanced",
        "sampling": "balanced", "loss": "focal", "averaging": 0.9, "optimizer": "adamw", "weight_decay": 0.05, "calibrated": true,
    });
    let spec = |folder: &std::path::Path, resume| Spec { resume, ..lesion_spec(folder, &given) };
    let (ended, _) = train(&spec(whole.path(), false));
    cancel_after(&spec(parts.path(), false), 1);
    let (resumed, _) = train(&spec(parts.path(), true));
    assert_eq!(hash(&ended), hash(&resumed));
    let bytes = std::fs::read(whole.path().join("weights.safetensors")).unwrap();
    let arrays = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let of = |name: &str| bytemuck::pod_collect_to_vec::<u8, f32>(arrays.tensor(name).unwrap().data());
    assert!(
        of("block_3_2.normalisation_2.running_var").iter().all(|value| *value != 1.0 && value.is_finite()),
        "it has moved, and no decay shrinks it to 0"
    );
}
