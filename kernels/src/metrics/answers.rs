//! Answers as the JSON API and `torchboard evaluate --json` give them: one shape for both.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Calibration, Confusion, Curve, Predictions, Ranking, Scores, brier, calibration, curves::mean, log_loss, macro_pr, macro_roc, thin,
    top_k_accuracy,
};

/// How good a classifier is on one split. A ratio with a zero denominator is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Number of examples.
    pub n: usize,
    /// The share that were got right.
    pub accuracy: f64,
    /// Mean recall of the classes that have examples.
    pub balanced_accuracy: f64,
    /// The mean over classes, each counted alike.
    #[serde(rename = "macro")]
    pub macro_scores: Scores,
    /// The mean over classes, each counted by its examples.
    pub weighted: Scores,
    /// In the order of the labels.
    pub per_class: Vec<ClassScore>,
    /// Rows are true labels, columns what was said.
    pub confusion: Vec<Vec<u64>>,
    /// Area under the ROC curve, one class against the rest.
    pub auc: AreaUnderCurve,
    /// Area under the precision-recall curve, as average precision.
    pub average_precision: AveragePrecision,
    /// Cohen's kappa.
    pub cohen_kappa: f64,
    /// Matthews' correlation, the multi-class form.
    pub matthews: f64,
    /// Mean of -ln of the probability given to the true class.
    pub log_loss: f64,
    /// Mean over examples of the sum over classes of (probability - truth)².
    pub brier: f64,
    /// The share whose true class is among the two most probable.
    pub top_2_accuracy: f64,
    /// Whether the classifier is right as often as it says it is.
    pub calibration: Calibration,
}

/// How well one class is told from the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassScore {
    /// The class, from 0.
    pub label: usize,
    /// Its name.
    pub name: String,
    /// Of the examples that were said to be of the class, the share that are.
    pub precision: f64,
    /// Of the examples of the class, the share that were said to be.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Examples of the class.
    pub support: u64,
}

/// Areas under ROC curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AreaUnderCurve {
    /// Mean of the classes that have an area; null when none has.
    #[serde(rename = "macro")]
    pub macro_mean: Option<f64>,
    /// In the order of the labels; null for a class that no example, or every example, is of.
    pub per_class: Vec<Option<f64>>,
}

/// Average precisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AveragePrecision {
    /// Mean over all classes.
    #[serde(rename = "macro")]
    pub macro_mean: f64,
    /// Of every class of every example as one yes-or-no question.
    pub micro: f64,
    /// In the order of the labels; 0 for a class that no example is of.
    pub per_class: Vec<f64>,
}

/// Curves of all classes, one against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Curves {
    /// In the order of the labels.
    pub curves: Vec<NamedCurve>,
    /// Of every class of every example as one yes-or-no question.
    pub micro: Average,
    /// The mean of the classes' curves.
    #[serde(rename = "macro")]
    pub macro_mean: Average,
}

/// The curve of one class. ROC: x is the false positive rate, y the true positive rate; precision-recall: x is the recall, y the precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NamedCurve {
    /// The class, from 0.
    pub label: usize,
    /// Its name.
    pub name: String,
    /// The points, as scikit-learn orders them.
    #[serde(flatten)]
    pub curve: Average,
}

/// Points of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Average {
    /// Along the horizontal axis.
    pub x: Vec<f64>,
    /// Along the vertical axis.
    pub y: Vec<f64>,
    /// The probability from which on examples are taken for positive, of each point; null: more than any. The last point of a
    /// precision-recall curve has none. A mean of curves has none at all.
    pub thresholds: Vec<Option<f64>>,
    /// ROC: the area under it, null where there is none; precision-recall: the average precision.
    pub area: Option<f64>,
}

/// Equal bins of confidence, as Guo et al. 2017 and most after them have it.
const BINS: usize = 15;

impl Evaluation {
    /// Judges `predictions` of a split; `names` are those of the classes, in the order of their labels.
    ///
    /// # Panics
    /// When there are not as many names as classes.
    #[must_use]
    pub fn of(split: &str, names: &[String], predictions: &Predictions) -> Self {
        Self::of_decisions(split, names, predictions, predictions.predicted())
    }

