//! The page's figures.

use super::{
    super::words::{Sentence, Voice, fixed},
    beside::{Beside, PLAIN},
    remedies::{Remedies, Remedy},
    view::{Counting, Curves},
};
use crate::{
    data::Dataset,
    error::AppResult,
    figure::{Axis, Bar, Content, Figure, Headings, Line},
    jobs::Judgement,
    metrics::{self, Average},
    store::Series,
    web::AppState,
};

/// Below what a drawing of 700 pixels shows.
const TOLERANCE: f64 = 2e-3;
/// A curve over epochs is drawn as a mean over so many of them: single epochs jump about more than remedies differ.
const SMOOTHED: usize = 3;

/// Short names of the classes.
pub fn codes(dataset: &Dataset) -> Vec<String> {
    (0..dataset.classes.len()).filter_map(|label| dataset.short_name(label).map(str::to_owned)).collect()
}

fn axis(voice: Voice, name: &str, decimals: usize) -> Axis {
    Axis { label: voice.say(name), decimals, ..Axis::default() }
}

/// The title of a figure of one split.
fn title(voice: Voice, name: &str, judgement: &Judgement) -> String {
    format!("{}: {}", voice.say(name), voice.say(&format!("datasets-split-{}", judgement.split.name())))
}

/// What was taken for what.
pub fn confusion(voice: Voice, judgement: &Judgement, counting: Counting) -> Figure {
    let (counts, names) = (&judgement.evaluation.confusion, codes(judgement.dataset));
    let sums: Vec<u64> = (0..names.len()).map(|said| counts.iter().map(|row| row[said]).sum()).collect();
    let value = |row: &Vec<u64>, said: usize| match counting {
        Counting::Images => row[said] as f64,
        Counting::Rows => row[said] as f64 / row.iter().sum::<u64>().max(1) as f64,
        Counting::Columns => row[said] as f64 / sums[said].max(1) as f64,
    };
    let values = counts.iter().map(|row| (0..row.len()).map(|said| Some(value(row, said))).collect()).collect();
    let (decimals, range) = if counting == Counting::Images { (0, None) } else { (2, Some((0.0, 1.0))) };
    Figure {
        id: "skin-confusion".into(),
        title: title(voice, "fashion-confusion", judgement),
        reading: voice.sentence(&confusion_reading(counts, &names)),
        horizontal: axis(voice, "fashion-said", 0),
        vertical: axis(voice, "fashion-true", 0),
        content: Content::Matrix {
            rows: names.clone(),
            columns: names,
            values,
            value: axis(voice, &format!("skin-counting-{}", counting.name()), decimals),
            range,
            marked: Vec::new(),
        },
        headings: Headings::default(),
    }
}

/// Where most of a class goes astray.
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

/// Each class against the rest over all thresholds, with the mean of the classes and all answers together.
pub fn curves(voice: Voice, judgement: &Judgement, kind: Curves) -> Figure {
    let names = codes(judgement.dataset);
    let is_roc = kind == Curves::Roc;
    let of = if is_roc { metrics::Curves::roc } else { metrics::Curves::precision_recall };
    let curves = of(&names, &judgement.predictions).thinned(TOLERANCE);
    let line = |name: String, curve: &Average, mean: bool| Line {
        name: curve.area.map_or_else(|| name.clone(), |area| format!("{name} {}", fixed(area, 2))),
        points: curve.x.iter().copied().zip(curve.y.iter().copied()).collect(),
        mean,
        unmarked: true,
        ..Line::default()
    };
    let classes = curves.curves.iter().map(|named| line(named.name.clone(), &named.curve, false));
    let means = [line(voice.say("skin-macro"), &curves.macro_mean, true), line(voice.say("skin-micro"), &curves.micro, true)];
    let ranked = || curves.curves.iter().filter_map(|named| Some((&named.name, named.curve.area?)));
    let least = ranked().reduce(|least, next| if next.1 < least.1 { next } else { least });
    let most = ranked().reduce(|most, next| if next.1 > most.1 { next } else { most });
    let name = if is_roc { "roc" } else { "precision-recall" };
    let reading = match (least, most) {
        (Some((hard, least)), Some((easy, most))) => Sentence::new(format!("fashion-{name}-reading"))
            .text("hard", hard.clone())
            .measure("least", least, 3)
            .text("easy", easy.clone())
            .measure("most", most, 3),
        _ => Sentence::new("fashion-curves-none"),
    };
    let [across, up] = if is_roc { ["fashion-false-positive-rate", "fashion-recall"] } else { ["fashion-recall", "fashion-precision"] };
    Figure {
        id: format!("skin-{name}"),
        title: title(voice, &format!("fashion-{name}"), judgement),
        reading: voice.sentence(&reading),
        horizontal: axis(voice, across, 3),
        vertical: axis(voice, up, 3),
        content: Content::Lines { lines: classes.chain(means).collect(), references: Vec::new() },
        headings: Headings { group: voice.say("fashion-class"), ..Headings::default() },
    }
}

