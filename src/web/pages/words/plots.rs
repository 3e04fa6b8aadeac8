//! The sections' numbers as bars.

use super::{
    accuracy::{Accuracy, name},
    analogies::Analogies,
    bias::Bias,
    comparison::{Comparison, two_decimals},
    distances::Distances,
    neighbors::Neighbors,
    odd::Odd,
    sentence::Sentence,
    voice::Voice,
};
use crate::{
    figure::{Axis, Bar, Content, Figure, Headings},
    words::{analogy::Method, report::Similar},
};

/// A drawing holds no more bars than can be looked at; CSV and JSON hold all.
const MOST_BARS: usize = 200;

/// The nearest words of each word, with the report's similarity where it has the same neighbour.
pub fn neighbors(voice: Voice, found: &Neighbors) -> Option<Figure> {
    let caption = |word: &str| voice.sentence(&Sentence::new("words-neighbors-caption").text("word", word));
    let bars = found.tables.iter().flat_map(|table| compared(&caption(&table.word), &table.comparison)).collect();
    Plot { voice, id: "neighbors", reading: &found.reading, axis: "words-similarity", decimals: 2, percent: false }.figure(bars)
}

/// The distance of each pair, with the report's.
pub fn distances(voice: Voice, found: &Distances) -> Option<Figure> {
    let bar = |row: &super::distances::Row| {
        let [first, second] = &row.words;
        let reference = row.report.map(two_decimals);
        Some(Bar { label: format!("{first} · {second}"), value: f64::from(row.distance?), reference, ..Bar::default() })
    };
    let bars = found.rows.iter().filter_map(bar).collect();
    Plot { voice, id: "distances", reading: &found.reading, axis: "words-distance", decimals: 2, percent: false }.figure(bars)
}

/// The answers of each analogy, both ways round, with the report's similarity where it has the same answer.
pub fn analogies(voice: Voice, found: &Analogies) -> Option<Figure> {
    let both = |question: &super::analogies::Question| {
        let [w1, w2, w3] = &question.words;
        let first = compared(&format!("{w1} + {w2} − {w3}"), &question.first.comparison);
        [first, compared(&format!("{w1} + {w3} − {w2}"), &question.second.comparison)].concat()
    };
    let bars = found.questions.iter().flat_map(both).collect();
    let axis = if found.method == Method::Mul { "words-analogies-mul" } else { "words-similarity" };
    Plot { voice, id: "analogies", reading: &found.reading, axis, decimals: 2, percent: false }.figure(bars)
}

/// The similarity of each word to the centroid, and the words nearest to it.
pub fn odd(voice: Voice, found: &Odd) -> Option<Figure> {
    let bars = |words: &[Similar], group: &str| {
        let group = voice.say(group);
        words.iter().map(|word| bar(&word.word, &group, word.similarity.into())).collect::<Vec<_>>()
    };
    let bars = [bars(&found.words, "words-odd-caption"), bars(&found.centroid, "words-odd-centroid")].concat();
    Plot { voice, id: "odd", reading: &found.reading, axis: "words-similarity", decimals: 2, percent: false }.figure(bars)
}

/// The association of each target word with A rather than B, strongest first.
pub fn weat(voice: Voice, found: &Bias) -> Option<Figure> {
    let association = found.association.as_ref()?;
    let mut bars = Vec::new();
    for (words, name) in association.targets.iter().zip(&found.names) {
        let group = voice.say(name);
        let mut words: Vec<Bar> = words.iter().map(|word| bar(&word.word, &group, word.association)).collect();
        words.sort_by(|a, b| b.value.total_cmp(&a.value));
        bars.extend(words);
    }
    let mut figure = Plot { voice, id: "weat", reading: &found.association_reading, axis: "", decimals: 3, percent: false }.figure(bars)?;
    let ends = Sentence::new("words-weat-axis").key("a", &found.names[2]).key("b", &found.names[3]);
    figure.horizontal.label = voice.sentence(&ends);
    Some(figure)
}

