//! The triplet suite: `triplet DATASETS STEPS THREADS` trains the report's embedding network on MNIST in the folder of data sets DATASETS, and
//! prints the seconds of a step, the first ones and the checkpoint at the end included, and the mean loss.

use std::{sync::atomic::AtomicBool, time::Instant};

use torchboard::{
    data::{Datasets, Split},
    train::{self, Event, Spec, configuration},
};

/// Triplets to a step.
const BATCH: u64 = 256;
/// Pairs of each of the ten labels.
const PAIRS: u64 = 32;

pub fn run(arguments: &[String]) {
    let [datasets, steps, threads] = arguments else { panic!("expected `triplet DATASETS STEPS THREADS`") };
    let steps: u64 = steps.parse().expect("STEPS is a number");
    let negatives = (steps * BATCH).div_ceil(10 * PAIRS);
    let settings = [
        "learning_rate=0.001",
        "epochs=1",
        "validation_share=0",
        &format!("batch_size={BATCH}"),
        &format!("pairs={PAIRS}"),
        &format!("negatives={negatives}"),
    ];
    let given = configuration::from_assignments("triplet", &settings).expect("these settings exist");
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let spec = Spec {
        run: "bench".into(),
        system: "triplet".into(),
        config: configuration::resolve("triplet", &given).expect("these settings exist"),
        seed: 0,
        folder: folder.path().to_owned(),
        resume: false,
        data_dir: folder.path().to_owned(),
        datasets: Some(datasets.into()),
        device: "cpu".into(),
        threads: threads.parse().expect("THREADS is a number"),
    };
    rayon::ThreadPoolBuilder::new().num_threads(spec.threads).build_global().expect("nothing has started the pool before");
    let images = Datasets::open(&spec.settings().expect("the device is there"));
    let (mut start, mut end, mut steps, mut loss) = (Instant::now(), Instant::now(), 0, 0.0);
    let mut hear = |event| match event {
        Event::Log { .. } => start = Instant::now(), // all is loaded
        Event::Checkpoint { .. } => end = Instant::now(),
        Event::Progress(progress) => steps = progress.steps,
        Event::Metric(metric) if metric.split == Split::Train && metric.name == "loss" => loss = metric.value,
        _ => {}
    };
    train::run(&spec, &images, &mut hear, &AtomicBool::new(false)).expect("the training comes to its end");
    let seconds = (end - start).as_secs_f64() / steps as f64;
    println!("{}", serde_json::json!({"seconds": seconds, "loss": loss}));
}
