//! The fit loop on synthetic images: what it says, what it leaves, and that it ends the same however often it is interrupted.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value};
use torchboard::{
    data::{Datasets, Split},
    error::AppError,
    train::{Ended, Event, Metric, Predictor, Spec, State, configuration, run},
};

/// A training of the MLP on synthetic garments, 4 epochs of 15 steps and as small as it may be, changed by `change`.
pub fn spec(folder: &Path, change: &[(&str, Value)], seed: u64) -> Spec {
    let mut given: Map<String, Value> = Map::from_iter([
        ("dataset".to_owned(), "fashion-mnist-sample".into()),
        ("units".to_owned(), 16.into()),
        ("learning_rate".to_owned(), 0.005.into()),
        ("epochs".to_owned(), 4.into()),
    ]);
    given.extend(change.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    Spec {
        run: "test".into(),
        system: "mlp".into(),
        config: configuration::resolve("mlp", &given).unwrap(),
        seed,
        folder: folder.to_owned(),
        resume: false,
        data_dir: folder.join("data"),
        datasets: None,
        device: "cpu".into(),
        threads: 1,
    }
}

/// Trains to the end.
pub fn train(spec: &Spec) -> (Ended, Vec<Event>) {
    let mut events = Vec::new();
    let ended = attempt(spec, &mut |event, _| events.push(event)).unwrap();
    (ended, events)
}

fn attempt(spec: &Spec, hear: &mut dyn FnMut(Event, &AtomicBool)) -> Result<Ended, AppError> {
    let cancelled = AtomicBool::new(false);
    run(spec, &Datasets::open(&spec.settings().unwrap()), &mut |event| hear(event, &cancelled), &cancelled)
}

/// Trains until the checkpoint of `epoch`, and is cancelled in the next epoch.
pub fn cancel_after(spec: &Spec, epoch: u64) -> Ended {
    attempt(spec, &mut |event, cancelled| cancelled.store(event == Event::Checkpoint { epoch }, Ordering::Relaxed)).unwrap()
}

pub fn hash(ended: &Ended) -> &str {
    &ended.outcome.as_ref().unwrap().weights
}

fn logs(events: &[Event]) -> String {
    let messages = events.iter().filter_map(|event| if let Event::Log { message } = event { Some(message.as_str()) } else { None });
    messages.collect::<Vec<_>>().join("\n")
}

/// Everything that draws random numbers.
fn restless() -> Vec<(&'static str, Value)> {
    vec![
        ("dropout", 0.3.into()),
        ("dropout_input", 0.1.into()),
        ("shift", 1.into()),
        ("flip", true.into()),
        ("averaging", 0.9.into()),
        ("optimizer", "adamw".into()),
        ("weight_decay", 0.01.into()),
        ("schedule", "one_cycle".into()),
        ("label_smoothing", 0.1.into()),
    ]
}

#[test]
fn a_training_tells_its_course_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (ended, events) = train(&spec(folder.path(), &[], 0));
    assert_eq!((ended.state, ended.reason.as_ref()), (State::Done, None));
    assert_eq!(hash(&ended).len(), 32);
    assert_eq!(events[0], Event::State { state: State::Running, reason: None });
    // 784 x 16 + 16 and 16 x 10 + 10; 600 synthetic images.
    assert_eq!(
        logs(&events),
        "mlp with 12730 parameters on Synthetic garments: 480 images to learn from, 120 to validate; CPU on 1 thread"
    );
    let checkpoints: Vec<u64> =
        events.iter().filter_map(|event| if let Event::Checkpoint { epoch } = event { Some(*epoch) } else { None }).collect();
    assert_eq!(checkpoints, [1, 2, 3, 4]);
    let metrics: Vec<&Metric> =
        events.iter().filter_map(|event| if let Event::Metric(metric) = event { Some(metric) } else { None }).collect();
    assert_eq!(metrics.len(), 4 * 5);
    let values = |name: &str, split: Split| -> Vec<f64> {
        metrics.iter().filter(|metric| metric.name == name && metric.split == split).map(|metric| metric.value).collect()
    };
    for split in [Split::Train, Split::Validation] {
        let (losses, accuracies) = (values("loss", split), values("accuracy", split));
        assert!(losses[3] < losses[0] && accuracies[3] > accuracies[0] && accuracies[3] > 0.5, "{losses:?} {accuracies:?}");
    }
    assert_eq!(values("learning_rate", Split::Train), [0.005; 4]);
    assert_eq!(metrics.iter().map(|metric| (metric.epoch, metric.step)).max(), Some((4, 60)));
    let last = events.iter().rev().find_map(|event| if let Event::Progress(progress) = event { Some(progress) } else { None }).unwrap();
    assert_eq!((last.epoch, last.epochs, last.step, last.steps, last.eta_s), (4, 4, 60, 60, Some(0.0)));
}

