//! What every network of the REGISTRY must keep to, and that its weights are `PyTorch`'s.

use std::{path::Path, process::Command, sync::Arc};

use safetensors::SafeTensors;
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};
use torchboard::{
    models::{
        self, Answer, Autograd, Backpropagation as _, Batch, Gradients, ModelError, Network, Noise, REGISTRY, Recorded, Weights, infer,
    },
    train::configuration,
};

const CLASSES: i64 = 10;
const INPUT: [i64; 3] = [28, 28, 1];

/// Each network under its system's defaults, changed by `change`.
fn each_network(change: &[(&str, Value)]) -> Vec<(&'static str, Arc<dyn Network>)> {
    let build = |entry: &models::Entry| {
        let known = |key: &str| configuration::fields(entry.system).unwrap().iter().any(|field| field.name == key);
        let given: Map<String, Value> =
            change.iter().filter(|(key, _)| known(key)).map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let config = configuration::resolve(entry.system, &given).unwrap();
        // Tests run side by side; networks this small only wait for each other's threads.
        tch::set_num_threads(1);
        (entry.system, models::build(entry.system, &config, INPUT, CLASSES).unwrap())
    };
    let networks: Vec<_> = REGISTRY.iter().map(build).collect();
    assert!(!networks.is_empty());
    networks
}

fn small() -> Vec<(&'static str, Arc<dyn Network>)> {
    each_network(&[
        ("units", 24.into()),
        ("channels", 3.into()),
        ("filters", 8.into()),
        ("dropout", 0.0.into()),
        ("dropout_pooled", 0.0.into()),
    ])
}

fn with_dropout() -> Vec<(&'static str, Arc<dyn Network>)> {
    each_network(&[
        ("units", 24.into()),
        ("channels", 3.into()),
        ("filters", 8.into()),
        ("dropout", 0.5.into()),
        ("dropout_input", 0.2.into()),
        ("dropout_pooled", 0.25.into()),
    ])
}

/// Images that are always the same, from 0 to 1, and a label for each: every tenth row, from that of the label on, is brighter.
fn examples(count: i64) -> (Tensor, Tensor) {
    let [height, width, channels] = INPUT;
    let value = |place: i64| {
        let (image, row) = (place / (height * width * channels), place / (width * channels) % height);
        let bright = if row % CLASSES == image % CLASSES { 0.6 } else { 0.0 };
        bright + 0.4 * (place * 7919 % 1009) as f32 / 1009.0
    };
    let values: Vec<f32> = (0..count * height * width * channels).map(value).collect();
    let labels: Vec<i64> = (0..count).map(|image| image % CLASSES).collect();
    (Tensor::from_slice(&values).view([count, height, width, channels]), Tensor::from_slice(&labels))
}

fn batch(count: i64) -> Batch {
    let (images, labels) = examples(count);
    let targets = labels.one_hot(CLASSES).to_kind(Kind::Float);
    Batch { images, log_probabilities: targets.zeros_like(), targets, focusing: 0.0 }
}

fn largest_difference(one: &Tensor, other: &Tensor) -> f64 {
    (one - other).abs().max().double_value(&[])
}

#[test]
fn one_seed_gives_one_network_and_another_seed_another() {
    for (system, network) in small() {
        let hash = |seed| Weights::initial(&network.parameters(), seed, Device::Cpu).hash().unwrap();
        assert_eq!(hash(1), hash(1), "{system}");
        assert_ne!(hash(1), hash(2), "{system}");
        let answers = || {
            let weights = Weights::initial(&network.parameters(), 1, Device::Cpu);
            Weights::values(&infer(&*network, &weights, &examples(6).0).unwrap()).unwrap()
        };
        assert_eq!(answers(), answers(), "{system}");
    }
}

#[test]
fn a_summary_counts_every_parameter_once_and_ends_with_the_classes() {
    for (system, network) in small() {
        let learned = network.parameters().into_iter().filter(|parameter| parameter.initial.is_learned());
        let values: i64 = learned.map(|parameter| parameter.shape.iter().product::<i64>()).sum();
        assert_eq!(models::parameter_count(&*network), values, "{system}");
        assert_eq!(network.layers().last().unwrap().output, [CLASSES], "{system}");
        let mut names: Vec<_> = network.parameters().iter().map(|parameter| parameter.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), network.parameters().len(), "{system}");
    }
}

