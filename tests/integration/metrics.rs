//! The same numbers as scikit-learn's: what it gave stands in `tests/fixtures/metrics/*.json`, made by `make.py` beside them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use torchboard::metrics::{
    Costs, Curves, Evaluation, Predictions, Ranking, Resampling, operating_points, sweep, text_report, threshold_decisions, top_k_accuracy,
};

/// Of the same arithmetic in another order.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Fixture {
    names: Vec<String>,
    labels: Vec<u8>,
    probabilities: Vec<Vec<f32>>,
    text: String,
    evaluation: Value,
    top_3_accuracy: f64,
    roc: Value,
    pr: Value,
}

impl Fixture {
    fn predictions(&self) -> Predictions {
        Predictions::new(self.labels.clone(), self.probabilities.concat(), self.names.len()).unwrap()
    }
}

fn fixtures() -> Vec<(&'static str, Fixture)> {
    [
        ("plain", include_str!("../fixtures/metrics/plain.json")),
        ("ties", include_str!("../fixtures/metrics/ties.json")),
        ("missing", include_str!("../fixtures/metrics/missing.json")),
        ("imbalanced", include_str!("../fixtures/metrics/imbalanced.json")),
    ]
    .map(|(name, text)| (name, serde_json::from_str(text).unwrap()))
    .into()
}

#[test]
fn an_evaluation_equals_scikit_learn_s_key_by_key() {
    for (name, fixture) in fixtures() {
        let ours = Evaluation::of("test", &fixture.names, &fixture.predictions());
        assert_close(&serde_json::to_value(&ours).unwrap(), &fixture.evaluation, name);
        let top_3 = top_k_accuracy(&fixture.predictions(), 3);
        assert!((top_3 - fixture.top_3_accuracy).abs() < TOLERANCE, "{name}: {top_3}");
    }
}

#[test]
fn the_text_report_equals_scikit_learn_s_letter_by_letter() {
    for (name, fixture) in fixtures() {
        let ours = text_report(&Evaluation::of("test", &fixture.names, &fixture.predictions()), 3);
        assert_eq!(ours, fixture.text, "{name}");
    }
}

#[test]
fn curves_equal_scikit_learn_s_point_by_point() {
    for (name, fixture) in fixtures() {
        let predictions = fixture.predictions();
        let pairs = [
            (Curves::roc(&fixture.names, &predictions), &fixture.roc),
            (Curves::precision_recall(&fixture.names, &predictions), &fixture.pr),
        ];
        for (ours, theirs) in pairs {
            let ours = serde_json::to_value(ours).unwrap();
            for (label, curve) in theirs["curves"].as_array().unwrap().iter().enumerate() {
                for key in ["x", "y", "thresholds", "area"] {
                    let where_ = format!("{name}, class {label}, {key}");
                    assert_close(&ours["curves"][label][key], &without_undefined(&curve[key]), &where_);
                }
                assert_eq!(ours["curves"][label]["label"], label);
            }
            assert_close(&ours["micro"], &theirs["micro"], name);
        }
    }
}

/// Decisions by the prior, and every operating point of two questions.
#[derive(Deserialize)]
struct Operating {
    labels: Vec<u8>,
    probabilities: Vec<Vec<f32>>,
    learned: Vec<usize>,
    costs: [f64; 2],
    sweep: Value,
    asked: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    classes: Vec<usize>,
    auc: f64,
    average_precision: f64,
    points: Value,
}