#[test]
fn one_seed_gives_the_same_weights_and_the_same_numbers() {
    for change in [Vec::new(), restless()] {
        let trained = |seed| {
            let folder = tempfile::tempdir().unwrap();
            let (ended, events) = train(&spec(folder.path(), &change, seed));
            let metrics: Vec<Event> = events.into_iter().filter(|event| matches!(event, Event::Metric(_))).collect();
            (hash(&ended).to_owned(), metrics)
        };
        assert_eq!(trained(1), trained(1));
        assert_ne!(trained(1).0, trained(2).0);
    }
}

#[test]
fn a_training_that_was_cancelled_and_resumed_ends_with_the_same_weights() {
    for change in [Vec::new(), restless()] {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (uninterrupted, _) = train(&spec(whole.path(), &change, 7));
        let mut spec = spec(parts.path(), &change, 7);
        let cancelled = cancel_after(&spec, 1);
        assert_eq!((cancelled.state, cancelled.outcome), (State::Cancelled, None));
        assert_eq!(cancelled.reason.as_deref(), Some("stopped in epoch 2 of 4; what was learned up to epoch 1 is kept"));
        spec.resume = true;
        assert_eq!(cancel_after(&spec, 3).state, State::Cancelled);
        let (resumed, events) = train(&spec);
        assert_eq!(hash(&resumed), hash(&uninterrupted));
        assert!(logs(&events).ends_with("resumed after epoch 3"), "{}", logs(&events));
        // A finished one that is resumed is finished.
        assert_eq!(hash(&train(&spec).0), hash(&uninterrupted));
    }
}

