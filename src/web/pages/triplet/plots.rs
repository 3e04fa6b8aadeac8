//! The page's figures.

use super::{
    super::words::{Sentence, Voice},
    beside::Beside,
    miners::Miners,
    view::{Colouring, MOST_DRAWN, View},
};
use crate::{
    error::AppResult,
    figure::{Axis, Content, Figure, Group, Headings, Line, Point},
    jobs::{Map, Stage},
    report::Losses,
    web::AppState,
};

/// Names the figures in addresses.
pub const NAMES: [&str; 3] = ["triplet-loss", "triplet-active", "triplet-map"];
/// More ways to choose triplets can't be told apart.
const MOST_MINERS: usize = 8;

/// Loss over the epochs, the report's and ours.
pub fn losses(voice: Voice, beside: &Beside) -> Figure {
    let line = |whose: &str, split: &str, points: Vec<(f64, f64)>| Line {
        name: format!("{}{} {}", voice.say(&format!("triplet-{whose}")), voice.0.comma(), voice.say(&format!("datasets-split-{split}"))),
        points,
        ..Line::default()
    };
    let epochs = beside.epochs();
    let report = |value: fn(&Losses) -> f64| epochs.iter().map(|epoch| (epoch.number as f64, value(&epoch.report))).collect();
    // A loss of exactly 0 has no place on a logarithmic axis.
    let ours = |value: fn(&Losses) -> f64| -> Vec<(f64, f64)> {
        let all = epochs.iter().filter_map(|epoch| Some((epoch.number as f64, value(epoch.ours.as_ref()?))));
        all.filter(|(_, value)| *value > 0.0).collect()
    };
    let mut lines = vec![
        line("report", "train", report(|losses| losses.loss)),
        line("report", "validation", report(|losses| losses.validation_loss)),
        line("ours", "train", ours(|losses| losses.loss)),
        line("ours", "validation", ours(|losses| losses.validation_loss)),
    ];
    lines.retain(|line| !line.points.is_empty());
    let last = epochs.last();
    let reading = match last.and_then(|last| Some((last.report, last.ours?))) {
        Some((report, ours)) => Sentence::new("triplet-loss-reading")
            .measure("ours", ours.validation_loss, 4)
            .measure("report", report.validation_loss, 4)
            .count("seeds", beside.ours.len()),
        None => Sentence::new("triplet-loss-reading-report"),
    };
    Figure {
        id: "triplet-loss".into(),
        title: voice.say("triplet-loss-title"),
        reading: voice.sentence(&reading),
        horizontal: Axis { label: voice.say("fashion-epoch"), ..Axis::default() },
        vertical: Axis { label: voice.say("triplet-loss"), decimals: 4, logarithmic: true, ..Axis::default() },
        content: Content::Lines { lines, references: Vec::new() },
        headings: Headings { group: voice.say("fashion-curve"), ..Headings::default() },
    }
}

