//! `/triplet`: the report's network that embeds digits, trained again beside the report's figures; other ways to choose triplets; maps of where images
//! lie, before and after the training; pictures that people draw; and what the network still gets wrong.

mod beside;
mod miners;
mod network;
mod picture;
mod plots;
mod view;

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
    beside::{Beside, DATASET, Epoch, SAMPLE, SYSTEM},
    miners::{Measured, Miners},
    network::Block,
    picture::Picture,
    view::{Colouring, SIZES, SPLITS, View},
};
use super::{
    figures,
    networks::{Headline, Plate, Summary, grouped, is_of, signed},
    page,
    words::{Drawing, Sentence, Voice, fixed},
};
use crate::{
    data::{self, Dataset, Split},
    error::{AppError, AppResult},
    figure::Figure,
    jobs::{self, Embedder, HardTriplet, Map, Retrieval, Stage},
    report::Losses,
    store::Run,
    train::dataset_of,
    web::{
        AppState,
        parameters::Parameters,
        shell::{Shell, Theme},
        uploads::{self, Classifier, Form},
    },
};

pub fn router() -> Router<AppState> {
    let pictures = Router::new()
        // Who changes the language behind a picture comes back here without it.
        .route("/triplet/predict", get(async || Redirect::to("/triplet#try")).post(predict))
        .layer(DefaultBodyLimit::max(uploads::BODY_LIMIT));
    Router::new().route("/triplet", get(show)).merge(pictures)
}

async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Html<String>> {
    state.compute(move |app| page(&TripletPage::new(app, shell, &parameters, None)?)).await
}

/// The page with where a network puts a picture. The picture is stored nowhere.
async fn predict(State(state): State<AppState>, shell: Shell, multipart: Multipart) -> AppResult<Response> {
    let form = Form::read(multipart).await;
    let fields = form.as_ref().map(|form| form.fields.clone()).unwrap_or_default();
    let parameters = Parameters(fields.into_iter().filter(|(_, value)| !value.is_empty()).collect());
    let seen = match look(&state, form, &parameters).await {
        Ok(picture) => Seen::Picture(Box::new(picture)),
        Err(AppError::Invalid { field, reason }) if field == "image" => Seen::Fault(reason),
        Err(other) => return Err(other),
    };
    let status = if matches!(seen, Seen::Fault(_)) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    state.compute(move |app| Ok((status, page(&TripletPage::new(app, shell, &parameters, Some(seen))?)?).into_response())).await
}

async fn look(state: &AppState, form: AppResult<Form>, parameters: &Parameters) -> AppResult<Picture> {
    let image = form?.image()?;
    let given = parameters.clone();
    let view = state.compute(move |app| view_of(app, &Beside::new(app)?, &given)).await?.ok_or_else(no_run)?;
    let classifier = Classifier::of(state, view.run().to_owned()).await?;
    if !classifier.embeds() {
        return Err(AppError::Conflict(format!("The network of {} makes no embeddings: it tells classes apart.", classifier.run.id)));
    }
    let upload = classifier.prepare(state, image).await?;
    picture::require_something(&upload)?;
    let embedding = classifier.answer(state, upload.pixels.clone()).await?;
    state.compute(move |app| Picture::new(app, classifier.run, classifier.dataset, &upload, embedding, &view)).await
}

/// Validation loss after the report's last epoch, for the overview.
///
/// # Errors
/// The store's own.
pub fn headline(app: &AppState) -> AppResult<Headline> {
    let last = Beside::new(app)?.epochs().pop();
    let report = last.as_ref().map_or(f64::NAN, |last| last.report.validation_loss);
    Ok(Headline::new("triplet", (report, 4), 4, last.and_then(|last| last.ours).map(|ours| ours.validation_loss), None))
}

pub use self::beside::measured;

fn no_run() -> AppError {
    AppError::Unavailable("There is no trained network yet; `torchboard train triplet` trains one.".into())
}

/// The map that is asked for; `None` where there is no run.
fn view_of(app: &AppState, beside: &Beside, parameters: &Parameters) -> AppResult<Option<View>> {
    let run = match parameters.optional("run")? {
        Some(id) => Some(app.store.run(id)?.id),
        None => beside.default_run().map(|run| run.id.clone()),
    };
    run.map(|run| View::new(run, parameters)).transpose()
}

