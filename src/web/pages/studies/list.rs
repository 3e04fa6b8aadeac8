//! `/studies`: all studies, and the form that asks for one.

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::{
    super::{
        page,
        words::{Voice, fixed},
    },
    form::Form,
    is_synthetic, objective_name,
};
use crate::{
    error::{AppError, AppResult},
    jobs,
    store::{Study, TrialState},
    tune::Plan,
    web::{AppState, shell::Shell},
};

pub async fn show(State(state): State<AppState>, shell: Shell) -> AppResult<Html<String>> {
    state.compute(move |app| page(&ListPage::new(app, shell, Form::empty())?)).await
}

/// Asks for a study. What can't be used is said, and what was typed stays.
pub async fn ask(State(state): State<AppState>, shell: Shell, body: Bytes) -> AppResult<Response> {
    let ask = move |app: &AppState| {
        let mut form = Form::sent(&body);
        let (status, field, reason) = match form.submit(app) {
            Ok(study) => return Ok(Redirect::to(&format!("/studies/{study}")).into_response()),
            Err(AppError::Invalid { field, reason }) => (StatusCode::UNPROCESSABLE_ENTITY, field, reason),
            Err(AppError::Unavailable(why)) => (StatusCode::SERVICE_UNAVAILABLE, String::new(), why),
            Err(other) => return Err(other),
        };
        form.fault = Some((field, reason));
        Ok((status, page(&ListPage::new(app, shell, form)?)?).into_response())
    };
    state.compute(ask).await
}

#[derive(Template)]
#[template(path = "studies/list.html")]
struct ListPage {
    shell: Shell,
    voice: Voice,
    rows: Vec<Row>,
    form: Form,
}

struct Row {
    study: Study,
    plan: Plan,
    is_synthetic: bool,
}

impl ListPage {
    fn new(app: &AppState, shell: Shell, form: Form) -> AppResult<Self> {
        let studies = app.store.studies()?;
        // One that a newer version stored may not be readable; the others are.
        let row = |study: Study| {
            let plan = Plan::from_map(&study.spec).ok()?;
            Some(Row { is_synthetic: is_synthetic(app, &plan), plan, study })
        };
        let rows = studies.into_iter().filter_map(row).collect();
        Ok(Self { voice: Voice(shell.language), shell, rows, form })
    }

    fn is_moving(&self) -> bool {
        self.rows.iter().any(|row| !row.study.state.is_final())
    }

    fn state_name(&self, row: &Row) -> String {
        self.voice.say(&format!("studies-state-{}", row.study.state.name()))
    }

    fn done(&self, row: &Row) -> usize {
        row.study.trials.iter().filter(|trial| trial.state != TrialState::Running).count()
    }

    fn best(&self, row: &Row) -> String {
        jobs::best_trial(&row.plan, &row.study.trials).and_then(|trial| trial.value).map(|value| fixed(value, 4)).unwrap_or_default()
    }

    fn best_settings(&self, row: &Row) -> String {
        jobs::best_trial(&row.plan, &row.study.trials).map(|trial| row.plan.parameters(&trial.parameters).to_string()).unwrap_or_default()
    }

    fn objective(&self, row: &Row) -> String {
        objective_name(self.voice, &row.plan.objective)
    }

    fn objective_option(&self, name: &str) -> String {
        objective_name(self.voice, name)
    }

    fn space(&self, row: &Row) -> String {
        row.plan.space.to_written().join(" ")
    }
}
