//! What the templates of the words page ask for: texts, numbers, links, and the faults beside each field.

use axum::http::StatusCode;

use super::{
    accuracy::{Accuracy, Origin},
    analogies::{Direction, Question},
    bias::{Bias, decimals_of},
    distances::Distances,
    input::{Fault, FaultKind},
    neighbors::Table,
    query::{LISTS, Section, State, lists},
    sentence::Sentence,
    voice::{Voice, fixed},
};
use crate::{
    error::{AppError, AppResult},
    web::shell::Shell,
    words::{
        DEFAULT, Library, SetInfo,
        analogy::Method,
        bias::Association,
        evaluate::{Evaluation, SectionScore},
        report::report,
    },
};

/// Everything on the page that is not a section's result.
pub struct Page {
    /// The reader's language.
    pub voice: Voice,
    /// What the address says.
    pub state: State,
    /// Every set that can be chosen.
    pub sets: Vec<SetInfo>,
    /// The set that is shown.
    pub set: SetInfo,
    /// The one section that is shown, or all.
    pub only: Option<Section>,
    faults: Vec<Fault>,
}

/// What is wrong with a field, with links that mend it.
pub struct FaultText {
    /// A sentence.
    pub message: String,
    /// A near spelling and the address of the same page with it.
    pub links: Vec<(String, String)>,
}