#[test]
fn a_training_stopped_at_any_moment_ends_with_the_same_weights() {
    let change = [("units", 64.into()), ("epochs", 20.into()), ("dropout", 0.2.into())];
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (uninterrupted, _) = train(&spec(whole.path(), &change, 3));
    let mut spec = spec(parts.path(), &change, 3);
    spec.resume = true;
    let mut resumed = 0;
    for after_us in [100, 700, 1500, 2900] {
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut hear = |event| match event {
            // The stop falls somewhere into the next epochs; where, is the machine's affair.
            Event::Checkpoint { .. } => {
                let stop = Arc::clone(&cancelled);
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_micros(after_us));
                    stop.store(true, Ordering::Relaxed);
                });
            }
            Event::Log { message } => resumed += usize::from(message.starts_with("resumed after epoch ")),
            _ => {}
        };
        run(&spec, &Datasets::open(&spec.settings().unwrap()), &mut hear, &cancelled).unwrap();
    }
    assert_eq!(resumed, 3, "every attempt but the first goes on from a checkpoint");
    assert_eq!(hash(&train(&spec).0), hash(&uninterrupted));
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_used() {
    let (whole, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (uninterrupted, _) = train(&spec(whole.path(), &[], 7));
    let mut spec = spec(damaged.path(), &[], 7);
    cancel_after(&spec, 3);
    spec.resume = true;
    let newest = damaged.path().join("checkpoint.safetensors");
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let (resumed, events) = train(&spec);
    let said = logs(&events);
    assert!(said.contains("checkpoint.safetensors is damaged") && said.contains("the one before is used"), "{said}");
    assert!(said.ends_with("resumed after epoch 2"), "{said}");
    assert_eq!(hash(&resumed), hash(&uninterrupted));

    fs::write(&newest, b"rubbish").unwrap();
    fs::write(damaged.path().join("checkpoint-previous.safetensors"), b"").unwrap();
    let (anew, events) = train(&spec);
    assert!(logs(&events).contains("the training begins anew"), "{}", logs(&events));
    assert_eq!(hash(&anew), hash(&uninterrupted));
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    cancel_after(&spec(folder.path(), &[], 7), 1);
    for other in [spec(folder.path(), &[], 8), spec(folder.path(), &[("learning_rate", 0.01.into())], 7)] {
        let error = attempt(&Spec { resume: true, ..other }, &mut |_, _| {}).unwrap_err();
        assert!(
            matches!(&error, AppError::Invalid { field, reason } if field == "resume" && reason.contains("another configuration")),
            "{error}"
        );
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_training_with_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let error = attempt(
        &spec(
            folder.path(),
            &[
                ("learning_rate", 10.0.into()),
                ("epochs", 400.into()),
                ("units", 1.into()),
                ("optimizer", "adamw".into()),
                ("weight_decay", 10.0.into()),
            ],
            7,
        ),
        &mut |_, _| {},
    )
    .unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("config.learning_rate: the loss is no longer a finite number after step ")
            && said.contains(" of epoch ")
            && said.ends_with("try a tenth of it"),
        "{said}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(folder.path(), &[], 7);
    spec.folder = folder.path().join("nowhere");
    let error = attempt(&spec, &mut |_, _| {}).unwrap_err();
    assert!(matches!(&error, AppError::Unavailable(reason) if reason.contains("can't be written")), "{error}");
}

#[test]
fn a_student_learns_from_its_teachers_and_from_nobody_elses() {
    let runs = tempfile::tempdir().unwrap();
    let folder = |id: &str| {
        let folder = runs.path().join(id);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let teach = |id: &str, change: &[(&str, Value)]| train(&spec(&folder(id), change, 1));
    teach("one", &[]);
    teach("other", &[("units", 32.into())]);
    teach("digits", &[("dataset", "mnist-sample".into())]);
    teach("knows-all", &[("validation_share", 0.0.into())]);
    let student = |id: &str, teacher: &str| {
        let change = [("teacher", teacher.into()), ("teacher_share", 1.0.into()), ("flip", true.into()), ("epochs", 2.into())];
        spec(&folder(id), &change, 3)
    };
    let (ended, events) = train(&student("a", "one"));
    assert!(logs(&events).contains("the teacher answered to 960 views of the images"), "{}", logs(&events));
    assert_eq!(hash(&ended), hash(&train(&student("b", "one")).0));
    assert_ne!(hash(&ended), hash(&train(&student("c", "one, other")).0));
    assert_ne!(hash(&ended), hash(&train(&student("d", "")).0));

    let mut interrupted = student("e", "one");
    cancel_after(&interrupted, 1);
    interrupted.resume = true;
    assert_eq!(hash(&train(&interrupted).0), hash(&ended));

    for (teacher, reason) in [
        ("nobody", "There are no weights yet"),
        ("digits", "another data set"),
        ("knows-all", "images that validate here"),
        ("../one", "no run's id"),
        ("one,", "no run's id"),
    ] {
        let error = attempt(&student(&format!("refused-{}", reason.len() + teacher.len()), teacher), &mut |_, _| {}).unwrap_err();
        assert!(
            matches!(&error, AppError::Invalid { field, reason: said } if field == "config.teacher" && said.contains(reason)),
            "{error}"
        );
    }
}

#[test]
fn all_images_are_learned_from_when_none_validates() {
    let folder = tempfile::tempdir().unwrap();
    let (_, events) = train(&spec(folder.path(), &[("validation_share", 0.0.into()), ("epochs", 1.into())], 0));
    assert!(logs(&events).contains("600 images to learn from, 0 to validate"));
    assert!(events.iter().all(|event| !matches!(event, Event::Metric(Metric { split: Split::Validation, .. }))));
}

#[test]
fn a_finished_network_predicts_what_its_validation_said() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path(), &restless(), 2);
    let (_, events) = train(&spec);
    let accuracy = events.iter().rev().find_map(|event| match event {
        Event::Metric(Metric { name, split: Split::Validation, value, .. }) if name == "accuracy" => Some(*value),
        _ => None,
    });
    let predictor = Predictor::open(folder.path(), "mlp", &spec.config, tch::Device::Cpu).unwrap();
    let dataset = torchboard::data::datasets().iter().find(|dataset| dataset.id() == "fashion-mnist-sample").unwrap();
    let examples = Datasets::open(&spec.settings().unwrap()).examples(dataset, Split::Train).unwrap();
    let probabilities = predictor.answers(&examples.pixels()[480 * 784..]).unwrap();
    let best = |row: &[f32]| (0..10).max_by(|one, other| row[*one].total_cmp(&row[*other])).unwrap();
    let right = probabilities.chunks(10).zip(&examples.labels()[480..]).filter(|(row, label)| best(row) == usize::from(**label)).count();
    assert_eq!(Some(right as f64 / 120.0), accuracy);

    for images in [&[][..], &[0; 783][..]] {
        assert!(matches!(predictor.answers(images).unwrap_err(), AppError::Invalid { field, .. } if field == "images"));
    }
    let other = configuration::resolve("mlp", &Map::from_iter([("units".to_owned(), Value::from(8))])).unwrap();
    let error = Predictor::open(folder.path(), "mlp", &other, tch::Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("\"hidden.weight\" has the shape [16, 784]; expected [8, 784]"), "{error}");
    let error = Predictor::open(&folder.path().join("data"), "mlp", &spec.config, tch::Device::Cpu).err().unwrap().to_string();
    assert!(error.starts_with("There are no weights yet"), "{error}");
}
