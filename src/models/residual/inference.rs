//! The network in use: normalisations are folded into the convolutions, and what belongs to an image stays in a core's cache.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    aligned::Aligned,
    collect::Finish,
    direct::{Gather, pack},
    normalisation::{EPSILON, Grid},
    pool::Pool,
    shape::{CONVOLUTIONS, Geometry, STACKS, Shape, ShapeError},
    winograd::{self, Pack, Tiles},
};
use crate::models::convolution::{
    lanes::{Eight, Pass, dispatch},
    product::PANEL,
};

/// Images that go together through the last stack, whose weights are the largest; and through the one before, and the first.
const TOGETHER: [usize; STACKS] = [1, 2, 8];

/// Networks whose weights are kept as the kernels read them.
const KEPT: usize = 4;

/// A network in use.
pub struct Prepared {
    shape: Shape,
    /// As they were given.
    weights: Vec<Vec<f32>>,
    layers: Vec<Layer>,
    scratch: Pool<Scratch>,
}

struct Layer {
    geometry: Geometry,
    images: usize,
    tiles: Option<Tiles>,
    gather: Gather,
    weight: Aligned,
    bias: Aligned,
    projection: Option<(Gather, Aligned)>,
}

/// What a thread works in.
struct Scratch {
    image: Aligned,
    /// Of each stack what comes in, what is between two convolutions, and what goes out, within their borders.
    features: [[Aligned; 3]; STACKS],
    tiles: winograd::Scratch,
}

impl Prepared {
    /// The network of these weights: those of [`super::ResidualNetwork::forward`], and behind them the running means and variances. The last few
    /// are kept, so that asking again with equal weights costs no more than to compare them.
    ///
    /// # Errors
    /// [`ShapeError`] when the kernels are not made for the shape.
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    pub fn of(shape: Shape, weights: Vec<Vec<f32>>) -> Result<Arc<Self>, ShapeError> {
        static LAST: Mutex<Vec<Arc<Prepared>>> = Mutex::new(Vec::new());
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = last().iter().find(|prepared| prepared.shape == shape && prepared.weights == weights) {
            return Ok(Arc::clone(found));
        }
        let prepared = Arc::new(Self::new(shape, weights)?);
        let mut last = last();
        last.insert(0, Arc::clone(&prepared));
        last.truncate(KEPT);
        Ok(prepared)
    }