/// How many triplets still have a loss, by the way they are chosen; `None` where nothing was trained.
///
/// # Errors
/// The store's own.
pub fn active(app: &AppState, voice: Voice, miners: &Miners) -> AppResult<Option<Figure>> {
    let mut lines: Vec<Line> = Vec::new();
    // Of losses that are not over triplets another share is told.
    for miner in miners.rows.iter().filter(|miner| miner.is_over_triplets()).take(MOST_MINERS) {
        let curves = app.store.curves(&miner.runs[0].id)?;
        let Some(series) = curves.iter().find(|series| series.name == "train_active") else { continue };
        let points = series.points.iter().map(|point| (point.epoch as f64, point.value)).collect();
        let mut name = miner.name();
        if lines.iter().any(|line| line.name == name) {
            name = format!("{name}, {}", miner.runs[0].name);
        }
        lines.push(Line { name, points, ..Line::default() });
    }
    lines.retain(|line| !line.points.is_empty());
    let last = |line: &Line| line.points.last().map_or(0.0, |(_, value)| *value);
    let ends = lines.iter().map(|line| (line.name.clone(), last(line)));
    let (Some(least), Some(most)) =
        (ends.clone().min_by(|one, other| one.1.total_cmp(&other.1)), ends.max_by(|one, other| one.1.total_cmp(&other.1)))
    else {
        return Ok(None);
    };
    let reading = if lines.len() == 1 {
        Sentence::new("triplet-active-reading-one").text("name", most.0).share("share", most.1)
    } else {
        Sentence::new("triplet-active-reading").text("least", least.0).share("low", least.1).text("most", most.0).share("high", most.1)
    };
    Ok(Some(Figure {
        id: "triplet-active".into(),
        title: voice.say("triplet-active-title"),
        reading: voice.sentence(&reading),
        horizontal: Axis { label: voice.say("fashion-epoch"), ..Axis::default() },
        vertical: Axis { label: voice.say("triplet-active"), decimals: 4, ..Axis::default() },
        content: Content::Lines { lines, references: Vec::new() },
        headings: Headings { group: voice.say("triplet-choice"), ..Headings::default() },
    }))
}

/// A map, or the first points of a large one. `said`: labels of neighbours, where colours tell of them. `mark`: a place to be marked.
pub fn map(voice: Voice, view: &View, stage: Stage, map: &Map, said: Option<&[u8]>, mark: Option<[f64; 2]>) -> Figure {
    let drawn = map.labels.len().min(MOST_DRAWN);
    let told = |index: usize| said.and_then(|said| said.get(index)).copied().unwrap_or(map.labels[index]);
    let group_of = |index: usize| match view.colouring {
        Colouring::Label => usize::from(map.labels[index]),
        Colouring::Said => usize::from(told(index)),
        Colouring::Error => usize::from(told(index) != map.labels[index]),
    };
    let names: Vec<String> = match view.colouring {
        Colouring::Error => ["triplet-right", "triplet-wrong"].map(|key| voice.say(key)).into(),
        _ => (0..10).map(|label: usize| label.to_string()).collect(),
    };
    let mut groups: Vec<Group> = names.into_iter().map(|name| Group { name, points: Vec::new() }).collect();
    for (index, [x, y]) in map.places.iter().enumerate().take(drawn) {
        let point = Point {
            label: if view.colouring == Colouring::Error { String::new() } else { index.to_string() },
            x: f64::from(*x),
            y: f64::from(*y),
        };
        if let Some(group) = groups.get_mut(group_of(index)) {
            group.points.push(point);
        }
    }
    if let Some([x, y]) = mark {
        let label = voice.say("triplet-yours");
        groups.push(Group { name: label.clone(), points: vec![Point { label, x, y }] });
    }
    let kl = match map.kl_divergence {
        Some(divergence) => Sentence::new("triplet-map-kl").number("n", map.labels.len()).measure("kl", divergence, 3),
        None => Sentence::new("triplet-map-pca").number("n", map.labels.len()),
    };
    let mut reading = voice.sentence(&kl);
    if drawn < map.labels.len() {
        reading = format!("{reading} {}", voice.sentence(&Sentence::new("triplet-map-first").number("n", drawn)));
    }
    let axis = |number: usize| Axis {
        label: voice.sentence(&Sentence::new(format!("triplet-axis-{}", view.method())).count("number", number)),
        decimals: 2,
        ..Axis::default()
    };
    Figure {
        id: format!("triplet-map-{}", stage.name()),
        title: voice.say(&format!("triplet-map-{}", stage.name())),
        reading,
        horizontal: axis(1),
        vertical: axis(2),
        content: Content::Points { groups, arrows: Vec::new() },
        headings: Headings {
            item: voice.say("triplet-image"),
            group: voice.say(&format!("triplet-colour-{}", view.colouring.name())),
            ..Headings::default()
        },
    }
}