#[test]
fn operating_points_and_decisions_by_the_prior_equal_scikit_learn_s() {
    let fixture: Operating = serde_json::from_str(include_str!("../fixtures/metrics/operating.json")).unwrap();
    let predictions = Predictions::new(fixture.labels, fixture.probabilities.concat(), fixture.learned.len()).unwrap();
    let swept = sweep(&predictions, &fixture.learned).unwrap();
    assert_close(&serde_json::to_value(&swept).unwrap(), &fixture.sweep, "sweep");
    assert!(swept[18].balanced_accuracy > swept[0].balanced_accuracy + 0.05, "the fixture has something to win");
    let [miss, false_alarm] = fixture.costs;
    for asked in &fixture.asked {
        let ranking = Ranking::of_classes(&predictions, &asked.classes);
        let points = operating_points(&ranking, Costs { miss, false_alarm });
        assert_close(&serde_json::to_value(&points).unwrap(), &asked.points, &format!("{:?}", asked.classes));
        assert!((ranking.roc_area().unwrap() - asked.auc).abs() < TOLERANCE);
        assert!((ranking.average_precision() - asked.average_precision).abs() < TOLERANCE);
        for point in points.iter().step_by(17) {
            let decisions = threshold_decisions(&predictions, &asked.classes, point.threshold.unwrap_or(2.0));
            let yes = decisions.iter().filter(|&&class| asked.classes.contains(&usize::from(class))).count() as u64;
            assert_eq!(yes, point.hits + point.false_alarms, "{point:?}");
        }
    }
}

/// scikit-learn's rates are NaN where there is no positive; ours are 0, as every ratio with a zero denominator.
fn without_undefined(values: &Value) -> Value {
    match values {
        Value::Array(values) if values.len() > 1 && values.iter().all(Value::is_null) => vec![0.0; values.len()].into(),
        other => other.clone(),
    }
}

fn assert_close(ours: &Value, theirs: &Value, path: &str) {
    match (ours, theirs) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            assert!((one - other).abs() < TOLERANCE, "{path}: ours is {one}, theirs {other}");
        }
        (Value::Array(ones), Value::Array(others)) => {
            assert_eq!(ones.len(), others.len(), "{path}: length");
            ones.iter().zip(others).enumerate().for_each(|(index, (one, other))| assert_close(one, other, &format!("{path}[{index}]")));
        }
        (Value::Object(ones), Value::Object(others)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(keys(ones), keys(others), "{path}: keys");
            ones.iter().for_each(|(key, one)| assert_close(one, &others[key], &format!("{path}.{key}")));
        }
        _ => assert_eq!(ours, theirs, "{path}"),
    }
}

/// Ten thousand examples of ten classes, drawn by a linear congruence.
fn many() -> (Vec<String>, Predictions) {
    let (count, classes) = (10_000_usize, 10_usize);
    let mut state = 1_u64;
    let mut share = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let labels: Vec<u8> = (0..count).map(|index| (index % classes) as u8).collect();
    let mut probabilities = Vec::with_capacity(count * classes);
    for &label in &labels {
        let weights: Vec<f32> =
            (0..classes).map(|class| (4.0 * share() + if class == usize::from(label) { 2.0 } else { 0.0 }).exp()).collect();
        let sum: f32 = weights.iter().sum();
        probabilities.extend(weights.iter().map(|weight| weight / sum));
    }
    ((0..classes).map(|class| format!("class {class}")).collect(), Predictions::new(labels, probabilities, classes).unwrap())
}

