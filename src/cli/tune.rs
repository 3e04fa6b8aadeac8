//! `torchboard tune`: a study in the terminal, told in the layout that users of Keras Tuner know.

use std::{
    io::Write as _,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::train::{CANCELLED, on_interrupt};
use crate::{
    config::Settings,
    data::Datasets,
    jobs::{self, Halt, StudyEvent, Trainer, best_trial},
    store::{Run, Store, Study, Trial, TrialState},
    train::{State, configuration},
    tune::{Dimension, Direction, MedianPruning, Plan, REPORTED_SPACE, Sampler, Scale, Space, plain},
};

#[derive(Debug, clap::Args)]
pub struct TuneArguments {
    /// The system whose settings are searched
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    system: Option<String>,
    /// What is searched, as in units=16..512:16 dropout=0.0..0.5 `learning_rate=0.0001..0.1:log` optimizer=adam,adamw [default: the report's]
    #[arg(long, num_args = 1.., value_name = "NAME=WHAT")]
    space: Vec<String>,
    /// How configurations are chosen
    #[arg(long, default_value = "bayesian", value_parser = ["bayesian", "random", "grid"])]
    sampler: String,
    /// How many configurations are tried
    #[arg(long, default_value_t = 10)]
    max_trials: u64,
    /// Passes over the training examples, of each trial
    #[arg(long)]
    epochs: Option<u64>,
    /// What counts: `validation_accuracy` or `validation_loss`, at its best epoch
    #[arg(long, default_value = "validation_accuracy")]
    objective: String,
    /// Settings that all trials share, as in `batch_size=64`
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Trials that are trained at one time
    #[arg(long, default_value_t = 1)]
    parallel: u64,
    /// Give up on trials that do worse than the median of the others
    #[arg(long)]
    prune: bool,
    /// Decides the proposals, and every trial's training
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What to call the study [default: its id]
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Go on with a study that ended before its time
    #[arg(long, value_name = "STUDY")]
    resume: Option<String>,
    /// Print what happens as JSON lines
    #[arg(long)]
    json: bool,
}

impl TuneArguments {
    /// Conducts the study; ends with 0 for done, 1 for failed, 130 for cancelled.
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let (store, datasets) = (Store::open(&settings.data_dir)?, Datasets::open(settings));
        jobs::recover(&store)?; // a study's trials may have lost their workers with it
        jobs::recover_studies(&store)?;
        let study = match &self.resume {
            Some(id) => store.resume_study(id, State::Running)?,
            None => jobs::ask_study(&store, settings, &datasets, &self.name, &self.plan()?, State::Running)?,
        };
        let plan = Plan::from_map(&study.spec)?;
        let halt = Arc::new(Halt::default());
        let asked = Arc::clone(&halt);
        on_interrupt(move || asked.cancel())?;
        let mut teller = Teller::new(&study, plan, self.json);
        let trainer = Trainer::Here(settings.clone());
        let study = jobs::conduct(&store, &datasets, settings, &trainer, &study.id, &halt, &mut |event| teller.hear(event))?;
        teller.end(&study);
        Ok(match study.state {
            State::Done => ExitCode::SUCCESS,
            State::Cancelled => ExitCode::from(CANCELLED),
            _ => ExitCode::FAILURE,
        })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let system = self.system.clone().unwrap_or_default();
        let mut config = Map::new();
        // Only what was said: the other keys stay free to be searched.
        let given = configuration::from_assignments(&system, &self.set)?;
        for assignment in &self.set {
            if let Some((name, value)) = assignment.split_once('=').and_then(|(name, _)| given.get_key_value(name.trim())) {
                config.insert(name.clone(), value.clone());
            }
        }
        if let Some(epochs) = self.epochs {
            config.insert("epochs".into(), epochs.into());
        }
        let space = if self.space.is_empty() { Space::written(&REPORTED_SPACE)? } else { Space::written(&self.space)? };
        let sampler: Sampler = serde_json::from_value(json!(self.sampler))?;
        Ok(Plan {
            system,
            sampler,
            objective: self.objective.clone(),
            max_trials: self.max_trials,
            parallel: self.parallel,
            order: space.iter().map(|(name, _)| name.to_owned()).collect(),
            space,
            config,
            seed: self.seed,
            pruning: self.prune.then(MedianPruning::default),
        })
    }
}

