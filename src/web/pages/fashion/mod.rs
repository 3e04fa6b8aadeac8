//! `/fashion`: the report's perceptron trained again beside the report's figures, what goes beyond it, and how good it is.

mod beside;
mod picture;
mod plots;

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};

use self::{
    beside::{Beside, DATASET, Pair, SAMPLE, SYSTEM},
    picture::Picture,
    plots::Counting,
};
use super::{
    figures,
    networks::{Headline, Plate, Summary, grouped, is_of, signed},
    page,
    words::{Sentence, Voice, fixed},
};
use crate::{
    data::{self, Split},
    error::{AppError, AppResult},
    figure::{Cell, Table},
    jobs::Judgement,
    metrics::Interval,
    report::{self, FashionReport, Outcome},
    store::{Run, Study},
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
        .route("/fashion/predict", get(async || Redirect::to("/fashion#try")).post(predict))
        .layer(DefaultBodyLimit::max(uploads::BODY_LIMIT));
    Router::new().route("/fashion", get(show)).merge(pictures)
}

async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&FashionPage::new(app, shell, &parameters, None)?)).await
}

/// The page with what a network says of a picture. The picture is stored nowhere.
async fn predict(State(state): State<AppState>, shell: Shell, multipart: Multipart) -> AppResult<Response> {
    let form = Form::read(multipart).await;
    let fields = form.as_ref().map(|form| form.fields.clone()).unwrap_or_default();
    let parameters = Parameters(fields.into_iter().filter(|(name, value)| name == "run" && !value.is_empty()).collect());
    let seen = match look(&state, form, &parameters).await {
        Ok(picture) => Seen::Picture(Box::new(picture)),
        Err(AppError::Invalid { field, reason }) if field == "image" => Seen::Fault(reason),
        Err(other) => return Err(other),
    };
    let status = if matches!(seen, Seen::Fault(_)) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    state.compute(move |app| Ok((status, page(&FashionPage::new(app, shell, &parameters, Some(seen))?)?).into_response())).await
}

async fn look(state: &AppState, form: AppResult<Form>, parameters: &Parameters) -> AppResult<Picture> {
    let image = form?.image()?;
    let asked = parameters.optional("run")?.map(str::to_owned);
    let run = match asked {
        Some(run) => run,
        None => state.compute(|app| Ok(Beside::new(app)?.default_run().map(|run| run.id.clone()))).await?.ok_or_else(no_run)?,
    };
    let classifier = Classifier::of(state, run).await?;
    let upload = classifier.prepare(state, image).await?;
    let probabilities = classifier.answer(state, upload.pixels.clone()).await?;
    Picture::new(classifier.run, &upload, &classifier.dataset.classes, &probabilities)
}

/// Validation accuracy of the best network of the search, for the overview.
///
/// # Errors
/// The store's own.
pub fn headline(app: &AppState) -> AppResult<Headline> {
    let tuned = Beside::new(app)?.tuned;
    let again = tuned.mean().map(|last| last.validation_accuracy);
    Ok(Headline::new("fashion", (tuned.report.last.validation_accuracy, 4), 4, again, None))
}

pub use self::beside::measured;

fn no_run() -> AppError {
    AppError::Unavailable("There is no trained network yet; `torchboard train mlp` trains one.".into())
}

/// The file called `name`, such as `fashion-confusion.csv`, for the parameters of the page.
///
/// # Errors
/// When there is no such figure, or no run to draw it from.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').filter(|(kind, _)| plots::NAMES.contains(kind)).ok_or_else(absent)?;
    let figure = if let Some(measure) = ["loss", "accuracy"].into_iter().find(|measure| kind == format!("fashion-{measure}")) {
        plots::learning(app, voice, &Beside::new(app)?, measure)?.ok_or_else(no_run)?.0
    } else {
        let run = match parameters.optional("run")? {
            Some(run) => run.to_owned(),
            None => Beside::new(app)?.default_run().ok_or_else(no_run)?.id.clone(),
        };
        let judgement = app.judge.judge(&run, Split::Test)?;
        match kind {
            "fashion-confusion" => plots::confusion(voice, &judgement, counting(parameters)?),
            "fashion-precision-recall" => plots::curves(voice, &judgement, false),
            "fashion-roc" => plots::curves(voice, &judgement, true),
            _ => plots::reliability(voice, &judgement),
        }
    };
    figures::faces(&figure, voice, parameters, kind, extension)
}

fn counting(parameters: &Parameters) -> AppResult<Counting> {
    match parameters.optional("matrix")? {
        None | Some("images") => Ok(Counting::Images),
        Some("rows") => Ok(Counting::Rows),
        Some(other) => Err(AppError::invalid("matrix", format!("is {other:?}; expected images or rows."))),
    }
}

