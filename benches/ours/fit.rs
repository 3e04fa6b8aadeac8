//! The fit suite: `fit DATASETS EPOCHS THREADS` trains the report's MLP on Fashion-MNIST in the folder of data sets DATASETS, and prints
//! the seconds of a step over all epochs but the first, and the last epoch's loss and accuracy.

use std::{sync::atomic::AtomicBool, time::Instant};

use torchboard::{
    data::{Datasets, Split},
    train::{self, Event, Spec, configuration},
};

pub fn run(arguments: &[String]) {
    let [datasets, epochs, threads] = arguments else { panic!("expected `fit DATASETS EPOCHS THREADS`") };
    let epochs: u32 = epochs.parse().expect("EPOCHS is a number");
    assert!(epochs > 1, "the first epoch warms up");
    let settings = ["units=32", "learning_rate=0.001", "validation_share=0", &format!("epochs={epochs}")];
    let given = configuration::from_assignments("mlp", &settings).expect("these settings exist");
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let spec = Spec {
        run: "bench".into(),
        system: "mlp".into(),
        config: configuration::resolve("mlp", &given).expect("these settings exist"),
        seed: 0,
        folder: folder.path().to_owned(),
        resume: false,
        data_dir: folder.path().to_owned(),
        datasets: Some(datasets.into()),
        device: "cpu".into(),
        threads: threads.parse().expect("THREADS is a number"),
    };
    let images = Datasets::open(&spec.settings().expect("the device is there"));
    let (mut ends, mut steps, mut loss, mut accuracy) = (Vec::new(), 0, 0.0, 0.0);
    let mut hear = |event| match event {
        Event::Checkpoint { .. } => ends.push(Instant::now()),
        Event::Progress(progress) => steps = progress.steps,
        Event::Metric(metric) if metric.split == Split::Train => match metric.name.as_str() {
            "loss" => loss = metric.value,
            "accuracy" => accuracy = metric.value,
            _ => {}
        },
        _ => {}
    };
    train::run(&spec, &images, &mut hear, &AtomicBool::new(false)).expect("the training comes to its end");
    let seconds = (ends[ends.len() - 1] - ends[0]).as_secs_f64() / (steps * u64::from(epochs - 1) / u64::from(epochs)) as f64;
    println!("{}", serde_json::json!({"seconds": seconds, "loss": loss, "accuracy": accuracy}));
}
