//! How often words stand near each other, each time weighted by the inverse of the distance.
//!
//! The corpus is taken in pieces that fit in memory. In a piece, a word's row of the matrix is gathered from all places where the word
//! stands into one dense accumulator, which stays in the processor's cache; so nothing is hashed or sorted but the columns of a finished row.
//! Weights are whole numbers of [`UNIT`]: their sums don't depend on the order of addition, so neither pieces nor threads change a result.

use rayon::prelude::*;

use super::{cells::CellsBuilder, vocabulary::Vocabulary};
use crate::error::AppResult;

/// One neighbour at distance 1. The inverse distances up to 10 are whole numbers of it; beyond, they are off by less than 1e-9.
pub const UNIT: u64 = 2520 << 20;

/// A word's co-occurrences with another, counted in one piece of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Record {
    /// Rank of the word.
    pub row: u32,
    /// Rank of its neighbour.
    pub column: u32,
    /// Sum of inverse distances, in units of [`UNIT`].
    pub weight: u64,
}

/// Counts all co-occurrences within `window` tokens to both sides into `cells`, holding pieces of `memory` bytes.
/// `progress` hears how many tokens are done and returns false to stop; then the answer is false.
///
/// # Errors
/// What the disk says.
pub fn count(
    vocabulary: &mut Vocabulary,
    window: usize,
    memory: u64,
    cells: &mut CellsBuilder,
    mut progress: impl FnMut(u64) -> bool,
) -> AppResult<bool> {
    let words = vocabulary.words.len();
    let length = (memory / BYTES_PER_TOKEN).clamp(1 << 12, 1 << 28) as usize;
    let (mut tokens, mut done, mut completed) = (Vec::new(), 0, true);
    vocabulary.for_each_piece(length, |piece| {
        // The last tokens of the piece before, for the windows that reach over the border.
        let carried = tokens.len().min(window);
        tokens.drain(..tokens.len() - carried);
        tokens.extend_from_slice(&piece);
        let piece = Piece::new(&tokens, carried, words, window);
        completed = piece.count(cells, |positions| progress(done + positions))?;
        done += (tokens.len() - carried) as u64;
        Ok(completed)
    })?;
    Ok(completed)
}

/// A token is held as its rank and as a position in the list of its word's places.
const BYTES_PER_TOKEN: u64 = 8;
/// Rows whose words stand at about this many places are one piece of work for a thread.
const PLACES_PER_TASK: usize = 1 << 14;

/// A piece of the corpus and the places of each word in it.
struct Piece<'tokens> {
    tokens: &'tokens [u32],
    /// So many tokens were counted with the piece before: they are neighbours here, never centres to their left.
    carried: usize,
    window: usize,
    /// Where the places of each word begin in `places`; one more than there are words.
    starts: Vec<u32>,
    /// Positions in `tokens`, by word, ascending.
    places: Vec<u32>,
    /// Weight of each distance, from 1.
    weights: Vec<u64>,
}

impl<'tokens> Piece<'tokens> {
    fn new(tokens: &'tokens [u32], carried: usize, words: usize, window: usize) -> Self {
        let mut starts = vec![0; words + 1];
        tokens.iter().for_each(|&token| starts[token as usize + 1] += 1);
        for word in 0..words {
            starts[word + 1] += starts[word];
        }
        let mut next = starts.clone();
        let mut places = vec![0; tokens.len()];
        for (position, &token) in tokens.iter().enumerate() {
            places[next[token as usize] as usize] = position as u32;
            next[token as usize] += 1;
        }
        let weights = (1..=window as u64).map(|distance| (UNIT + distance / 2) / distance).collect();
        Self { tokens, carried, window, starts, places, weights }
    }

