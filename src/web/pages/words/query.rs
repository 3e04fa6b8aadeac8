//! What the address of the words page says: typed text is kept as it was typed, defaults come from the report.

use std::sync::LazyLock;

use crate::words::{
    bias::{Lists, default_lists},
    report::report,
};

/// The parts of the page, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Nearest words.
    Neighbors,
    /// Pairs of words and their distance.
    Distances,
    /// w1 + w2 - w3, and the other way round.
    Analogies,
    /// The word least like the others.
    Odd,
    /// Groups of words in two dimensions.
    Maps,
    /// Association tests, and occupations on the she-he axis.
    Bias,
    /// The analogy questions by section.
    Accuracy,
}

impl Section {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [Self::Neighbors, Self::Distances, Self::Analogies, Self::Odd, Self::Maps, Self::Bias, Self::Accuracy];

    /// Its name in addresses, anchors and the keys of its texts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Neighbors => "neighbors",
            Self::Distances => "distances",
            Self::Analogies => "analogies",
            Self::Odd => "odd",
            Self::Maps => "maps",
            Self::Bias => "bias",
            Self::Accuracy => "accuracy",
        }
    }

    /// The section called `id`.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.id() == id)
    }

    /// The parameters that its form sends.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Neighbors => &["words", "k"],
            Self::Distances => &["pairs"],
            Self::Analogies => &["triples", "answers", "combine"],
            Self::Odd => &["odd"],
            Self::Maps => &["method", "perplexity", "seed", "groups", "map"],
            Self::Bias => &["test", "x", "y", "a", "b", "occupations"],
            Self::Accuracy => &["evaluate"],
        }
    }
}

/// Fields that say nothing when they are empty.
const OPTIONAL: [&str; 5] = ["set", "groups", "map", "test", "evaluate"];
/// How many neighbours are shown unless told.
pub const DEFAULT_K: usize = 10;
/// The words whose odd one out is asked first.
const DEFAULT_ODD: &str = "father, mother, sister, horse, brother";

/// The published lists of association tests, and the occupations.
pub fn lists() -> &'static Lists {
    static LISTS: LazyLock<Lists> = LazyLock::new(default_lists);
    &LISTS
}

/// The fields of an association test's lists: targets X and Y, attributes A and B.
pub const LISTS: [&str; 4] = ["x", "y", "a", "b"];

/// What a field holds when the address says nothing of it. `test` is the association test that the address names, if any.
fn default_text(field: &str, test: Option<&str>) -> String {
    let report = report();
    match field {
        "test" => lists().tests[0].id.clone(),
        "x" | "y" | "a" | "b" => {
            let tests = &lists().tests;
            let named = tests.iter().find(|known| test.is_some_and(|id| id.trim() == known.id)).unwrap_or(&tests[0]);
            let place = LISTS.iter().position(|list| *list == field).unwrap_or_default();
            named.targets.iter().chain(&named.attributes).nth(place).map(|list| list.words.join(", ")).unwrap_or_default()
        }
        "occupations" => lists().occupations.words.join(", "),
        "words" => report.neighbors.iter().map(|nearest| nearest.word.as_str()).collect::<Vec<_>>().join(", "),
        "pairs" => report
            .distances
            .iter()
            .flat_map(|pair| [&pair.near.word, &pair.far.word].map(|other| format!("{} {other}", pair.word)))
            .collect::<Vec<_>>()
            .join(", "),
        "triples" => report.analogies.iter().map(|analogy| analogy.words.join(" ")).collect::<Vec<_>>().join(", "),
        "k" | "answers" => DEFAULT_K.to_string(),
        "odd" => DEFAULT_ODD.to_owned(),
        "combine" => "add".to_owned(),
        "method" => "pca".to_owned(),
        "perplexity" => "5".to_owned(),
        "seed" => "0".to_owned(),
        _ => String::new(),
    }
}

/// The parameters of one request that this page knows, without those that only repeat a default.
#[derive(Debug, Clone, Default)]
pub struct State {
    given: Vec<(String, String)>,
}

impl State {
    /// Keeps the first of each known parameter.
    pub fn new(parameters: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in parameters {
            let known = name == "set" || Section::ALL.iter().any(|section| section.fields().contains(&name.as_str()));
            let repeats = given.iter().any(|(earlier, _)| *earlier == name);
            if known && !repeats {
                given.push((name, value));
            }
        }
        let test = given.iter().find(|(name, _)| name == "test").map(|(_, value)| value.clone());
        given.retain(|(name, value)| value.trim() != default_text(name, test.as_deref()).trim());
        given.retain(|(name, value)| !(value.trim().is_empty() && OPTIONAL.contains(&name.as_str())));
        Self { given }
    }

