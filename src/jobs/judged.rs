//! How good a run's network is, as the JSON API and `torchboard evaluate --json` tell it.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asked::{Asked, Lesions, Settled},
    judge::{Judge, Judgement},
    split::count_of,
};
use crate::{
    error::AppResult,
    metrics::{Confusion, Evaluation, Interval, Predictions, Ranking, Resampling},
};

/// An evaluation, on which images it was made, and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Judged {
    /// The figures.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// On which images of the split; `n` says how many they are.
    pub lesions: Lesions,
    /// Images of the split in all.
    #[schema(example = 2005)]
    pub images: usize,
    /// Lesions on the images judged; null where it is not known which images show one lesion.
    pub lesion_count: Option<usize>,
    /// How it decided. Counts of right and wrong answers follow it; what is a property of the probabilities does not.
    pub decision: Settled,
    /// What is drawn as one for the intervals: `lesion`, or `example` where lesions are not known.
    #[schema(example = "lesion")]
    pub resampled_by: &'static str,
    /// 95% of what other samples of as many would give.
    pub intervals: Intervals,
    /// What always answering the commonest training class scores on the same images; null where that class is not known.
    pub majority: Option<Majority>,
}

/// Bootstrap intervals at 95%, percentile method, 1,000 resamples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct Intervals {
    /// Of the accuracy.
    pub accuracy: Option<Interval>,
    /// Of the balanced accuracy.
    pub balanced_accuracy: Option<Interval>,
    /// Of the macro mean of F1.
    pub macro_f1: Option<Interval>,
    /// Of the mean area under the classes' ROC curves.
    pub macro_auc: Option<Interval>,
    /// Of the recall of each class, in the order of the labels; null for a class without examples.
    pub recall: Vec<Option<Interval>>,
}

/// A constant answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Majority {
    /// The commonest training class.
    #[schema(example = 5)]
    pub label: usize,
    /// Its name.
    #[schema(example = "melanocytic nevi")]
    pub name: String,
    /// The share that are of it.
    #[schema(example = 0.669)]
    pub accuracy: f64,
    /// One over the number of classes that have examples.
    #[schema(example = 0.143)]
    pub balanced_accuracy: f64,
}

/// Areas are taken of all resamples only where examples times classes are at most so many: half a second's work.
const MOST_FOR_AREAS: usize = 200_000;

impl Judge {
    /// How good the network of the run called `run` is, for others to read.
    ///
    /// # Errors
    /// As [`Judge::judge_as`].
    pub fn answer(&self, run: &str, asked: &Asked) -> AppResult<Judged> {
        let judgement = self.judge_as(run, asked)?;
        // Where the training split can't be had, the rest is worth knowing all the same.
        let learned = self.learned(&judgement.run).ok();
        Ok(Judged {
            evaluation: judgement.evaluation.clone(),
            lesions: judgement.lesions,
            images: match judgement.places {
                None => judgement.predictions.len(),
                Some(_) => count_of(&judgement.run, judgement.dataset, judgement.split),
            },
            lesion_count: judgement.groups.as_ref().map(|groups| groups.iter().collect::<BTreeSet<_>>().len()),
            decision: judgement.settled.clone(),
            resampled_by: judgement.resampled_by(),
            intervals: Intervals { macro_auc: judgement.macro_auc(), ..judgement.intervals.clone() },
            majority: learned.and_then(|counts| Majority::of(&judgement, &counts)),
        })
    }
}

impl Judgement {
    /// What is drawn as one for the intervals: `lesion` or `example`.
    #[must_use]
    pub fn resampled_by(&self) -> &'static str {
        if self.groups.is_some() { "lesion" } else { "example" }
    }
}

impl Intervals {
    /// All but the area's. `groups`: what is drawn as one, `[n]`; none: single examples.
    pub(super) fn of(predictions: &Predictions, decisions: &[u8], groups: Option<&[u32]>) -> Self {
        let classes = predictions.classes();
        let found = resampling(predictions.len(), groups).intervals(|times| {
            let confusion = Confusion::resampled(predictions.labels(), decisions, times, classes);
            // A class that no drawn example is of has no recall, rather than one of 0.
            let recall = |label| if confusion.support(label) > 0 { confusion.scores(label).recall } else { f64::NAN };
            let means = [confusion.accuracy(), confusion.balanced_accuracy(), confusion.macro_scores().f1];
            means.into_iter().chain((0..classes).map(recall)).collect()
        });
        let (means, recall) = found.split_at(3);
        Self { accuracy: means[0], balanced_accuracy: means[1], macro_f1: means[2], macro_auc: None, recall: recall.to_vec() }
    }

    /// Of the mean area under the classes' ROC curves.
    pub(super) fn macro_auc(predictions: &Predictions, groups: Option<&[u32]>) -> Option<Interval> {
        if predictions.len() * predictions.classes() > MOST_FOR_AREAS {
            return None;
        }
        let rankings: Vec<Ranking> = (0..predictions.classes()).map(|class| Ranking::of_class(predictions, class)).collect();
        let found = resampling(predictions.len(), groups).intervals(|times| {
            let areas = rankings.iter().filter_map(|ranking| ranking.areas_of_resample(times).0);
            let (sum, count) = areas.fold((0.0, 0.0), |(sum, count), area| (sum + area, count + 1.0));
            vec![sum / count]
        });
        found[0]
    }
}

impl Majority {
    /// `learned`: training examples of each class.
    fn of(judgement: &Judgement, learned: &[usize]) -> Option<Self> {
        let most = *learned.iter().max()?;
        let label = learned.iter().position(|&count| count == most)?;
        let labels = judgement.predictions.labels();
        let confusion = Confusion::of(labels, &vec![label as u8; labels.len()], learned.len()).ok()?;
        let name = judgement.dataset.classes.get(label)?.clone();
        Some(Self { label, name, accuracy: confusion.accuracy(), balanced_accuracy: confusion.balanced_accuracy() })
    }
}

fn resampling(examples: usize, groups: Option<&[u32]>) -> Resampling {
    let of_groups = groups.and_then(|groups| Resampling::of_groups(groups).ok());
    of_groups.unwrap_or_else(|| Resampling::of_examples(examples))
}
