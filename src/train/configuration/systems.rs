//! The keys of each system, with their limits and defaults.

use std::sync::LazyLock;

use super::{Constant, Field, Kind};

pub(super) static SYSTEMS: LazyLock<[(&str, Vec<Field>); 4]> =
    LazyLock::new(|| [("mlp", mlp()), ("cnn", cnn()), ("triplet", triplet()), ("resnet14", resnet14())]);

const fn integer(name: &'static str, default: i64, min: i64, max: i64, about: &'static str) -> Field {
    Field { name, kind: Kind::Integer { min, max }, default: Constant::Integer(default), about }
}

const fn number(name: &'static str, default: f64, min: f64, max: f64, about: &'static str) -> Field {
    Field { name, kind: Kind::Number { min, max }, default: Constant::Number(default), about }
}

const fn choice(name: &'static str, choices: &'static [&'static str], about: &'static str) -> Field {
    Field { name, kind: Kind::Choice(choices), default: Constant::Text(choices[0]), about }
}

const fn text(name: &'static str, about: &'static str) -> Field {
    Field { name, kind: Kind::Text, default: Constant::Text(""), about }
}

const fn boolean(name: &'static str, default: bool, about: &'static str) -> Field {
    Field { name, kind: Kind::Boolean, default: Constant::Boolean(default), about }
}

/// What the networks' own fields differ in.
struct Training {
    learning_rate: f64,
    epochs: i64,
}

/// The defaults are the course report's untuned network: plain Adam, as Keras has it, and nothing against overfitting.
fn mlp() -> Vec<Field> {
    let mut fields = vec![
        DATASET,
        integer("units", 512, 1, 4096, "Units of the hidden layer."),
        number("dropout_input", 0.0, 0.0, 0.95, "Share of pixels that each step leaves out."),
        number("dropout", 0.0, 0.0, 0.95, "Share of hidden units that each step leaves out (Srivastava et al. 2014)."),
    ];
    fields.extend(training(&Training { learning_rate: 0.01, epochs: 50 }));
    fields.extend(classification(32, Validation::Cut));
    fields
}

fn cnn() -> Vec<Field> {
    let mut fields = vec![
        DATASET,
        integer("channels", 16, 1, 256, "Channels of the first convolution; the second has twice, the third four times as many."),
        integer("units", 128, 1, 4096, "Units of the dense layer."),
        number("dropout", 0.25, 0.0, 0.95, "Share of values before each dense layer that each step leaves out."),
    ];
    fields.extend(training(&Training { learning_rate: 0.001, epochs: 12 }));
    fields.extend(classification(128, Validation::Cut));
    fields
}

/// The defaults are the course report's network, trained plainly.
fn resnet14() -> Vec<Field> {
    let mut fields = vec![
        choice(
            "dataset",
            &["ham10000-28", "ham10000-28-grouped", "dermamnist", "skin-sample"],
            "What it learns from: HAM10000 at 28x28 with DermaMNIST's split, or split by lesion; the published DermaMNIST; or a synthetic sample.",
        ),
        integer("filters", 16, 1, 256, "Filters of the first stack; the second has twice, the third four times as many."),
    ];
    fields.extend(training(&Training { learning_rate: 0.001, epochs: 50 }));
    fields.extend(classification(64, Validation::Own));
    fields.extend([
        boolean(
            "turn",
            false,
            "Each time an image is seen it is turned by none, one, two or three quarters, by chance: lesions have no up.",
        ),
        choice(
            "class_weights",
            &["none", "balanced"],
            "Whether an example counts the more the rarer its class is, so that all classes together count as much.",
        ),
        choice(
            "sampling",
            &["shuffled", "balanced"],
            "Whether an epoch shows every example once, or as many of every class, drawn anew.",
        ),
        choice(
            "loss",
            &["cross_entropy", "focal"],
            "What is made small. Focal loss lets examples that are told well already count less (Lin et al. 2017).",
        ),
        number("focusing", 2.0, 0.0, 10.0, "The focal loss's exponent: how much less."),
        choice(
            "padding",
            &["zeros", "reflected"],
            "What comes in where an image is moved: black, or the image mirrored at its border.",
        ),
        number(
            "colour",
            0.0,
            0.0,
            0.9,
            "Each time an image is seen, its brightness, contrast and saturation are each multiplied by a number at most so far from 1.",
        ),
        number(
            "mixup",
            0.0,
            0.0,
            10.0,
            "Shape of the Beta distribution by whose draws images and targets of a batch are blended in pairs (Zhang et al. 2018); 0: none.",
        ),
        number(
            "cutmix",
            0.0,
            0.0,
            10.0,
            "The same, but a rectangle of one image takes the other's place (Yun et al. 2019); with mixup, each image has one of both.",
        ),
        choice(
            "views",
            &["one", "flips_and_turns"],
            "How the finished network looks at an image: as it is, or in the eight ways that mirroring and quarter turns make, whose mean it answers.",
        ),
        boolean(
            "calibrated",
            false,
            "At the end, a temperature is found that makes its probabilities fit the validation examples best (Guo et al. 2017).",
        ),
    ]);
    fields
}

/// The defaults are the course report's network and its triplets, made before the training.
fn triplet() -> Vec<Field> {
    let mut fields = vec![
        choice(
            "dataset",
            &["mnist", "fashion-mnist", "mnist-sample", "fashion-mnist-sample"],
            "What it learns from; the samples are synthetic.",
        ),
        integer("filters", 32, 1, 256, "Channels of each of the two convolutions."),
        integer("units", 128, 1, 4096, "Units of the dense layer."),
        integer("dimension", 10, 1, 512, "Numbers in an embedding."),
        number("dropout_pooled", 0.25, 0.0, 0.95, "Share of the pooled values that each step leaves out."),
        number("dropout", 0.5, 0.0, 0.95, "Share of the dense layer's units that each step leaves out."),
        choice(
            "triplets",
            &["offline", "random", "batch_all", "semi_hard", "distance_weighted", "batch_hard"],
            "Made once before the training, as in the report; or from each batch: at random, all that are active (Hermans et al. 2017), \
             semi-hard ones (Schroff et al. 2015), by distance (Wu et al. 2017), or the hardest for each anchor.",
        ),
        choice(
            "loss",
            &["triplet", "multi_similarity", "supervised_contrastive"],
            "Triplet loss with a margin; or one over whole batches: multi-similarity (Wang et al. 2019), supervised contrastive (Khosla et al. 2020).",
        ),
        number("margin", 0.4, 0.0, 100.0, "By how much a negative should be farther from the anchor than a positive."),
        choice("distance", &["squared", "euclidean"], "Squared Euclidean distance, or Euclidean distance."),
        boolean("normalised", false, "Whether embeddings are brought to unit length first."),
        integer(
            "warm_up",
            1,
            0,
            10_000,
            "Epochs with all active triplets of a batch before the hardest are mined; without, an untrained network collapses.",
        ),
        integer("classes_per_batch", 10, 2, 1000, "Labels in a batch from which triplets are mined."),
        integer("images_per_class", 20, 2, 1000, "Images of each label in it."),
        integer("batch_size", 256, 1, 8192, "Triplets to a step, of those made before the training."),
        integer("pairs", 150, 1, 5000, "Of the triplets made before the training: pairs of anchor and positive for each label."),
        integer("negatives", 150, 1, 5000, "Negatives for each of these pairs."),
        number("validation_share", 0.2, 0.0, 0.9, "The last share of the triplets made before the training validates."),
        number(
            "held_out",
            0.0,
            0.0,
            0.9,
            "The last share of the training images that is not learned from; neighbours' labels tell how well they are embedded.",
        ),
    ];
    fields.extend(augmentation());
    fields.extend([
        number("rotation", 0.0, 0.0, 180.0, "Each time an image is seen it is turned by at most so many degrees each way."),
        number("zoom", 0.0, 0.0, 0.5, "Each time an image is seen it grows or shrinks by at most this share of its size."),
    ]);
    fields.extend(training(&Training { learning_rate: 0.0001, epochs: 10 }));
    fields
}

const DATASET: Field = choice(
    "dataset",
    &["fashion-mnist", "mnist", "fashion-mnist-sample", "mnist-sample"],
    "What it learns from; the samples are synthetic.",
);

/// What every network is trained with.
fn training(defaults: &Training) -> [Field; 6] {
    let Training { learning_rate, epochs } = *defaults;
    [
        number("learning_rate", learning_rate, 1e-7, 10.0, "Adam's step size; of a schedule, its peak."),
        integer("epochs", epochs, 1, 10_000, "Passes over the training examples."),
        choice("optimizer", &["adam", "adamw"], "AdamW lets weights decay apart from the gradient (Loshchilov and Hutter 2019)."),
        number(
            "weight_decay",
            0.0,
            0.0,
            10.0,
            "How fast weights shrink: by this times the learning rate at each step. AdamW alone uses it.",
        ),
        choice(
            "schedule",
            &["constant", "cosine", "one_cycle"],
            "How the learning rate goes: constant; falling to 0 along a cosine; or rising for 30% of the steps first (Smith and Topin 2018).",
        ),
        number(
            "averaging",
            0.0,
            0.0,
            0.99999,
            "Decay of a running average of the weights over the steps, which takes their place in use; 0: none.",
        ),
    ]
}

/// How images change each time they are seen.
fn augmentation() -> [Field; 2] {
    [
        integer("shift", 0, 0, 4, "Each time an image is seen it is moved by at most so many pixels each way."),
        boolean("flip", false, "Each time an image is seen it is mirrored or not, by chance."),
    ]
}

/// What a classifier is validated on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Validation {
    /// The end of the training split, which is cut off for it.
    Cut,
    /// A split that the data set has for it.
    Own,
}

/// What classifiers are trained with beside it.
fn classification(batch_size: i64, validation: Validation) -> Vec<Field> {
    let mut fields = vec![integer("batch_size", batch_size, 1, 8192, "Examples to a step.")];
    if validation == Validation::Cut {
        fields.push(number(
            "validation_share",
            0.2,
            0.0,
            0.9,
            "The last share of the training set validates and is not learned from; 0 learns from all.",
        ));
    }
    fields.push(number("label_smoothing", 0.0, 0.0, 0.9, "Share of each target that is spread evenly over all classes."));
    fields.extend(augmentation());
    fields.extend([
        text(
            "teacher",
            "Ids of finished runs, separated by commas, whose mean answer it learns from beside the labels (Hinton et al. 2015); empty: none.",
        ),
        number("teacher_share", 0.9, 0.0, 1.0, "Share of each target that is the teacher's answer; the rest is the label."),
        number("teacher_temperature", 1.0, 1.0, 20.0, "What the teacher's logits are divided by: more makes its answer softer."),
    ]);
    fields
}
