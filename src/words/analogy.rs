//! Similarity, analogies (3CosAdd, 3CosMul), odd one out, centroid. Levy and Goldberg 2014.

use rayon::prelude::*;

use super::{
    Neighbor, Query, VectorSet,
    search::{self, best_first, score, unit},
    simd::vectorised,
};

/// How an analogy combines its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Sum of unit vectors: 3CosAdd.
    #[default]
    Add,
    /// Product of the positives' similarities, shifted to 0..1, over that of the negatives': 3CosMul.
    Mul,
}

/// Cosine similarity of two words, in -1 to 1.
#[must_use]
pub fn similarity(set: &VectorSet, a: usize, b: usize) -> f32 {
    score(set, a, &unit(set.row(b)))
}

/// The `k` words nearest to the positives less the negatives; the words of the question are left out.
/// With one positive and nothing else this is that word's neighbours; with several positives alone, those of their centroid.
#[must_use]
pub fn solve(set: &VectorSet, positive: &[usize], negative: &[usize], k: usize, method: Method) -> Vec<Neighbor> {
    match method {
        Method::Add => search::nearest(set, &[combine(set, positive, negative, k)]).pop().unwrap_or_default(),
        Method::Mul => multiply(set, positive, negative, k),
    }
}

/// The sum of the positives' unit vectors less the negatives', as a question that leaves the words themselves out.
#[must_use]
pub fn combine(set: &VectorSet, positive: &[usize], negative: &[usize], k: usize) -> Query {
    let mut vector = vec![0_f32; set.dimension()];
    for (words, sign) in [(positive, 1.0), (negative, -1.0)] {
        for &word in words {
            for (sum, value) in vector.iter_mut().zip(unit(set.row(word))) {
                *sum += sign * value;
            }
        }
    }
    Query { vector, exclude: [positive, negative].concat(), k }
}

/// Each word with its cosine similarity to the centroid of all unit vectors, in the order given; the odd one out has the least.
#[must_use]
pub fn odd_one_out(set: &VectorSet, words: &[usize]) -> Vec<Neighbor> {
    let centroid = unit(&combine(set, words, &[], 1).vector);
    words.iter().map(|&index| Neighbor { index, similarity: score(set, index, &centroid) }).collect()
}

/// What keeps a product of similarities from being divided by zero; the value of Levy and Goldberg's code, and gensim's.
const EPSILON: f32 = 1e-6;

/// Rows scored by one thread before another may join.
const ROWS_PER_TASK: usize = 1024;

/// 3CosMul, equation 4 of Levy and Goldberg with similarities shifted to 0..1 as in their footnote 7; a full pass in f32.
fn multiply(set: &VectorSet, positive: &[usize], negative: &[usize], k: usize) -> Vec<Neighbor> {
    let units = |words: &[usize]| words.iter().map(|&word| unit(set.row(word))).collect::<Vec<_>>();
    let (positive_units, negative_units) = (units(positive), units(negative));
    let mut scores = vec![0.0; set.len()];
    scores.par_chunks_mut(ROWS_PER_TASK).enumerate().for_each(|(chunk, scores)| {
        vectorised(
            #[inline(always)]
            || {
                for (offset, result) in scores.iter_mut().enumerate() {
                    let index = chunk * ROWS_PER_TASK + offset;
                    let (mut numerator, mut denominator) = (1.0_f32, 1.0_f32);
                    for unit in &positive_units {
                        numerator *= f32::midpoint(1.0, score(set, index, unit));
                    }
                    for unit in &negative_units {
                        denominator *= f32::midpoint(1.0, score(set, index, unit));
                    }
                    *result = numerator / (denominator + EPSILON);
                }
            },
        );
    });
    let asked = |index: &usize| !positive.contains(index) && !negative.contains(index);
    let mut found: Vec<Neighbor> = (0..set.len()).filter(asked).map(|index| Neighbor { index, similarity: scores[index] }).collect();
    if k < found.len() {
        found.select_nth_unstable_by(k, best_first);
        found.truncate(k);
    }
    found.sort_unstable_by(best_first);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::SetInfo;

    /// Four unit directions, worked out by hand.
    fn set() -> VectorSet {
        let text = || "test".to_owned();
        let info = SetInfo { id: text(), name: text(), dimension: 0, vocabulary: 0, source: text(), licence: text() };
        let rows = [("east", [2.0, 0.0]), ("north", [0.0, 3.0]), ("northeast", [1.0, 1.0]), ("west", [-1.0, 0.0])];
        VectorSet::from_rows(info, rows).unwrap()
    }

    #[test]
    fn similarity_is_the_cosine() {
        let set = set();
        for (a, b, cosine) in [(0, 0, 1.0), (0, 1, 0.0), (0, 3, -1.0), (0, 2, 0.5_f32.sqrt())] {
            assert!((similarity(&set, a, b) - cosine).abs() < 1e-6, "{a} {b}");
            assert!((similarity(&set, b, a) - cosine).abs() < 1e-6, "{b} {a}");
        }
    }

    #[test]
    fn sums_unit_vectors_and_leaves_the_question_out() {
        // east + north points northeast, whatever the two lengths.
        let found = solve(&set(), &[0, 1], &[], 10, Method::Add);
        assert_eq!(found.iter().map(|neighbor| neighbor.index).collect::<Vec<_>>(), [2, 3]);
        assert!((found[0].similarity - 1.0).abs() < 1e-6 && (found[1].similarity + 0.5_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn multiplies_shifted_similarities() {
        // north + east - west: for northeast (1 + .7071)^2 / 4 over ((1 - .7071) / 2 + 1e-6) = .72855 / .146448.
        let found = solve(&set(), &[1, 0], &[3], 10, Method::Mul);
        assert_eq!(found.len(), 1);
        assert!((found[0].similarity - 4.974_75).abs() < 1e-3, "{}", found[0].similarity);
    }

    #[test]
    fn the_odd_one_out_is_least_like_the_centroid() {
        let placed = odd_one_out(&set(), &[0, 1, 2, 3]);
        let least = placed.iter().min_by(|a, b| a.similarity.total_cmp(&b.similarity)).unwrap();
        assert_eq!(least.index, 3);
    }
}
