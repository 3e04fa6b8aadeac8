//! `/skin`: the report's residual network for skin lesions beside the report's figures, what it takes for what and where it looks, where to decide
//! between a missed disease and a false alarm, what helps against the imbalance, and a form to try it.

mod beside;
mod examples;
mod figures;
mod matrix;
mod network;
mod picture;
mod plots;
mod point;
mod remedies;
mod say;
mod splits;
mod view;

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};

use self::{
    beside::{BEST, Beside, PLAIN, Row, SYSTEM},
    examples::Grid,
    figures::Figures,
    picture::Picture,
    point::{Asked, Point},
    remedies::Remedies,
    splits::Part,
    view::{Column, Curves, View},
};
use super::{
    figures as files,
    networks::{Headline, Plate, Summary},
    page,
    words::Voice,
};
use crate::{
    data::Dataset,
    error::{AppError, AppResult},
    figure::Figure,
    report::{self, SkinReport},
    store::Run,
    train::{configuration, dataset_of},
    web::{
        AppState,
        parameters::Parameters,
        shell::Shell,
        uploads::{self, Classifier, Form},
    },
};

pub fn router() -> Router<AppState> {
    let pictures = Router::new()
        // Who changes the language behind a picture comes back here without it.
        .route("/skin/predict", get(async || Redirect::to("/skin#try")).post(predict))
        .layer(DefaultBodyLimit::max(uploads::BODY_LIMIT));
    Router::new().route("/skin", get(show)).merge(pictures)
}

async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&SkinPage::new(app, shell, &parameters, None)?)).await
}

/// The page with what a network says of a picture. The picture is stored nowhere.
async fn predict(State(state): State<AppState>, shell: Shell, multipart: Multipart) -> AppResult<Response> {
    let form = Form::read(multipart).await;
    let fields = form.as_ref().map(|form| form.fields.clone()).unwrap_or_default();
    let parameters =
        Parameters(fields.into_iter().filter(|(name, value)| ["run", "part"].contains(&name.as_str()) && !value.is_empty()).collect());
    let seen = match look(&state, form, &parameters).await {
        Ok(picture) => Seen::Picture(Box::new(picture)),
        Err(AppError::Invalid { field, reason }) if field == "image" => Seen::Fault(reason),
        Err(other) => return Err(other),
    };
    let status = if matches!(seen, Seen::Fault(_)) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    state.compute(move |app| Ok((status, page(&SkinPage::new(app, shell, &parameters, Some(seen))?)?).into_response())).await
}

async fn look(state: &AppState, form: AppResult<Form>, parameters: &Parameters) -> AppResult<Picture> {
    let image = form?.image()?;
    let asked = parameters.optional("run")?.map(str::to_owned);
    let run = if let Some(run) = asked {
        run
    } else {
        let askable = |app: &AppState| Ok(Beside::new(app)?.askable(app, None).map(|run| run.id.clone()));
        state.compute(askable).await?.ok_or_else(no_run)?
    };
    let classifier = Classifier::of(state, run).await?;
    Picture::look(state, classifier, image).await
}

/// Accuracy on the test images of the plain network and of the best, for the overview; by answers that are kept alone, since nobody waits for more.
///
/// # Errors
/// What a judgement that is kept can't be read for.
pub fn headline(app: &AppState) -> AppResult<Headline> {
    let remedies = Remedies::new(app, &Beside::new(app)?, &View::new(&Parameters::default())?, false)?;
    let accuracy = |id: &str| {
        let row = remedies.remedies.iter().find(|remedy| remedy.row.id == id && !remedies.is_synthetic);
        row.and_then(|row| row.measure(Column::Accuracy)).map(|spread| spread.mean)
    };
    Ok(Headline::new("skin", (report::skin().test.accuracy, 2), 3, accuracy(PLAIN), accuracy(BEST)))
}

pub use self::beside::measured;

fn no_run() -> AppError {
    AppError::Unavailable("There is no trained network yet; `torchboard train resnet14` trains one.".into())
}