/// What came of an upload.
enum Seen {
    Picture(Box<Picture>),
    /// What is wrong with it.
    Fault(String),
}

#[derive(Template)]
#[template(path = "fashion.html")]
struct FashionPage {
    shell: Shell,
    voice: Voice,
    report: &'static FashionReport,
    beside: Beside,
    /// Of the report's tuned network.
    summary: Summary,
    learning: Vec<(Plate, Vec<Run>)>,
    /// The run whose network is judged and tried.
    run: Option<Run>,
    /// How good it is; or why that can't be said.
    test: Option<Result<Test, String>>,
    /// The best configuration's runs, one for each seed, and how much of the test images each gets right.
    beyond: Vec<(Run, Option<f64>)>,
    picture: Option<Picture>,
    fault: Option<String>,
}

/// A network on the test images.
struct Test {
    judgement: Arc<Judgement>,
    confusion: Plate,
    counting: Counting,
    precision_recall: Plate,
    reliability: Plate,
    mistakes: Vec<Mistake>,
    /// Whether the images themselves are here.
    has_images: bool,
    /// How many images more a click shows.
    more: Option<String>,
}

/// A test image that the network took for something else.
struct Mistake {
    index: usize,
    address: String,
    label: String,
    said: String,
    /// Of what was said.
    confidence: f32,
    /// Of what is true.
    truth: f32,
}

/// Mistakes that are shown first.
const MISTAKES: usize = 12;
const MOST_MISTAKES: usize = 96;

