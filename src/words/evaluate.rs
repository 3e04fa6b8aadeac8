//! Analogy accuracy by section, counted as gensim's `evaluate_word_analogies` does.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{VectorSet, analogy, search};
use crate::error::{AppError, AppResult};

/// What a set gets right of the analogy questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AnalogyEvaluation)] // classifiers are evaluated too
pub struct Evaluation {
    /// The set's id.
    pub set: String,
    /// Only so many of the first, most frequent, words took part.
    pub limit: usize,
    /// In the order of the questions.
    pub sections: Vec<SectionScore>,
    /// All sections together.
    pub total: SectionScore,
    /// Whether this came with the program instead of being computed from questions at hand.
    pub stored: bool,
}

/// What a set gets right of one section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SectionScore {
    /// As the questions name it.
    pub name: String,
    /// Questions asked.
    pub questions: usize,
    /// Questions all of whose words the set has; the others are not counted as wrong.
    pub covered: usize,
    /// Covered questions whose answer is the expected word.
    pub correct: usize,
    /// `correct / covered`; none without a covered question.
    pub accuracy: Option<f64>,
}

/// The limit where nobody says one: gensim's, beyond which words are too rare to be right.
pub const DEFAULT_LIMIT: usize = 300_000;
/// The largest limit that is taken; more words than any published set has.
pub const MOST_LIMIT: usize = 10_000_000;

/// Analogy questions: `a` is to `b` as `c` is to `d`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions {
    sections: Vec<(String, Vec<[String; 4]>)>,
}

impl Questions {
    /// Reads question files. A folder stands for its `.txt` files by name. A line holds four words, or `: name`, which begins a section; without
    /// one, a file is a section of its own name. Other lines are skipped, as gensim does.
    ///
    /// # Errors
    /// When a file can't be read, or there is no question in any.
    pub fn read(paths: &[PathBuf]) -> AppResult<Self> {
        let mut questions = Self::default();
        for file in paths.iter().map(|path| files_of(path)).collect::<AppResult<Vec<_>>>()?.concat() {
            let text = fs::read_to_string(&file)
                .map_err(|error| AppError::invalid("questions", format!("{} can't be read: {error}.", file.display())))?;
            questions.parse(&file.file_stem().unwrap_or_default().to_string_lossy(), &text);
        }
        if questions.sections.is_empty() {
            return Err(AppError::invalid("questions", "There is no question of four words in what was given."));
        }
        Ok(questions)
    }

    /// Adds the questions of `text`; those before any header go to a section called `name`.
    pub fn parse(&mut self, name: &str, text: &str) {
        let mut section = (name.to_owned(), Vec::new());
        for line in text.lines() {
            if let Some(header) = line.strip_prefix(": ") {
                let done = std::mem::replace(&mut section, (header.trim().to_owned(), Vec::new()));
                self.sections.extend(Some(done).filter(|(_, questions)| !questions.is_empty()));
            } else if let [a, b, c, d] = line.split_whitespace().collect::<Vec<_>>()[..] {
                section.1.push([a, b, c, d].map(str::to_uppercase));
            }
        }
        self.sections.extend(Some(section).filter(|(_, questions)| !questions.is_empty()));
    }
}

/// Asks a set all questions by 3CosAdd among its first `limit` words.
///
/// As gensim with its defaults: words are compared in upper case, the first (most frequent) spelling stands for all; a question with a
/// word out of the limit is not covered; the answer is the nearest of five words that isn't one of the question's in another case.
#[must_use]
pub fn evaluate(set: &VectorSet, questions: &Questions, limit: usize) -> Evaluation {
    let limit = limit.min(set.len());
    let upper: Vec<String> = (0..limit).into_par_iter().map(|index| set.word(index).to_uppercase()).collect();
    let mut vocabulary = HashMap::with_capacity(limit);
    for (index, word) in upper.iter().enumerate() {
        vocabulary.entry(word.as_str()).or_insert(index);
    }
    let sections: Vec<SectionScore> = questions
        .sections
        .iter()
        .map(|(name, questions)| {
            let covered: Vec<[usize; 4]> = questions.iter().filter_map(|words| indices(&vocabulary, words)).collect();
            let queries: Vec<_> = covered.par_iter().map(|&[a, b, c, _]| analogy::combine(set, &[b, c], &[a], ANSWERS)).collect();
            let answers = search::nearest_among(set, &queries, limit);
            let correct = covered.iter().zip(answers).filter(|(question, answers)| is_correct(&upper, **question, answers)).count();
            SectionScore::new(name.clone(), questions.len(), covered.len(), correct)
        })
        .collect();
    let sum = |count: fn(&SectionScore) -> usize| sections.iter().map(count).sum();
    let total = SectionScore::new("total".into(), sum(|s| s.questions), sum(|s| s.covered), sum(|s| s.correct));
    Evaluation { set: set.info().id.clone(), limit, sections, total, stored: false }
}

