//! What the templates ask of the page: texts, numbers as they are written, addresses.

use std::fmt::Write as _;

use super::{
    super::{
        networks::{signed, story},
        words::{Sentence, fixed},
    },
    SkinPage,
    beside::{BEST, PLAIN, Row, is_real},
    examples::{Attention, Example, Grid},
    picture::Picture,
    point::{self, Point, Price},
    remedies::Remedy,
    remedy_name,
    view::{Column, Counting, Curves, Only, Order},
};
use crate::{data::Split, report::PublishedLesions, store::Run};

/// A choice of a list: value, name, whether it is chosen.
type Choice = (String, String, bool);

impl SkinPage {
    pub(super) fn say(&self, key: &str) -> String {
        self.voice.say(key)
    }

    pub(super) fn fixed(&self, value: &f64, decimals: &str) -> String {
        fixed(*value, decimals.parse().unwrap_or(3))
    }

    pub(super) fn percent(&self, share: &f32) -> String {
        format!("{:.1}%", 100.0 * share)
    }

    /// Pixels of a bar.
    pub(super) fn length(&self, share: &f32, whole: f64) -> String {
        format!("{:.1}", f64::from(*share) * whole)
    }

    /// What a figure per image comes to over a hundred.
    pub(super) fn per_hundred(&self, value: &f64) -> String {
        fixed(100.0 * value, 1)
    }

    pub(super) fn similarity(&self, similarity: &f32) -> String {
        fixed(f64::from(*similarity), 3)
    }

    /// The short name of a class.
    pub(super) fn code(&self, label: &usize) -> &str {
        self.dataset.short_name(*label).unwrap_or("?")
    }

    /// What a class is, in the reader's language.
    pub(super) fn class_name(&self, label: &usize) -> String {
        self.say(&format!("skin-class-{}", self.code(label)))
    }

    /// Short names and what they stand for.
    pub(super) fn class_names(&self) -> Vec<(&str, String)> {
        (0..self.dataset.classes.len()).map(|label| (self.code(&label), self.class_name(&label))).collect()
    }