/// Names the figures in addresses.
const NAMES: [&str; 9] = [
    "skin-network",
    "skin-confusion",
    "skin-precision-recall",
    "skin-roc",
    "skin-reliability",
    "skin-point",
    "skin-accuracy",
    "skin-loss",
    "skin-recall",
];

/// The file called `name`, such as `skin-confusion.csv`, for the parameters of the page.
///
/// # Errors
/// When there is no such figure, or no run to draw it from.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').filter(|(kind, _)| NAMES.contains(kind)).ok_or_else(absent)?;
    let (beside, view) = (Beside::new(app)?, View::new(parameters)?);
    let figure = figure(app, voice, kind, &beside, &view)?;
    files::faces(&figure, voice, parameters, kind, extension)
}

fn figure(app: &AppState, voice: Voice, kind: &str, beside: &Beside, view: &View) -> AppResult<Figure> {
    let run = run_of(app, beside, view)?;
    match kind {
        "skin-network" => network::drawing(voice, &plain_config(run.as_ref())?, dataset_shown(run.as_ref())?),
        "skin-accuracy" | "skin-loss" => plots::learning(app, voice, beside, &[kind.trim_start_matches("skin-")])?.pop().ok_or_else(no_run),
        "skin-recall" => {
            let remedies = Remedies::new(app, beside, view, false)?;
            let codes = plots::codes(dataset_shown(run.as_ref())?);
            remedies.drawn(view).and_then(|remedy| plots::recall(voice, &remedies, remedy, &codes)).ok_or_else(no_run)
        }
        "skin-point" => Ok(Asked::new(app, &run.ok_or_else(no_run)?, view)?.figure(voice)),
        _ => {
            let judgement = app.judge.judge(&run.ok_or_else(no_run)?.id, view.split)?;
            Ok(match kind {
                "skin-confusion" => plots::confusion(voice, &judgement, view.counting),
                "skin-precision-recall" => plots::curves(voice, &judgement, Curves::PrecisionRecall),
                "skin-roc" => plots::curves(voice, &judgement, Curves::Roc),
                _ => plots::reliability(voice, &judgement),
            })
        }
    }
}

/// The run that the address names, or the one that is shown where nobody asks for another.
fn run_of(app: &AppState, beside: &Beside, view: &View) -> AppResult<Option<Run>> {
    match view.given("run") {
        Some(id) => {
            let run = app.store.run(id)?;
            if run.system == SYSTEM { Ok(Some(run)) } else { Err(AppError::not_found(format!("{id} is no run of {SYSTEM}."))) }
        }
        None => Ok(beside.default_run().cloned()),
    }
}

/// The configuration whose network is drawn.
fn plain_config(run: Option<&Run>) -> AppResult<serde_json::Map<String, serde_json::Value>> {
    match run {
        // A run of another version may have keys that this one does not know; its network is in those that it does.
        Some(run) => Ok(configuration::resolve(SYSTEM, &run.config).unwrap_or_else(|_| run.config.clone())),
        None => configuration::resolve(SYSTEM, &serde_json::Map::new()),
    }
}

/// The data set that is spoken of.
fn dataset_shown(run: Option<&Run>) -> AppResult<&'static Dataset> {
    match run {
        Some(run) => dataset_of(&run.config),
        None => dataset_of(&configuration::resolve(SYSTEM, &serde_json::Map::new())?),
    }
}

/// What came of an upload.
enum Seen {
    Picture(Box<Picture>),
    /// What is wrong with it.
    Fault(String),
}

#[derive(Template)]
#[template(path = "skin.html")]
struct SkinPage {
    shell: Shell,
    voice: Voice,
    view: View,
    /// The one section that is asked for, where not all are.
    part: Option<String>,
    report: &'static SkinReport,
    beside: Beside,
    /// The run whose network is judged.
    run: Option<Run>,
    dataset: &'static Dataset,
    drawing: Plate,
    summary: Summary,
    parts: Vec<Part>,
    figures: Option<Figures>,
    examples: Option<Grid>,
    point: Option<Result<Point, String>>,
    remedies: Remedies,
    learning: Vec<Plate>,
    recall: Option<Plate>,
    /// The run whose network can be asked of a picture.
    asked: Option<Run>,
    picture: Option<Picture>,
    fault: Option<String>,
}