/// Tells a person in blocks of text, or a machine in JSON lines.
struct Teller {
    study: String,
    plan: Plan,
    json: bool,
    began: Instant,
    trials: Vec<Trial>,
    bar: Option<ProgressBar>,
}

impl Teller {
    fn new(study: &Study, plan: Plan, json: bool) -> Self {
        let teller = Self { study: study.id.clone(), plan, json, began: Instant::now(), trials: study.trials.clone(), bar: None };
        if json {
            say(&json!({ "event": "study", "study": study.id, "space": teller.plan.space, "trials": study.trials.len() }).to_string());
        } else {
            say(&format!("study {}\n\n{}", study.id, space_summary(&teller.plan.space)));
        }
        teller
    }

    fn hear(&mut self, event: StudyEvent) {
        match event {
            StudyEvent::Began(trial) => {
                self.remember(trial);
                if self.json {
                    self.line("began", trial);
                } else {
                    self.say(&format!("\nSearch: Running Trial #{}\n\n{}", trial.number, trial_table(&self.plan, &self.trials, trial)));
                }
            }
            StudyEvent::Progress(trial, run) if !self.json => self.progress(trial, run),
            StudyEvent::Progress(..) => {}
            StudyEvent::Ended(trial) => {
                self.remember(trial);
                if self.json {
                    self.line("ended", trial);
                    return;
                }
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                self.say(&trial_summary(&self.plan, &self.trials, trial, self.began.elapsed()));
            }
        }
    }

    fn end(&mut self, study: &Study) {
        if self.json {
            let best = best_trial(&self.plan, &study.trials).map(|trial| trial.number);
            say(&json!({ "event": "end", "study": study.id, "state": study.state, "reason": study.reason, "best": best }).to_string());
            return;
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        say(&format!("\n{}", results_summary(&self.plan, study)));
        if let Some(reason) = &study.reason {
            say(&format!("\n{}: {reason}", study.state.name()));
        }
        if study.state != State::Done {
            eprintln!("`torchboard tune --resume {}` goes on with it", self.study);
        }
    }

    fn remember(&mut self, trial: &Trial) {
        self.trials.retain(|known| known.number != trial.number);
        self.trials.push(trial.clone());
    }

    fn line(&self, what: &str, trial: &Trial) {
        let (params, duration_s) = (self.plan.parameters(&trial.parameters), trial.duration_s());
        let Trial { number, run, state, value, .. } = trial;
        let line = json!({ "event": what, "study": self.study, "trial": number, "params": params, "run": run, "state": state, "value": value, "duration_s": duration_s });
        say(&line.to_string());
    }

    /// One bar: of the trial whose news came last.
    fn progress(&mut self, trial: &Trial, run: &Run) {
        let Some(progress) = run.progress else { return };
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:32} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(progress.steps).with_style(style)
        });
        bar.set_length(progress.steps);
        bar.set_position(progress.step);
        let value = run
            .best
            .get(&self.plan.objective)
            .map(|best| format!(", {} {:.4}", short(&self.plan.objective), best.value))
            .unwrap_or_default();
        bar.set_message(format!(
            "trial {}: epoch {} of {}, {:.0} examples/s{value}",
            trial.number, progress.epoch, progress.epochs, progress.examples_per_s
        ));
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(text),
            _ => say(text),
        }
    }
}

/// A reader that went away must not cost the study.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(format!("{text}\n").as_bytes());
}

/// Keras names the splits of its metrics in short.
fn short(objective: &str) -> String {
    objective.replace("validation_", "val_")
}

