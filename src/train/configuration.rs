//! What each system may be told: names, kinds, limits, defaults.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::error::{AppError, AppResult};

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What it is when it is not given.
    pub default: Constant,
    /// What it does, in a sentence or two.
    pub about: &'static str,
}

/// Which values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
}

/// A default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constant {
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Choice`] and [`Kind::Text`].
    Text(&'static str),
    /// Of [`Kind::Boolean`].
    Boolean(bool),
}

impl Constant {
    /// As JSON.
    #[must_use]
    pub fn value(self) -> Value {
        match self {
            Self::Integer(number) => json!(number),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Boolean(truth) => json!(truth),
        }
    }
}

/// The systems that can be trained by a worker.
#[must_use]
pub fn systems() -> Vec<&'static str> {
    SYSTEMS.iter().map(|(system, _)| *system).collect()
}

/// The keys of `system`'s configuration, in the order they are shown in.
///
/// # Errors
/// [`AppError::Invalid`] for `system` when there is no such system.
pub fn fields(system: &str) -> AppResult<&'static [Field]> {
    let found = SYSTEMS.iter().find(|(name, _)| *name == system);
    let unknown = || AppError::invalid("system", format!("there is no system {system:?} to train; there are {}", systems().join(", ")));
    Ok(&found.ok_or_else(unknown)?.1)
}

/// Every key of `system`'s configuration: those of `given`, checked, and defaults for the others.
///
/// # Errors
/// [`AppError::Invalid`] for `config.NAME` when there is no such key or its value is out of range; for `system` when there is none.
pub fn resolve(system: &str, given: &Map<String, Value>) -> AppResult<Map<String, Value>> {
    let fields = fields(system)?;
    if let Some(unknown) = given.keys().find(|key| fields.iter().all(|field| field.name != *key)) {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        return Err(AppError::invalid(format!("config.{unknown}"), format!("there is no such key; there are {}", names.join(", "))));
    }
    fields.iter().map(|field| Ok((field.name.to_owned(), field.resolve(given.get(field.name))?))).collect()
}

/// Whether two configurations of `system` ask for the same. A key that one does not have, as of a run older than the key, is at its default.
#[must_use]
pub fn same(system: &str, one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one == other || matches!((resolve(system, one), resolve(system, other)), (Ok(one), Ok(other)) if one == other)
}

/// A configuration from `key=value` assignments, typed as `system`'s keys are; a later one wins. Not yet resolved.
///
/// # Errors
/// [`AppError::Invalid`] when one is no assignment, names no key, or its value can't be read as what the key takes.
pub fn from_assignments<S: AsRef<str>>(system: &str, assignments: &[S]) -> AppResult<Map<String, Value>> {
    let fields = fields(system)?;
    let mut config = Map::new();
    for assignment in assignments {
        let assignment = assignment.as_ref();
        let parts = assignment.split_once('=');
        let (key, text) = parts.ok_or_else(|| AppError::invalid(assignment, "expected key=value, as in units=32"))?;
        let (key, text) = (key.trim(), text.trim());
        let value = match fields.iter().find(|field| field.name == key) {
            Some(field) => field.read(text)?,
            None => Value::Null, // `resolve` answers with all keys there are.
        };
        config.insert(key.to_owned(), value);
    }
    resolve(system, &config)?;
    Ok(config)
}

impl Field {
    /// What the key takes, as in `a whole number from 1 to 4096`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max } => format!("a number from {min} to {max}"),
            Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
            Kind::Boolean => "true or false".into(),
            Kind::Text => "text".into(),
        }
    }

    fn wrong(&self, given: &str) -> AppError {
        AppError::invalid(format!("config.{}", self.name), format!("expected {}, got {given}", self.expected()))
    }

    fn resolve(&self, given: Option<&Value>) -> AppResult<Value> {
        let Some(given) = given else { return Ok(self.default.value()) };
        let value = match self.kind {
            Kind::Integer { min, max } => {
                // 32.0 is a whole number too: JavaScript's JSON does not tell them apart.
                let whole = given.as_i64().or_else(|| given.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64));
                whole.filter(|number| (min..=max).contains(number)).map(Value::from)
            }
            Kind::Number { min, max } => given.as_f64().filter(|number| (min..=max).contains(number)).map(Value::from),
            Kind::Choice(choices) => given.as_str().filter(|text| choices.contains(text)).map(Value::from),
            Kind::Boolean => given.as_bool().map(Value::from),
            Kind::Text => given.as_str().map(Value::from),
        };
        value.ok_or_else(|| self.wrong(&given.to_string()))
    }

    /// A value of a command line.
    fn read(&self, text: &str) -> AppResult<Value> {
        let value = match self.kind {
            Kind::Integer { .. } => text.parse::<i64>().ok().map(Value::from),
            Kind::Number { .. } => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
            Kind::Choice(_) | Kind::Text => Some(Value::from(text)),
        };
        value.ok_or_else(|| self.wrong(&format!("{text:?}")))
    }
}

static SYSTEMS: LazyLock<[(&str, Vec<Field>); 4]> =
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
            &["ham10000-28", "dermamnist", "skin-sample"],
            "What it learns from: HAM10000 at 28x28 with DermaMNIST's split, the published DermaMNIST, or a synthetic sample.",
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
        integer("shift", 0, 0, 2, "Each time an image is seen it is moved by at most so many pixels each way."),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(system: &str, given: &Value) -> (String, String) {
        match resolve(system, given.as_object().unwrap()).unwrap_err() {
            AppError::Invalid { field, reason } => (field, reason),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_defaults_are_the_reports_untuned_network() {
        let config = resolve("mlp", &Map::new()).unwrap();
        for (key, value) in [
            ("dataset", json!("fashion-mnist")),
            ("units", json!(512)),
            ("learning_rate", json!(0.01)),
            ("batch_size", json!(32)),
            ("epochs", json!(50)),
            ("validation_share", json!(0.2)),
            ("optimizer", json!("adam")),
            ("schedule", json!("constant")),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        for off in ["weight_decay", "dropout_input", "dropout", "label_smoothing", "averaging"] {
            assert_eq!(config[off], json!(0.0), "{off}");
        }
        assert_eq!(config.len(), fields("mlp").unwrap().len());
    }

    #[test]
    fn defaults_resolve_to_themselves_and_resolving_twice_changes_nothing() {
        for system in systems() {
            for field in fields(system).unwrap() {
                let given = Map::from_iter([(field.name.to_owned(), field.default.value())]);
                assert_eq!(resolve(system, &given).unwrap()[field.name], field.default.value(), "{}", field.name);
            }
            let once = resolve(system, &Map::new()).unwrap();
            assert_eq!(resolve(system, &once).unwrap(), once);
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_at_its_default() {
        let config = |given: Value| given.as_object().unwrap().clone();
        assert!(same("mlp", &config(json!({"units": 32})), &resolve("mlp", &config(json!({"units": 32.0}))).unwrap()));
        assert!(!same("mlp", &config(json!({"units": 32})), &config(json!({}))));
        assert!(
            !same("mlp", &config(json!({"unit": 32})), &config(json!({})))
                && same("mlp", &config(json!({"unit": 1})), &config(json!({"unit": 1})))
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_with_what_is_expected() {
        assert_eq!(refused("mlp", &json!({"units": 0})), ("config.units".into(), "expected a whole number from 1 to 4096, got 0".into()));
        assert_eq!(refused("mlp", &json!({"units": 1.5})).0, "config.units");
        assert_eq!(refused("mlp", &json!({"units": "32"})).0, "config.units");
        assert_eq!(refused("mlp", &json!({"units": null})).0, "config.units");
        assert_eq!(refused("mlp", &json!({"learning_rate": -1})).0, "config.learning_rate");
        assert_eq!(refused("mlp", &json!({"flip": 1})), ("config.flip".into(), "expected true or false, got 1".into()));
        let (field, reason) = refused("mlp", &json!({"dataset": "cifar"}));
        assert_eq!(field, "config.dataset");
        assert!(reason.starts_with("expected one of fashion-mnist, mnist, "), "{reason}");
        let (field, reason) = refused("mlp", &json!({"unit": 3}));
        assert_eq!(field, "config.unit");
        assert!(reason.contains("dataset, units, "), "{reason}");
        let (field, reason) = refused("perceptron", &json!({}));
        assert_eq!(
            (field.as_str(), reason.as_str()),
            ("system", "there is no system \"perceptron\" to train; there are mlp, cnn, triplet, resnet14")
        );
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let config = resolve("mlp", json!({"units": 64.0}).as_object().unwrap()).unwrap();
        assert_eq!(config["units"], json!(64));
    }

    #[test]
    fn assignments_are_typed_by_the_table_and_later_ones_win() {
        let config = from_assignments("mlp", &["units=16", "learning_rate=1e-3", "flip=true", "dataset=mnist", " units = 32 "]).unwrap();
        assert_eq!(Value::from(config), json!({"units": 32, "learning_rate": 0.001, "flip": true, "dataset": "mnist"}));
        for (assignment, named) in [
            ("units", "units"),
            ("unit=3", "config.unit"),
            ("units=3.5", "config.units"),
            ("learning_rate=nan", "config.learning_rate"),
            ("flip=yes", "config.flip"),
            ("units=5000", "config.units"),
        ] {
            let error = from_assignments("mlp", &[assignment]).unwrap_err();
            assert!(matches!(&error, AppError::Invalid { field, .. } if field == named), "{assignment}: {error}");
        }
    }
}