impl SkinPage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters, seen: Option<Seen>) -> AppResult<Self> {
        let (voice, view) = (Voice(shell.language), View::new(parameters)?);
        let part = parameters.optional("part")?.map(str::to_owned);
        let shows = |name: &str| part.as_ref().is_none_or(|part| part == name);
        let report = report::skin();
        let beside = Beside::new(app)?;
        let run = run_of(app, &beside, &view)?;
        let dataset = dataset_shown(run.as_ref())?;
        let config = plain_config(run.as_ref())?;
        let parts = if shows("splits") { Part::all(app, voice, run.as_ref(), report, &view)? } else { Vec::new() };
        let figures = run.as_ref().filter(|_| shows("splits")).map(|run| Figures::new(app, voice, run, &beside, &parts)).transpose()?;
        let examples = run.as_ref().filter(|_| shows("examples")).map(|run| Grid::new(app, run, dataset, &view)).transpose()?;
        let point = match run.as_ref().filter(|_| shows("point")) {
            Some(run) => Some(said_or_fault(Point::new(app, voice, run, &view))?),
            None => None,
        };
        let (mut remedies, mut learning, mut recall) = (Remedies::none(), Vec::new(), None);
        if shows("remedies") {
            remedies = Remedies::new(app, &beside, &view, view.given("measure").is_some())?;
            let figures = plots::learning(app, voice, &beside, &["accuracy", "loss"])?;
            learning = figures.iter().map(|figure| Plate::new(figure, "")).collect::<AppResult<_>>()?;
            let drawn =
                remedies.drawn(&view).and_then(|remedy| Some((remedy, plots::recall(voice, &remedies, remedy, &plots::codes(dataset))?)));
            let plate = |(remedy, figure): (&remedies::Remedy, Figure)| Plate::new(&figure, &view.query(&[("remedy", &remedy.row.id)]));
            recall = drawn.map(plate).transpose()?;
        }
        let asked = beside.askable(app, run.as_ref()).cloned();
        let (picture, fault) = match seen {
            Some(Seen::Picture(picture)) => (Some(*picture), None),
            Some(Seen::Fault(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        Ok(Self {
            drawing: Plate::new(&network::drawing(voice, &config, dataset)?, &view.query(&[]))?,
            summary: Summary::of(SYSTEM, &config, dataset.id())?,
            shell,
            voice,
            view,
            part,
            report,
            beside,
            run,
            dataset,
            parts,
            figures,
            examples,
            point,
            remedies,
            learning,
            recall,
            asked,
            picture,
            fault,
        })
    }

    /// Whether a section is to be shown.
    fn shows(&self, name: &str) -> bool {
        self.part.as_ref().is_none_or(|part| part == name)
    }
}

/// What is missing is said on the page; what the reader got wrong is an answer of its own.
fn said_or_fault<T>(found: AppResult<T>) -> AppResult<Result<T, String>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(AppError::Unavailable(why) | AppError::Conflict(why)) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}

/// What a row is called.
fn remedy_name(voice: Voice, row: &Row) -> String {
    let id = row.id.replace('_', "-");
    if REMEDIES.contains(&id.as_str()) { voice.say(&format!("skin-remedy-{id}")) } else { row.id.clone() }
}

/// Remedies that have a name in the reader's language.
const REMEDIES: [&str; 16] = [
    "plain",
    "class-weights",
    "balanced-sampling",
    "focal-loss",
    "flips-and-turns",
    "shifts",
    "colour",
    "mixup",
    "cutmix",
    "label-smoothing",
    "weight-decay",
    "averaging",
    "cosine",
    "temperature",
    "eight-views",
    "best",
];