    /// What was typed, or the default.
    pub fn text(&self, field: &str) -> String {
        self.given(field).map_or_else(|| default_text(field, self.given("test")), str::to_owned)
    }

    /// What was typed, where it is not the default.
    pub fn given(&self, field: &str) -> Option<&str> {
        self.given.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// Everything that differs from its default.
    pub fn all(&self) -> Vec<(String, String)> {
        self.given.clone()
    }

    /// True when some field of `section` differs from its default.
    pub fn changed(&self, section: &Section) -> bool {
        section.fields().iter().any(|field| self.given(field).is_some())
    }

    /// The parameters of all other sections, for the hidden fields of `section`'s form.
    pub fn others(&self, section: &Section) -> Vec<(&str, &str)> {
        self.given
            .iter()
            .filter(|(name, _)| !section.fields().contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// The parameters of `section` and the set, as a query string that begins with `?`, or nothing.
    pub fn query_of(&self, section: Section) -> String {
        query_string(
            self.given
                .iter()
                .filter(|(name, _)| name == "set" || section.fields().contains(&name.as_str()))
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }

    /// All parameters as a query string.
    pub fn query(&self) -> String {
        query_string(self.given.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// This state with `field` set to `value`.
    pub fn with(&self, field: &str, value: &str) -> Self {
        let mut given = self.given.clone();
        given.retain(|(name, _)| name != field);
        given.push((field.to_owned(), value.to_owned()));
        Self::new(given)
    }

    /// This state with the lists of the published association test `id`.
    pub fn with_test(&self, id: &str) -> Self {
        let kept = self.given.iter().filter(|(name, _)| name != "test" && !LISTS.contains(&name.as_str())).cloned();
        Self::new(kept.chain([("test".to_owned(), id.to_owned())]))
    }

    /// This state with `section` back at its defaults.
    pub fn without(&self, section: Section) -> Self {
        Self { given: self.given.iter().filter(|(name, _)| !section.fields().contains(&name.as_str())).cloned().collect() }
    }
}

fn query_string<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string().replace("%20", "+").replace("%5F", "_")
    };
    let joined: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    if joined.is_empty() { String::new() } else { format!("?{}", joined.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(pairs: &[(&str, &str)]) -> State {
        State::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_parameter_that_repeats_the_default_leaves_the_address() {
        assert_eq!(state(&[("words", "john, iran, laptop, notebook, mother"), ("k", "10"), ("method", "pca")]).query(), "");
        assert_eq!(state(&[("words", "ship"), ("unknown", "x"), ("k", "3")]).query(), "?words=ship&k=3");
    }

    #[test]
    fn a_sections_address_carries_its_own_parameters_and_the_set() {
        let state = state(&[("set", "glove"), ("words", "a b&c"), ("odd", "x, y")]);
        assert_eq!(state.query_of(Section::Neighbors), "?set=glove&words=a+b%26c");
        assert_eq!(state.others(&Section::Neighbors), [("set", "glove"), ("odd", "x, y")]);
        assert_eq!(state.without(Section::Odd).with("k", "5").query(), "?set=glove&words=a+b%26c&k=5");
    }

    #[test]
    fn an_emptied_field_is_not_taken_for_its_default() {
        assert_eq!(state(&[("words", "")]).given("words"), Some(""));
    }

    #[test]
    fn every_field_belongs_to_one_section_and_has_a_default_where_it_needs_one() {
        for section in Section::ALL {
            assert_eq!(Section::named(section.id()), Some(section));
            for field in section.fields() {
                assert!(!default_text(field, None).is_empty() || OPTIONAL.contains(field), "{field}");
            }
        }
    }

    #[test]
    fn a_published_test_is_named_in_the_address_and_its_lists_are_not() {
        let second = &lists().tests[1];
        let words = second.targets[0].words.join(", ");
        let named = state(&[("x", &words), ("test", &second.id), ("occupations", "nurse")]);
        assert_eq!(named.query(), "?test=math%2Darts&occupations=nurse");
        assert_eq!(named.text("x"), words);
        let edited = named.with("x", "algebra, geometry");
        assert_eq!(edited.text("y"), second.targets[1].words.join(", "), "the other lists stay those of the test");
        assert_eq!(edited.with_test(&lists().tests[0].id).query(), "?occupations=nurse");
    }
}