impl FashionPage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters, seen: Option<Seen>) -> AppResult<Self> {
        let voice = Voice(shell.language);
        let beside = Beside::new(app)?;
        let run = match parameters.optional("run")? {
            Some(id) => Some(app.store.run(id)?),
            None => beside.default_run().cloned(),
        };
        let test = match &run {
            None => None,
            Some(run) => match app.judge.judge(&run.id, Split::Test) {
                Ok(judgement) => Some(Ok(Test::new(app, voice, judgement, parameters)?)),
                Err(AppError::Unavailable(why) | AppError::Conflict(why)) => Some(Err(why)),
                Err(other) => return Err(other),
            },
        };
        let mut learning = Vec::new();
        for measure in ["loss", "accuracy"] {
            if let Some((figure, runs)) = plots::learning(app, voice, &beside, measure)? {
                learning.push((Plate::new(&figure, "")?, runs));
            }
        }
        let test_accuracy = |run: &Run| app.judge.judge(&run.id, Split::Test).ok().map(|judgement| judgement.evaluation.accuracy);
        let beyond = beside.seeds_of_best().into_iter().map(|run| (run.clone(), test_accuracy(run))).collect();
        let (picture, fault) = match seen {
            Some(Seen::Picture(picture)) => (Some(*picture), None),
            Some(Seen::Fault(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        let summary = Summary::of(SYSTEM, &beside.tuned.config, DATASET)?;
        Ok(Self { shell, voice, report: report::fashion(), beside, summary, learning, run, test, beyond, picture, fault })
    }

    /// The mean over the seeds, where there are several and all were judged.
    fn mean_beyond(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.beyond.iter().map(|(_, accuracy)| *accuracy).collect();
        all.filter(|all| all.len() > 1).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }

    fn pairs(&self) -> [&Pair; 2] {
        [&self.beside.untuned, &self.beside.tuned]
    }

    /// The four values of a training, as they stand in a table.
    fn values(&self, outcome: &Outcome) -> [String; 4] {
        [outcome.loss, outcome.accuracy, outcome.validation_loss, outcome.validation_accuracy].map(|value| fixed(value, 4))
    }

    /// How far our mean is from the report.
    fn differences(&self, pair: &Pair) -> Option<[String; 4]> {
        let (ours, theirs) = (pair.mean()?, pair.report.last);
        let pairs = [
            (ours.loss, theirs.loss),
            (ours.accuracy, theirs.accuracy),
            (ours.validation_loss, theirs.validation_loss),
            (ours.validation_accuracy, theirs.validation_accuracy),
        ];
        Some(pairs.map(|(ours, theirs)| signed(ours - theirs, 4)))
    }

    fn about(&self, pair: &Pair) -> String {
        let setting = |name: &str| pair.config.get(name).map(ToString::to_string).unwrap_or_default();
        let sentence = Sentence::new(format!("fashion-{}-about", pair.id))
            .text("units", setting("units"))
            .text("rate", setting("learning_rate"))
            .text("epochs", setting("epochs"));
        self.voice.sentence(&sentence)
    }

    fn fixed(&self, value: &f64, decimals: &str) -> String {
        fixed(*value, decimals.parse().unwrap_or(3))
    }

    fn percent(&self, share: &f32) -> String {
        format!("{:.1}%", 100.0 * share)
    }

    #[expect(clippy::ref_option, reason = "templates give references")]
    fn interval(&self, interval: &Option<Interval>) -> String {
        interval.map(|interval| format!("{} – {}", fixed(interval.low, 4), fixed(interval.high, 4))).unwrap_or_default()
    }

    fn is_synthetic(&self, run: &Run) -> bool {
        is_of(run, SAMPLE)
    }

    fn has_real_run(&self) -> bool {
        self.beside.runs.iter().any(|run| is_of(run, DATASET))
    }

    fn is_shown(&self, run: &Run) -> bool {
        self.run.as_ref().is_some_and(|shown| shown.id == run.id)
    }

    fn parameters(&self, run: &Run) -> String {
        run.parameters.map(|count| grouped(count as i64)).unwrap_or_default()
    }

    fn setting(&self, run: &Run, name: &str) -> String {
        run.config.get(name).map(ToString::to_string).unwrap_or_default()
    }

    /// The best trial of a study: its settings and its value.
    fn best_trial(&self, study: &Study) -> String {
        let best = study
            .trials
            .iter()
            .filter_map(|trial| Some((trial, trial.value?)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(trial, value)| {
            let settings: Vec<String> = trial.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} ({})", fixed(value, 4), settings.join(", "))
        })
        .unwrap_or_default()
    }

    fn story(&self, picture: &Picture) -> Vec<String> {
        picture.story(self.voice)
    }

    /// This page with another way of counting.
    fn counting_link(&self, matrix: &str) -> String {
        let run = self.run.as_ref().map(|run| format!("run={}&", run.id)).unwrap_or_default();
        format!("/fashion?{run}matrix={matrix}#confusion")
    }
}

impl Test {
    fn new(app: &AppState, voice: Voice, judgement: Arc<Judgement>, parameters: &Parameters) -> AppResult<Self> {
        let run = &judgement.run.id;
        let query = format!("?run={run}");
        let counting = counting(parameters)?;
        let matrix = if counting == Counting::Rows { "&matrix=rows" } else { "" };
        let shown = parameters.number("mistakes", MISTAKES, 1..=MOST_MISTAKES)?;
        let all = judgement.predictions.mistakes();
        let mistakes = all.iter().take(shown).map(|&index| Mistake::new(&judgement, index)).collect();
        let more = (shown < all.len().min(MOST_MISTAKES)).then(|| format!("/fashion?run={run}&mistakes={MOST_MISTAKES}#mistakes"));
        let mut precision_recall = Plate::new(&plots::curves(voice, &judgement, false), &query)?;
        precision_recall.drawing.table = areas(voice, &judgement); // the files have the points, which are thousands
        Ok(Self {
            confusion: Plate::new(&plots::confusion(voice, &judgement, counting), &format!("{query}{matrix}"))?,
            counting,
            precision_recall,
            reliability: Plate::new(&plots::reliability(voice, &judgement), &query)?,
            mistakes,
            has_images: app.datasets.status(judgement.dataset).state == data::State::Ready,
            more,
            judgement,
        })
    }

    fn plates(&self) -> [&Plate; 3] {
        [&self.confusion, &self.precision_recall, &self.reliability]
    }

    fn is_by_row(&self) -> bool {
        self.counting == Counting::Rows
    }
}

/// The area under each class's precision-recall curve.
fn areas(voice: Voice, judgement: &Judgement) -> Table {
    let areas = judgement.dataset.classes.iter().zip(&judgement.evaluation.average_precision.per_class);
    let cell = |text: String, number| Cell { text, number };
    let rows = areas.map(|(name, area)| vec![cell(name.clone(), false), cell(fixed(*area, 3), true)]).collect();
    Table { header: vec![voice.say("fashion-class"), voice.say("fashion-average-precision")], rows }
}

impl Mistake {
    fn new(judgement: &Judgement, index: usize) -> Self {
        let (predictions, names) = (&judgement.predictions, &judgement.dataset.classes);
        let (label, said) = (usize::from(predictions.labels()[index]), usize::from(predictions.predicted()[index]));
        Self {
            index,
            address: format!("/api/v1/datasets/{}/images/test/{index}.png", judgement.dataset.id()),
            label: names[label].clone(),
            said: names[said].clone(),
            confidence: predictions.confidence(index),
            truth: predictions.row(index)[label],
        }
    }
}