/// The file called `name`, such as `triplet-map.csv`, for the parameters of the page. A map is drawn for it, if it is not too large to be waited for.
///
/// # Errors
/// When there is no such figure, or no run to draw it from.
pub fn file(app: &AppState, voice: Voice, name: &str, parameters: &Parameters) -> AppResult<Response> {
    let absent = || AppError::not_found(format!("There is no figure {name:?}."));
    let (kind, extension) = name.rsplit_once('.').filter(|(kind, _)| plots::NAMES.contains(kind)).ok_or_else(absent)?;
    let beside = Beside::new(app)?;
    let figure = match kind {
        "triplet-loss" => plots::losses(voice, &beside),
        "triplet-active" => plots::active(app, voice, &Miners::new(app, &beside, false))?.ok_or_else(no_run)?,
        _ => map_figure(app, voice, &view_of(app, &beside, parameters)?.ok_or_else(no_run)?, parameters)?,
    };
    figures::faces(&figure, voice, parameters, kind, extension)
}

fn map_figure(app: &AppState, voice: Voice, view: &View, parameters: &Parameters) -> AppResult<Figure> {
    let stage = parameters.text("stage", "after")?;
    let stage = Stage::named(stage).ok_or_else(|| AppError::invalid("stage", format!("is {stage:?}; expected before or after.")))?;
    let map = match app.maps.done(view.wanted(stage))? {
        Some(map) => map,
        None => draw(app, view, stage)?,
    };
    let said = if view.colouring == Colouring::Label { None } else { Some(said(app, view)?) };
    let mark = match parameters.optional("mark")? {
        None => None,
        Some(text) => {
            let numbers: Vec<f64> = text.split(',').filter_map(|part| part.parse().ok()).filter(|value: &f64| value.is_finite()).collect();
            let mark = <[f64; 2]>::try_from(numbers);
            Some(mark.map_err(|_| AppError::invalid("mark", format!("is {text:?}; expected two numbers, as in 1.5,-2.")))?)
        }
    };
    Ok(plots::map(voice, view, stage, &map, said.as_deref(), mark))
}

/// Draws the map and waits for it, as long as it is waited for elsewhere.
fn draw(app: &AppState, view: &View, stage: Stage) -> AppResult<Arc<Map>> {
    let unfolding = app.maps.open(view.wanted(stage))?;
    tokio::runtime::Handle::current().block_on(unfolding.wait(PATIENCE))
}

/// So long a map is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);

/// Labels that neighbours have, for each image of the map.
fn said(app: &AppState, view: &View) -> AppResult<Vec<u8>> {
    let of = |split| Ok(app.embedder.retrieval(view.run(), split)?.said.clone());
    Ok(view.splits().into_iter().map(of).collect::<AppResult<Vec<_>>>()?.concat())
}

/// What came of an upload.
enum Seen {
    Picture(Box<Picture>),
    /// What is wrong with it.
    Fault(String),
}

#[derive(Template)]
#[template(path = "triplet.html")]
struct TripletPage {
    shell: Shell,
    voice: Voice,
    beside: Beside,
    epochs: Vec<Epoch>,
    losses: Plate,
    summary: Summary,
    blocks: Vec<Block>,
    miners: Miners,
    active: Option<Plate>,
    /// The run whose network is looked into.
    shown: Option<Shown>,
    picture: Option<Picture>,
    fault: Option<String>,
}

/// A run and what its network does.
struct Shown {
    run: Run,
    dataset: &'static Dataset,
    view: View,
    /// Before and after the training.
    maps: [Side; 2],
    /// How well it brings the test images of one label together, where that was measured.
    retrieval: Option<Retrieval>,
    /// Those of the first test images; or why they are not shown; `None` while no network has looked at them.
    hardest: Option<Result<Vec<HardTriplet>, String>>,
    /// Whether the images themselves are here.
    has_images: bool,
    /// Images of the training split that are learned from.
    train: usize,
}

/// One map.
struct Side {
    stage: Stage,
    /// The drawing, where the map is done.
    drawing: Option<Drawing>,
    /// How to read it.
    reading: String,
}

/// Test images among which the hardest triplets are looked for.
const HARD_AMONG: usize = 2_000;
const HARD_SHOWN: usize = 12;