/// As `Tuner.search_space_summary()`.
fn space_summary(space: &Space) -> String {
    let mut lines = vec!["Search space summary".to_owned(), format!("Default search space size: {}", space.dimensions())];
    let sampling = |scale: &Scale| if *scale == Scale::Log { "log" } else { "linear" };
    for (name, dimension) in space.iter() {
        let (kind, about) = match dimension {
            Dimension::Integer { min, max, step, scale } => {
                ("Int", format!("'min_value': {min}, 'max_value': {max}, 'step': {step}, 'sampling': '{}'", sampling(scale)))
            }
            Dimension::Float { min, max, step, scale } => {
                let step = step.map_or_else(|| "None".to_owned(), |step| step.to_string());
                ("Float", format!("'min_value': {min}, 'max_value': {max}, 'step': {step}, 'sampling': '{}'", sampling(scale)))
            }
            Dimension::Choice { values } => {
                let values: Vec<String> =
                    values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"))).collect();
                (
                    "Choice",
                    format!("'values': [{}], 'ordered': {}", values.join(", "), if dimension.order().is_some() { "True" } else { "False" }),
                )
            }
        };
        lines.push(format!("{name} ({kind})\n{{{about}}}"));
    }
    lines.join("\n")
}

const COLUMN: usize = 18;

/// The values of a trial beside the best so far, as Keras Tuner shows them before a trial.
fn trial_table(plan: &Plan, trials: &[Trial], trial: &Trial) -> String {
    let best = best_trial(plan, trials);
    let mut lines = vec![format!("{:COLUMN$}|{:COLUMN$}|Hyperparameter", "Value", "Best Value So Far")];
    for (name, value) in plan.parameters(&trial.parameters).iter() {
        let best = best.and_then(|best| best.parameters.get(name)).map_or_else(|| "?".to_owned(), plain);
        lines.push(format!("{:COLUMN$}|{best:COLUMN$}|{name}", plain(value)));
    }
    lines.join("\n")
}

/// What came of a trial, and the best so far.
fn trial_summary(plan: &Plan, trials: &[Trial], trial: &Trial, elapsed: Duration) -> String {
    let objective = short(&plan.objective);
    let said = match trial.state {
        TrialState::Pruned => "Pruned",
        TrialState::Failed => "Failed",
        TrialState::Cancelled => "Cancelled",
        TrialState::Done | TrialState::Running => "Complete",
    };
    let mut lines = vec![format!("\nTrial {} {said} [{}]", trial.number, clock(trial.duration_s().unwrap_or_default()))];
    lines.extend(trial.value.map(|value| format!("{objective}: {value}")));
    if let (TrialState::Failed, Some(run)) = (trial.state, &trial.run) {
        lines.push(format!("`torchboard train --resume {run}` says why"));
    }
    let best = best_trial(plan, trials).and_then(|best| best.value).map_or_else(|| "None".to_owned(), |value| value.to_string());
    lines.push(format!("\nBest {objective} So Far: {best}"));
    lines.push(format!("Total elapsed time: {}", clock(elapsed.as_secs_f64())));
    lines.join("\n")
}

/// As `Tuner.results_summary()`: the ten best, the best first.
fn results_summary(plan: &Plan, study: &Study) -> String {
    let mut trials: Vec<&Trial> = study.trials.iter().filter(|trial| trial.state == TrialState::Done && trial.value.is_some()).collect();
    let score = |trial: &Trial| plan.direction().sign() * trial.value.unwrap_or(f64::NEG_INFINITY);
    trials.sort_by(|one, other| score(other).total_cmp(&score(one)));
    let direction = if plan.direction() == Direction::Maximise { "max" } else { "min" };
    let mut lines = vec![
        "Results summary".to_owned(),
        format!("Results in study {}", study.id),
        format!("Showing {} best trials", trials.len().min(10)),
        format!("Objective(name=\"{}\", direction=\"{direction}\")", short(&plan.objective)),
    ];
    for trial in trials.into_iter().take(10) {
        lines.push(format!("\nTrial {} summary\nHyperparameters:", trial.number));
        let parameters = plan.parameters(&trial.parameters);
        lines.extend(parameters.iter().map(|(name, value)| format!("{name}: {}", plain(value))));
        lines.push(format!("Score: {}", trial.value.map_or(Value::Null, Value::from)));
    }
    lines.join("\n")
}

