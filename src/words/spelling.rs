//! Near spellings: optimal string alignment distance to every word of a set, bit-parallel (Hyyrö 2003).

use rapidfuzz::distance::osa;
use rayon::prelude::*;

use super::VectorSet;

/// Indices of the words spelt most like `word`: its lower-case form, then by distance (a swap of neighbours counts
/// as one edit), then most frequent first.
pub fn nearest(set: &VectorSet, word: &str, limit: usize) -> Vec<usize> {
    let length = word.chars().count();
    if length == 0 || length > LONGEST {
        return Vec::new();
    }
    let farthest = match length {
        1..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let comparator = osa::BatchComparator::new(word.chars());
    let arguments = osa::Args::default().score_cutoff(farthest);
    let mut found: Vec<(usize, usize)> = (0..set.len())
        .into_par_iter()
        .with_min_len(4096)
        .filter_map(|index| {
            let candidate = set.word(index);
            // A character is one to four bytes: most words fall here, before any of them is decoded.
            if candidate.len() + farthest < length || candidate.len() > 4 * (length + farthest) {
                return None;
            }
            let distance = comparator.distance_with_args(candidate.chars(), &arguments)?;
            Some((distance, index))
        })
        .collect();
    if let Some(index) = set.index_of(&word.to_lowercase()) {
        found.retain(|&(_, other)| other != index);
        found.push((0, index));
    }
    found.sort_unstable();
    found.truncate(limit);
    found.into_iter().map(|(_, index)| index).collect()
}

/// Nobody mistypes a word of more characters than this; longer ones would only cost time.
const LONGEST: usize = 100;