impl TripletPage {
    fn new(app: &AppState, shell: Shell, parameters: &Parameters, seen: Option<Seen>) -> AppResult<Self> {
        let voice = Voice(shell.language);
        let beside = Beside::new(app)?;
        let asked = |name: &str| Ok::<_, AppError>(parameters.optional(name)?.is_some());
        let miners = Miners::new(app, &beside, asked("measure")?);
        let active = plots::active(app, voice, &miners)?.map(|figure| Plate::new(&figure, "")).transpose()?;
        let shown = match view_of(app, &beside, parameters)? {
            Some(view) => Some(Shown::new(app, voice, view, asked("look")?)?),
            None => None,
        };
        let (picture, fault) = match seen {
            Some(Seen::Picture(picture)) => (Some(*picture), None),
            Some(Seen::Fault(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        let summary = Summary::of(SYSTEM, &beside.config, DATASET)?;
        Ok(Self {
            voice,
            epochs: beside.epochs(),
            losses: Plate::new(&plots::losses(voice, &beside), "")?,
            blocks: network::blocks(&summary, [28, 28, 1]),
            summary,
            miners,
            active,
            shown,
            picture,
            fault,
            beside,
            shell,
        })
    }

    fn say(&self, key: &str) -> String {
        self.voice.say(key)
    }

    fn fixed(&self, value: &f64, decimals: &str) -> String {
        fixed(*value, decimals.parse().unwrap_or(3))
    }

    fn fixed32(&self, value: &f32) -> String {
        fixed(f64::from(*value), 3)
    }

    fn percent(&self, share: &f64) -> String {
        format!("{:.2}%", 100.0 * share)
    }

    fn losses_of(&self, losses: &Losses) -> [String; 2] {
        [fixed(losses.loss, 4), fixed(losses.validation_loss, 4)]
    }

    /// Ours minus the report's, after the last epoch.
    fn difference(&self) -> Option<[String; 2]> {
        let last = self.epochs.last()?;
        let ours = last.ours?;
        Some([signed(ours.loss - last.report.loss, 4), signed(ours.validation_loss - last.report.validation_loss, 4)])
    }

    fn about_beside(&self) -> String {
        let report = self.beside.report;
        let sentence = Sentence::new("triplet-beside-about")
            .number("triplets", report.triplets as usize)
            .number("pairs", report.pairs_per_label as usize)
            .number("negatives", report.negatives_per_pair as usize)
            .number("batch", report.batch_size as usize)
            .number("seconds", report.epoch_s as usize)
            .text("margin", report.margin.to_string())
            .text("rate", report.learning_rate.to_string());
        self.voice.sentence(&sentence)
    }

    fn about_hardest(&self) -> String {
        let sentence = Sentence::new("triplet-hardest-about").number("images", HARD_AMONG);
        self.voice.sentence(&sentence)
    }

    fn votes(&self, picture: &Picture) -> String {
        let sentence = Sentence::new("triplet-votes").number("votes", picture.votes).number("voters", picture.voters);
        self.voice.sentence(&sentence)
    }

    fn unmeasured(&self) -> String {
        self.voice.sentence(&Sentence::new("triplet-unmeasured").count("count", self.miners.unmeasured))
    }

    fn is_synthetic(&self, run: &Run) -> bool {
        is_of(run, SAMPLE)
    }

    fn has_real_run(&self) -> bool {
        self.beside.runs.iter().any(|run| is_of(run, DATASET))
    }

    fn is_shown(&self, run: &Run) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.run.id == run.id)
    }

    fn thousands(&self, count: &u64) -> String {
        grouped(*count as i64)
    }

    /// The columns of the table that come from retrieval.
    fn measures(&self, measured: &Measured) -> [String; 6] {
        let [one, five, ten] = measured.recall;
        let mut texts = [measured.knn_accuracy, one, five, ten, measured.map_at_r, measured.silhouette].map(|value| fixed(value, 4));
        if let Some(deviation) = measured.knn_deviation {
            texts[0] = format!("{} ± {}", texts[0], fixed(deviation, 4));
        }
        texts
    }

    /// What a list of the form offers: value, name, and whether the address asks for it.
    fn options(&self, shown: &Shown, field: &str) -> Vec<(String, String, bool)> {
        let view = &shown.view;
        let named = |value: &str, key: &str, chosen: &str| (value.to_owned(), self.say(key), value == chosen);
        match field {
            "split" => SPLITS.map(|split| named(split, &format!("triplet-split-{split}"), view.split())).into(),
            "colour" => Colouring::ALL
                .map(|colouring| named(colouring.name(), &format!("triplet-colour-{}", colouring.name()), view.colouring.name()))
                .into(),
            "method" => {
                [("tsne", "t-SNE"), ("pca", "PCA")].map(|(value, name)| (value.to_owned(), name.to_owned(), value == view.method())).into()
            }
            _ => {
                let own = Some(view.n()).filter(|n| !SIZES.contains(n));
                own.into_iter().chain(SIZES).map(|size| (size.to_string(), self.size_name(size), size == view.n())).collect()
            }
        }
    }

    fn size_name(&self, size: usize) -> String {
        let number = grouped(size as i64);
        match SIZES.iter().position(|other| *other == size) {
            Some(0) => format!("{number} ({})", self.say("triplet-reports")),
            Some(3) => self.say("triplet-all"),
            _ => number,
        }
    }

    /// The images of a triplet: what each is, its place, how far it is from the anchor.
    fn roles(&self, hard: &jobs::HardTriplet) -> [(&'static str, usize, Option<f32>); 3] {
        [
            ("anchor", hard.anchor, None),
            ("positive", hard.positive, Some(hard.to_positive)),
            ("negative", hard.negative, Some(hard.to_negative)),
        ]
    }

    fn story(&self, picture: &Picture) -> Vec<String> {
        picture.story(self.voice)
    }

    fn theme(&self) -> &'static str {
        if self.shell.theme == Theme::Dark { "dark" } else { "light" }
    }

    fn follows_system(&self) -> bool {
        self.shell.theme == Theme::System
    }
}

impl Shown {
    fn new(app: &AppState, voice: Voice, view: View, look: bool) -> AppResult<Self> {
        let run = app.store.run(view.run())?;
        let dataset = dataset_of(&run.config)?;
        let can = |stage| app.embedder.has_embeddings(&run, Split::Test, stage);
        // What was kept is shown at once; a few thousand drawn images are looked at within the request. Else the reader says when.
        let look = look || dataset.is_synthetic();
        let retrieval = match app.embedder.kept_retrieval(&run, Split::Test) {
            None if look => app.embedder.retrieval(&run.id, Split::Test).ok().map(|found| Retrieval::clone(&found)),
            kept => kept,
        };
        let hardest = if look || can(Stage::After) {
            match app.embedder.embeddings(&run.id, Split::Test, Stage::After) {
                Ok(own) => Some(jobs::hardest_triplets(&own, HARD_AMONG, HARD_SHOWN).map_err(|error| error.to_string())),
                Err(AppError::Unavailable(why) | AppError::Conflict(why)) => Some(Err(why)),
                Err(other) => return Err(other),
            }
        } else {
            None
        };
        let maps = [Stage::Before, Stage::After].map(|stage| Side::new(app, voice, &view, stage, look));
        let [before, after] = maps;
        Ok(Self {
            has_images: app.datasets.status(dataset).state == data::State::Ready,
            train: Embedder::count(&run, Split::Train)?,
            maps: [before?, after?],
            run,
            dataset,
            view,
            retrieval,
            hardest,
        })
    }

