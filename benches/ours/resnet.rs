//! The resnet suite: `resnet DATASETS EPOCHS THREADS FOLDER` trains the residual network on the HAM10000 of the folder of data sets DATASETS, and
//! prints the seconds of a step over all epochs but the first (validation and checkpoint included), the last epoch's loss, and the seconds of
//! answers for batches of one and of 64 images. Its weights and what they say of 64 images are left in FOLDER.

use std::{path::Path, sync::atomic::AtomicBool, time::Instant};

use tch::{Device, Tensor};
use torchboard::{
    data::{Datasets, Split},
    models::{self, Network, Weights},
    train::{self, Event, Spec, configuration},
};

/// Images that are asked about at once.
const BATCHES: [i64; 2] = [1, 64];
/// How often, for each of them.
const REPEATS: [usize; 2] = [200, 40];
const INPUT: [i64; 3] = [28, 28, 3];
const CLASSES: i64 = 7;

pub fn run(arguments: &[String]) {
    let [datasets, epochs, threads, folder] = arguments else { panic!("expected `resnet DATASETS EPOCHS THREADS FOLDER`") };
    let epochs: u64 = epochs.parse().expect("EPOCHS is a number");
    assert!(epochs > 1, "the first epoch warms up");
    let settings = ["dataset=ham10000-28", "learning_rate=0.001", "batch_size=128", &format!("epochs={epochs}")];
    let given = configuration::from_assignments("resnet14", &settings).expect("these settings exist");
    let folder = Path::new(folder);
    let spec = Spec {
        run: "bench".into(),
        system: "resnet14".into(),
        config: configuration::resolve("resnet14", &given).expect("these settings exist"),
        seed: 0,
        folder: folder.to_owned(),
        resume: false,
        data_dir: folder.to_owned(),
        datasets: Some(datasets.into()),
        device: "cpu".into(),
        threads: threads.parse().expect("THREADS is a number"),
    };
    rayon::ThreadPoolBuilder::new().num_threads(spec.threads).build_global().expect("nothing has started the pool before");
    let images = Datasets::open(&spec.settings().expect("the device is there"));
    let (mut ends, mut steps, mut loss) = (Vec::new(), 0, 0.0);
    let mut hear = |event| match event {
        Event::Checkpoint { .. } => ends.push(Instant::now()),
        Event::Progress(progress) => steps = progress.steps,
        Event::Metric(metric) if metric.split == Split::Train && metric.name == "loss" => loss = metric.value,
        _ => {}
    };
    train::run(&spec, &images, &mut hear, &AtomicBool::new(false)).expect("the training comes to its end");
    let seconds = (ends[ends.len() - 1] - ends[0]).as_secs_f64() / (steps * (epochs - 1) / epochs) as f64;
    let network = models::build("resnet14", &spec.config, INPUT, CLASSES).expect("these settings exist");
    let [one, many] = [0, 1].map(|place| answers(&*network, folder, place));
    println!("{}", serde_json::json!({"seconds": seconds, "loss": loss, "one": one, "many": many}));
}

/// The median of the seconds of an answer, by the weights in `folder`; the last answer is left there.
fn answers(network: &dyn Network, folder: &Path, place: usize) -> f64 {
    let file = std::fs::read(folder.join(train::checkpoint::WEIGHTS)).expect("the training left its weights");
    let arrays = safetensors::SafeTensors::deserialize(&file).expect("they are whole");
    let weights = Weights::zeros(&network.parameters(), Device::Cpu);
    let array = |name: &str| arrays.tensor(name).ok().map(|view| (view.shape().iter().map(|&side| side as i64).collect(), view.data()));
    weights.set(array).expect("they are this network's");
    let [height, width, channels] = INPUT;
    let values: Vec<f32> = (0..BATCHES[place] * height * width * channels).map(|pixel| (pixel * 7919 % 1009) as f32 / 1009.0).collect();
    let images = Tensor::from_slice(&values).view([BATCHES[place], height, width, channels]);
    let mut seconds = Vec::new();
    let mut said = Tensor::new();
    for _ in 0..REPEATS[place] {
        let began = Instant::now();
        said = models::infer(network, &weights, &images).expect("the images have the right shape");
        seconds.push(began.elapsed().as_secs_f64());
    }
    let said = Weights::values(&said).expect("it can be copied");
    std::fs::write(folder.join("answers.f32"), said.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
        .expect("there is room");
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
