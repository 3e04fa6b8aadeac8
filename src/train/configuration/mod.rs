//! What each system may be told: names, kinds, limits, defaults.

mod systems;

use serde_json::{Map, Value, json};

use self::systems::SYSTEMS;
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
