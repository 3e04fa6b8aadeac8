//! Answers as the JSON API and `torchboard words --json` give them: one shape for both.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Neighbor, VectorSet,
    analogy::{self, Method},
    bias::{self, Placed},
};
use crate::error::{AppError, AppResult};

/// Most neighbours of one question.
pub const MOST_NEIGHBORS: usize = 1000;
/// Neighbours where nobody says how many.
pub const DEFAULT_NEIGHBORS: usize = 10;

/// The words nearest to a word.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbors {
    /// The set's id.
    pub set: String,
    /// As the set writes it.
    pub word: String,
    /// How many were asked for.
    pub k: usize,
    /// Best first, the word itself left out.
    pub neighbors: Vec<Answer>,
}

/// A word and its similarity to a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    /// The word.
    pub word: String,
    /// Cosine similarity, in -1 to 1; with `method=mul`, the 3CosMul score.
    pub similarity: f32,
}

/// How near two words are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Similarity {
    /// One word.
    pub a: String,
    /// The other.
    pub b: String,
    /// Cosine similarity, in -1 to 1.
    pub similarity: f32,
    /// 1 - similarity.
    pub distance: f32,
}

/// The words nearest to a sum of words.
#[derive(Debug, Serialize, ToSchema)]
pub struct Analogy {
    /// Words added.
    pub positive: Vec<String>,
    /// Words taken away.
    pub negative: Vec<String>,
    /// `add` or `mul`.
    #[schema(value_type = String, example = "add")]
    pub method: Method,
    /// How many were asked for.
    pub k: usize,
    /// Best first, the words of the question left out.
    pub neighbors: Vec<Answer>,
}

/// The word that fits least.
#[derive(Debug, Serialize, ToSchema)]
pub struct OddOneOut {
    /// The word least similar to the centroid of all.
    pub odd_one_out: String,
    /// Each word's similarity to the centroid of all, in the order given.
    pub words: Vec<Answer>,
}

/// Words on the axis between two words.
#[derive(Debug, Serialize, ToSchema)]
pub struct Axis {
    /// The set's id.
    pub set: String,
    /// Positive positions lie towards this word.
    pub from: String,
    /// Negative positions lie towards this one.
    pub to: String,
    /// Highest position first.
    pub words: Vec<Placed>,
    /// Words that the set lacks.
    pub missing: Vec<String>,
}

impl Neighbors {
    /// `found` are the neighbours of the word at index `word`.
    #[must_use]
    pub fn new(set: &VectorSet, word: usize, k: usize, found: &[Neighbor]) -> Self {
        Self { set: set.info().id.clone(), word: set.word(word).to_owned(), k, neighbors: named(set, found) }
    }
}

impl Similarity {
    /// Of the words at indices `a` and `b`.
    #[must_use]
    pub fn of(set: &VectorSet, a: usize, b: usize) -> Self {
        let similarity = analogy::similarity(set, a, b);
        Self { a: set.word(a).to_owned(), b: set.word(b).to_owned(), similarity, distance: 1.0 - similarity }
    }
}

impl Analogy {
    /// `found` answers the question that the positives, the negatives and the method make.
    #[must_use]
    pub fn new(set: &VectorSet, positive: &[usize], negative: &[usize], method: Method, k: usize, found: &[Neighbor]) -> Self {
        let names = |words: &[usize]| words.iter().map(|&index| set.word(index).to_owned()).collect();
        Self { positive: names(positive), negative: names(negative), method, k, neighbors: named(set, found) }
    }
}

impl OddOneOut {
    /// Among the words at these indices.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for fewer than three.
    pub fn of(set: &VectorSet, words: &[usize]) -> AppResult<Self> {
        let placed = analogy::odd_one_out(set, words);
        let odd = placed.iter().min_by(|a, b| a.similarity.total_cmp(&b.similarity)).filter(|_| words.len() >= 3);
        let Some(odd) = odd else {
            return Err(AppError::invalid("word", format!("is given {} times; at least three words are needed.", words.len())));
        };
        Ok(Self { odd_one_out: set.word(odd.index).to_owned(), words: named(set, &placed) })
    }
}

impl Axis {
    /// Where `words` lie between `from` and `to`; see [`bias::place_on_axis`].
    ///
    /// # Errors
    /// [`AppError::NotFound`] when the set lacks an end, [`AppError::Invalid`] when both ends are one word.
    pub fn of(set: &VectorSet, from: &str, to: &str, words: &[String]) -> AppResult<Self> {
        let [from, to] = [set.find(from)?, set.find(to)?].map(|index| set.word(index));
        if from == to {
            return Err(AppError::invalid("to", format!("is {to:?}, as `from` is; an axis needs two words.")));
        }
        let placed = bias::place_on_axis(set, from, to, words)?;
        let missing = words.iter().filter(|word| set.look_up(word).is_none()).cloned().collect();
        Ok(Self { set: set.info().id.clone(), from: from.to_owned(), to: to.to_owned(), words: placed, missing })
    }
}

/// Each index as its word.
fn named(set: &VectorSet, found: &[Neighbor]) -> Vec<Answer> {
    found.iter().map(|neighbor| Answer { word: set.word(neighbor.index).to_owned(), similarity: neighbor.similarity }).collect()
}
