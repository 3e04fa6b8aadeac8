//! The images of a split with what the network said of each.

use super::{beside::is_askable, view::View};
use crate::{
    data::{self, Dataset, Split},
    error::{AppError, AppResult},
    figure::LEVELS,
    jobs::{Asked, Judgement, Lesions, Only, Order, Selection},
    store::Run,
    web::AppState,
};

/// Images on a page.
const PAGE: usize = 24;
/// Pixels of an image on the page.
const SIDE: usize = 112;

/// One page of images.
pub struct Grid {
    /// Whose images.
    pub split: Split,
    /// In the order that is asked for.
    pub items: Vec<Example>,
    /// How many fit what is asked for.
    pub found: usize,
    /// How many there are.
    pub all: usize,
    /// What brings the images, where they are not here.
    pub absent: Option<String>,
    /// Why nothing is shown.
    pub fault: Option<String>,
    /// Whether it is known which images show one lesion.
    pub knows_lesions: bool,
    /// The address of the page before.
    pub previous: Option<String>,
    /// The address of the page behind.
    pub next: Option<String>,
    first: usize,
}

/// One image.
pub struct Example {
    /// Its number in the split.
    pub index: usize,
    /// Its true class.
    pub label: usize,
    /// What the network took it for.
    pub prediction: usize,
    /// Of every class.
    pub probabilities: Vec<f32>,
    /// The address of the image.
    pub image: String,
    /// What the network looked at, where that is to be shown and can be.
    pub attention: Option<Attention>,
    /// Whether another image of its lesion was learned from; unknown: no.
    pub is_seen: bool,
}

/// What a network looked at in an image.
pub enum Attention {
    /// The address of the image with it.
    Picture(String),
    /// By itself, where the image is not here: places in pixels and steps of the sequential scale, and the side of a place.
    Heat(Vec<(usize, usize, usize)>, usize),
}

impl Grid {
    /// The page of images that the address asks for, of the network of `run`.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when there is no such class.
    pub fn new(app: &AppState, run: &Run, dataset: &'static Dataset, view: &View) -> AppResult<Self> {
        let lesions = if view.is_unseen { Lesions::Unseen } else { Lesions::All };
        let whole = app.judge.judge(&run.id, view.split);
        let asked = whole.and_then(|whole| {
            let asked =
                if view.is_unseen { app.judge.judge_as(&run.id, &Asked { lesions, ..Asked::of(view.split) })? } else { whole.clone() };
            Ok((whole, asked))
        });
        let (whole, judgement) = match asked {
            Ok(both) => both,
            Err(AppError::Unavailable(why) | AppError::Conflict(why)) => return Ok(Self::without(view.split, why)),
            Err(AppError::Invalid { field, reason }) if field == "lesions" => return Ok(Self::without(view.split, reason)),
            Err(other) => return Err(other),
        };
        let class = |name: &'static str| match view.given(name) {
            None => Ok(None),
            Some(text) => dataset.class(text).map(Some).ok_or_else(|| {
                let known: Vec<&str> = (0..dataset.classes.len()).filter_map(|label| dataset.short_name(label)).collect();
                AppError::invalid(name, format!("is {text:?}; expected a label from 0 or one of {}.", known.join(", ")))
            }),
        };
        let selection = Selection {
            label: class("true")?,
            decided: class("predicted")?,
            only: Only::named(view.only.name()),
            order: Order::named(view.order.name()).unwrap_or_default(),
        };
        let rows = selection.rows(&judgement);
        let seen = app.judge.seen(&judgement).ok();
        let status = app.datasets.status(dataset);
        let has_images = status.state == data::State::Ready;
        let attends = view.has_attention.then(|| has_images && is_askable(app, run));
        let first = (view.page - 1) * PAGE;
        let example = |&row: &usize| {
            let is_seen = view.split != Split::Train && seen.as_ref().is_some_and(|seen| seen[row]);
            let attention = attends.and_then(|can_be_asked| Attention::of(app, &judgement, row, can_be_asked));
            Example::new(&judgement, row, is_seen, attention)
        };
        let page = |page: usize| view.link(&[("page", &if page > 1 { page.to_string() } else { String::new() })], "examples");
        Ok(Self {
            split: view.split,
            items: rows.iter().skip(first).take(PAGE).map(example).collect(),
            found: rows.len(),
            all: whole.predictions.len(),
            absent: (!has_images).then(|| app.datasets.advice(dataset, &status)),
            fault: None,
            knows_lesions: seen.is_some() && view.split != Split::Train,
            previous: (view.page > 1).then(|| page((view.page - 1).min(rows.len().div_ceil(PAGE).max(1)))),
            next: (first + PAGE < rows.len()).then(|| page(view.page + 1)),
            first,
        })
    }

    fn without(split: Split, why: String) -> Self {
        let (items, absent, previous, next) = (Vec::new(), None, None, None);
        Self { split, items, found: 0, all: 0, absent, fault: Some(why), knows_lesions: true, previous, next, first: 0 }
    }

    /// Whether the images themselves are here.
    pub fn has_images(&self) -> bool {
        self.absent.is_none()
    }

    /// The number of the first one, from 1.
    pub fn start(&self) -> usize {
        self.first + 1
    }

    /// Pages in all, at least one.
    pub fn pages(&self) -> usize {
        self.found.div_ceil(PAGE).max(1)
    }
}

impl Example {
    fn new(judgement: &Judgement, row: usize, is_seen: bool, attention: Option<Attention>) -> Self {
        let (split, index) = (judgement.split.name(), judgement.place(row));
        let image = format!("/api/v1/datasets/{}/images/{split}/{}.png", judgement.dataset.id(), judgement.first + index);
        Self {
            index,
            label: usize::from(judgement.predictions.labels()[row]),
            prediction: usize::from(judgement.decisions[row]),
            probabilities: judgement.predictions.row(row).to_vec(),
            image,
            attention,
            is_seen,
        }
    }
}

impl Attention {
    /// In the image of a row. Where the network can't be asked there is what was kept of its mistakes, if that.
    fn of(app: &AppState, judgement: &Judgement, row: usize, can_be_asked: bool) -> Option<Self> {
        let (run, split, index) = (&judgement.run.id, judgement.split, judgement.place(row));
        let picture = || Self::Picture(format!("/api/v1/runs/{run}/attention/{}/{index}.png?scale=4", split.name()));
        if can_be_asked {
            return Some(picture());
        }
        let kept = app.explainer.image(run, split, index).ok()?;
        if kept.pixels.is_some() {
            return Some(picture());
        }
        let (values, [_, width]) = (kept.map(usize::from(judgement.decisions[row]))?, kept.side);
        let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let side = SIDE / width.max(1);
        let place = |(place, value): (usize, &f32)| {
            let level = (value / most * (LEVELS - 1) as f32).round() as usize;
            (place % width * side, place / width * side, level.min(LEVELS - 1))
        };
        Some(Self::Heat(values.iter().enumerate().map(place).collect(), side))
    }
}