/// How often the network is right by how sure it is.
pub fn reliability(voice: Voice, judgement: &Judgement) -> Figure {
    let calibration = &judgement.evaluation.calibration;
    let points: Vec<(f64, f64)> = calibration.bins.iter().filter(|bin| bin.count > 0).map(|bin| (bin.confidence, bin.accuracy)).collect();
    let (low, high) = (points.first().map_or(0.0, |point| point.0), points.last().map_or(1.0, |point| point.0));
    let predictions = &judgement.predictions;
    let confidence = (0..predictions.len()).map(|index| f64::from(predictions.confidence(index))).sum::<f64>() / predictions.len() as f64;
    let reading = Sentence::new("fashion-reliability-reading")
        .text("kind", if confidence > judgement.evaluation.accuracy { "over" } else { "under" })
        .share("confidence", confidence)
        .share("accuracy", judgement.evaluation.accuracy)
        .measure("error", calibration.expected_error, 3);
    let perfect = Line { name: voice.say("fashion-perfect"), points: vec![(low, low), (high, high)], mean: true, ..Line::default() };
    Figure {
        id: "skin-reliability".into(),
        title: title(voice, "fashion-reliability", judgement),
        reading: voice.sentence(&reading),
        horizontal: axis(voice, "fashion-confidence", 3),
        vertical: axis(voice, "fashion-accuracy", 3),
        content: Content::Lines {
            lines: vec![Line { name: voice.say("fashion-network"), points, ..Line::default() }, perfect],
            references: Vec::new(),
        },
        headings: Headings { group: voice.say("fashion-curve"), ..Headings::default() },
    }
}

/// Accuracy or loss on the images that validate, epoch by epoch, of each remedy as a mean over its seeds; none while no run has one.
///
/// # Errors
/// The store's own.
pub fn learning(app: &AppState, voice: Voice, beside: &Beside, measures: &[&str]) -> AppResult<Vec<Figure>> {
    let mut lines: Vec<Vec<Line>> = vec![Vec::new(); measures.len()];
    for row in &beside.rows {
        let curves = row.runs.iter().map(|run| app.store.curves(&run.id)).collect::<AppResult<Vec<_>>>()?;
        for (measure, lines) in measures.iter().zip(&mut lines) {
            let name = format!("validation_{measure}");
            let of_run = |series: &Vec<Series>| {
                let found = series.iter().find(|series| series.name == name);
                found.map(|found| found.points.iter().map(|point| (point.epoch as f64, point.value)).collect())
            };
            let points = smoothed(&mean(&curves.iter().filter_map(of_run).collect::<Vec<Vec<(f64, f64)>>>()), SMOOTHED);
            if !points.is_empty() {
                lines.push(Line { name: super::remedy_name(voice, row), points, mean: row.id == PLAIN, ..Line::default() });
            }
        }
    }
    Ok(measures.iter().zip(lines).filter_map(|(measure, lines)| learning_of(voice, measure, lines)).collect())
}