    fn is_by_error(&self) -> bool {
        self.view.colouring == Colouring::Error
    }

    fn image(&self, index: &usize) -> String {
        format!("/api/v1/datasets/{}/images/test/{index}.png", self.dataset.id())
    }
}

impl Side {
    /// The drawing stands in the page when the map is done, or when it is drawn within the request: it is small, and `look` says so.
    fn new(app: &AppState, voice: Voice, view: &View, stage: Stage, look: bool) -> AppResult<Self> {
        let map = match app.maps.done(view.wanted(stage))? {
            None if look && view.is_small() => draw(app, view, stage).ok(),
            done => done,
        };
        let Some(map) = map else { return Ok(Self { stage, drawing: None, reading: String::new() }) };
        let told = if view.colouring == Colouring::Label { Some(None) } else { kept_said(app, view)?.map(Some) };
        // Colours that nobody knows yet are those of labels.
        let (view, told) = match told {
            Some(told) => (view.clone(), told),
            None => (view.coloured(Colouring::Label), None),
        };
        let figure = plots::map(voice, &view, stage, &map, told.as_deref(), None);
        let drawing = Drawing::new(&figure, "triplet-map", &format!("{}&stage={}", view.query(), stage.name()))?;
        Ok(Self { stage, drawing: Some(drawing), reading: figure.reading })
    }

    fn title(&self) -> String {
        format!("triplet-map-{}", self.stage.name())
    }
}

/// As [`said`], where it is kept.
fn kept_said(app: &AppState, view: &View) -> AppResult<Option<Vec<u8>>> {
    let run = app.store.run(view.run())?;
    let of = |split| app.embedder.kept_retrieval(&run, split).map(|found| found.said);
    Ok(view.splits().into_iter().map(of).collect::<Option<Vec<_>>>().map(|parts| parts.concat()))
}
