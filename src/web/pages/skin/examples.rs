//! The images of a split with what the network said of each.

use super::{beside::is_askable, view::View};
use crate::{
    data::{self, Dataset, Split},
    error::{AppError, AppResult},
    jobs::{Asked, Judgement, Lesions, Only, Order, Selection},
    store::Run,
    web::AppState,
};

/// Images on a page.
const PAGE: usize = 24;

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
    /// The address of what the network looked at, where that is to be shown.
    pub attention: Option<String>,
    /// Whether another image of its lesion was learned from; unknown: no.
    pub is_seen: bool,
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
        // What was kept of errors can be shown where the images are; without weights there is no more than that.
        let attends = view.has_attention && has_images && is_askable(app, run);
        let first = (view.page - 1) * PAGE;
        let example = |&row: &usize| {
            let is_seen = view.split != Split::Train && seen.as_ref().is_some_and(|seen| seen[row]);
            Example::new(&judgement, row, is_seen, attends)
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
    fn new(judgement: &Judgement, row: usize, is_seen: bool, attends: bool) -> Self {
        let (run, split, index) = (&judgement.run.id, judgement.split.name(), judgement.place(row));
        let image = format!("/api/v1/datasets/{}/images/{split}/{}.png", judgement.dataset.id(), judgement.first + index);
        Self {
            index,
            label: usize::from(judgement.predictions.labels()[row]),
            prediction: usize::from(judgement.decisions[row]),
            probabilities: judgement.predictions.row(row).to_vec(),
            image,
            attention: attends.then(|| format!("/api/v1/runs/{run}/attention/{split}/{index}.png?scale=4")),
            is_seen,
        }
    }
}