    /// Adds all rows to `cells`, in ascending order of row and column.
    fn count(&self, cells: &mut CellsBuilder, mut progress: impl FnMut(u64) -> bool) -> AppResult<bool> {
        let tasks = self.tasks();
        let batch = 4 * rayon::current_num_threads();
        for tasks in tasks.chunks(batch) {
            let counted: Vec<Vec<Record>> = tasks
                .par_iter()
                .map_init(
                    || Row::new(self.starts.len() - 1),
                    |row, &(from, to)| {
                        let mut records = Vec::new();
                        (from..to).for_each(|word| self.count_row(word, row, &mut records));
                        records
                    },
                )
                .collect();
            for records in &counted {
                cells.extend(records)?;
            }
            let last = tasks[tasks.len() - 1].1;
            if !progress(u64::from(self.starts[last])) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ranges of words with about as many places.
    fn tasks(&self) -> Vec<(usize, usize)> {
        let words = self.starts.len() - 1;
        let (mut tasks, mut from) = (Vec::new(), 0);
        for to in 1..=words {
            if to == words || (self.starts[to] - self.starts[from]) as usize >= PLACES_PER_TASK {
                tasks.push((from, to));
                from = to;
            }
        }
        tasks
    }

    fn count_row(&self, word: usize, row: &mut Row, records: &mut Vec<Record>) {
        for &place in &self.places[self.starts[word] as usize..self.starts[word + 1] as usize] {
            let place = place as usize;
            if place >= self.carried {
                let before = &self.tokens[place.saturating_sub(self.window)..place];
                before.iter().rev().zip(&self.weights).for_each(|(&token, &weight)| row.add(token, weight));
            }
            let end = (place + 1 + self.window).min(self.tokens.len());
            // Of two neighbours the right one decides in which piece they are counted.
            let skipped = self.carried.saturating_sub(place + 1);
            let after = self.tokens[place + 1..end].iter().zip(&self.weights);
            after.skip(skipped).for_each(|(&token, &weight)| row.add(token, weight));
        }
        row.take(word as u32, records);
    }
}

/// One row of the matrix, dense.
struct Row {
    weights: Vec<u64>,
    touched: Vec<u32>,
}

impl Row {
    fn new(words: usize) -> Self {
        Self { weights: vec![0; words], touched: Vec::new() }
    }

    #[inline]
    fn add(&mut self, token: u32, weight: u64) {
        let sum = &mut self.weights[token as usize];
        if *sum == 0 {
            self.touched.push(token);
        }
        *sum += weight;
    }

    /// Moves the row to `records` and clears it.
    fn take(&mut self, row: u32, records: &mut Vec<Record>) {
        self.touched.sort_unstable();
        records.extend(self.touched.iter().map(|&column| Record {
            row,
            column,
            weight: std::mem::take(&mut self.weights[column as usize]),
        }));
        self.touched.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

    use super::*;
    use crate::words::glove::cells::{Arrangement, Cells};

    const ARRANGEMENT: Arrangement = Arrangement { x_max: 10.0, alpha: 0.75, tile: 3, seed: 5 };

    fn vocabulary(text: &str) -> Vocabulary {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let files: [PathBuf; 1] = [file.path().to_owned()];
        Vocabulary::count(&files, 1, 1000, |_| true).unwrap().unwrap()
    }

    fn counted(text: &str, window: usize, memory: u64) -> (Vocabulary, Cells, bool) {
        let mut vocabulary = vocabulary(text);
        let mut builder = CellsBuilder::new(vocabulary.words.len(), memory);
        assert!(count(&mut vocabulary, window, memory, &mut builder, |_| true).unwrap());
        let spilled = builder.has_spilled();
        (vocabulary, builder.finish(ARRANGEMENT, |_| true).unwrap().unwrap(), spilled)
    }

    fn all_pairs(cells: &Cells) -> Vec<super::super::cells::Pair> {
        let places = (0..cells.blocks()).flat_map(|row| (0..cells.blocks()).map(move |column| (row, column)));
        places.flat_map(|(row, column)| cells.cell(row, column, &mut Vec::new()).unwrap().to_vec()).collect()
    }

    /// By word and context.
    fn matrix(vocabulary: &Vocabulary, cells: &Cells) -> BTreeMap<(String, String), f64> {
        let blocks = cells.blocks();
        let mut matrix = BTreeMap::new();
        for row in 0..blocks {
            for column in 0..blocks {
                for pair in cells.cell(row, column, &mut Vec::new()).unwrap() {
                    let word = |block: usize, place: u16| vocabulary.words[block + usize::from(place) * blocks].clone();
                    let before = matrix.insert((word(row, pair.row), word(column, pair.column)), f64::from(pair.log_count).exp());
                    assert!(before.is_none(), "a place appears twice");
                }
            }
        }
        matrix
    }

    #[test]
    fn counts_are_those_counted_by_hand() {
        // a b c a b, window 3: a-b at distances 1, 2, 1 and (a at 0, b at 4) out of reach.
        let (vocabulary, cells, _) = counted("a b c\na b", 3, 1 << 20);
        assert_eq!(vocabulary.words, ["a", "b", "c"]);
        let expected = [
            (("a", "a"), 2.0 / 3.0), // distance 3, once from each side
            (("a", "b"), 2.5),
            (("a", "c"), 0.5 + 1.0),
            (("b", "b"), 2.0 / 3.0),
            (("b", "c"), 1.0 + 0.5),
        ];
        let found = matrix(&vocabulary, &cells);
        for ((a, b), count) in expected {
            for (word, context) in [(a, b), (b, a)] {
                let found = found[&(word.to_owned(), context.to_owned())];
                assert!((found - count).abs() < 1e-6, "{word} {context}: {found} instead of {count}");
            }
        }
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn pieces_and_spills_change_nothing() {
        let text: String = (0_u64..60_000)
            .map(|i| format!("w{} ", ["a", "b", "c", "dd", "e"][(i * i % 17 % 5) as usize].repeat((i * 31 % 23) as usize + 1)))
            .collect();
        let (_, whole, spilled) = counted(&text, 10, 1 << 30);
        assert!(!spilled);
        let (_, cut, spilled) = counted(&text, 10, 1 << 12);
        assert!(spilled, "the test should have spilled");
        assert!(whole.pairs() > 1000);
        assert_eq!(all_pairs(&whole), all_pairs(&cut));
    }
}