    /// As [`Self::of`], with other decisions than for the most probable class, `[n]`: whatever counts right and wrong answers follows them,
    /// whatever is a property of the probabilities (areas, average precision, log loss, Brier score, the two most probable, calibration) does
    /// not.
    ///
    /// # Panics
    /// When there are not as many names as classes, or not as many decisions as examples, or one that is no class.
    #[must_use]
    pub fn of_decisions(split: &str, names: &[String], predictions: &Predictions, decisions: &[u8]) -> Self {
        let classes = predictions.classes();
        assert_eq!(names.len(), classes, "every class has a name");
        let confusion = Confusion::of(predictions.labels(), decisions, classes).expect("predictions were checked, and so are decisions");
        let class_score = |(label, name): (usize, &String)| {
            let Scores { precision, recall, f1 } = confusion.scores(label);
            ClassScore { label, name: name.clone(), precision, recall, f1, support: confusion.support(label) }
        };
        let (areas, precisions): (Vec<Option<f64>>, Vec<f64>) = (0..classes)
            .map(|class| Ranking::of_class(predictions, class))
            .map(|ranking| (ranking.roc_area(), ranking.average_precision()))
            .unzip();
        Self {
            split: split.to_owned(),
            n: predictions.len(),
            accuracy: confusion.accuracy(),
            balanced_accuracy: confusion.balanced_accuracy(),
            macro_scores: confusion.macro_scores(),
            weighted: confusion.weighted_scores(),
            per_class: names.iter().enumerate().map(class_score).collect(),
            confusion: confusion.rows(),
            auc: AreaUnderCurve { macro_mean: mean(areas.iter().copied().flatten()), per_class: areas },
            average_precision: AveragePrecision {
                macro_mean: mean(precisions.iter().copied()).unwrap_or_default(),
                micro: Ranking::micro(predictions).average_precision(),
                per_class: precisions,
            },
            cohen_kappa: confusion.cohen_kappa(),
            matthews: confusion.matthews(),
            log_loss: log_loss(predictions),
            brier: brier(predictions),
            top_2_accuracy: top_k_accuracy(predictions, 2),
            calibration: calibration(predictions, BINS),
        }
    }
}

impl Curves {
    /// ROC curves of `predictions`.
    #[must_use]
    pub fn roc(names: &[String], predictions: &Predictions) -> Self {
        Self::of(names, predictions, Ranking::roc, macro_roc)
    }

    /// Precision-recall curves of `predictions`.
    #[must_use]
    pub fn precision_recall(names: &[String], predictions: &Predictions) -> Self {
        Self::of(names, predictions, Ranking::precision_recall, macro_pr)
    }

    fn of(names: &[String], predictions: &Predictions, curve: fn(&Ranking) -> Curve, mean: fn(&[Curve]) -> Curve) -> Self {
        let curves: Vec<Curve> = (0..predictions.classes()).map(|class| curve(&Ranking::of_class(predictions, class))).collect();
        let (micro, macro_mean) = (curve(&Ranking::micro(predictions)).into(), mean(&curves).into());
        let named = |(label, (name, curve)): (usize, (&String, Curve))| NamedCurve { label, name: name.clone(), curve: curve.into() };
        Self { curves: names.iter().zip(curves).enumerate().map(named).collect(), micro, macro_mean }
    }

    /// The same shapes with fewer points: see [`thin()`].
    #[must_use]
    pub fn thinned(self, tolerance: f64) -> Self {
        let curves = self.curves.into_iter().map(|named| NamedCurve { curve: named.curve.thinned(tolerance), ..named }).collect();
        Self { curves, micro: self.micro.thinned(tolerance), macro_mean: self.macro_mean.thinned(tolerance) }
    }
}

impl Average {
    /// The same shape with fewer points: see [`thin()`].
    #[must_use]
    pub fn thinned(&self, tolerance: f64) -> Self {
        let kept = thin(&self.x, &self.y, tolerance);
        let of = |values: &[f64]| kept.iter().map(|&index| values[index]).collect();
        let thresholds = kept.iter().filter_map(|&index| self.thresholds.get(index).copied()).collect();
        Self { x: of(&self.x), y: of(&self.y), thresholds, area: self.area }
    }
}

impl From<Curve> for Average {
    fn from(Curve { x, y, thresholds, area }: Curve) -> Self {
        // JSON has no infinity.
        let thresholds = thresholds.into_iter().map(|threshold| threshold.is_finite().then_some(threshold)).collect();
        Self { x, y, thresholds, area }
    }
}