#[test]
fn classifiers_probabilities_sum_to_one_and_a_batch_of_one_is_a_row_of_a_batch() {
    for (system, network) in small() {
        let weights = Weights::initial(&network.parameters(), 3, Device::Cpu);
        let (images, _) = examples(5);
        let whole = infer(&*network, &weights, &images).unwrap();
        assert_eq!(whole.size(), [5, CLASSES], "{system}");
        if network.answer() == Answer::Classes {
            let sums = whole.exp().sum_dim_intlist(1_i64, false, Kind::Float);
            assert!(largest_difference(&sums, &sums.ones_like()) < 1e-5, "{system}");
        }
        for row in 0..5 {
            let alone = infer(&*network, &weights, &images.narrow(0, row, 1)).unwrap();
            assert!(largest_difference(&alone, &whole.narrow(0, row, 1)) < 1e-5, "{system}, row {row}");
        }
    }
}

#[test]
fn dropout_acts_in_training_and_not_in_use() {
    let has_dropout = |system: &str| configuration::fields(system).unwrap().iter().any(|field| field.name == "dropout");
    for (system, network) in with_dropout().into_iter().filter(|(system, _)| has_dropout(system)) {
        let weights = Weights::initial(&network.parameters(), 3, Device::Cpu);
        let (images, _) = examples(5);
        let trained = |seed| network.forward(&weights, &images, Some(&mut Noise::new(seed, Device::Cpu)));
        assert!(largest_difference(&trained(1), &trained(2)) > 1e-3, "{system}");
        assert_eq!(trained(1), trained(1), "{system}");
        assert_eq!(infer(&*network, &weights, &images).unwrap(), infer(&*network, &weights, &images).unwrap(), "{system}");
    }
}

#[test]
fn wrong_shapes_no_images_and_values_that_are_no_numbers_are_errors() {
    for (system, network) in small() {
        let weights = Weights::initial(&network.parameters(), 3, Device::Cpu);
        let (images, _) = examples(2);
        let refused = |images: &Tensor| infer(&*network, &weights, images).unwrap_err();
        for shape in [&[2, 784][..], &[2, 28, 28], &[2, 1, 28, 28], &[1, 28, 56, 1]] {
            assert!(matches!(refused(&images.view(shape)), ModelError::Shape { .. }), "{system} {shape:?}");
        }
        assert!(matches!(refused(&images.narrow(0, 0, 0)), ModelError::Empty), "{system}");
        for value in [f64::NAN, f64::INFINITY] {
            let mut spoiled = images.copy();
            let _ = spoiled.get(1).get(3).get(4).fill_(value);
            assert!(matches!(refused(&spoiled), ModelError::NotFinite), "{system} {value}");
            let _ = spoiled.zero_();
        }
    }
}

#[test]
fn gradients_written_by_hand_are_those_of_autograd() {
    for (system, network) in small().into_iter().chain(with_dropout()) {
        let weights = Weights::initial(&network.parameters(), 4, Device::Cpu);
        // In double precision: what libtorch sums in single precision on one thread is itself off by more than is allowed here.
        let exact = weights.to_kind(Kind::Double);
        let (by_hand, derived) = (weights.zeros_like(), exact.zeros_like());
        let Some(mut hand) = network.hand_written(&weights, &by_hand) else { continue };
        let mut autograd = Autograd::new(&network, &exact, &derived);
        // Two sizes of batch in turn, as at an epoch's end; targets between the classes, as with smoothed labels.
        for count in [32, 7, 32] {
            let mut first = batch(count);
            first.targets = &first.targets * 0.8 + 0.02;
            let mut second = batch(count);
            second.targets = first.targets.copy();
            second.images = second.images.to_kind(Kind::Double);
            hand.compute(&first, &mut Noise::new(9, Device::Cpu));
            autograd.compute(&second, &mut Noise::new(9, Device::Cpu));
            assert!(largest_difference(&first.log_probabilities, &second.log_probabilities) < 1e-5, "{system}");
            for ((name, ours), (_, theirs)) in by_hand.named().zip(derived.named()).take(weights.learned()) {
                let (difference, size) = (largest_difference(ours, theirs), theirs.abs().max().double_value(&[]));
                assert!(size > 0.0 && difference < 1e-5 * size.max(1.0), "{system} {name}: {difference} of {size}");
            }
        }
    }
}

