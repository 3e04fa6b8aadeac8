//! Fills a table: the validation accuracy of the report's network at every point of the report's search space.
//!
//! `grid OUTPUT [EPOCHS]` trains what the table in OUTPUT lacks, one configuration after the other, and writes the table anew after each: it
//! may be stopped and started again. The tune suite simulates studies on it.

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::AtomicBool};

use serde_json::{Map, Value, json};
use torchboard::{
    config::Settings,
    data::{Datasets, Split},
    models,
    train::{self, Event, Spec},
    tune::{Parameters, REPORTED_SPACE, Space},
};

const SEED: u64 = 0;

pub fn run(arguments: &[String]) {
    let (output, epochs) = match arguments {
        [output] => (Path::new(output), 10),
        [output, epochs] => (Path::new(output), epochs.parse().expect("EPOCHS is a number")),
        _ => panic!("expected `grid OUTPUT [EPOCHS]`"),
    };
    let data = std::env::var_os("TORCHBOARD_DATA").expect("TORCHBOARD_DATA names the folder of data sets");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let device = "cpu".parse().expect("there is a CPU");
    let settings = Settings { data_dir: folder.path().into(), datasets: Some(data.into()), mirror: None, device, threads: 1 };
    let datasets = Datasets::open(&settings);
    let dataset = datasets.get("fashion-mnist").expect("it is in the manifest");
    let space = Space::written(&REPORTED_SPACE).expect("it is written as it should be");

    let mut done: BTreeMap<u64, Value> = BTreeMap::new();
    if let Ok(text) = fs::read(output) {
        let table: Value = serde_json::from_slice(&text).expect("OUTPUT is a table");
        assert_eq!(table["epochs"], json!(epochs), "the table in OUTPUT has other epochs");
        for trial in table["trials"].as_array().expect("a table has trials") {
            let parameters: Parameters = serde_json::from_value(trial["parameters"].clone()).expect("a trial has parameters");
            done.insert(space.index(&parameters).expect("they are of the space"), trial.clone());
        }
    }
    let size = space.size().expect("the space can be counted");
    for index in 0..size {
        if done.contains_key(&index) {
            continue;
        }
        let parameters = space.at(index);
        let mut config: Map<String, Value> = parameters.clone().into_iter().collect();
        config.insert("epochs".into(), json!(epochs));
        let spec = Spec {
            run: format!("grid-{index}"),
            system: "mlp".into(),
            config,
            seed: SEED,
            folder: folder.path().into(),
            resume: false,
            data_dir: settings.data_dir.clone(),
            datasets: settings.datasets.clone(),
            device: "cpu".into(),
            threads: 1,
        };
        let [mut accuracy, mut loss] = [const { Vec::new() }; 2];
        let mut listen = |event: Event| {
            if let Event::Metric(metric) = event
                && metric.split == Split::Validation
            {
                match metric.name.as_str() {
                    "accuracy" => accuracy.push(rounded(metric.value)),
                    "loss" => loss.push(rounded(metric.value)),
                    _ => {}
                }
            }
        };
        let start = std::time::Instant::now();
        train::run(&spec, &datasets, &mut listen, &AtomicBool::new(false)).expect("the training comes to its end");
        let best = accuracy.iter().copied().fold(0.0, f64::max);
        println!("{} of {size}: {parameters}: {best} in {:.1} s", index + 1, start.elapsed().as_secs_f64());
        done.insert(index, json!({"parameters": parameters, "validation_accuracy": accuracy, "validation_loss": loss}));
        let head = json!({
            "about": "Validation accuracy and loss after each epoch, of the report's network at every point of its search space; one seed. \
                      The best epoch's accuracy is a configuration's value.",
            "command": format!("TORCHBOARD_DATA=... cargo bench --bench ours -- grid OUTPUT {epochs}"),
            "dataset": {"id": dataset.id(), "sha256": dataset.sha256()},
            "epochs": epochs,
            "seed": SEED,
            "libtorch": models::libtorch_version(),
        });
        write(output, &head, &space, done.values());
    }
}

/// Whole or not at all; a line to each trial.
fn write<'a>(output: &Path, head: &Value, space: &Space, trials: impl Iterator<Item = &'a Value>) {
    let head = serde_json::to_string_pretty(head).expect("it is JSON");
    let space = serde_json::to_string(space).expect("it is JSON");
    let trials: Vec<String> = trials.map(ToString::to_string).collect();
    let text =
        format!("{},\n  \"space\": {space},\n  \"trials\": [\n    {}\n  ]\n}}\n", head.trim_end_matches("\n}"), trials.join(",\n    "));
    let partial = output.with_extension("partial");
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, output)).expect("OUTPUT can be written");
}

/// An accuracy is a count of 12,000: six digits tell it exactly.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
