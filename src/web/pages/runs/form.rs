//! The form that asks for a training.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    error::{AppError, AppResult},
    jobs::Plan,
    train::configuration::{self, Field, Kind},
    web::{AppState, api::runs, parameters::Parameters},
};

/// The form as it stands: what was typed, and what can't be used of it.
pub struct Form {
    /// Whose settings are asked for.
    pub system: String,
    /// What was typed, by the fields' names.
    pub given: BTreeMap<String, String>,
    /// Field and reason.
    pub fault: Option<(String, String)>,
}

/// A field of the configuration, ready to be shown.
pub struct Shown {
    /// What it is.
    pub field: &'static Field,
    /// What stands in it.
    pub value: String,
    /// Its choices; empty: it is typed.
    pub choices: Vec<String>,
    /// `step` of a number.
    pub step: &'static str,
}

/// Fields that most trainings set; the others are behind a switch.
const USUAL: [&str; 5] = ["dataset", "units", "learning_rate", "batch_size", "epochs"];

impl Form {
    /// As it is at first.
    pub fn empty() -> Self {
        Self { system: "mlp".into(), given: BTreeMap::new(), fault: None }
    }

    /// As it was sent.
    pub fn sent(body: &[u8]) -> Self {
        let given: BTreeMap<String, String> = Parameters::parse(&String::from_utf8_lossy(body)).0.into_iter().collect();
        Self { system: given.get("system").cloned().unwrap_or_else(|| "mlp".into()), given, fault: None }
    }

    /// Asks for the training; the id of its run.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when a field can't be used.
    pub fn submit(&self, app: &AppState) -> AppResult<String> {
        let text = |name: &str| self.given.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let assignments: Vec<String> = self
            .given
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("config.")?, value.trim())))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let seed = match text("seed").as_str() {
            "" => 0,
            seed => seed.parse().map_err(|_| AppError::invalid("seed", "expected a whole number, 0 or more."))?,
        };
        let plan = Plan {
            name: text("name"),
            config: configuration::from_assignments(&self.system, &assignments)?,
            seed,
            tags: text("tags").split(',').map(str::to_owned).collect(),
            system: self.system.clone(),
            ..Plan::default()
        };
        Ok(runs::submit(app, &plan)?.id)
    }

    /// What stands in the field called `name`.
    pub fn value(&self, name: &str) -> &str {
        self.given.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The fields of the configuration: those that are usually set, or the others.
    pub fn fields(&self, usual: bool) -> Vec<Shown> {
        let all = configuration::fields(&self.system).unwrap_or_default();
        all.iter().filter(|field| USUAL.contains(&field.name) == usual).map(|field| self.shown(field)).collect()
    }

    fn shown(&self, field: &'static Field) -> Shown {
        let default = match field.default.value() {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let (choices, step) = match field.kind {
            Kind::Choice(choices) => (choices.iter().map(|choice| (*choice).to_owned()).collect(), ""),
            Kind::Boolean => (vec!["false".to_owned(), "true".to_owned()], ""),
            Kind::Integer { .. } => (Vec::new(), "1"),
            Kind::Number { .. } => (Vec::new(), "any"),
            Kind::Text => (Vec::new(), ""),
        };
        let value = self.given.get(&format!("config.{}", field.name)).cloned().unwrap_or(default);
        Shown { field, value, choices, step }
    }

    /// What can't be used of the field called `name`.
    pub fn fault_of(&self, name: &str) -> Option<&str> {
        self.fault.as_ref().filter(|(field, _)| field == name).map(|(_, reason)| reason.as_str())
    }

    /// A fault that belongs to no field that is shown.
    pub fn other_fault(&self) -> Option<&str> {
        let is_shown = |field: &str| field == "seed" || field.starts_with("config.");
        self.fault.as_ref().filter(|(field, _)| !is_shown(field)).map(|(_, reason)| reason.as_str())
    }

    /// Whether the less usual fields are to be seen at once.
    pub fn is_open(&self) -> bool {
        self.fault.as_ref().is_some_and(|(field, _)| field.strip_prefix("config.").is_some_and(|name| !USUAL.contains(&name)))
    }
}
