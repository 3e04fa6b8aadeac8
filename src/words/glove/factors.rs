//! The vectors that are trained, and one step of training.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::cells::Pair;

/// Values side by side, as many as the widest registers hold. The order of every sum follows from it, so that machines with other
/// registers give the same bits.
const LANES: usize = 16;

/// A stretch of a row: values and, beside them, the sums of squared steps that `AdaGrad` divides by.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Chunk {
    values: [f32; LANES],
    squares: [f32; LANES],
}

/// The rows of one block of words or of contexts.
///
/// A word's row is `[vector, bias, 1, 0...]` and a context's `[vector, 1, bias, 0...]`: their product is all of the model,
/// and the gradient of a bias is that of any other value.
#[derive(Debug, Clone, Default)]
pub struct Block {
    chunks: Vec<Chunk>,
}

/// Words and contexts, dealt to blocks as the cells are.
#[derive(Debug)]
pub struct Factors {
    /// Values per vector, without bias.
    pub dimension: usize,
    /// By block: word `i` is in block `i % blocks` at place `i / blocks`.
    pub words: Vec<Block>,
    /// Likewise.
    pub contexts: Vec<Block>,
}

impl Factors {
    /// All values, biases too, uniform within ±1 / (2 (dimension + 1)), as the reference implementation has them; squares are 1.
    #[must_use]
    pub fn random(words: usize, dimension: usize, blocks: usize, seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut side = |is_word: bool| {
            let mut side = vec![Block::default(); blocks];
            for word in 0..words {
                let values: Vec<f32> = (0..=dimension).map(|_| (random.random::<f32>() - 0.5) / (dimension + 1) as f32).collect();
                side[word % blocks].push(&values, is_word);
            }
            side
        };
        let words = side(true);
        let contexts = side(false);
        Self { dimension, words, contexts }
    }

    /// Word plus context vector of word `word`, as the reference implementation gives them out: `[dimension]`.
    #[must_use]
    pub fn vector(&self, word: usize) -> Vec<f32> {
        let (block, place) = (word % self.words.len(), word / self.words.len());
        let (word, context) = (self.words[block].values(place, self.dimension), self.contexts[block].values(place, self.dimension));
        word.zip(context).take(self.dimension).map(|(word, context)| word + context).collect()
    }
}

impl Block {
    /// `values`: `[dimension + 1]`, the bias last.
    fn push(&mut self, values: &[f32], is_word: bool) {
        let (vector, bias) = values.split_at(values.len() - 1);
        let mut row = vector.to_vec();
        row.extend(if is_word { [bias[0], 1.0] } else { [1.0, bias[0]] });
        row.resize(row.len().next_multiple_of(LANES), 0.0);
        let (chunks, _) = row.as_chunks::<LANES>();
        self.chunks.extend(chunks.iter().map(|&values| Chunk { values, squares: [1.0; LANES] }));
    }

    fn values(&self, place: usize, dimension: usize) -> impl Iterator<Item = f32> {
        let length = chunks_per_row(dimension);
        self.chunks[place * length..][..length].iter().flat_map(|chunk| chunk.values)
    }
}

/// Bytes of one row in memory.
#[must_use]
pub fn bytes_per_row(dimension: usize) -> usize {
    chunks_per_row(dimension) * size_of::<Chunk>()
}

fn chunks_per_row(dimension: usize) -> usize {
    (dimension + 2).div_ceil(LANES)
}

/// One pass over the pairs of a cell. Returns the loss, summed: `Σ weight / 2 · (word · context - log count)²`, each term before its step.
///
/// `learning_rate` scales the gradient before its square is summed, as in the reference implementation.
/// Source: Pennington et al. 2014, eq. 8; `AdaGrad`: Duchi et al. 2011.
#[must_use]
pub fn train_cell(pairs: &[Pair], words: &mut Block, contexts: &mut Block, dimension: usize, learning_rate: f32) -> f64 {
    pulp::Arch::new().dispatch(Pass { pairs, words: &mut words.chunks, contexts: &mut contexts.chunks, dimension, learning_rate })
}