/// The place of each occupation on the axis from he to she.
pub fn occupations(voice: Voice, found: &Bias) -> Option<Figure> {
    let bars = found.placed.iter().map(|placed| Bar { label: placed.word.clone(), value: placed.position, ..Bar::default() }).collect();
    Plot { voice, id: "axis", reading: &found.axis_reading, axis: "words-axis-value", decimals: 2, percent: false }.figure(bars)
}

/// The accuracy of each section among the most frequent words, held against that among all.
pub fn accuracy(voice: Voice, found: &Accuracy) -> Option<Figure> {
    let [first, rest @ ..] = found.evaluations.as_slice() else { return None };
    let percent = |accuracy: Option<f64>| accuracy.map(|share| 100.0 * share);
    let bar = |(place, score): (usize, &crate::words::evaluate::SectionScore)| {
        let reference = rest.first().and_then(|all| percent(all.sections.get(place)?.accuracy));
        let note = Some(format!("{}/{}", score.correct, score.covered));
        let label = voice.name(&name(&score.name));
        Some(Bar { label, value: percent(score.accuracy)?, reference, note, ..Bar::default() })
    };
    let bars = first.sections.iter().enumerate().filter_map(bar).collect();
    let mut figure = Plot { voice, id: "accuracy", reading: &found.reading, axis: "words-accuracy-accuracy", decimals: 1, percent: true }
        .figure(bars)?;
    if !rest.is_empty() {
        figure.horizontal.label = voice.sentence(&Sentence::new("words-accuracy-axis").number("words", first.limit));
    }
    figure.headings.reference = voice.say("words-accuracy-among-all");
    figure.headings.note = voice.say("words-accuracy-ratio");
    figure.vertical.label = voice.say("words-accuracy-section");
    Some(figure)
}

/// What the figures of the sections have in common.
struct Plot<'a> {
    voice: Voice,
    /// Names the file, and the title among the texts.
    id: &'static str,
    reading: &'a [Sentence],
    /// The key of what the bars measure.
    axis: &'static str,
    decimals: usize,
    percent: bool,
}

impl Plot<'_> {
    /// `None` without bars.
    fn figure(self, mut bars: Vec<Bar>) -> Option<Figure> {
        let Self { voice, id, decimals, .. } = self;
        if bars.is_empty() {
            return None;
        }
        let mut reading = voice.sentences(self.reading);
        if bars.len() > MOST_BARS {
            let cut = Sentence::new("words-figure-cut").number("shown", MOST_BARS).number("count", bars.len());
            reading = format!("{reading} {}", voice.sentence(&cut));
            bars.truncate(MOST_BARS);
        }
        let label = if self.axis.is_empty() { String::new() } else { voice.say(self.axis) };
        Some(Figure {
            id: format!("words-{id}"),
            title: voice.say(&format!("words-{id}-title")),
            reading,
            horizontal: Axis { label, unit: self.percent.then(|| "%".to_owned()), decimals, ..Axis::default() },
            vertical: Axis { label: voice.say("words-word"), ..Axis::default() },
            content: Content::Bars { bars, range: None },
            headings: Headings {
                item: voice.say("words-word"),
                group: voice.say("words-maps-group"),
                reference: voice.say("words-report"),
                ..Headings::default()
            },
        })
    }
}

/// Our answers, each held against the report's where it stands in both lists.
fn compared(group: &str, comparison: &Comparison) -> Vec<Bar> {
    let report = comparison.report.unwrap_or_default();
    let reference = |word: &str| report.iter().find(|answer| answer.word == word).map(|answer| two_decimals(answer.similarity));
    let ours = comparison.ours.iter().flatten();
    ours.map(|answer| Bar { reference: reference(&answer.word), ..bar(&answer.word, group, answer.similarity.into()) }).collect()
}

fn bar(label: &str, group: &str, value: f64) -> Bar {
    Bar { label: label.to_owned(), group: Some(group.to_owned()), value, ..Bar::default() }
}