/// `00h 04m 12s`, with days where there are any.
fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("{days}{hours:02}h {minutes:02}m {:02}s", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let space = Space::written(&REPORTED_SPACE).unwrap();
        Plan {
            system: "mlp".into(),
            sampler: Sampler::Bayesian,
            objective: "validation_accuracy".into(),
            max_trials: 3,
            parallel: 1,
            order: vec!["units".into(), "learning_rate".into()],
            space,
            config: Map::new(),
            seed: 0,
            pruning: None,
        }
    }

    fn trial(number: u64, units: i64, rate: f64, state: TrialState, value: Option<f64>) -> Trial {
        let parameters = json!({ "units": units, "learning_rate": rate }).as_object().unwrap().clone();
        let time = |ms| jiff::Timestamp::from_millisecond(ms).ok();
        Trial { number, parameters, run: Some("mlp-1".into()), state, value, started_at: time(0), ended_at: time(252_000) }
    }

    #[test]
    fn the_space_is_summed_up_as_keras_tuner_does() {
        let expected = "Search space summary\nDefault search space size: 2\nunits (Int)\n{'min_value': 16, 'max_value': 512, 'step': 16, 'sampling': 'linear'}\n\
            learning_rate (Choice)\n{'values': [0.0001, 0.0005, 0.001, 0.005, 0.01], 'ordered': True}";
        assert_eq!(space_summary(&plan().space), expected);
    }

    #[test]
    fn a_trial_is_told_as_keras_tuner_does() {
        let trials = [trial(1, 32, 0.001, TrialState::Done, Some(0.8861)), trial(2, 288, 0.005, TrialState::Done, Some(0.8801))];
        let table = trial_table(&plan(), &trials, &trial(3, 16, 0.0001, TrialState::Running, None));
        assert_eq!(
            table,
            "Value             |Best Value So Far |Hyperparameter\n16                |32                |units\n0.0001            |0.001             |learning_rate"
        );
        let summary = trial_summary(&plan(), &trials, &trials[1], Duration::from_secs(860));
        assert_eq!(
            summary,
            "\nTrial 2 Complete [00h 04m 12s]\nval_accuracy: 0.8801\n\nBest val_accuracy So Far: 0.8861\nTotal elapsed time: 00h 14m 20s"
        );
        let none = trial_summary(&plan(), &[], &trial(1, 32, 0.1, TrialState::Failed, None), Duration::from_secs(90_061));
        assert!(none.contains("Trial 1 Failed") && none.ends_with("So Far: None\nTotal elapsed time: 1d 01h 01m 01s"), "{none}");
    }

    #[test]
    fn the_results_begin_with_the_best() {
        let study = Study {
            id: "study-1".into(),
            name: "study-1".into(),
            system: "mlp".into(),
            state: State::Done,
            reason: None,
            spec: plan().to_map(),
            created_at: jiff::Timestamp::now(),
            started_at: None,
            ended_at: None,
            stop_requested: false,
            origin: crate::store::Origin::Trained,
            trials: vec![
                trial(1, 16, 0.0001, TrialState::Done, Some(0.8702)),
                trial(2, 32, 0.001, TrialState::Done, Some(0.8861)),
                trial(3, 48, 0.01, TrialState::Pruned, Some(0.9)),
            ],
        };
        let expected = "Results summary\nResults in study study-1\nShowing 2 best trials\nObjective(name=\"val_accuracy\", direction=\"max\")\n\n\
            Trial 2 summary\nHyperparameters:\nunits: 32\nlearning_rate: 0.001\nScore: 0.8861\n\n\
            Trial 1 summary\nHyperparameters:\nunits: 16\nlearning_rate: 0.0001\nScore: 0.8702";
        assert_eq!(results_summary(&plan(), &study), expected);
    }
}