/// A pass over a cell, compiled once for each instruction set.
struct Pass<'a> {
    pairs: &'a [Pair],
    words: &'a mut [Chunk],
    contexts: &'a mut [Chunk],
    dimension: usize,
    learning_rate: f32,
}

impl pulp::WithSimd for Pass<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> f64 {
        let length = chunks_per_row(self.dimension);
        let mut loss = 0.0;
        for pair in self.pairs {
            let word = &mut self.words[usize::from(pair.row) * length..][..length];
            let context = &mut self.contexts[usize::from(pair.column) * length..][..length];
            loss += f64::from(step(simd, pair, word, context, self.learning_rate));
            pin_ones(word, context, self.dimension);
        }
        loss
    }
}

// Registers are named, not left to the compiler: it would rather gather one lane of many chunks than take a chunk.
#[inline(always)]
fn step<S: pulp::Simd>(simd: S, pair: &Pair, word: &mut [Chunk], context: &mut [Chunk], learning_rate: f32) -> f32 {
    let mut products = [0.0; LANES];
    let (sums, _) = S::as_mut_simd_f32s(&mut products);
    for (word, context) in word.iter().zip(&*context) {
        let ((word, _), (context, _)) = (S::as_simd_f32s(&word.values), S::as_simd_f32s(&context.values));
        for ((sum, &word), &context) in sums.iter_mut().zip(word).zip(context) {
            *sum = simd.mul_add_f32s(word, context, *sum);
        }
    }
    let difference = sum(products) - pair.log_count;
    let weighted = pair.weight * difference;
    let scaled = simd.splat_f32s(weighted * learning_rate);
    for (word, context) in word.iter_mut().zip(context) {
        let (word_values, _) = S::as_mut_simd_f32s(&mut word.values);
        let (word_squares, _) = S::as_mut_simd_f32s(&mut word.squares);
        let (context_values, _) = S::as_mut_simd_f32s(&mut context.values);
        let (context_squares, _) = S::as_mut_simd_f32s(&mut context.squares);
        let words = word_values.iter_mut().zip(word_squares);
        let contexts = context_values.iter_mut().zip(context_squares);
        for ((word, word_square), (context, context_square)) in words.zip(contexts) {
            let word_gradient = simd.mul_f32s(scaled, *context);
            let context_gradient = simd.mul_f32s(scaled, *word);
            *word = stepped(simd, *word, word_gradient, *word_square);
            *context = stepped(simd, *context, context_gradient, *context_square);
            *word_square = simd.mul_add_f32s(word_gradient, word_gradient, *word_square);
            *context_square = simd.mul_add_f32s(context_gradient, context_gradient, *context_square);
        }
    }
    0.5 * weighted * difference
}

#[inline(always)]
fn stepped<S: pulp::Simd>(simd: S, value: S::f32s, gradient: S::f32s, square: S::f32s) -> S::f32s {
    simd.sub_f32s(value, simd.div_f32s(gradient, simd.sqrt_f32s(square)))
}

/// The one that multiplies the other side's bias is no parameter.
#[inline(always)]
fn pin_ones(word: &mut [Chunk], context: &mut [Chunk], dimension: usize) {
    word[(dimension + 1) / LANES].values[(dimension + 1) % LANES] = 1.0;
    context[dimension / LANES].values[dimension % LANES] = 1.0;
}

