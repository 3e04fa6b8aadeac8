//! How good a run's network is on each split, computed once.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use super::{
    asked::{Asked, Decision, Lesions, Setting, Settled},
    embeddings::embeds,
    gist::Gist,
    inference::{Inference, Trained},
    judged::Intervals,
    predictions,
    remembered::Remembered,
    split::{count_of, first_of, part_of},
};
use crate::{
    data::{Dataset, Datasets, Question as YesOrNo, Split, Ungrouped},
    error::{AppError, AppResult},
    metrics::{self, Evaluation, Interval, Predictions, Ranking},
    store::{Run, Store},
    train::dataset_of,
};

/// Judges runs' networks, and remembers; shared by all who ask.
pub struct Judge {
    pub(super) store: Store,
    pub(super) datasets: Datasets,
    inference: Inference,
    known: Remembered<Question, Judgement>,
    learned: Remembered<(String, String), Vec<usize>>,
    pub(super) gists: Remembered<(String, String, Split), Gist>,
}

/// Which network, and what of it.
#[derive(Debug, Clone, PartialEq)]
struct Question {
    run: String,
    weights: String,
    asked: Asked,
}

/// How good a network is on the images of one split, or on some of them.
#[derive(Debug)]
pub struct Judgement {
    /// The run as it stood.
    pub run: Run,
    /// The split.
    pub split: Split,
    /// On which of its images.
    pub lesions: Lesions,
    /// How it decided.
    pub settled: Settled,
    /// What it was trained on, and is judged by.
    pub dataset: &'static Dataset,
    /// Where its first example is in the data set's own split: a validation split may be the end of the training split.
    pub first: usize,
    /// What the network said of the images judged.
    pub predictions: Predictions,
    /// The class that it decided for, `[n]`.
    pub decisions: Vec<u8>,
    /// Where each of these images is in the split; none: they are all of it, in its order.
    pub places: Option<Vec<u32>>,
    /// Which of them show one and the same thing, `[n]`; none: unknown.
    pub groups: Option<Vec<u32>>,
    /// How good that is.
    pub evaluation: Evaluation,
    /// 95% of what other samples of as many examples would give.
    pub intervals: Intervals,
    macro_auc: OnceLock<Option<Interval>>,
}

/// Gists that are remembered: a hundred bytes each.
const MOST_GISTS: usize = 1024;
/// Judgements that are remembered: a few megabytes each, for a training split.
const MOST_KNOWN: usize = 24;

impl Judge {
    /// Computes nothing before it is asked.
    #[must_use]
    pub fn new(store: Store, datasets: Datasets, inference: Inference) -> Self {
        Self {
            store,
            datasets,
            inference,
            known: Remembered::new(MOST_KNOWN),
            learned: Remembered::new(MOST_KNOWN),
            gists: Remembered::new(MOST_GISTS),
        }
    }

    /// How good the network of the run called `run` is on `split`. The first call has the network say what it thinks of every example, unless
    /// that is kept in the run's folder; who asks for the same meanwhile waits for it.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run, or no such split of its data; [`AppError::Conflict`] when the run is not done;
    /// [`AppError::Unavailable`] when the data set is not here and nothing is kept, with what brings it.
    pub fn judge(&self, run: &str, split: Split) -> AppResult<Arc<Judgement>> {
        self.judge_as(run, &Asked::of(split))
    }

    /// As [`Self::judge`], on some of the images, or with other decisions.
    ///
    /// # Errors
    /// Also [`AppError::Invalid`]: for `lesions` when it is not known which images show one lesion, or all of them are known to the network;
    /// for `of` when the data set has no such question.
    pub fn judge_as(&self, run: &str, asked: &Asked) -> AppResult<Arc<Judgement>> {
        let run = self.store.run(run)?;
        if embeds(&run) {
            return Err(AppError::Conflict(format!(
                "The network of {} makes embeddings: it tells no classes apart. Ask for its retrieval.",
                run.id
            )));
        }
        let trained = Trained::of(&self.store, &run)?;
        let question = Question { run: run.id.clone(), weights: trained.weights.clone(), asked: asked.clone() };
        if asked.is_plain() {
            self.known.get(question, || self.compute(run, trained, asked.split))
        } else if asked.is_remembered() {
            self.known.get(question, || self.narrow(&run, asked))
        } else {
            self.narrow(&run, asked).map(Arc::new)
        }
    }

    /// Whether what the network of `run` said of `split` is kept, so that judging it there takes no time.
    #[must_use]
    pub fn has_kept(&self, run: &Run, split: Split) -> bool {
        self.store.run_folder(&run.id).join(predictions::name(split)).is_file()
    }

