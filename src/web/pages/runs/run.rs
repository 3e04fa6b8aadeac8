//! `/runs/{id}`: one run: how far it is, its curves, what it was told and what it said.

use askama::Template;
use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{Html, Redirect},
};

use super::{
    super::{
        page,
        words::{Drawing, Sentence, Voice},
    },
    curves::{self, Curves, MOST_POINTS, View, series_name},
    show,
};
use crate::{
    error::{AppError, AppResult},
    store::{Change, Numbered, Origin, Run},
    train::{self, Event, configuration},
    web::{AppState, api, parameters::Parameters, shell::Shell},
};

pub async fn show(State(state): State<AppState>, Path(id): Path<String>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&RunPage::new(app, shell, &id, &parameters)?)).await
}

/// The buttons and the notes of the page.
pub async fn act(State(state): State<AppState>, Path(id): Path<String>, body: Bytes) -> AppResult<Redirect> {
    let act = move |app: &AppState| {
        let form = Parameters::parse(&String::from_utf8_lossy(&body));
        let run = match form.required("action")? {
            "cancel" => app.store.request_stop(&id)?.id,
            "resume" => api::runs::take_up(app, &id)?.id,
            "repeat" => api::runs::train_again(app, &id)?.id,
            "delete" => {
                app.store.delete_run(&id)?;
                return Ok(Redirect::to("/runs"));
            }
            "change" => {
                let text = |name: &str| -> AppResult<Option<String>> { Ok(form.optional(name)?.map(str::to_owned)) };
                let tags = form.optional("tags")?.map(|tags| tags.split([',', '،']).map(str::to_owned).collect());
                app.store.change_run(&id, &Change { name: text("name")?, notes: text("notes")?, tags })?.id
            }
            other => {
                return Err(AppError::invalid("action", format!("is {other:?}; expected cancel, resume, repeat, delete or change.")));
            }
        };
        Ok(Redirect::to(&format!("/runs/{run}")))
    };
    state.compute(act).await
}

#[derive(Template)]
#[template(path = "runs/run.html")]
struct RunPage {
    shell: Shell,
    voice: Voice,
    run: Run,
    /// How far the events are that the page shows: live curves go on from there.
    last_event: u64,
    is_synthetic: bool,
    view: View,
    charts: Vec<Chart>,
    log: Vec<Numbered>,
    /// Whether it came out as the run that it repeats.
    matched: Option<bool>,
}

/// What was measured, and its drawing.
pub struct Chart {
    /// Its name in the API.
    pub metric: String,
    /// Its title.
    pub title: String,
    /// Its reading.
    pub reading: String,
    /// The drawing, with its files.
    pub drawing: Drawing,
}

impl Chart {
    /// One for each measure of the runs.
    ///
    /// # Errors
    /// Never for finite numbers.
    pub fn all(voice: Voice, curves: &[Curves], view: &View) -> AppResult<Vec<Self>> {
        let chart = |metric: String| {
            let drawn = curves::drawing(voice, curves, &metric, view)?;
            Ok(drawn.map(|(figure, drawing)| Self { metric, title: figure.title, reading: figure.reading, drawing }))
        };
        curves::names(curves).into_iter().filter_map(|metric| chart(metric).transpose()).collect()
    }
}

/// Sentences of the log that are shown.
const LOG_LINES: usize = 200;

impl RunPage {
    fn new(app: &AppState, shell: Shell, id: &str, parameters: &Parameters) -> AppResult<Self> {
        let voice = Voice(shell.language);
        // Read first: what is stored meanwhile is both on the page and said again, which is better than lost.
        let last_event = app.store.last_event(id)?;
        let curves = Curves { run: app.store.run(id)?, series: app.store.curves_within(id, MOST_POINTS)? };
        let view = View::new(parameters)?;
        let charts = Chart::all(voice, std::slice::from_ref(&curves), &view)?;
        let run = curves.run;
        let original = run.repeats.as_ref().and_then(|original| app.store.run(original).ok());
        let matched = match (&run.weights, original.and_then(|original| original.weights)) {
            (Some(ours), Some(theirs)) => Some(*ours == theirs),
            _ => None,
        };
        Ok(Self {
            is_synthetic: show::is_synthetic(app, &run),
            log: app.store.log(id, LOG_LINES)?,
            shell,
            voice,
            run,
            last_event,
            view,
            charts,
            matched,
        })
    }

    /// The page's address says already which run it shows.
    fn no_runs(&self) -> &[Run] {
        &[]
    }

    fn state_name(&self) -> String {
        self.voice.say(&format!("runs-state-{}", self.run.state.name()))
    }

    fn is_moving(&self) -> bool {
        !self.run.state.is_final()
    }

    fn is_done(&self) -> bool {
        self.run.state == train::State::Done
    }

    /// Whether a worker can go on with it or repeat it.
    fn has_worker(&self) -> bool {
        configuration::systems().contains(&&*self.run.system)
    }

    fn is_shipped(&self) -> bool {
        self.run.origin != Origin::Trained
    }

    fn length(&self) -> Option<String> {
        show::duration_s(&self.run).map(|seconds| show::length(self.voice, seconds))
    }

    /// `epoch 3 of 50 · 12,000 examples a second · 2 min 05 s left`.
    fn progress_text(&self) -> String {
        let Some(progress) = self.run.progress else { return String::new() };
        let mut parts = vec![
            self.voice.sentence(
                &Sentence::new("runs-progress-epoch").number("epoch", progress.epoch as usize).number("epochs", progress.epochs as usize),
            ),
            self.voice.sentence(&Sentence::new("runs-progress-pace").number("pace", progress.examples_per_s.round() as usize)),
        ];
        if let Some(left) = progress.eta_s.filter(|_| self.is_moving()) {
            parts.push(self.voice.sentence(&Sentence::new("runs-progress-left").text("left", show::length(self.voice, left))));
        }
        parts.join(" · ")
    }

    /// Every setting, its value, what it does, and whether it is another than usual.
    fn settings(&self) -> Vec<(String, String, &'static str, bool)> {
        let fields = configuration::fields(&self.run.system).unwrap_or_default();
        let about = |name: &str| fields.iter().find(|field| field.name == name);
        let row = |(name, value): (&String, &serde_json::Value)| {
            let field = about(name);
            let changed = field.is_some_and(|field| field.default.value() != *value);
            (name.clone(), show::setting(value), field.map_or("", |field| field.about), changed)
        };
        let mut rows: Vec<_> = self.run.config.iter().map(row).collect();
        rows.sort_by_key(|(name, ..)| fields.iter().position(|field| field.name == name));
        rows
    }

    /// Best and last values: series, best, its epoch, last.
    fn results(&self) -> Vec<(String, String, u64, String)> {
        let shown = self.run.best.iter().filter(|(series, _)| !series.ends_with("learning_rate"));
        shown.map(|(series, best)| (series_name(self.voice, series), show::value(best.value), best.epoch, show::value(best.last))).collect()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let both = self.run.versions.iter().chain(&self.run.hardware);
        both.map(|(name, value)| (name.clone(), show::setting(value))).collect()
    }

    fn line(&self, numbered: &Numbered) -> String {
        match &numbered.event {
            Event::Log { message } => message.clone(),
            _ => String::new(),
        }
    }

    fn clock(&self, numbered: &Numbered) -> String {
        numbered.at.strftime("%H:%M:%S").to_string()
    }

    fn tags(&self) -> String {
        self.run.tags.join(self.voice.0.comma())
    }
}
