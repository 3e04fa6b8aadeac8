//! The page's figures.

use super::{
    super::words::{Sentence, Voice, fixed},
    beside::{Beside, Pair},
};
use crate::{
    data::Split,
    error::AppResult,
    figure::{Axis, Content, Figure, Headings, Line, Reference},
    jobs::Judgement,
    metrics::{Average, Curves},
    store::Run,
    web::AppState,
};

/// Names the figures in addresses.
pub const NAMES: [&str; 6] =
    ["fashion-loss", "fashion-accuracy", "fashion-confusion", "fashion-precision-recall", "fashion-roc", "fashion-reliability"];

/// Of ten classes the hardest are worth a line of their own; more can't be told apart.
const MOST_CURVES: usize = 6;
/// Below what a drawing of 700 pixels shows.
const TOLERANCE: f64 = 1e-3;

/// What a confusion matrix counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counting {
    /// Images.
    #[default]
    Images,
    /// Shares of each row: of the images of a class.
    Rows,
}

/// Loss or accuracy of the report's two trainings, epoch by epoch; `None` while there is none of ours.
///
/// # Errors
/// The store's own.
pub fn learning(app: &AppState, voice: Voice, beside: &Beside, measure: &'static str) -> AppResult<Option<(Figure, Vec<Run>)>> {
    let (mut lines, mut references, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    let mut reading = Vec::new();
    for pair in [&beside.untuned, &beside.tuned] {
        let Some((run, last)) = pair.ours.first() else { continue };
        let curves = app.store.curves(&run.id)?;
        for split in [Split::Train, Split::Validation] {
            let name = format!("{}_{measure}", split.name());
            let Some(series) = curves.iter().find(|series| series.name == name) else { continue };
            let points = series.points.iter().map(|point| (point.epoch as f64, point.value)).collect();
            lines.push(Line { name: line_name(voice, pair, split), points, ..Line::default() });
        }
        let (ours, theirs) = match measure {
            "loss" => (last.validation_loss, pair.report.last.validation_loss),
            _ => (last.validation_accuracy, pair.report.last.validation_accuracy),
        };
        let name = voice.sentence(&Sentence::new("fashion-report-mark").key("training", format!("fashion-{}", pair.id)));
        references.push(Reference { name, value: theirs, at: Some(pair.report.epochs as f64) });
        let said = Sentence::new(format!("fashion-{measure}-reading")).key("training", format!("fashion-{}", pair.id));
        reading.push(voice.sentence(&said.measure("ours", ours, 4).measure("report", theirs, 4)));
        runs.push(run.clone());
    }
    if lines.iter().all(|line| line.points.is_empty()) {
        return Ok(None);
    }
    let figure = Figure {
        id: format!("fashion-{measure}"),
        title: voice.say(&format!("fashion-{measure}")),
        reading: reading.join(" "),
        horizontal: Axis { label: voice.say("fashion-epoch"), ..Axis::default() },
        vertical: Axis { label: voice.say(&format!("fashion-{measure}")), decimals: 4, ..Axis::default() },
        content: Content::Lines { lines, references },
        headings: Headings { group: voice.say("fashion-curve"), ..Headings::default() },
    };
    Ok(Some((figure, runs)))
}

fn line_name(voice: Voice, pair: &Pair, split: Split) -> String {
    format!("{}, {}", voice.say(&format!("fashion-{}", pair.id)), voice.say(&format!("datasets-split-{}", split.name())))
}

/// What was taken for what.
pub fn confusion(voice: Voice, judgement: &Judgement, counting: Counting) -> Figure {
    let (evaluation, names) = (&judgement.evaluation, &judgement.dataset.classes);
    let value = |row: &Vec<u64>, count: u64| match counting {
        Counting::Images => count as f64,
        Counting::Rows => count as f64 / row.iter().sum::<u64>().max(1) as f64,
    };
    let values = evaluation.confusion.iter().map(|row| row.iter().map(|&count| Some(value(row, count))).collect()).collect();
    let (decimals, range) = if counting == Counting::Rows { (2, Some((0.0, 1.0))) } else { (0, None) };
    Figure {
        id: "fashion-confusion".into(),
        title: voice.say("fashion-confusion"),
        reading: voice.sentence(&confusion_reading(&evaluation.confusion, names)),
        horizontal: Axis { label: voice.say("fashion-said"), ..Axis::default() },
        vertical: Axis { label: voice.say("fashion-true"), ..Axis::default() },
        content: Content::Matrix {
            rows: names.clone(),
            columns: names.clone(),
            values,
            value: Axis {
                label: voice.say(if counting == Counting::Rows { "fashion-share" } else { "fashion-images" }),
                decimals,
                ..Axis::default()
            },
            range,
            marked: Vec::new(),
        },
        headings: Headings::default(),
    }
}

/// The confusion that happens most.
fn confusion_reading(counts: &[Vec<u64>], names: &[String]) -> Sentence {
    let cells = counts.iter().enumerate().flat_map(|(label, row)| row.iter().enumerate().map(move |(said, count)| (label, said, *count)));
    let most = cells.filter(|(label, said, _)| label != said).reduce(|most, next| if next.2 > most.2 { next } else { most });
    match most {
        Some((label, said, count)) if count > 0 => Sentence::new("fashion-confusion-reading")
            .text("label", names[label].clone())
            .text("said", names[said].clone())
            .number("count", count as usize)
            .number("support", counts[label].iter().sum::<u64>() as usize),
        _ => Sentence::new("fashion-confusion-none"),
    }
}

/// Precision over recall, or the ROC curve: all classes together, and those that are the hardest to tell from the rest.
pub fn curves(voice: Voice, judgement: &Judgement, is_roc: bool) -> Figure {
    let names = &judgement.dataset.classes;
    let curves = if is_roc { Curves::roc(names, &judgement.predictions) } else { Curves::precision_recall(names, &judgement.predictions) };
    let curves = curves.thinned(TOLERANCE);
    let mut hardest: Vec<(&String, &Average, f64)> =
        curves.curves.iter().filter_map(|named| Some((&named.name, &named.curve, named.curve.area?))).collect();
    hardest.sort_by(|one, other| one.2.total_cmp(&other.2));
    let easiest = hardest.last().map(|(name, _, area)| ((*name).clone(), *area));
    hardest.truncate(MOST_CURVES);
    let kind = if is_roc { "roc" } else { "precision-recall" };
    let reading = match (hardest.first(), easiest) {
        (Some((hard, _, least)), Some((easy, most))) => Sentence::new(format!("fashion-{kind}-reading"))
            .text("hard", (*hard).clone())
            .measure("least", *least, 3)
            .text("easy", easy)
            .measure("most", most, 3),
        _ => Sentence::new("fashion-curves-none"),
    };
    let line = |name: String, curve: &Average| Line {
        name: format!("{name} ({})", fixed(curve.area.unwrap_or_default(), 3)),
        points: curve.x.iter().copied().zip(curve.y.iter().copied()).collect(),
        ..Line::default()
    };
    let all = line(voice.say("fashion-micro"), &curves.micro);
    let lines = std::iter::once(all).chain(hardest.iter().map(|(name, curve, _)| line((*name).clone(), curve))).collect();
    let axis = |name: &str| Axis { label: voice.say(&format!("fashion-{name}")), decimals: 3, ..Axis::default() };
    let [across, up] = if is_roc { ["false-positive-rate", "recall"] } else { ["recall", "precision"] };
    Figure {
        id: format!("fashion-{kind}"),
        title: voice.say(&format!("fashion-{kind}")),
        reading: voice.sentence(&reading),
        horizontal: axis(across),
        vertical: axis(up),
        content: Content::Lines { lines, references: Vec::new() },
        headings: Headings { group: voice.say("fashion-class"), ..Headings::default() },
    }
}

/// How often the network is right by how sure it is.
pub fn reliability(voice: Voice, judgement: &Judgement) -> Figure {
    let calibration = &judgement.evaluation.calibration;
    let filled = calibration.bins.iter().filter(|bin| bin.count > 0);
    let points: Vec<(f64, f64)> = filled.map(|bin| (bin.confidence, bin.accuracy)).collect();
    let (low, high) = (points.first().map_or(0.0, |point| point.0), points.last().map_or(1.0, |point| point.0));
    let mean_confidence = (0..judgement.predictions.len()).map(|index| f64::from(judgement.predictions.confidence(index))).sum::<f64>()
        / judgement.predictions.len() as f64;
    let kind = if mean_confidence > judgement.evaluation.accuracy { "over" } else { "under" };
    let reading = Sentence::new("fashion-reliability-reading")
        .text("kind", kind)
        .share("confidence", mean_confidence)
        .share("accuracy", judgement.evaluation.accuracy)
        .measure("error", calibration.expected_error, 3);
    Figure {
        id: "fashion-reliability".into(),
        title: voice.say("fashion-reliability"),
        reading: voice.sentence(&reading),
        horizontal: Axis { label: voice.say("fashion-confidence"), decimals: 3, ..Axis::default() },
        vertical: Axis { label: voice.say("fashion-accuracy"), decimals: 3, ..Axis::default() },
        content: Content::Lines {
            lines: vec![
                Line { name: voice.say("fashion-network"), points, ..Line::default() },
                Line { name: voice.say("fashion-perfect"), points: vec![(low, low), (high, high)], ..Line::default() },
            ],
            references: Vec::new(),
        },
        headings: Headings { group: voice.say("fashion-curve"), ..Headings::default() },
    }
}