impl Page {
    /// Finds the set that `state` names.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn new(library: &Library, shell: &Shell, state: State, only: Option<Section>) -> AppResult<Self> {
        let sets = library.list();
        let id = set_of(library, &state);
        library.get(&id)?; // says which sets there are, where this is none
        let set = sets.iter().find(|set| set.id == id).cloned();
        let set = set.ok_or_else(|| AppError::Unavailable(format!("The set {id:?} is being prepared.")))?;
        Ok(Self { voice: Voice(shell.language), state, sets, set, only, faults: Vec::new() })
    }

    /// Keeps a section's faults.
    pub fn note(&mut self, faults: Option<&Vec<Fault>>) {
        self.faults.extend(faults.into_iter().flatten().cloned());
    }

    /// By the faults there are.
    pub fn status(&self) -> StatusCode {
        super::status(&self.faults)
    }

    /// The text of `key`.
    pub fn say(&self, key: &str) -> String {
        self.voice.say(key)
    }

    /// A sentence in the reader's language.
    pub fn sentence(&self, sentence: &Sentence) -> String {
        self.voice.sentence(sentence)
    }

    /// A number of a table: Latin digits, a real minus sign.
    pub fn fixed(&self, value: &f32, decimals: &str) -> String {
        fixed(f64::from(*value), decimals.parse().unwrap_or(3))
    }

    /// The same of a number in double precision.
    pub fn fixed64(&self, value: &f64, decimals: &str) -> String {
        fixed(*value, decimals.parse().unwrap_or(3))
    }

    /// Forms lead to the whole page, or to the section that is shown alone.
    pub fn action(&self) -> String {
        self.only.map_or_else(|| "/words".to_owned(), |section| format!("/words/{}", section.id()))
    }

    /// Its place on the page.
    pub fn number_of(&self, section: &Section) -> String {
        let place = Section::ALL.iter().position(|other| other == section).unwrap_or_default();
        self.voice.0.number(place + 1)
    }

    /// Its heading.
    pub fn title_of(&self, section: &Section) -> String {
        self.say(&format!("words-{}-title", section.id()))
    }

    /// What it is about.
    pub fn about_of(&self, section: &Section) -> String {
        self.say(&format!("words-{}-about", section.id()))
    }

    /// Where it stands: on this page, or on its own.
    pub fn link_of(&self, section: &Section) -> String {
        let section = *section;
        if self.only.is_none() { format!("#{}", section.id()) } else { format!("/words/{}{}", section.id(), self.state.query()) }
    }

    /// Its own address, with its parameters and no others.
    pub fn alone(&self, section: &Section) -> String {
        let section = *section;
        format!("/words/{}{}", section.id(), self.state.query_of(section))
    }

    /// The whole page in the same state.
    pub fn whole(&self) -> String {
        format!("/words{}", self.state.query())
    }

    /// This page with the section's fields back at the report's.
    pub fn reset_link(&self, section: &Section) -> String {
        let section = *section;
        format!("{}{}#{}", self.action(), self.state.without(section).query(), section.id())
    }

    /// The section's numbers as files, and its drawing where there is something to draw.
    pub fn faces_of(&self, section: &Section, drawn: &bool) -> Vec<(&'static str, String)> {
        let section = *section;
        let query = self.state.query_of(section);
        let faces = [("SVG", "svg"), ("PNG", "png"), ("CSV", "csv"), ("JSON", "json")];
        let wanted = &faces[if *drawn { 0 } else { 2 }..];
        wanted.iter().map(|(name, extension)| (*name, format!("/figures/words-{}.{extension}{query}", section.id()))).collect()
    }

    /// The published association tests: name, address of this page with its lists, and whether they are the ones shown.
    pub fn tests(&self) -> Vec<(String, String, bool)> {
        let shown = self.state.text("test");
        let edited = LISTS.iter().any(|list| self.state.given(list).is_some());
        let test = |test: &crate::words::bias::Test| {
            let address = format!("{}{}#bias", self.action(), self.state.with_test(&test.id).query());
            (self.say(&format!("words-test-{}", test.id)), address, !edited && test.id == shown.trim())
        };
        lists().tests.iter().map(test).collect()
    }

    /// What a list of the association test is called: its letter, and its name while it is a published one.
    pub fn list_label(&self, bias: &Bias, field: &str) -> String {
        let place = LISTS.iter().position(|list| *list == field).unwrap_or_default();
        let (letter, name) = (self.say(&format!("words-weat-{field}")), self.say(&bias.names[place]));
        if letter == name { letter } else { format!("{letter}: {name}") }
    }

    /// The p-value of a test, with two digits of a small one.
    pub fn p_value(&self, association: &Association) -> String {
        fixed(association.p_value, decimals_of(association.p_value))
    }

    /// How many regroupings a p-value comes from, and whether these are all.
    pub fn regroupings(&self, association: &Association) -> String {
        let key = if association.exact { "words-weat-exact" } else { "words-weat-sampled" };
        self.sentence(&Sentence::new(key).number("count", association.permutations as usize))
    }

    /// A section of the analogy questions.
    pub fn questions_name(&self, score: &SectionScore) -> String {
        self.voice.name(&super::accuracy::name(&score.name))
    }

    /// Which share of a section's covered questions is right, in percent; a dash where none is covered.
    pub fn accuracy(&self, score: &SectionScore) -> String {
        score.accuracy.map_or_else(|| "—".to_owned(), |share| fixed(100.0 * share, 1))
    }

    /// Which share of a section's questions counts, in percent.
    pub fn coverage(&self, score: &SectionScore) -> String {
        fixed(100.0 * super::accuracy::coverage(score), 1)
    }

    /// Among how many words an evaluation was made.
    pub fn accuracy_caption(&self, evaluation: &Evaluation) -> String {
        let key = if evaluation.limit < self.set.vocabulary { "words-accuracy-frequent" } else { "words-accuracy-all" };
        self.sentence(&Sentence::new(key).number("words", evaluation.limit))
    }

    /// This page, with the set evaluated.
    pub fn evaluate_link(&self) -> String {
        format!("{}{}#accuracy", self.action(), self.state.with("evaluate", "1").query())
    }

    /// True where that is why there is an evaluation or none.
    pub fn is_origin(&self, accuracy: &Accuracy, origin: &str) -> bool {
        let name = match accuracy.origin {
            Origin::Computed => "computed",
            Origin::Stored => "stored",
            Origin::Offered => "offered",
            Origin::Computing => "computing",
            Origin::Absent => "absent",
        };
        name == origin
    }

    /// The neighbours of `word`, in this set.
    pub fn word_link(&self, word: &str) -> String {
        let only_set = State::new(self.state.given("set").map(|set| ("set".to_owned(), set.to_owned())));
        format!("/words{}#neighbors", only_set.with("words", word).query())
    }

    /// True when something typed there can't be used.
    pub fn faulty(&self, field: &str) -> bool {
        self.faults.iter().any(|fault| fault.field == field)
    }

    /// What is wrong with a field.
    pub fn faults_of(&self, field: &str) -> Vec<FaultText> {
        self.faults.iter().filter(|fault| fault.field == field).map(|fault| self.fault_text(fault)).collect()
    }

    fn fault_text(&self, fault: &Fault) -> FaultText {
        let sentence = match &fault.kind {
            FaultKind::Unknown { word, .. } => Sentence::new("words-unknown").text("word", word),
            FaultKind::Number { key, limit } => Sentence::new(*key).text("limit", limit.to_string()),
            FaultKind::Choice { choices } => Sentence::new("words-error-choice").text("choices", *choices),
            FaultKind::Both { word } => Sentence::new("words-error-both").text("word", word),
            FaultKind::Form { key, text } => Sentence::new(*key).text("text", text),
            FaultKind::Empty => Sentence::new("words-error-empty"),
            FaultKind::Many { limit, count } => Sentence::new("words-error-many").count("limit", *limit).count("count", *count),
            FaultKind::Long { count } => {
                Sentence::new("words-error-long").count("limit", super::input::LIMIT_CHARACTERS).count("count", *count)
            }
            FaultKind::Line { key, line, word } => Sentence::new(*key).count("line", *line).text("word", word),
        };
        let links = match &fault.kind {
            FaultKind::Unknown { word, suggestions } => {
                let typed = self.state.text(fault.field);
                let section = Section::ALL.into_iter().find(|section| section.fields().contains(&fault.field)).map_or("", Section::id);
                let link = |near: &String| {
                    let mended = self.state.with(fault.field, &replace_word(&typed, word, near)).query();
                    (near.clone(), format!("{}{mended}#{section}", self.action()))
                };
                suggestions.iter().map(link).collect()
            }
            _ => Vec::new(),
        };
        FaultText { message: self.sentence(&sentence), links }
    }

    /// Over the neighbours of one word.
    pub fn neighbors_caption(&self, table: &Table) -> String {
        self.sentence(&Sentence::new("words-neighbors-caption").text("word", &table.word))
    }

    /// How much one table shares with the report, or that the set lacks the word.
    pub fn common(&self, table: &Table) -> String {
        match (table.comparison.common(), table.comparison.report) {
            (Some(common), Some(report)) => {
                self.sentence(&Sentence::new("words-neighbors-common-one").count("common", common).count("total", report.len()))
            }
            (None, Some(_)) => self.sentence(&Sentence::new("words-not-in-set").text("word", &table.word)),
            _ => String::new(),
        }
    }

    /// The words of the pairs that the set lacks, each once.
    pub fn missing_of_distances(&self, distances: &Distances) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for word in distances.rows.iter().flat_map(|row| &row.missing) {
            if !missing.contains(word) {
                missing.push(word.clone());
            }
        }
        missing
    }

    /// Which words of a pair the set lacks.
    pub fn missing_note(&self, missing: &[String]) -> String {
        format!("{} {}", self.say("words-missing"), missing.join(self.voice.0.comma()))
    }

    /// Why a triple has no answer of ours.
    pub fn unanswered(&self, question: &Question) -> String {
        self.sentence(&Sentence::new("words-analogies-unanswered").text("words", question.missing.join(self.voice.0.comma())))
    }

    /// Both ways round of a triple, each with its formula.
    pub fn directions<'question>(&self, question: &'question Question) -> [(&'question Direction, String); 2] {
        let [w1, w2, w3] = &question.words;
        [(&question.first, format!("{w1} + {w2} − {w3}")), (&question.second, format!("{w1} + {w3} − {w2}"))]
    }

    /// True when a field holds this choice.
    pub fn holds(&self, field: &str, value: &str) -> bool {
        self.state.text(field).trim() == value
    }

    /// True when this section is the only one shown.
    pub fn is_only(&self, section: &Section) -> bool {
        self.only == Some(*section)
    }

    /// What the form of the set carries on.
    pub fn carried_beside_set(&self) -> Vec<(String, String)> {
        self.state.all().into_iter().filter(|(name, _)| name != "set").collect()
    }

    /// True of 3CosMul, whose scores are no similarities.
    pub fn is_product(&self, method: &Method) -> bool {
        *method == Method::Mul
    }

    /// What is to be said of the set: what it is, and how it compares with the report's.
    pub fn about_set(&self) -> Vec<String> {
        let vectors = &report().vectors;
        let numbers = |key: &str, vocabulary: usize, dimension: usize| {
            let sentence = Sentence::new(key).text("name", &vectors.name).number("vocabulary", vocabulary).number("dimension", dimension);
            self.sentence(&sentence)
        };
        let mut said = vec![numbers("words-set-size", self.set.vocabulary, self.set.dimension)];
        if self.set.id == DEFAULT {
            said.push(self.say("words-set-embedded"));
        }
        let same = self.set.vocabulary == vectors.vocabulary && self.set.dimension == vectors.dimension;
        said.push(numbers(if same { "words-set-same" } else { "words-set-report" }, vectors.vocabulary, vectors.dimension));
        said
    }

    /// True where the report's own vectors would tell more.
    pub fn wants_report_vectors(&self) -> bool {
        self.set.vocabulary < report().vectors.vocabulary
    }

    /// One set of the chooser.
    pub fn option_text(&self, set: &SetInfo) -> String {
        let sentence = Sentence::new("words-set-option")
            .text("name", &set.name)
            .number("vocabulary", set.vocabulary)
            .number("dimension", set.dimension);
        // An option holds text alone, where isolation marks may show.
        self.sentence(&sentence).replace(['\u{2068}', '\u{2069}'], "")
    }
}

/// The set asked for; unasked, the embedded one, or the first there is.
pub fn set_of(library: &Library, state: &State) -> String {
    state.given("set").map_or_else(|| default_set(library), str::to_owned)
}

/// The set that answers where nobody asks for another: the one that comes with the program.
pub fn default_set(library: &Library) -> String {
    let sets = library.list();
    let embedded = sets.iter().find(|set| set.id == DEFAULT).or_else(|| sets.first());
    embedded.map_or_else(|| DEFAULT.to_owned(), |set| set.id.clone())
}

fn replace_word(text: &str, word: &str, near: &str) -> String {
    let separator = |c: char| c.is_whitespace() || [',', '،', ';', '؛', ':', '/'].contains(&c);
    let mut result = String::with_capacity(text.len());
    for piece in text.split_inclusive(separator) {
        let bare = piece.trim_end_matches(separator);
        result.push_str(if bare == word { near } else { bare });
        result.push_str(&piece[bare.len()..]);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_replaced() {
        assert_eq!(replace_word("kng, kngdom kng", "kng", "king"), "king, kngdom king");
    }
}
