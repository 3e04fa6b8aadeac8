//! Section 6: association tests between lists of words, and occupations on the axis from he to she.

use std::sync::LazyLock;

use super::{
    input::{self, Fault, FaultKind, LIMIT_ITEMS, LIMIT_OCCUPATIONS},
    query::{LISTS, State, lists},
    sentence::Sentence,
};
use crate::{
    error::{AppError, AppResult},
    words::{
        VectorSet,
        bias::{self, Association, Placed, Test, WordList},
        report::report,
    },
};

/// The section's results.
#[derive(Debug, Default)]
pub struct Bias {
    /// The association test; `None` when a list has too few words of the set.
    pub association: Option<Association>,
    /// The keys of the names of X, Y, A and B.
    pub names: [String; 4],
    /// Words of the four lists that the set lacks.
    pub missing: Vec<String>,
    /// What the test says.
    pub association_reading: Vec<Sentence>,
    /// Occupations, nearest to she first.
    pub placed: Vec<Placed>,
    /// Occupations that the set lacks.
    pub missing_occupations: Vec<String>,
    /// What their places say.
    pub axis_reading: Vec<Sentence>,
    /// What was typed and can't be used.
    pub faults: Vec<Fault>,
}

/// From he to she: the ends of the axis, in the order in which they are added and taken away.
pub const AXIS: [&str; 2] = ["she", "he"];
/// A p-value below this, or above its complement, is called an association.
const SIGNIFICANT: f64 = 0.05;

/// Tests the lists and places the occupations that `state` asks for.
///
/// # Errors
/// None that the checks before the computation leave.
pub fn compute(set: &VectorSet, state: &State) -> AppResult<Bias> {
    let mut found = Bias { names: names(state), ..Bias::default() };
    if !lists().tests.iter().any(|test| test.id == state.text("test").trim()) {
        found.faults.push(Fault { field: "test", kind: FaultKind::Choice { choices: choices() } });
    }
    let typed = LISTS.map(|field| found.words(set, state, field, LIMIT_ITEMS));
    found.test(set, typed)?;
    found.place(set, state)?;
    Ok(found)
}

impl Bias {
    /// The words of `field` that the set has. Of the others, those of a published list are named, those a person wrote are faults.
    fn words(&mut self, set: &VectorSet, state: &State, field: &'static str, limit: usize) -> Vec<String> {
        let words = input::list_within(&state.text(field), limit).unwrap_or_else(|kind| {
            self.faults.push(Fault { field, kind });
            Vec::new()
        });
        let mut kept: Vec<String> = Vec::with_capacity(words.len());
        for word in words {
            if let Some(index) = input::find(set, &word) {
                let word = set.word(index);
                if !kept.iter().any(|earlier| earlier == word) {
                    kept.push(word.to_owned());
                }
            } else if is_published(&word) {
                let missing = if field == "occupations" { &mut self.missing_occupations } else { &mut self.missing };
                if !missing.contains(&word) {
                    missing.push(word);
                }
            } else if let Err(kind) = input::find_or_fault(set, &word) {
                self.faults.push(Fault { field, kind });
            }
        }
        kept
    }

    fn test(&mut self, set: &VectorSet, [x, y, a, b]: [Vec<String>; 4]) -> AppResult<()> {
        if let Some(word) = x.iter().find(|word| y.contains(word)) {
            self.faults.push(Fault { field: "y", kind: FaultKind::Both { word: word.clone() } });
            return Ok(());
        }
        if [&x, &y, &a, &b].iter().any(|list| list.len() < 2) {
            self.association_reading.push(Sentence::new("words-weat-few"));
            return Ok(());
        }
        let list = |words: Vec<String>| WordList { name: String::new(), words };
        let test = Test { id: String::new(), targets: [list(x), list(y)], attributes: [list(a), list(b)] };
        let association = bias::associate(set, &test)?;
        let verdict = match association.p_value {
            p if p < SIGNIFICANT => "towards-a",
            p if p > 1.0 - SIGNIFICANT => "towards-b",
            _ => "none",
        };
        let mut sentence = Sentence::new("words-weat-reading").text("verdict", verdict);
        for (place, name) in LISTS.into_iter().zip(&self.names) {
            sentence = sentence.key(place, name);
        }
        let p = association.p_value;
        self.association_reading.push(sentence.measure("effect", association.effect_size, 2).measure("p", p, decimals_of(p)));
        self.association = Some(association);
        Ok(())
    }