#[test]
fn the_direct_way_there_and_back_is_libtorchs() {
    let mut tried = 0;
    for (system, network) in small() {
        let weights = Weights::initial(&network.parameters(), 4, Device::Cpu);
        let (ours, theirs) = (weights.zeros_like(), weights.zeros_like());
        let Some(mut direct) = network.direct(&weights, &ours) else { continue };
        let mut recorded = Recorded::new(&network, &weights, &theirs);
        for count in [32, 7, 32] {
            let (images, _) = examples(count);
            let mut noise = Noise::new(9, Device::Cpu);
            let (one, other) = (direct.forward(&images, &mut noise), recorded.forward(&images, &mut noise));
            assert!(largest_difference(&one, &other) < 1e-5, "{system}");
            let slope = &other * 0.3 + 0.1; // any gradient will do
            direct.backward(&slope);
            recorded.backward(&slope);
            for ((name, ours), (_, theirs)) in ours.named().zip(theirs.named()) {
                let (difference, size) = (largest_difference(ours, theirs), theirs.abs().max().double_value(&[]));
                assert!(size > 0.0 && difference < 1e-5 * size.max(1.0), "{system} {name}: {difference} of {size}");
            }
        }
        tried += 1;
    }
    assert!(tried > 0);
}

#[test]
fn the_loss_falls_on_32_examples() {
    for (system, network) in small() {
        let weights = Weights::initial(&network.parameters(), 5, Device::Cpu);
        let gradient = weights.zeros_like();
        let mut gradients = models::gradients(&network, &weights, &gradient);
        let batch = batch(32);
        let mut losses = Vec::new();
        for _ in 0..200 {
            gradients.compute(&batch, &mut Noise::new(1, Device::Cpu));
            losses.push(batch.loss());
            let _ = tch::no_grad(|| weights.flat().shallow_clone().g_sub_(&(gradient.flat() * 0.05)));
        }
        assert!(losses[199] < 0.5 * losses[0], "{system}: {} to {}", losses[0], losses[199]);
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn weights_that_pytorch_wrote_give_pytorchs_logits() {
    for (system, network) in each_network(&[("units", 5.into()), ("channels", 2.into()), ("filters", 8.into())]) {
        let (weights_file, answers_file) = (fixture(&format!("{system}.safetensors")), fixture(&format!("{system}-answers.safetensors")));
        let (arrays, answers) = (SafeTensors::deserialize(&weights_file).unwrap(), SafeTensors::deserialize(&answers_file).unwrap());
        let shape = |view: &safetensors::tensor::TensorView| view.shape().iter().map(|side| *side as i64).collect::<Vec<_>>();
        let weights = Weights::zeros(&network.parameters(), Device::Cpu);
        weights.set(|name| arrays.tensor(name).ok().map(|view| (shape(&view), view.data()))).unwrap();
        assert_eq!(arrays.len(), weights.views().len(), "{system}: PyTorch has other parameters too");
        let tensor = |name| {
            let view = answers.tensor(name).unwrap();
            Tensor::from_data_size(view.data(), &shape(&view), Kind::Float)
        };
        let logits = tch::no_grad(|| network.forward(&weights, &tensor("images"), None));
        let in_use = tch::no_grad(|| network.in_use(&weights, &tensor("images")));
        for outputs in [logits, in_use] {
            let difference = largest_difference(&outputs, &tensor("logits"));
            assert!(difference < 1e-5, "{system}: {difference}");
        }
    }
}

#[test]
fn a_step_of_the_residual_network_is_pytorchs() {
    let (_, network) = each_network(&[("filters", 8.into())]).into_iter().find(|(system, _)| *system == "resnet14").unwrap();
    let files = ["resnet14.safetensors", "resnet14-answers.safetensors", "resnet14-step.safetensors"].map(fixture);
    let [before, answers, step] = files.each_ref().map(|file| SafeTensors::deserialize(file).unwrap());
    let tensor = |file: &SafeTensors, name: &str| {
        let view = file.tensor(name).unwrap();
        let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
        (Tensor::from_data_size(view.data(), &shape, Kind::Float), shape)
    };
    let weights = Weights::zeros(&network.parameters(), Device::Cpu);
    weights.set(|name| before.tensor(name).ok().map(|view| (tensor(&before, name).1, view.data()))).unwrap();
    let gradient = weights.zeros_like();
    let images = tensor(&answers, "images").0;
    let targets = Tensor::arange(6, (Kind::Int64, Device::Cpu)).one_hot(CLASSES).to_kind(Kind::Float);
    let batch = Batch { images, log_probabilities: targets.zeros_like(), targets, focusing: 0.0 };
    models::gradients(&network, &weights, &gradient).compute(&batch, &mut Noise::new(1, Device::Cpu));
    let expected = tensor(&step, "logits").0.log_softmax(-1, Kind::Float);
    assert!(largest_difference(&batch.log_probabilities, &expected) < 1e-4);
    for (place, ((name, after), (_, gradient))) in weights.named().zip(gradient.named()).enumerate() {
        if place < weights.learned() {
            let theirs = tensor(&step, &format!("gradient.{name}")).0;
            let (difference, size) = (largest_difference(gradient, &theirs), theirs.abs().max().double_value(&[]));
            assert!(size > 0.0 && difference < 1e-4 * size, "{name}: {difference} of {size}");
        } else {
            let theirs = tensor(&step, &format!("after.{name}")).0;
            assert!(largest_difference(after, &theirs) < 1e-5, "{name}");
            assert!(largest_difference(after, &tensor(&before, name).0) > 1e-4, "{name} has moved");
            assert_eq!(gradient.abs().max().double_value(&[]), 0.0, "{name} follows no gradient");
        }
    }
}

/// Grad-CAM of all classes as `PyTorch`'s hooks and autograd give it, of the same weights and images.
#[test]
fn where_the_residual_network_looks_is_pytorchs() {
    let (_, network) = each_network(&[("filters", 8.into())]).into_iter().find(|(system, _)| *system == "resnet14").unwrap();
    let files = ["resnet14.safetensors", "resnet14-answers.safetensors", "resnet14-attention.safetensors"].map(fixture);
    let [weights_file, answers, expected] = files.each_ref().map(|file| SafeTensors::deserialize(file).unwrap());
    let shape = |file: &SafeTensors, name: &str| file.tensor(name).unwrap().shape().iter().map(|side| *side as i64).collect::<Vec<_>>();
    let tensor =
        |file: &SafeTensors, name: &str| Tensor::from_data_size(file.tensor(name).unwrap().data(), &shape(file, name), Kind::Float);
    let weights = Weights::zeros(&network.parameters(), Device::Cpu);
    weights.set(|name| weights_file.tensor(name).ok().map(|view| (shape(&weights_file, name), view.data()))).unwrap();
    let features = tch::no_grad(|| network.features(&weights, &tensor(&answers, "images"))).unwrap();
    let (heat, theirs) = (features.grad_cam(), tensor(&expected, "heat"));
    assert_eq!(heat.size(), theirs.size());
    let (difference, size) = (largest_difference(&heat, &theirs), theirs.max().double_value(&[]));
    assert!(size > 0.01 && difference < 1e-5, "{difference} of {size}");
    assert!(largest_difference(&features.pooled, &tensor(&expected, "features")) < 1e-5);
    assert!(largest_difference(&features.logits(), &tensor(&answers, "logits")) < 1e-5);
    for (system, network) in each_network(&[]) {
        let tells = tch::no_grad(|| {
            network
                .features(&Weights::zeros(&network.parameters(), Device::Cpu), &Tensor::zeros([1, 28, 28, 1], (Kind::Float, Device::Cpu)))
        });
        assert_eq!(tells.is_some(), system == "resnet14", "{system}");
    }
}

/// A Python that has `PyTorch`: that of the benchmarks, or the machine's.
fn python_with_torch() -> Option<String> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-venv/bin/python");
    let has_torch = |python: &String| {
        Command::new(python).args(["-c", "import torch, safetensors.torch"]).output().is_ok_and(|output| output.status.success())
    };
    [venv.to_string_lossy().into_owned(), "python3".into()].into_iter().find(has_torch)
}

#[test]
fn pytorch_opens_our_weights_and_gives_our_answers() {
    let Some(python) = python_with_torch() else {
        println!("skipped: no Python with torch and safetensors is here to open our weights; `make bench SUITE=fit` brings one");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let spec = super::training::spec(folder.path(), &[("units", 5.into()), ("epochs", 1.into())], 1);
    super::training::train(&spec);
    let predictor = torchboard::train::Predictor::open(folder.path(), "mlp", &spec.config, Device::Cpu).unwrap();
    let pixels: Vec<u8> = (0..3 * 784).map(|place| (place * 31 % 251) as u8).collect();
    let probabilities = predictor.answers(&pixels).unwrap();
    std::fs::write(folder.path().join("images.u8"), &pixels).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks/make.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<f32> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), probabilities.len());
    for (ours, theirs) in probabilities.iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}