/// How many answers gensim looks at for one that is not a word of the question in another case.
const ANSWERS: usize = 5;

impl SectionScore {
    fn new(name: String, questions: usize, covered: usize, correct: usize) -> Self {
        Self { name, questions, covered, correct, accuracy: (covered > 0).then(|| correct as f64 / covered as f64) }
    }
}

fn files_of(path: &Path) -> AppResult<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort_unstable();
    Ok(files)
}

fn indices(vocabulary: &HashMap<&str, usize>, words: &[String; 4]) -> Option<[usize; 4]> {
    let mut indices = [0; 4];
    for (index, word) in indices.iter_mut().zip(words) {
        *index = *vocabulary.get(word.as_str())?;
    }
    Some(indices)
}

fn is_correct(upper: &[String], [a, b, c, expected]: [usize; 4], answers: &[search::Neighbor]) -> bool {
    let word = |index: usize| upper[index].as_str();
    let is_asked = |answer: &str| [a, b, c].into_iter().any(|asked| word(asked) == answer);
    let mut candidates = answers.iter().map(|answer| word(answer.index));
    // Where all five are words of the question, gensim is left with the last of them.
    let predicted = candidates.clone().find(|answer| !is_asked(answer)).or_else(|| candidates.next_back());
    predicted == Some(word(expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::SetInfo;

    fn set(rows: &[(&str, [f32; 3])]) -> VectorSet {
        let text = || "test".to_owned();
        let info = SetInfo { id: text(), name: text(), dimension: 0, vocabulary: 0, source: text(), licence: text() };
        VectorSet::from_rows(info, rows.iter().copied()).unwrap()
    }

    const ROWS: [(&str, [f32; 3]); 6] = [
        ("man", [1.0, 0.0, 0.0]),
        ("woman", [1.0, 1.0, 0.0]),
        ("king", [1.0, 0.0, 1.0]),
        ("King", [1.0, 0.1, 1.0]),
        ("queen", [1.0, 1.0, 1.0]),
        ("apple", [-1.0, 0.0, -1.0]),
    ];

    fn questions(text: &str) -> Questions {
        let mut questions = Questions::default();
        questions.parse("file", text);
        questions
    }

    #[test]
    fn reads_sections_with_and_without_headers_and_skips_other_lines() {
        let read = questions("a b c d\nonly three words\n: second part\ne f g h\n\ni j k l\n: empty\n");
        let found: Vec<(&str, usize)> = read.sections.iter().map(|(name, questions)| (name.as_str(), questions.len())).collect();
        assert_eq!(found, [("file", 1), ("second part", 2)]);
    }

    #[test]
    fn counts_covered_and_correct_questions_by_section() {
        let read = questions(": royal\nMan Woman King Queen\nman woman king apple\nman woman king pear\n: none\nx y z w\n");
        let found = evaluate(&set(&ROWS), &read, 100);
        assert_eq!(found.sections[0], SectionScore::new("royal".into(), 3, 2, 1));
        assert_eq!(found.sections[1], SectionScore { name: "none".into(), questions: 1, covered: 0, correct: 0, accuracy: None });
        assert_eq!(found.total, SectionScore { name: "total".into(), questions: 4, covered: 2, correct: 1, accuracy: Some(0.5) });
    }

    #[test]
    fn a_limit_takes_the_words_beyond_it_out_of_the_game() {
        assert_eq!(evaluate(&set(&ROWS), &questions("man woman king queen"), 4).total.covered, 0);
    }

    #[test]
    fn another_spelling_of_a_question_word_is_no_answer() {
        // woman + king - man points to (.414, .707, .707): "King" lies there, "queen" comes second.
        let rows = ROWS.map(|(word, row)| if word == "King" { (word, [0.414, 0.707, 0.707]) } else { (word, row) });
        let nearest = &search::nearest(&set(&rows), &[analogy::combine(&set(&rows), &[1, 2], &[0], ANSWERS)])[0];
        assert_eq!([nearest[0], nearest[1]].map(|answer| rows[answer.index].0), ["King", "queen"]);
        assert_eq!(evaluate(&set(&rows), &questions("man woman king queen"), 6).total.correct, 1, "King is king, which was asked");
        assert_eq!(evaluate(&set(&rows), &questions("man woman apple queen"), 6).total.correct, 0, "of apple it is no other spelling");
    }
}
