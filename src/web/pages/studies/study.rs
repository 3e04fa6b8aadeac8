//! `/studies/{id}`: one study: its trials, what they say of the space, and the training of the best.

use askama::Template;
use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{Html, Redirect},
};

use super::{
    super::{
        page, runs,
        words::{Drawing, Voice, fixed},
    },
    is_synthetic, objective_name,
    plots::{self, Studied},
};
use crate::{
    error::{AppError, AppResult},
    jobs,
    store::{Study, Trial, TrialState},
    train::State as RunState,
    tune::{Plan, plain},
    web::{AppState, api, parameters::Parameters, shell::Shell},
};

/// Names of the figures in addresses.
pub const FIGURES: [&str; 6] =
    ["studies-history", "studies-importance", "studies-contour", "studies-parallel", "studies-slice", "studies-timeline"];

pub async fn show(State(state): State<AppState>, Path(id): Path<String>, shell: Shell) -> AppResult<Html<String>> {
    state.compute(move |app| page(&StudyPage::new(app, shell, &id)?)).await
}

/// The buttons of the page.
pub async fn act(State(state): State<AppState>, Path(id): Path<String>, body: Bytes) -> AppResult<Redirect> {
    let act = move |app: &AppState| {
        let form = Parameters::parse(&String::from_utf8_lossy(&body));
        match form.required("action")? {
            "cancel" => app.store.request_study_stop(&id)?,
            "resume" => app.store.resume_study(&id, RunState::Queued)?,
            "train" => return train_best(app, &id),
            other => return Err(AppError::invalid("action", format!("is {other:?}; expected cancel, resume or train."))),
        };
        Ok(Redirect::to(&format!("/studies/{id}")))
    };
    state.compute(act).await
}

/// A run with the settings of the best trial, which belongs to no study.
fn train_best(app: &AppState, id: &str) -> AppResult<Redirect> {
    let study = app.store.study(id)?;
    let plan = Plan::from_map(&study.spec)?;
    let best = jobs::best_trial(&plan, &study.trials);
    let best = best.ok_or_else(|| AppError::Conflict(format!("No trial of {id} has come to its end yet.")))?;
    let asked = jobs::Plan {
        system: study.system.clone(),
        name: format!("{} #{}", study.name, best.number),
        config: plan.config_of(&plan.parameters(&best.parameters)),
        seed: plan.seed,
        tags: vec!["best of a study".to_owned()],
        ..jobs::Plan::default()
    };
    let run = api::runs::submit(app, &asked)?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

#[derive(Template)]
#[template(path = "studies/study.html")]
struct StudyPage {
    shell: Shell,
    voice: Voice,
    study: Study,
    plan: Plan,
    /// How far the events are that the page shows: live trials go on from there.
    last_event: u64,
    is_synthetic: bool,
    plates: Vec<Plate>,
}

/// A figure with its drawing.
struct Plate {
    id: String,
    title: String,
    reading: String,
    drawing: Drawing,
}

impl StudyPage {
    fn new(app: &AppState, shell: Shell, id: &str) -> AppResult<Self> {
        let voice = Voice(shell.language);
        // Read first: what is stored meanwhile is said again, which is better than lost.
        let last_event = app.store.study_events_after(id, 0)?.last().map_or(0, |event| event.number);
        let study = app.store.study(id)?;
        let plan = Plan::from_map(&study.spec)?;
        let plates = Self::plates(voice, &study, &plan)?;
        Ok(Self { is_synthetic: is_synthetic(app, &plan), shell, voice, study, plan, last_event, plates })
    }

    fn plates(voice: Voice, study: &Study, plan: &Plan) -> AppResult<Vec<Plate>> {
        let (surrogate, importance) = plots::learn(plan, study);
        let studied = Studied { study, plan, surrogate: surrogate.as_ref(), importance: &importance };
        let mut plates = Vec::new();
        for name in FIGURES {
            let dimensions = if name == "studies-slice" { plan.space.iter().map(|(name, _)| name).collect() } else { vec![""] };
            for dimension in dimensions {
                let Some(figure) = studied.figure(voice, name, dimension) else { continue };
                let of = if dimension.is_empty() { String::new() } else { format!("&dimension={dimension}") };
                let drawing = Drawing::new(&figure, name, &format!("?study={}{of}", study.id))?;
                plates.push(Plate { id: figure.id, title: figure.title, reading: figure.reading, drawing });
            }
        }
        Ok(plates)
    }

    fn is_moving(&self) -> bool {
        !self.study.state.is_final()
    }

    fn can_resume(&self) -> bool {
        self.study.state.is_final() && self.study.state != RunState::Done
    }

    fn state_name(&self) -> String {
        self.voice.say(&format!("studies-state-{}", self.study.state.name()))
    }

    fn trial_state(&self, trial: &Trial) -> String {
        self.voice.say(&format!("studies-trial-{}", trial.state.name()))
    }

    fn ended(&self) -> usize {
        self.study.trials.iter().filter(|trial| trial.state != TrialState::Running).count()
    }

    fn best(&self) -> Option<&Trial> {
        jobs::best_trial(&self.plan, &self.study.trials)
    }

    fn is_best(&self, trial: &Trial) -> bool {
        self.best().is_some_and(|best| best.number == trial.number)
    }

    fn names(&self) -> Vec<&str> {
        self.plan.space.iter().map(|(name, _)| name).collect()
    }

    fn settings(&self, trial: &Trial) -> Vec<String> {
        self.plan.space.iter().map(|(name, _)| trial.parameters.get(name).map(plain).unwrap_or_default()).collect()
    }

    fn settings_text(&self, trial: &Trial) -> String {
        self.plan.parameters(&trial.parameters).to_string()
    }

    fn value(&self, trial: &Trial) -> String {
        trial.value.map(|value| fixed(value, 4)).unwrap_or_default()
    }

    fn length(&self, trial: &Trial) -> String {
        trial.duration_s().map(|seconds| runs::length(self.voice, seconds)).unwrap_or_default()
    }

    fn objective(&self) -> String {
        objective_name(self.voice, &self.plan.objective)
    }

    fn size(&self) -> Option<u64> {
        self.plan.space.size()
    }

    fn written(&self) -> Vec<String> {
        self.plan.space.to_written()
    }

    fn shared(&self) -> Vec<(String, String)> {
        self.plan.config.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
    }

    /// The trials beside each other: the best of them, as many as a comparison takes.
    fn comparison(&self) -> String {
        let mut trials: Vec<&Trial> = self.study.trials.iter().filter(|trial| trial.value.is_some() && trial.run.is_some()).collect();
        let score = |trial: &Trial| self.plan.direction().sign() * trial.value.unwrap_or(f64::NEG_INFINITY);
        trials.sort_by(|one, other| score(other).total_cmp(&score(one)));
        let runs: Vec<String> = trials.iter().take(5).filter_map(|trial| Some(format!("run={}", trial.run.as_ref()?))).collect();
        format!("/compare?{}", runs.join("&"))
    }
}
