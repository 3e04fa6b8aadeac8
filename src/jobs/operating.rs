//! Where a run's classifier could decide otherwise, and what would come of it.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asked::{Asked, Decision, Lesions},
    judge::{Judge, Judgement},
};
use crate::{
    data::Split,
    error::{AppError, AppResult},
    metrics::{self, Adjusted, Costs, OperatingPoint, Ranking},
};

/// Operating points of a yes-or-no question, and decisions by the prior.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OperatingPoints {
    /// `train`, `validation` or `test`.
    #[schema(example = "test")]
    pub split: &'static str,
    /// On which images of the split.
    pub lesions: Lesions,
    /// The question.
    #[schema(example = "melanoma")]
    pub of: &'static str,
    /// The classes for which its answer is yes.
    pub classes: Vec<Class>,
    /// Images.
    #[schema(example = 2005)]
    pub n: usize,
    /// Images for which the answer is yes.
    #[schema(example = 223)]
    pub positives: u64,
    /// Area under the ROC curve; null without positives, or without negatives.
    pub auc: Option<f64>,
    /// Area under the precision-recall curve, as average precision.
    pub average_precision: f64,
    /// What `cost` counts with.
    pub costs: Costs,
    /// From answering no always (threshold null) to answering yes always, at most 200, about evenly far from each other along the ROC curve.
    pub points: Vec<OperatingPoint>,
    /// What deciding for the most probable class comes to.
    pub most_probable: OperatingPoint,
    /// What the threshold that was asked for comes to; null: none was.
    pub at: Option<OperatingPoint>,
    /// The threshold of the least cost on the validation split; null where there is none.
    pub chosen: Option<ChosenThreshold>,
    /// Decisions for the greatest ln p − exponent · ln prior; null where the training classes are not known.
    pub prior: Option<PriorSweep>,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Class {
    /// From 0.
    #[schema(example = 4)]
    pub label: usize,
    /// Its name.
    #[schema(example = "melanoma")]
    pub name: String,
    /// What it is called for short.
    #[schema(example = "mel")]
    pub code: String,
}

/// A threshold that the validation split chose.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChosenThreshold {
    /// From this probability on the answer is yes; null: never.
    pub threshold: Option<f64>,
    /// What comes of it on the validation split.
    pub validation: OperatingPoint,
    /// What comes of it on the split that was asked for.
    pub here: OperatingPoint,
}

/// Exponents of the prior, and the one that the validation split chose.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PriorSweep {
    /// On the split that was asked for: 0, 0.05, ..., 1.5.
    pub exponents: Vec<Adjusted>,
    /// The exponent of the greatest balanced accuracy on the validation split; null where there is none.
    pub chosen: Option<ChosenExponent>,
}

/// An exponent that the validation split chose.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChosenExponent {
    /// What the logarithm of the prior is multiplied by.
    #[schema(example = 0.9)]
    pub exponent: f64,
    /// How good its decisions are on the validation split.
    pub validation: Adjusted,
    /// How good they are on the split that was asked for.
    pub here: Adjusted,
}

/// Rows of the table.
const MOST_POINTS: usize = 200;

impl Judge {
    /// What comes of answering the question called `of` by every threshold, on the images that `asked` names; its decision is not looked at.
    ///
    /// # Errors
    /// As [`Judge::judge_as`].
    pub fn operating_points(&self, run: &str, asked: &Asked, of: &str, costs: Costs, at: Option<f64>) -> AppResult<OperatingPoints> {
        let judgement = self.judge_as(run, &Asked { decision: Decision::MostProbable, ..asked.clone() })?;
        let (dataset, predictions) = (judgement.dataset, &judgement.predictions);
        let question = Self::question(dataset, of)?;
        let ranking = Ranking::of_classes(predictions, question.classes);
        let points = metrics::operating_points(&ranking, costs);
        // A run without a validation split, or one whose data set is elsewhere, chooses nothing; the rest stands.
        let validation = self.judge(run, Split::Validation).ok();
        let chosen = validation.as_ref().and_then(|validation| {
            let points = metrics::operating_points(&Ranking::of_classes(&validation.predictions, question.classes), costs);
            metrics::cheapest(&points)
        });
        let here = |threshold: Option<f64>| match threshold {
            Some(threshold) => metrics::at_threshold(&points, threshold),
            None => points.first().copied(),
        };
        let yes = |label: &u8| question.classes.contains(&usize::from(*label));
        let code = |label: usize| dataset.short_name(label).unwrap_or_default().to_owned();
        Ok(OperatingPoints {
            split: judgement.split.name(),
            lesions: judgement.lesions,
            of: question.id,
            classes: question
                .classes
                .iter()
                .map(|&label| Class { label, name: dataset.classes[label].clone(), code: code(label) })
                .collect(),
            n: predictions.len(),
            positives: predictions.labels().iter().filter(|label| yes(label)).count() as u64,
            auc: ranking.roc_area(),
            average_precision: ranking.average_precision(),
            costs,
            most_probable: OperatingPoint::of(predictions.labels().iter().map(yes), predictions.predicted().iter().map(yes), costs),
            at: at.and_then(|threshold| here(Some(threshold))),
            chosen: chosen.and_then(|validation| {
                let threshold = validation.threshold;
                Some(ChosenThreshold { threshold, validation, here: here(threshold)? })
            }),
            prior: self.prior_sweep(&judgement, validation.as_ref())?,
            points: metrics::thinned_points(&points, MOST_POINTS),
        })
    }

    fn prior_sweep(&self, judgement: &Judgement, validation: Option<&Arc<Judgement>>) -> AppResult<Option<PriorSweep>> {
        let Ok(learned) = self.learned(&judgement.run) else { return Ok(None) };
        let swept =
            |judgement: &Judgement| metrics::sweep(&judgement.predictions, &learned).map_err(|error| AppError::Internal(error.into()));
        let exponents = swept(judgement)?;
        let best = validation.map(|validation| swept(validation)).transpose()?.as_deref().and_then(metrics::most_balanced);
        let chosen = best.and_then(|validation| {
            let here = *exponents.iter().find(|here| here.exponent == validation.exponent)?;
            Some(ChosenExponent { exponent: validation.exponent, validation, here })
        });
        Ok(Some(PriorSweep { exponents, chosen }))
    }
}
