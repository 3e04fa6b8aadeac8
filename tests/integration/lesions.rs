//! The residual network on synthetic skin lesions: trained, interrupted, judged on the data set's own three splits.

use serde_json::{Value, json};
use torchboard::train::{Spec, configuration};

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

#[test]
fn one_that_is_cut_off_and_resumed_ends_with_the_same_weights_and_running_statistics() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let given = json!({"dataset": "skin-sample", "filters": 2, "epochs": 3, "turn": true, "class_weights": "balanced", "averaging": 0.9, "flip": true, "optimizer": "adamw", "weight_decay": 0.05});
    let spec = |folder: &std::path::Path, resume| {
        let config = configuration::resolve("resnet14", given.as_object().unwrap()).unwrap();
        Spec { system: "resnet14".into(), config, resume, ..spec(folder, &[], 7) }
    };
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
