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
    let length = chunks_per_row(dimension);
    let (words, contexts) = (&mut words.chunks[..], &mut contexts.chunks[..]);
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut loss = 0.0;
            for pair in pairs {
                let word = &mut words[usize::from(pair.row) * length..][..length];
                let context = &mut contexts[usize::from(pair.column) * length..][..length];
                loss += f64::from(step(pair, word, context, learning_rate));
                pin_ones(word, context, dimension);
            }
            loss
        },
    )
}

#[inline(always)]
fn step(pair: &Pair, word: &mut [Chunk], context: &mut [Chunk], learning_rate: f32) -> f32 {
    let mut products = [0.0; LANES];
    for (word, context) in word.iter().zip(&*context) {
        for lane in 0..LANES {
            products[lane] = word.values[lane].mul_add(context.values[lane], products[lane]);
        }
    }
    let difference = sum(products) - pair.log_count;
    let weighted = pair.weight * difference;
    let scaled = weighted * learning_rate;
    for (word, context) in word.iter_mut().zip(context) {
        for lane in 0..LANES {
            let word_gradient = scaled * context.values[lane];
            let context_gradient = scaled * word.values[lane];
            word.values[lane] -= word_gradient * inverse_square_root(word.squares[lane]);
            context.values[lane] -= context_gradient * inverse_square_root(context.squares[lane]);
            word.squares[lane] = word_gradient.mul_add(word_gradient, word.squares[lane]);
            context.squares[lane] = context_gradient.mul_add(context_gradient, context.squares[lane]);
        }
    }
    0.5 * weighted * difference
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

#[inline(always)]
fn inverse_square_root(value: f32) -> f32 {
    1.0 / value.sqrt()
}