    fn place(&mut self, set: &VectorSet, state: &State) -> AppResult<()> {
        let words = self.words(set, state, "occupations", LIMIT_OCCUPATIONS);
        let [Some(she), Some(he)] = AXIS.map(|word| input::find(set, word)) else {
            self.axis_reading.push(Sentence::new("words-axis-poles"));
            return Ok(());
        };
        let (she, he) = (set.word(she), set.word(he));
        self.placed = match bias::place_on_axis(set, she, he, &words) {
            Err(AppError::NotFound { .. }) => Vec::new(),
            placed => placed?,
        };
        if let [first, .., last] = self.placed.as_slice() {
            self.axis_reading.push(
                Sentence::new("words-axis-reading")
                    .text("she", &first.word)
                    .measure("she-value", first.position, 2)
                    .text("he", &last.word)
                    .measure("he-value", last.position, 2)
                    .count("count", self.placed.iter().filter(|placed| placed.position > 0.0).count())
                    .count("total", self.placed.len()),
            );
        }
        for pair in pairs_of_report() {
            let [from, to] = pair.map(|word| bias::place_on_axis(set, she, he, &[word.to_owned()]).ok()?.pop());
            self.axis_reading.push(match (from, to) {
                (Some(from), Some(to)) => Sentence::new("words-axis-pair")
                    .text("from", from.word)
                    .text("to", to.word)
                    .measure("from-value", from.position, 2)
                    .measure("to-value", to.position, 2)
                    .text("verdict", if to.position > from.position { "nearer" } else { "farther" }),
                _ => Sentence::new("words-axis-pair-missing").text("from", pair[0]).text("to", pair[1]),
            });
        }
        Ok(())
    }
}

/// The report's pairs: an occupation, and its first answer to occupation + she - he.
fn pairs_of_report() -> impl Iterator<Item = [&'static str; 2]> {
    let asked = report().analogies.iter().filter(|analogy| analogy.words[1..] == AXIS);
    asked.filter_map(|analogy| Some([analogy.words[0].as_str(), analogy.first.first()?.word.as_str()]))
}

/// What the lists are called: as published while they are, else by their letters.
fn names(state: &State) -> [String; 4] {
    let test = lists().tests.iter().find(|test| test.id == state.text("test").trim());
    let published = test.map(|test| [&test.targets[0], &test.targets[1], &test.attributes[0], &test.attributes[1]]);
    std::array::from_fn(|place| match &published {
        Some(lists) if state.given(LISTS[place]).is_none() => format!("words-list-{}", lists[place].name.replace(' ', "-")),
        _ => format!("words-weat-{}", LISTS[place]),
    })
}

fn is_published(word: &str) -> bool {
    let tests = lists().tests.iter().flat_map(|test| test.targets.iter().chain(&test.attributes)).flat_map(|list| &list.words);
    tests.chain(&lists().occupations.words).any(|known| known == word)
}

fn choices() -> &'static str {
    static CHOICES: LazyLock<String> = LazyLock::new(|| lists().tests.iter().map(|test| test.id.as_str()).collect::<Vec<_>>().join(", "));
    &CHOICES
}

/// Decimals that show two digits of a small share, at most six.
pub fn decimals_of(share: f64) -> usize {
    if share > 0.0 { (1.0 - share.log10().floor()).clamp(2.0, 6.0) as usize } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pairs_are_those_that_the_report_reads_as_bias() {
        assert_eq!(pairs_of_report().collect::<Vec<_>>(), [["doctor", "nurse"], ["homemaker", "housewife"]]);
    }

    #[test]
    fn a_small_share_keeps_two_digits() {
        for (share, decimals) in [(0.5, 2), (0.049, 3), (1.0 / 12_870.0, 6), (1e-5, 6), (1.0, 2), (0.0, 2)] {
            assert_eq!(decimals_of(share), decimals, "{share}");
        }
    }
}