    /// The network of the run called `run`.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn trained(&self, run: &str) -> AppResult<(Run, Arc<Trained>)> {
        let run = self.store.run(run)?;
        let trained = Arc::new(Trained::of(&self.store, &run)?);
        Ok((run, trained))
    }

    /// How many examples of each class the run learned from, `[classes]`.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn learned(&self, run: &Run) -> AppResult<Arc<Vec<usize>>> {
        let dataset = dataset_of(&run.config)?;
        let weights = run.weights.clone().unwrap_or_default();
        self.learned.get((run.id.clone(), weights.clone()), || {
            let kept = predictions::read(&self.store.run_folder(&run.id), Split::Train, &weights);
            let labels = match kept {
                Some((predictions, _)) => predictions.labels().to_vec(),
                None => part_of(&self.datasets, run, dataset, Split::Train)?.labels().to_vec(),
            };
            let mut counts = vec![0; dataset.classes.len()];
            labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
            Ok(counts)
        })
    }

    /// Of each image of a judgement, whether its lesion is on an image that the network learned from or, of the test split, was chosen by.
    ///
    /// # Errors
    /// [`Ungrouped`] when that is not known.
    pub fn seen(&self, judgement: &Judgement) -> Result<Vec<bool>, Ungrouped> {
        let groups = match &judgement.groups {
            Some(groups) => groups,
            None => &self.groups(&judgement.run, judgement.dataset, judgement.split)?,
        };
        let mut met = BTreeSet::new();
        for split in Split::ALL.into_iter().filter(|split| *split < judgement.split) {
            // A run without a validation split was chosen by none.
            if count_of(&judgement.run, judgement.dataset, split) > 0 {
                met.extend(self.groups(&judgement.run, judgement.dataset, split)?);
            }
        }
        Ok(groups.iter().map(|group| met.contains(group)).collect())
    }

    /// One of the data set's questions.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `of` when it has none of that name.
    pub fn question(dataset: &Dataset, id: &str) -> AppResult<&'static YesOrNo> {
        let name = &dataset.about.name;
        dataset.questions.iter().find(|question| question.id == id).ok_or_else(|| {
            if dataset.questions.is_empty() {
                return AppError::invalid("of", format!("can't be asked of {name}: none of its classes is a disease."));
            }
            let ids: Vec<&str> = dataset.questions.iter().map(|question| question.id).collect();
            AppError::invalid("of", format!("is {id:?}, which is no yes-or-no question on {name}; expected {}.", ids.join(" or ")))
        })
    }

    /// The first question of the data set of the run called `run`.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such run; [`AppError::Invalid`] for `of` when its data set has no question.
    pub fn first_question(&self, run: &str) -> AppResult<&'static str> {
        let dataset = dataset_of(&self.store.run(run)?.config)?;
        let first = dataset.questions.first().map_or("", |question| question.id);
        Ok(Self::question(dataset, first)?.id)
    }

    fn compute(&self, run: Run, trained: Trained, split: Split) -> AppResult<Judgement> {
        let dataset = dataset_of(&run.config)?;
        let kept = predictions::read(&trained.folder, split, &trained.weights).filter(|(kept, _)| kept.classes() == dataset.classes.len());
        let (folder, weights) = (trained.folder.clone(), trained.weights.clone());
        let was_known = kept.as_ref().is_some_and(|(_, groups)| groups.is_some());
        let is_kept = kept.is_some();
        let (predictions, groups) = match kept {
            Some((predictions, groups)) => (predictions, groups),
            None => (self.ask(&run, dataset, trained, split)?, None),
        };
        let groups = groups.or_else(|| self.groups(&run, dataset, split).ok()).filter(|groups| groups.len() == predictions.len());
        if !is_kept || groups.is_some() && !was_known {
            match predictions::write(&folder, split, &weights, &predictions, groups.as_deref()) {
                Ok(()) => self.store.revise(),
                Err(error) => tracing::warn!(run = run.id, "what its network said can't be kept: {error}"), // and is computed again when it is needed
            }
        }
        let decisions = predictions.predicted().to_vec();
        let first = first_of(&run, dataset, split);
        Ok(Judgement::new((run, split, Lesions::All, Settled::MostProbable), (dataset, first), predictions, decisions, None, groups))
    }

    /// Has the network look at every image of a split.
    fn ask(&self, run: &Run, dataset: &'static Dataset, trained: Trained, split: Split) -> AppResult<Predictions> {
        let part = part_of(&self.datasets, run, dataset, split)?;
        let labels = part.labels().to_vec();
        let probabilities = self.inference.part(Arc::new(trained), part.examples, part.range)?;
        Predictions::new(labels, probabilities, dataset.classes.len()).map_err(|error| AppError::Internal(error.into()))
    }

    /// Which images of a run's split show one and the same thing, `[n]`: as the data set says, or as was known when the network was asked.
    fn groups(&self, run: &Run, dataset: &Dataset, split: Split) -> Result<Vec<u32>, Ungrouped> {
        let (first, count) = (first_of(run, dataset, split), count_of(run, dataset, split));
        match self.datasets.groups(dataset) {
            Ok(groups) => Ok(groups.of(if dataset.has(split) { split } else { Split::Train })[first..first + count].to_vec()),
            Err(why) => {
                let weights = run.weights.as_deref().unwrap_or_default();
                let kept = predictions::read(&self.store.run_folder(&run.id), split, weights);
                kept.and_then(|(_, groups)| groups).ok_or(why)
            }
        }
    }

    /// Judges anew on some of the images, or by other decisions, what the network said of all.
    fn narrow(&self, run: &Run, asked: &Asked) -> AppResult<Judgement> {
        let whole = self.judge(&run.id, asked.split)?;
        let refuse = |reason: String| AppError::invalid("lesions", reason);
        let places = match asked.lesions {
            Lesions::All => None,
            Lesions::Unseen if asked.split == Split::Train => {
                return Err(refuse(
                    "is \"unseen\": of the training split the network has seen every lesion; ask for validation or test.".into(),
                ));
            }
            Lesions::Unseen => {
                let seen = self.seen(&whole).map_err(|why| refuse(format!("is \"unseen\", and can't be told. {why}")))?;
                Some((0..).zip(seen).filter_map(|(place, seen)| (!seen).then_some(place)).collect::<Vec<u32>>())
            }
        };
        let predictions = match &places {
            None => whole.predictions.clone(),
            Some(places) => {
                whole.predictions.selected(places).map_err(|_| refuse("is \"unseen\", and every lesion of the split was seen.".into()))?
            }
        };
        let groups = match (&whole.groups, &places) {
            (Some(groups), Some(places)) => Some(places.iter().map(|&place| groups[place as usize]).collect()),
            (groups, _) => groups.clone(),
        };
        let settled = self.settle(&whole, &asked.decision)?;
        let decisions = self.decide(&whole, &settled, &predictions)?;
        let about = (run.clone(), asked.split, asked.lesions, settled);
        Ok(Judgement::new(about, (whole.dataset, whole.first), predictions, decisions, places, groups))
    }

    /// Chooses on the validation split what is to be chosen.
    fn settle(&self, whole: &Judgement, decision: &Decision) -> AppResult<Settled> {
        let validation = || self.judge(&whole.run.id, Split::Validation);
        match decision {
            Decision::MostProbable => Ok(Settled::MostProbable),
            Decision::Prior(Setting::Given(exponent)) => Ok(Settled::Prior { exponent: *exponent, chosen: false }),
            Decision::Prior(Setting::Chosen) => {
                let swept = metrics::sweep(&validation()?.predictions, &self.learned(&whole.run)?)
                    .map_err(|error| AppError::Internal(error.into()))?;
                let exponent = metrics::most_balanced(&swept).map_or(0.0, |best| best.exponent);
                Ok(Settled::Prior { exponent, chosen: true })
            }
            Decision::Threshold { question, setting, costs } => {
                let asked = Self::question(whole.dataset, question)?;
                let of = question.clone();
                if let Setting::Given(threshold) = setting {
                    return Ok(Settled::Threshold { of, threshold: Some(*threshold), chosen: false });
                }
                let points = metrics::operating_points(&Ranking::of_classes(&validation()?.predictions, asked.classes), *costs);
                Ok(Settled::Threshold { of, threshold: metrics::cheapest(&points).and_then(|point| point.threshold), chosen: true })
            }
        }
    }

    fn decide(&self, whole: &Judgement, settled: &Settled, predictions: &Predictions) -> AppResult<Vec<u8>> {
        match settled {
            Settled::MostProbable => Ok(predictions.predicted().to_vec()),
            Settled::Prior { exponent, .. } => {
                let decisions = metrics::adjusted_decisions(predictions, &self.learned(&whole.run)?, *exponent);
                decisions.map_err(|error| AppError::Internal(error.into()))
            }
            Settled::Threshold { of, threshold, .. } => {
                let question = Self::question(whole.dataset, of)?;
                Ok(metrics::threshold_decisions(predictions, question.classes, threshold.unwrap_or(f64::INFINITY)))
            }
        }
    }
}

impl Judgement {
    fn new(
        (run, split, lesions, settled): (Run, Split, Lesions, Settled),
        (dataset, first): (&'static Dataset, usize),
        predictions: Predictions,
        decisions: Vec<u8>,
        places: Option<Vec<u32>>,
        groups: Option<Vec<u32>>,
    ) -> Self {
        let evaluation = Evaluation::of_decisions(split.name(), &dataset.classes, &predictions, &decisions);
        let intervals = Intervals::of(&predictions, &decisions, groups.as_deref());
        let macro_auc = OnceLock::new();
        Self { run, split, lesions, settled, dataset, first, predictions, decisions, places, groups, evaluation, intervals, macro_auc }
    }

    /// Where the `row`-th image that is judged is in the run's split.
    #[must_use]
    pub fn place(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places[row] as usize)
    }

    /// 95% of what other samples would give for the mean area under the classes' ROC curves; none where there are so many examples that it would
    /// take long, and is narrow anyway. Computed when it is first asked for.
    pub fn macro_auc(&self) -> Option<Interval> {
        *self.macro_auc.get_or_init(|| Intervals::macro_auc(&self.predictions, self.groups.as_deref()))
    }
}