    pub(super) fn is_synthetic(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !is_real(run))
    }

    /// How many test images there are, how many of them are of the most frequent class, and which that is.
    fn constant_answer(&self) -> (u64, u64, &str) {
        let judged = self.parts.iter().find_map(|part| part.judged().filter(|_| part.split == Split::Test));
        let counts: Vec<u64> = match judged {
            Some(judged) => judged.judgement.evaluation.per_class.iter().map(|class| class.support).collect(),
            None => self.report.test.per_class.iter().map(|class| class.support).collect(),
        };
        let most = (0..counts.len()).reduce(|most, next| if counts[next] > counts[most] { next } else { most }).unwrap_or_default();
        (counts.iter().sum(), counts.get(most).copied().unwrap_or_default(), self.code(&most))
    }

    /// The trap of accuracy.
    pub(super) fn trap(&self) -> String {
        let (all, most, code) = self.constant_answer();
        let sentence = Sentence::new("skin-trap")
            .text("code", code)
            .number("most", most as usize)
            .number("all", all as usize)
            .measure("accuracy", most as f64 / all.max(1) as f64, 3)
            .measure("report", self.report.test.accuracy, 2);
        self.voice.sentence(&sentence)
    }

    /// What always answering the most frequent class is called.
    pub(super) fn constant(&self) -> String {
        let (_, _, code) = self.constant_answer();
        self.voice.sentence(&Sentence::new("skin-constant").text("code", code))
    }

    /// The runs to choose from, by what they learned from.
    pub(super) fn choices(&self) -> Vec<(String, Vec<&Run>)> {
        let mut groups: Vec<(String, Vec<&Run>)> = Vec::new();
        for run in &self.beside.runs {
            let id = run.dataset.as_ref().map(|used| used.id.as_str()).unwrap_or_default();
            let known = crate::data::datasets().iter().find(|dataset| dataset.id() == id);
            let name = known.map_or_else(|| id.to_owned(), |dataset| dataset.about.name.clone());
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, runs)) => runs.push(run),
                None => groups.push((name, vec![run])),
            }
        }
        groups
    }

    /// Rows that are worth a link of their own.
    pub(super) fn landmarks(&self) -> Vec<&Row> {
        let shown = self.run.as_ref().map(|run| run.id.as_str()).unwrap_or_default();
        let is_other = |row: &&Row| row.runs.first().is_some_and(|run| run.id != shown);
        [PLAIN, BEST].into_iter().filter_map(|id| self.beside.row(id)).filter(is_other).collect()
    }

    pub(super) fn run_link(&self, row: &Row) -> String {
        let run = row.runs.first().map(|run| run.id.as_str()).unwrap_or_default();
        self.view.link(&[("run", run), ("page", ""), ("judge", ""), ("threshold", "")], "start")
    }

    pub(super) fn name_of(&self, row: &Row) -> String {
        remedy_name(self.voice, row)
    }

    pub(super) fn settings(&self, row: &Row) -> String {
        self.beside.settings(row)
    }

    // --- The three splits ---

    pub(super) fn countings(&self) -> Vec<(&'static str, String)> {
        Counting::ALL.iter().map(|counting| (counting.name(), format!("skin-counting-{}", counting.name()))).collect()
    }

    pub(super) fn curve_kinds(&self) -> Vec<(&'static str, &'static str)> {
        Curves::ALL.iter().map(|kind| (kind.name(), title_of(*kind))).collect()
    }

    pub(super) fn curves_title(&self) -> String {
        self.say(title_of(self.view.curves))
    }

    /// Whether the images of a cell are those that are listed.
    pub(super) fn is_chosen(&self, split: &str, label: &usize, said: &usize) -> bool {
        let is = |name: &str, class: usize| self.view.given(name).and_then(|text| self.dataset.class(text)) == Some(class);
        self.view.split.name() == split && is("true", *label) && is("predicted", *said)
    }

    /// The images of a cell, most confident first.
    pub(super) fn cell_link(&self, split: &str, label: &usize, said: &usize) -> String {
        let (label, said) = (label.to_string(), said.to_string());
        let changes =
            [("split", split), ("true", &label), ("predicted", &said), ("only", ""), ("order", ""), ("lesions", ""), ("page", "")];
        self.view.link(&changes, "examples")
    }

    pub(super) fn cell_name(&self, label: &usize, said: &usize) -> String {
        self.voice.sentence(&Sentence::new("skin-cell").text("label", self.code(label)).text("said", self.code(said)))
    }

    // --- Images ---

    /// The lists of the form: field, label, choices.
    pub(super) fn example_fields(&self) -> Vec<(&'static str, String, Vec<Choice>)> {
        let view = &self.view;
        let choice = |value: &str, name: String, chosen: &str| (value.to_owned(), name, value == chosen);
        let classes = |name: &str| {
            let chosen = view.given(name).and_then(|text| self.dataset.class(text)).map(|label| label.to_string()).unwrap_or_default();
            let any = choice("", self.say("skin-any"), &chosen);
            let of = |label: usize| choice(&label.to_string(), self.code(&label).to_owned(), &chosen);
            std::iter::once(any).chain((0..self.dataset.classes.len()).map(of)).collect::<Vec<_>>()
        };
        let words = |words: Vec<&'static str>, kind: &str, chosen: &str| {
            words.into_iter().map(|word| choice(word, self.say(&format!("skin-{kind}-{word}")), chosen)).collect::<Vec<_>>()
        };
        let only = words(Only::ALL.iter().map(|only| only.name()).collect(), "only", view.only.name());
        let order = words(Order::ALL.iter().map(|order| order.name()).collect(), "order", view.order.name());
        let lesions = words(vec!["all", "unseen"], "lesions", if view.is_unseen { "unseen" } else { "all" });
        let attention = words(vec!["off", "on"], "attention", if view.has_attention { "on" } else { "off" });
        let mut fields = vec![
            ("split", self.say("triplet-split"), self.split_options(&["train", "validation", "test"], view.split)),
            ("true", self.say("fashion-true"), classes("true")),
            ("predicted", self.say("fashion-said"), classes("predicted")),
            ("only", self.say("skin-only"), only),
            ("order", self.say("skin-order"), order),
            ("attention", self.say("skin-attention"), attention),
        ];
        if self.examples.as_ref().is_some_and(|grid| grid.knows_lesions) {
            fields.insert(5, ("lesions", self.say("skin-lesions"), lesions));
        }
        fields
    }

    fn split_options(&self, splits: &[&str], chosen: Split) -> Vec<Choice> {
        let chosen = chosen.name();
        splits.iter().map(|split| ((*split).to_owned(), self.say(&format!("datasets-split-{split}")), *split == chosen)).collect()
    }

    pub(super) fn found(&self, grid: &Grid) -> String {
        self.voice.sentence(&Sentence::new("skin-found").number("found", grid.found).number("all", grid.all))
    }

    pub(super) fn pages(&self, grid: &Grid) -> String {
        self.voice.sentence(&Sentence::new("skin-page").number("page", self.view.page).number("pages", grid.pages()))
    }

    pub(super) fn picture_name(&self, grid: &Grid, example: &Example) -> String {
        let sentence = Sentence::new("skin-picture")
            .key("split", format!("datasets-split-{}", grid.split.name()))
            .number("index", example.index)
            .text("label", self.code(&example.label));
        self.voice.sentence(&sentence)
    }

    /// The image itself, or what the network looked at in it.
    pub(super) fn sight<'example>(&self, example: &'example Example) -> &'example str {
        if let Some(Attention::Picture(address)) = &example.attention { address } else { &example.image }
    }

    // --- The operating point ---

    pub(super) fn point_splits(&self) -> Vec<Choice> {
        self.split_options(&["validation", "test"], self.view.on)
    }

    /// The labels whose answer is yes.
    pub(super) fn labels(&self, point: &Point) -> String {
        point.question.classes.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
    }

    pub(super) fn chosen_threshold(&self, point: &Point) -> String {
        self.voice.sentence(&Sentence::new("skin-chosen").measure("threshold", point.chosen, 3))
    }

    pub(super) fn prior_name(&self, prior: &point::Prior) -> String {
        if prior.exponent > 0.0 {
            return self.voice.sentence(&Sentence::new("skin-prior-chosen").measure("exponent", prior.exponent, 2));
        }
        self.say("skin-prior-none")
    }

    /// A threshold as an address has it.
    pub(super) fn written(&self, threshold: &f64) -> String {
        point::written(*threshold)
    }

    pub(super) fn permalink(&self, point: &Point) -> String {
        self.view.link(&[("threshold", &point::written(point.threshold))], "point")
    }

    pub(super) fn price_link(&self, price: &Price) -> String {
        let (miss, threshold) = (price.ratio.to_string(), point::written(price.threshold));
        self.view.link(&[("miss", &miss), ("alarm", "1"), ("threshold", &threshold)], "point")
    }

    // --- Remedies ---

    pub(super) fn columns(&self) -> Vec<(&'static str, String)> {
        Column::ALL.iter().map(|column| (column.name(), format!("skin-column-{}", column.name().replace('_', "-")))).collect()
    }

    pub(super) fn is_sorted_by(&self, name: &str) -> bool {
        self.view.sort.is_some_and(|column| column.name() == name)
    }

    /// Sorts by a column; where it is sorted so already, back to the order of the trials.
    pub(super) fn sort_link(&self, name: &str) -> String {
        self.view.link(&[("sort", if self.is_sorted_by(name) { "" } else { name })], "remedies")
    }

    pub(super) fn is_best(&self, remedy: &Remedy) -> bool {
        remedy.row.id == BEST
    }

    /// Mean and deviation of each column.
    pub(super) fn measures(&self, remedy: &Remedy) -> Vec<(String, String)> {
        let written = |column: &Column| match remedy.measure(*column) {
            None => ("–".to_owned(), String::new()),
            Some(spread) => (fixed(spread.mean, 3), spread.deviation.map(|deviation| fixed(deviation, 3)).unwrap_or_default()),
        };
        Column::ALL.iter().map(written).collect()
    }

    /// The report's own network in these columns.
    pub(super) fn reports_measures(&self) -> Vec<String> {
        let (test, validation) = (&self.report.test, &self.report.validation);
        let melanoma = test.per_class.iter().find(|class| class.name == "mel").map(|class| class.recall);
        let of = |column: &Column| match column {
            Column::Accuracy => Some(test.accuracy),
            // The mean recall of the classes is the balanced accuracy.
            Column::Balanced => Some(test.macro_scores.recall),
            Column::MacroF1 => Some(test.macro_scores.f1),
            Column::Auc => None,
            Column::Melanoma => melanoma,
            Column::Validation => Some(validation.accuracy),
        };
        Column::ALL.iter().map(|column| of(column).map_or_else(|| "–".to_owned(), |value| fixed(value, 2))).collect()
    }

    /// What always answering the most frequent class comes to.
    pub(super) fn constants_measures(&self) -> Vec<String> {
        let (all, most, _) = self.constant_answer();
        let (share, classes) = (most as f64 / all.max(1) as f64, self.dataset.classes.len() as f64);
        let of = |column: &Column| match column {
            Column::Accuracy => Some(share),
            Column::Balanced => Some(1.0 / classes),
            // Of one class: precision is its share, recall 1; of the others nothing.
            Column::MacroF1 => Some(2.0 * share / (share + 1.0) / classes),
            Column::Auc => Some(0.5),
            Column::Melanoma => Some(0.0),
            Column::Validation => None,
        };
        Column::ALL.iter().map(|column| of(column).map_or_else(|| "–".to_owned(), |value| fixed(value, 3))).collect()
    }

    pub(super) fn published_measures(&self, other: &PublishedLesions) -> Vec<String> {
        let of = |column: &Column| match column {
            Column::Accuracy => fixed(other.accuracy, 3),
            Column::Auc => fixed(other.auc, 3),
            _ => "–".to_owned(),
        };
        Column::ALL.iter().map(of).collect()
    }

    /// Changes of recall in words.
    pub(super) fn change_name(&self, change: &[f64]) -> String {
        let mut text = self.say("skin-recall");
        for (label, change) in change.iter().enumerate() {
            let _ = write!(text, "{}{} {}", if label == 0 { ": " } else { self.voice.0.comma() }, self.code(&label), signed(*change, 3));
        }
        text
    }

    /// A small bar for each change: left edge, upper edge, height, and the colour of its series.
    pub(super) fn spark(&self, change: &[f64]) -> Vec<(usize, String, String, usize)> {
        const HALF: f64 = 14.0;
        let bar = |(place, change): (usize, &f64)| {
            let height = (change.abs() * HALF).clamp(0.5, HALF);
            let top = if *change < 0.0 { HALF + 1.0 } else { HALF + 1.0 - height };
            (place * 12 + 2, format!("{top:.1}"), format!("{height:.1}"), if *change < 0.0 { 2 } else { 1 })
        };
        change.iter().enumerate().map(bar).collect()
    }

    pub(super) fn remedy_link(&self, remedy: &Remedy) -> String {
        self.view.link(&[("remedy", &remedy.row.id)], "remedies")
    }

    pub(super) fn unmeasured(&self) -> String {
        self.voice.sentence(&Sentence::new("skin-unmeasured").count("count", self.remedies.unmeasured))
    }

    // --- Try it ---

    pub(super) fn story(&self, picture: &Picture) -> Vec<String> {
        story(self.voice, "skin", &picture.steps)
    }

    /// Whether its probabilities were made to be right as often as they say.
    pub(super) fn calibrated(&self, picture: &Picture) -> String {
        self.say(if picture.is_calibrated { "skin-calibrated" } else { "skin-uncalibrated" })
    }
}

fn title_of(kind: Curves) -> &'static str {
    if kind == Curves::Roc { "fashion-roc" } else { "fashion-precision-recall" }
}