    fn new(shape: Shape, weights: Vec<Vec<f32>>) -> Result<Self, ShapeError> {
        shape.check()?;
        let order = Shape::order();
        let layers = (0..CONVOLUTIONS).into_par_iter().map(|number| {
            let place = order.convolutions[number];
            let [weight, scale, offset] = [0, 1, 2].map(|next| &weights[place + next]);
            let [mean, variance] = [0, 1].map(|next| &weights[order.dense + 2 + 2 * number + next]);
            let projection = order.projection(number).map(|place| weights[place].as_slice());
            let mut bias = Aligned::zeros(scale.len().next_multiple_of(PANEL));
            let mut folded = weight.clone();
            let size = weight.len() / scale.len();
            for (channel, kernel) in folded.chunks_exact_mut(size).enumerate() {
                let factor = f64::from(scale[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
                kernel.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
                bias[channel] = (f64::from(offset[channel]) - f64::from(mean[channel]) * factor) as f32;
            }
            Layer::new(shape, number, &folded, bias, projection)
        });
        let layers = layers.collect();
        Ok(Self { shape, weights, layers, scratch: Pool::default() })
    }

    /// Logits, `[batch, classes]`, of `images`, `[batch, height, width, channels]`. A row is the same in any batch.
    ///
    /// # Panics
    /// When `images` are not as long as the shape says.
    #[must_use]
    pub fn infer(&self, images: &[f32]) -> Vec<f32> {
        let size = self.shape.image();
        assert_eq!(images.len() % size, 0, "images of {:?}", self.shape);
        let batch = images.len() / size;
        let together = batch.div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER[STACKS - 1]);
        let mut logits = vec![0.0; batch * self.shape.classes];
        let pieces = images.par_chunks(together * size).zip(logits.par_chunks_mut(together * self.shape.classes));
        pieces.for_each(|(images, logits)| self.scratch.lend(|| Scratch::new(self.shape), |scratch| self.some(images, scratch, logits)));
        logits
    }

    /// Logits of at most as many images as go together.
    fn some(&self, images: &[f32], scratch: &mut Scratch, logits: &mut [f32]) {
        let size = self.shape.image();
        let Scratch { image, features, tiles } = scratch;
        let [first, second, third] = features;
        let count = images.len() / size;
        for (number, pair) in images.chunks(TOGETHER[1] * size).enumerate() {
            let pair_count = pair.len() / size;
            for (place, pixels) in pair.chunks_exact(size).enumerate() {
                Grid::inputs(self.layers[0].geometry).pad_images(pixels, self.shape.channels, image);
                self.layers[0].run(1, image, None, tiles, &mut first[0]);
                self.block(0, 1, first, tiles);
                self.block(1, 1, first, tiles);
                self.enter(2, 1, &first[0], place, second, tiles);
            }
            self.leave(2, pair_count, second, tiles);
            self.block(3, pair_count, second, tiles);
            self.enter(4, pair_count, &second[0], number * TOGETHER[1], third, tiles);
        }
        self.leave(4, count, third, tiles);
        self.block(5, count, third, tiles);
        self.classify(&third[0], logits);
    }

    /// A block without a projection: from the first of `features` back to it.
    fn block(&self, block: usize, images: usize, features: &mut [Aligned; 3], tiles: &mut winograd::Scratch) {
        let [features, between, into] = features;
        self.layers[1 + 2 * block].run(images, features, None, tiles, between);
        self.layers[2 + 2 * block].run(images, between, Some(features), tiles, into);
        std::mem::swap(features, into);
    }

    /// A block's first convolution and its projection, of the stack before, into the place of the image `first`.
    fn enter(&self, block: usize, images: usize, from: &[f32], first: usize, into: &mut [Aligned; 3], tiles: &mut winograd::Scratch) {
        let layer = &self.layers[1 + 2 * block];
        let [features, between, _] = into;
        let start = first * layer.geometry.padded_output();
        layer.run(images, from, None, tiles, &mut between[start..]);
        if let Some((gather, weight)) = &layer.projection {
            dispatch(Sums {
                gather,
                images: [images, layer.images],
                from,
                weight: weight.units(),
                finish: None,
                into: &mut features[start..],
            });
        }
    }

    /// Its second convolution.
    fn leave(&self, block: usize, images: usize, features: &mut [Aligned; 3], tiles: &mut winograd::Scratch) {
        let [features, between, into] = features;
        self.layers[2 + 2 * block].run(images, between, Some(features), tiles, into);
        std::mem::swap(features, into);
    }

    /// The mean over all places and the dense layer.
    fn classify(&self, features: &[f32], logits: &mut [f32]) {
        let geometry = self.layers[CONVOLUTIONS - 1].geometry;
        let [weight, bias] = [0, 1].map(|next| &self.weights[Shape::order().dense + next]);
        let share = 1.0 / geometry.out_places() as f32;
        let mut mean = vec![0.0; geometry.outputs];
        for (features, logits) in features.chunks_exact(geometry.padded_output()).zip(logits.chunks_exact_mut(self.shape.classes)) {
            mean.fill(0.0);
            // The border is zero.
            for place in features.chunks_exact(geometry.outputs) {
                mean.iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
            }
            for ((logit, weight), bias) in logits.iter_mut().zip(weight.chunks_exact(geometry.outputs)).zip(bias) {
                *logit = bias + share * mean.iter().zip(weight).map(|(mean, weight)| mean * weight).sum::<f32>();
            }
        }
    }
}

impl Layer {
    fn new(shape: Shape, number: usize, weight: &[f32], bias: Aligned, projection: Option<&[f32]>) -> Self {
        let geometry = shape.geometry(number);
        // A stack's first convolution works on as many images as the stack before.
        let images = TOGETHER[number.saturating_sub(1) / 4 - usize::from(geometry.stride > 1)];
        let tiles = Tiles::of(geometry).filter(|_| number > 0);
        let mut packed = Aligned::default();
        match tiles {
            Some(tiles) => dispatch(Pack { tiles, is_reversed: false, weight, into: &mut packed }),
            None => packed = pack(weight, weight.len() / (9 * geometry.outputs), geometry.inputs, 9),
        }
        let projection = projection
            .map(|weight| (Gather::projection(geometry, images).bordered(geometry), pack(weight, geometry.inputs, geometry.inputs, 1)));
        let gather = Gather::forward(geometry, images).bordered(geometry);
        Self { geometry, images, tiles, gather, weight: packed, bias, projection }
    }

    /// relu of the convolution of some images and perhaps a shortcut, from border to border.
    fn run(&self, images: usize, from: &[f32], shortcut: Option<&[f32]>, scratch: &mut winograd::Scratch, into: &mut [f32]) {
        let finish = Some(Finish { bias: &self.bias, shortcut });
        let weight = self.weight.units();
        match self.tiles {
            Some(tiles) => tiles.convolve(images, from, weight, scratch, finish, into),
            None => dispatch(Sums { gather: &self.gather, images: [images, self.images], from, weight, finish, into }),
        }
    }
}

impl Scratch {
    fn new(shape: Shape) -> Self {
        let features = std::array::from_fn(|stack| {
            let size = TOGETHER[stack] * shape.geometry(4 * stack + 4).padded_output();
            [(); 3].map(|()| Aligned::zeros(size))
        });
        let mut tiles = winograd::Scratch::default();
        for stack in 0..STACKS {
            if let Some(own) = Tiles::of(shape.geometry(4 * stack + 4)) {
                tiles.grow(own, TOGETHER[stack]);
            }
        }
        Self { image: Aligned::zeros(shape.geometry(0).padded_input()), features, tiles }
    }
}

/// Plain sums at some images' places.
struct Sums<'a> {
    gather: &'a Gather,
    images: [usize; 2],
    from: &'a [f32],
    weight: &'a [[f32; PANEL]],
    finish: Option<Finish<'a>>,
    into: &'a mut [f32],
}

impl Pass for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        self.gather.run(lanes, self.images, self.from, self.weight, self.finish, self.into);
    }
}
