//! `ours runs FOLDER COUNT`: a store of so many finished runs of 50 epochs, as a busy lab leaves it.

use std::path::Path;

use serde_json::json;
use torchboard::{
    data::Split,
    store::{NewRun, Origin, Store},
    train::{Event, Metric, Outcome, State},
};

const EPOCHS: u64 = 50;

pub fn run(arguments: &[String]) {
    let [folder, count] = arguments else { panic!("expected FOLDER COUNT") };
    let store = Store::open(Path::new(folder)).expect("the store opens");
    for number in 0..count.parse::<u64>().expect("a count") {
        let config =
            json!({ "dataset": "fashion-mnist-sample", "units": 16 * (1 + number % 32), "learning_rate": 0.001, "epochs": EPOCHS });
        let new = NewRun {
            id: Some(format!("bench-{number}")),
            system: "mlp".into(),
            name: format!("run {number}"),
            config: config.as_object().cloned().unwrap_or_default(),
            seed: number,
            threads: 2,
            device: "cpu".into(),
            dataset: None,
            versions: serde_json::Map::new(),
            hardware: serde_json::Map::new(),
            parameters: Some(25_450),
            tags: vec![format!("group {}", number % 7)],
            trial: None,
            repeats: None,
            state: State::Running,
            origin: Origin::Trained,
            notes: String::new(),
        };
        store.create_run(&new).expect("a run is stored");
        store.append(&format!("bench-{number}"), &said(number)).expect("its events are");
    }
    println!("{}", json!({ "runs": count }));
}

fn said(number: u64) -> Vec<Event> {
    let metric = |name: &str, split, epoch, value| Event::Metric(Metric { name: name.into(), split, epoch, step: 1500 * epoch, value });
    let mut events = Vec::new();
    for epoch in 1..=EPOCHS {
        let loss = 1.0 / (epoch + number % 13 + 1) as f64;
        events.push(metric("loss", Split::Train, epoch, loss));
        events.push(metric("accuracy", Split::Train, epoch, 1.0 - loss / 2.0));
        events.push(metric("loss", Split::Validation, epoch, 1.1 * loss));
        events.push(metric("accuracy", Split::Validation, epoch, 1.0 - loss * 0.6));
        events.push(Event::Checkpoint { epoch });
    }
    events.push(Event::End { state: State::Done, reason: None, outcome: Some(Outcome { weights: format!("{number:032x}") }) });
    events
}