fn learning_of(voice: Voice, measure: &str, lines: Vec<Line>) -> Option<Figure> {
    let last = |line: &Line| line.points.last().map(|point| point.1).unwrap_or_default();
    let is_better = |one: f64, other: f64| if measure == "loss" { one < other } else { one > other };
    let best = lines.iter().reduce(|best, next| if is_better(last(next), last(best)) { next } else { best })?;
    let reading = Sentence::new(format!("skin-{measure}-reading")).text("name", best.name.clone()).measure("value", last(best), 3);
    Some(Figure {
        id: format!("skin-{measure}"),
        title: voice.say(&format!("fashion-validation-{measure}")),
        reading: voice.sentence(&reading),
        horizontal: axis(voice, "fashion-epoch", 0),
        vertical: axis(voice, &format!("fashion-validation-{measure}"), 3),
        content: Content::Lines { lines, references: Vec::new() },
        headings: Headings { group: voice.say("skin-remedy"), ..Headings::default() },
    })
}

/// The mean of curves at each place where all have a point, in order; curves of another length are cut.
fn mean(curves: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let length = curves.iter().map(Vec::len).min().unwrap_or_default();
    let at = |place: usize| (curves[0][place].0, curves.iter().map(|curve| curve[place].1).sum::<f64>() / curves.len() as f64);
    (0..length).map(at).collect()
}

/// Each value as the mean of itself and those before it, `over` in all.
fn smoothed(points: &[(f64, f64)], over: usize) -> Vec<(f64, f64)> {
    let at = |end: usize| {
        let part = &points[(end + 1).saturating_sub(over)..=end];
        (points[end].0, part.iter().map(|point| point.1).sum::<f64>() / part.len() as f64)
    };
    (0..points.len()).map(at).collect()
}

/// By how much a remedy finds more of each class than the plain network does; `None` where either was not judged.
pub fn recall(voice: Voice, remedies: &Remedies, remedy: &Remedy, codes: &[String]) -> Option<Figure> {
    let (change, recall, plain) = (remedy.change.as_ref()?, remedy.recall.as_ref()?, remedies.plain_recall()?);
    let bar = |(label, code): (usize, &String)| Bar {
        label: code.clone(),
        value: change[label],
        note: Some(format!("{} → {}", fixed(plain[label], 2), fixed(recall[label], 2))),
        ..Bar::default()
    };
    let count = |wanted: fn(f64) -> bool| change.iter().filter(|change| wanted(**change)).count();
    let reading = Sentence::new("skin-recall-reading")
        .text("name", super::remedy_name(voice, &remedy.row))
        .number("more", count(|change| change > 5e-4))
        .number("less", count(|change| change < -5e-4));
    Some(Figure {
        id: "skin-recall".into(),
        title: voice.say("skin-recall"),
        reading: voice.sentence(&reading),
        horizontal: axis(voice, "skin-recall-change", 3),
        vertical: axis(voice, "fashion-class", 0),
        content: Content::Bars { bars: codes.iter().enumerate().map(bar).collect(), range: None },
        headings: Headings { note: voice.say("skin-recall-from-to"), ..Headings::default() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_curves_ends_where_the_first_of_them_ends() {
        let curves = [vec![(1.0, 1.0), (2.0, 3.0), (3.0, 9.0)], vec![(1.0, 3.0), (2.0, 5.0)]];
        assert_eq!(mean(&curves), [(1.0, 2.0), (2.0, 4.0)]);
        assert!(mean(&[]).is_empty());
        assert_eq!(smoothed(&[(1.0, 3.0), (2.0, 5.0), (3.0, 10.0)], 2), [(1.0, 3.0), (2.0, 4.0), (3.0, 7.5)]);
    }
}