/// Pairwise, in an order that doesn't depend on the machine.
#[inline(always)]
fn sum(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Steps {
        dimension: usize,
        learning_rate: f32,
        x_max: f64,
        alpha: f64,
        pairs: Vec<(u16, u16, f64)>,
        start: Sides,
        losses: Vec<f64>,
        end: Sides,
    }

    #[derive(serde::Deserialize)]
    struct Sides {
        words: Vec<Vec<f32>>,
        contexts: Vec<Vec<f32>>,
    }

    fn block(rows: &[Vec<f32>], is_word: bool) -> Block {
        let mut block = Block::default();
        rows.iter().for_each(|row| block.push(row, is_word));
        block
    }

    /// Vector, then bias.
    fn row(block: &Block, place: usize, dimension: usize, is_word: bool) -> Vec<f32> {
        let mut values: Vec<f32> = block.values(place, dimension).take(dimension + 2).collect();
        assert_eq!(values.remove(if is_word { dimension + 1 } else { dimension }).to_bits(), 1.0_f32.to_bits(), "a one has moved");
        values
    }

    #[test]
    fn two_passes_equal_numpy() {
        let steps: Steps = serde_json::from_str(include_str!("../../../tests/fixtures/glove/steps.json")).unwrap();
        let pairs: Vec<Pair> = steps
            .pairs
            .iter()
            .map(|&(row, column, count)| Pair {
                row,
                column,
                log_count: count.ln() as f32,
                weight: (count / steps.x_max).powf(steps.alpha).min(1.0) as f32,
            })
            .collect();
        let (mut words, mut contexts) = (block(&steps.start.words, true), block(&steps.start.contexts, false));
        for expected in steps.losses {
            let loss = train_cell(&pairs, &mut words, &mut contexts, steps.dimension, steps.learning_rate);
            assert!((loss - expected).abs() < 1e-5 * expected, "{loss} instead of {expected}");
        }
        for (block, expected, is_word) in [(&words, &steps.end.words, true), (&contexts, &steps.end.contexts, false)] {
            for (place, expected) in expected.iter().enumerate() {
                for (value, expected) in row(block, place, steps.dimension, is_word).iter().zip(expected) {
                    assert!((value - expected).abs() < 2e-6, "{value} instead of {expected}");
                }
            }
        }
    }

    #[test]
    fn a_first_step_follows_the_gradient() {
        let (dimension, learning_rate) = (40, 1e-3);
        let rows = |seed: usize| -> Vec<f32> { (0..=dimension).map(|j| ((j * 7 + seed * 13) % 11) as f32 / 11.0 - 0.4).collect() };
        let (word, context) = (rows(1), rows(2));
        let pair = Pair { row: 0, column: 0, log_count: 1.5, weight: 0.6 };
        let loss = |word: &[f64], context: &[f64]| {
            let product: f64 = word.iter().zip(context).take(dimension).map(|(a, b)| a * b).sum();
            0.5 * f64::from(pair.weight) * (product + word[dimension] + context[dimension] - f64::from(pair.log_count)).powi(2)
        };
        let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|&value| f64::from(value)).collect() };
        let (mut words, mut contexts) = (block(std::slice::from_ref(&word), true), block(std::slice::from_ref(&context), false));
        let told = train_cell(&[pair], &mut words, &mut contexts, dimension, learning_rate);
        assert!((told - loss(&wide(&word), &wide(&context))).abs() < 1e-5);
        for j in 0..=dimension {
            let nudged = |row: &[f32], by: f64| {
                let mut row = wide(row);
                row[j] += by;
                row
            };
            let (a, b, h) = (wide(&word), wide(&context), 1e-5);
            let of_word = (loss(&nudged(&word, h), &b) - loss(&nudged(&word, -h), &b)) / (2.0 * h);
            let of_context = (loss(&a, &nudged(&context, h)) - loss(&a, &nudged(&context, -h))) / (2.0 * h);
            let moved =
                |block: &Block, old: &[f32], is_word| f64::from(row(block, 0, dimension, is_word)[j] - old[j]) / -f64::from(learning_rate);
            assert!((moved(&words, &word, true) - of_word).abs() < 2e-4, "word value {j}");
            assert!((moved(&contexts, &context, false) - of_context).abs() < 2e-4, "context value {j}");
        }
    }
}