#[test]
fn ten_thousand_examples_of_ten_classes_are_judged_at_once() {
    let (names, predictions) = many();
    let timed = || {
        let started = Instant::now();
        assert!(Evaluation::of("test", &names, &predictions).accuracy > 0.2);
        started.elapsed()
    };
    let best = (0..5).map(|_| timed()).min().unwrap();
    println!("one evaluation of 10,000 x 10 takes {best:.1?}");
    // A tenth of this when nothing else runs; enough room for a machine that does other things too.
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn a_thinned_curve_has_few_points_and_keeps_its_area() {
    let (names, predictions) = many();
    for curves in [Curves::roc(&names, &predictions), Curves::precision_recall(&names, &predictions)] {
        let thinned = curves.clone().thinned(1e-3);
        for (whole, thin) in curves.curves.iter().zip(&thinned.curves) {
            assert!(2 * thin.curve.x.len() < whole.curve.x.len(), "{} of {}", thin.curve.x.len(), whole.curve.x.len());
            assert_eq!(thin.curve.area, whole.curve.area);
            let beyond = thin.curve.x.len() - thin.curve.thresholds.len();
            assert_eq!(beyond, whole.curve.x.len() - whole.curve.thresholds.len(), "each point keeps its own threshold");
        }
    }
}

/// Predictions of some examples of up to six classes.
fn any_predictions() -> impl Strategy<Value = Predictions> {
    (2..6_usize).prop_flat_map(|classes| {
        prop::collection::vec((0..classes as u8, prop::collection::vec(1..20_u32, classes)), 1..60).prop_map(move |examples| {
            let labels = examples.iter().map(|example| example.0).collect();
            let probabilities = examples.iter().flat_map(|(_, weights)| {
                let sum: u32 = weights.iter().sum();
                weights.iter().map(move |&weight| weight as f32 / sum as f32)
            });
            Predictions::new(labels, probabilities.collect(), classes).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn rows_of_the_confusion_matrix_sum_to_the_supports(predictions in any_predictions()) {
        let names: Vec<String> = (0..predictions.classes()).map(|class| class.to_string()).collect();
        let evaluation = Evaluation::of("test", &names, &predictions);
        for class in &evaluation.per_class {
            let support = predictions.labels().iter().filter(|&&label| usize::from(label) == class.label).count() as u64;
            prop_assert_eq!(evaluation.confusion[class.label].iter().sum::<u64>(), support);
            prop_assert_eq!(class.support, support);
        }
        prop_assert!((evaluation.weighted.recall - evaluation.accuracy).abs() < 1e-12, "weighted recall is accuracy by another name");
        prop_assert_eq!(evaluation.n, predictions.len());
        for value in [evaluation.accuracy, evaluation.balanced_accuracy, evaluation.average_precision.micro, evaluation.top_2_accuracy] {
            prop_assert!((0.0..=1.0).contains(&value));
        }
    }

    #[test]
    fn the_area_of_a_question_asked_the_other_way_round_is_the_rest(predictions in any_predictions()) {
        let (labels, column) = (predictions.labels(), |index: usize| predictions.row(index)[0]);
        let asked = Ranking::new((0..labels.len()).map(|index| (column(index), labels[index] == 0)));
        let reversed = Ranking::new((0..labels.len()).map(|index| (-column(index), labels[index] == 0)));
        match (asked.roc_area(), reversed.roc_area()) {
            (Some(area), Some(rest)) => prop_assert!((area + rest - 1.0).abs() < 1e-12),
            (one, other) => prop_assert_eq!(one, other),
        }
    }

    #[test]
    fn areas_follow_the_order_of_scores_and_not_their_size(predictions in any_predictions()) {
        let truth = |index: usize| predictions.labels()[index] == 0;
        let ranked = |grown: fn(f32) -> f32| Ranking::new((0..predictions.len()).map(|index| (grown(predictions.row(index)[0]), truth(index))));
        let plain = ranked(|score| score);
        // Unlike scores differ by 1/95² at least, far more than f32 rounds to at any of these sizes.
        for other in [ranked(|score| 3.0 * score - 7.0), ranked(|score| (8.0 * score).exp()), ranked(f32::sqrt)] {
            prop_assert_eq!(plain.roc_area(), other.roc_area());
            prop_assert_eq!(plain.average_precision(), other.average_precision());
        }
    }

    #[test]
    fn a_resample_holds_all_of_a_group_as_often(groups in prop::collection::vec(0..9_u32, 1..40), seed in any::<u64>()) {
        let mut resampling = Resampling::of_groups(&groups).unwrap();
        (resampling.seed, resampling.repeats) = (seed, 20);
        // 1 where a resample tears a group apart, or is of another number of groups than there are.
        let torn = resampling.intervals(|times| {
            let mut drawn = std::collections::BTreeMap::new();
            let whole = groups.iter().zip(times).all(|(group, times)| drawn.insert(*group, *times).is_none_or(|before| before == *times));
            vec![f64::from(u8::from(!whole || drawn.values().sum::<u32>() as usize != drawn.len()))]
        });
        prop_assert_eq!(torn[0].map(|torn| torn.high), Some(0.0));
    }
}
