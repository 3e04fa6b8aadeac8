//! What a study is asked to do.

use serde_json::{Map, Value};

use super::{Direction, MedianPruning, Parameters, Sampler, Space};
use crate::{
    error::{AppError, AppResult},
    train::configuration,
};

/// A search for good settings of one system, as it is asked for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// The system whose settings are searched.
    pub system: String,
    /// How configurations are chosen.
    pub sampler: Sampler,
    /// The series whose best value counts, such as `validation_accuracy`.
    pub objective: String,
    /// How many configurations are tried.
    pub max_trials: u64,
    /// How many are trained at one time.
    pub parallel: u64,
    /// What is searched.
    pub space: Space,
    /// The names of the space's dimensions in their order, which a sorted map of JSON would lose.
    pub order: Vec<String>,
    /// Settings that all trials share.
    pub config: Map<String, Value>,
    /// Decides the proposals, and every trial's training.
    pub seed: u64,
    /// When trials are given up early; `None`: never.
    pub pruning: Option<MedianPruning>,
}

/// The space that the course report searched (section 4).
pub const REPORTED_SPACE: [&str; 2] = ["units=16..512:16", "learning_rate=0.0001,0.0005,0.001,0.005,0.01"];

/// No study needs more, and a page shows them all.
pub const MOST_TRIALS: u64 = 1000;
/// More at one time are more than any machine has cores.
pub const MOST_PARALLEL: u64 = 64;

impl Plan {
    /// Which values of the objective are better: of a loss the lesser ones.
    #[must_use]
    pub fn direction(&self) -> Direction {
        if self.objective.ends_with("loss") { Direction::Minimise } else { Direction::Maximise }
    }

    /// As it is stored.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    /// As it was stored.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when it is none.
    pub fn from_map(map: &Map<String, Value>) -> AppResult<Self> {
        let mut plan: Self =
            serde_json::from_value(Value::Object(map.clone())).map_err(|error| AppError::invalid("spec", error.to_string()))?;
        plan.space = plan.space.in_order(&plan.order);
        Ok(plan)
    }

    /// Checks all that can be checked before a trial begins.
    ///
    /// # Errors
    /// [`AppError::Invalid`], which names the field: of a hyperparameter that the system doesn't have or that may leave its limits, `space.NAME`.
    pub fn check(&self) -> AppResult<()> {
        self.sampler.check(&self.space)?;
        if self.max_trials == 0 || self.max_trials > MOST_TRIALS {
            return Err(AppError::invalid("max_trials", format!("expected 1 to {MOST_TRIALS}.")));
        }
        if self.parallel == 0 || self.parallel > MOST_PARALLEL {
            return Err(AppError::invalid("parallel", format!("expected 1 to {MOST_PARALLEL}.")));
        }
        if !OBJECTIVES.contains(&self.objective.as_str()) {
            return Err(AppError::invalid("objective", format!("expected one of {}.", OBJECTIVES.join(", "))));
        }
        if self.seed >= 1 << 53 {
            return Err(AppError::invalid("seed", "expected at most 2^53 - 1, which every reader of JSON keeps."));
        }
        let base = configuration::resolve(&self.system, &self.config)?;
        if base.get("validation_share").and_then(Value::as_f64) == Some(0.0) {
            return Err(AppError::invalid("config.validation_share", "a study needs examples to validate on."));
        }
        for (name, dimension) in self.space.iter() {
            if self.config.contains_key(name) {
                return Err(AppError::invalid(format!("config.{name}"), "is searched, and can't be set as well."));
            }
            // Between the least and the greatest every value is within the limits; choices are looked at one by one.
            let values = match dimension {
                super::Dimension::Choice { values } => values.clone(),
                _ => vec![dimension.value_at(0.0), dimension.value_at(1.0)],
            };
            for value in values {
                let given = Map::from_iter([(name.to_owned(), value)]);
                configuration::resolve(&self.system, &given).map_err(|error| match error {
                    AppError::Invalid { reason, .. } => AppError::invalid(format!("space.{name}"), reason),
                    other => other,
                })?;
            }
        }
        Ok(())
    }

    /// The settings of a trial.
    #[must_use]
    pub fn config_of(&self, parameters: &Parameters) -> Map<String, Value> {
        let own = parameters.iter().map(|(name, value)| (name.to_owned(), value.clone()));
        self.config.clone().into_iter().chain(own).collect()
    }

    /// Stored parameters in the space's order.
    #[must_use]
    pub fn parameters(&self, stored: &Map<String, Value>) -> Parameters {
        self.space.iter().filter_map(|(name, _)| Some((name.to_owned(), stored.get(name)?.clone()))).collect()
    }
}

/// What every classifier measures and a study may look at.
const OBJECTIVES: [&str; 2] = ["validation_accuracy", "validation_loss"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let space: Space = serde_json::from_str(
            r#"{"units":{"type":"integer","min":16,"max":512,"step":16},"learning_rate":{"type":"choice","values":[0.0001,0.01]}}"#,
        )
        .unwrap();
        Plan {
            system: "mlp".into(),
            sampler: Sampler::Bayesian,
            objective: "validation_accuracy".into(),
            max_trials: 3,
            parallel: 1,
            order: space.iter().map(|(name, _)| name.to_owned()).collect(),
            space,
            config: json!({"epochs": 2}).as_object().unwrap().clone(),
            seed: 0,
            pruning: Some(MedianPruning::default()),
        }
    }

    #[test]
    fn a_plan_survives_a_sorted_map() {
        let plan = plan();
        let map = plan.to_map();
        let text = serde_json::to_string(&map).unwrap();
        let read = Plan::from_map(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(read, plan);
        let stored = json!({"learning_rate": 0.01, "units": 32}).as_object().unwrap().clone();
        assert_eq!(read.parameters(&stored).to_string(), "units=32 learning_rate=0.01");
        assert_eq!(Value::Object(read.config_of(&read.parameters(&stored))), json!({"epochs": 2, "units": 32, "learning_rate": 0.01}));
    }

    #[test]
    fn a_plan_that_cannot_be_carried_out_is_refused_with_its_field() {
        assert!(plan().check().is_ok());
        let space = |text: &str| serde_json::from_str::<Space>(text).unwrap();
        let faulty: [(&str, Plan); 8] = [
            ("max_trials", Plan { max_trials: 0, ..plan() }),
            ("parallel", Plan { parallel: 0, ..plan() }),
            ("objective", Plan { objective: "beauty".into(), ..plan() }),
            ("system", Plan { system: "perceptron".into(), ..plan() }),
            ("space.units", Plan { space: space(r#"{"units":{"type":"integer","min":0,"max":8}}"#), ..plan() }),
            ("space.momentum", Plan { space: space(r#"{"momentum":{"type":"choice","values":[1]}}"#), ..plan() }),
            ("config.units", Plan { config: json!({"units": 3}).as_object().unwrap().clone(), ..plan() }),
            ("config.validation_share", Plan { config: json!({"validation_share": 0}).as_object().unwrap().clone(), ..plan() }),
        ];
        for (field, plan) in faulty {
            match plan.check() {
                Err(AppError::Invalid { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn of_a_loss_the_lesser_value_is_better() {
        assert_eq!(plan().direction(), Direction::Maximise);
        assert_eq!(Plan { objective: "validation_loss".into(), ..plan() }.direction(), Direction::Minimise);
    }
}
