//! The network in use: normalisations are folded into the convolutions, and what belongs to an image stays in a core's cache.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

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
    weights: Vec<f32>,
    layers: Vec<Layer>,
    /// The dense layer's.
    dense: [Vec<f32>; 2],
    scratch: Pool<Scratch>,
}

/// The last few networks in use, and room to read weights into: fresh memory would take longer than the copy.
struct Last {
    read: Vec<f32>,
    networks: Vec<Arc<Prepared>>,
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
    /// The network of the weights that `read` writes into as many numbers as it is given. Where each parameter lies among them is said by
    /// `parts`: those of [`super::ResidualNetwork::forward`], and behind them the running means and variances. The last few networks are kept, so
    /// that asking again with equal weights costs no more than to compare them.
    ///
    /// # Errors
    /// [`ShapeError`] when the kernels are not made for the shape.
    ///
    /// # Panics
    /// When a part is not as long as the shape says.
    pub fn of(shape: Shape, parts: &[Range<usize>], read: impl FnOnce(&mut [f32])) -> Result<Arc<Self>, ShapeError> {
        static LAST: Mutex<Last> = Mutex::new(Last { read: Vec::new(), networks: Vec::new() });
        shape.check()?;
        // Never held while there is work for other threads, which might ask for it themselves.
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut weights, networks) = {
            let mut last = last();
            (std::mem::take(&mut last.read), last.networks.clone())
        };
        weights.resize(parts.last().map_or(0, |part| part.end), 0.0);
        read(&mut weights);
        // Bits, not numbers: one fast pass over memory, and what is no number is equal to itself.
        let is_same = |other: &Self| {
            other.shape == shape && bytemuck::cast_slice::<f32, u8>(&other.weights) == bytemuck::cast_slice::<f32, u8>(&weights)
        };
        let found = networks.into_iter().find(|network| is_same(network));
        let network = found.unwrap_or_else(|| Arc::new(Self::new(shape, parts, &weights)));
        let mut last = last();
        last.read = weights;
        last.networks.retain(|other| !Arc::ptr_eq(other, &network));
        last.networks.insert(0, Arc::clone(&network));
        last.networks.truncate(KEPT);
        Ok(network)
    }

    fn new(shape: Shape, parts: &[Range<usize>], all: &[f32]) -> Self {
        let order = Shape::order();
        let weights: Vec<&[f32]> = parts.iter().map(|part| &all[part.clone()]).collect();
        let layers = (0..CONVOLUTIONS).into_par_iter().map(|number| {
            let place = order.convolutions[number];
            let [weight, scale, offset] = [0, 1, 2].map(|next| weights[place + next]);
            let [mean, variance] = [0, 1].map(|next| weights[order.dense + 2 + 2 * number + next]);
            let projection = order.projection(number).map(|place| weights[place]);
            let mut bias = Aligned::zeros(scale.len().next_multiple_of(PANEL));
            let mut folded = weight.to_vec();
            let size = weight.len() / scale.len();
            for (channel, kernel) in folded.chunks_exact_mut(size).enumerate() {
                let factor = f64::from(scale[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
                kernel.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
                bias[channel] = (f64::from(offset[channel]) - f64::from(mean[channel]) * factor) as f32;
            }
            Layer::new(shape, number, &folded, bias, projection)
        });
        let layers = layers.collect();
        let dense = [0, 1].map(|next| weights[order.dense + next].to_vec());
        Self { shape, weights: all.to_vec(), layers, dense, scratch: Pool::default() }
    }

    /// Logits, `[batch, classes]`, of `images`, `[batch, height, width, channels]`. A row is the same in any batch.
    ///
    /// # Panics
    /// When `images` are not as long as the shape says.
    #[must_use]
    pub fn infer(&self, images: &[f32]) -> Vec<f32> {
        self.each(images, self.shape.classes, |maps, logits| self.classify(maps, logits))
    }

    /// What the last block gives, `[batch, height, width, features]`: that of which the dense layer takes the mean over all places.
    ///
    /// # Panics
    /// When `images` are not as long as the shape says.
    #[must_use]
    pub fn maps(&self, images: &[f32]) -> Vec<f32> {
        let geometry = self.layers[CONVOLUTIONS - 1].geometry;
        self.each(images, geometry.output(), |maps, into| Grid::outputs(geometry).crop(maps, into))
    }

    /// What `then` makes of each image's last features within their border: `size` numbers an image.
    fn each(&self, images: &[f32], size: usize, then: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<f32> {
        let image = self.shape.image();
        assert_eq!(images.len() % image, 0, "images of {:?}", self.shape);
        let batch = images.len() / image;
        let together = batch.div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER[STACKS - 1]);
        let mut answers = vec![0.0; batch * size];
        let pieces = images.par_chunks(together * image).zip(answers.par_chunks_mut(together * size));
        pieces.for_each(|(images, answers)| {
            let work = |scratch: &mut Scratch| {
                self.convolve(images, scratch);
                then(&scratch.features[STACKS - 1][0], answers);
            };
            self.scratch.lend(|| Scratch::new(self.shape), work);
        });
        answers
    }

    /// At most as many images as go together through all blocks.
    fn convolve(&self, images: &[f32], scratch: &mut Scratch) {
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
        let [weight, bias] = &self.dense;
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
