//! The form that asks for a study.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    error::{AppError, AppResult},
    train::configuration,
    tune::{MedianPruning, Plan, REPORTED_SPACE, Space},
    web::{AppState, api::studies, parameters::Parameters},
};

/// The form as it stands: what was typed, and what can't be used of it.
pub struct Form {
    /// What was typed, by the fields' names.
    given: BTreeMap<String, String>,
    /// Field and reason.
    pub fault: Option<(String, String)>,
}

impl Form {
    /// As it is at first.
    pub fn empty() -> Self {
        Self { given: BTreeMap::new(), fault: None }
    }

    /// As it was sent.
    pub fn sent(body: &[u8]) -> Self {
        Self { given: Parameters::parse(&String::from_utf8_lossy(body)).0.into_iter().collect(), fault: None }
    }

    /// What stands in the field called `name`.
    pub fn value(&self, name: &str) -> String {
        if let Some(given) = self.given.get(name) {
            return given.clone();
        }
        let usual = match name {
            "space" => &REPORTED_SPACE.join("\n"),
            "system" => "mlp",
            "sampler" => "bayesian",
            "objective" => "validation_accuracy",
            "max_trials" | "epochs" => "10",
            "seed" => "0",
            "parallel" => "1",
            "set" => "dataset=fashion-mnist",
            _ => "",
        };
        usual.to_owned()
    }

    /// Asks for the study; its id.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when a field can't be used.
    pub fn submit(&self, app: &AppState) -> AppResult<String> {
        let number = |name: &'static str| {
            let text = self.value(name);
            text.trim().parse::<u64>().map_err(|_| AppError::invalid(name, format!("is {text:?}; expected a whole number.")))
        };
        let typed = |name: &str| -> Vec<String> { self.value(name).lines().flat_map(str::split_whitespace).map(str::to_owned).collect() };
        let system = self.value("system");
        let resolved = configuration::from_assignments(&system, &typed("set"))?;
        let named = |name: &&String| {
            typed("set").iter().any(|assignment| assignment.split_once('=').is_some_and(|(key, _)| key.trim() == name.as_str()))
        };
        let mut config: serde_json::Map<String, serde_json::Value> =
            resolved.iter().filter(|(name, _)| named(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        config.insert("epochs".into(), number("epochs")?.into());
        let space = Space::written(&typed("space"))?;
        let sampler = self.value("sampler");
        let plan = Plan {
            system,
            sampler: serde_json::from_value(json!(sampler))
                .map_err(|_| AppError::invalid("sampler", "expected bayesian, random or grid."))?,
            objective: self.value("objective"),
            max_trials: number("max_trials")?,
            parallel: number("parallel")?,
            order: space.iter().map(|(name, _)| name.to_owned()).collect(),
            space,
            config,
            seed: number("seed")?,
            pruning: self.given.contains_key("pruning").then(MedianPruning::default),
        };
        Ok(studies::submit(app, &self.value("name"), &plan)?.id)
    }
}
