//! Batch normalisation, relu, and the sum of a block and its shortcut, each together with what else one pass over the numbers can do.
//!
//! relu is the greater of zero and the value, in this order: a value that is no number stays none, as in libtorch.

use super::shape::Geometry;
use crate::models::convolution::lanes::{Eight, LANES};

/// What keeps a variance from 0, and how much of a batch's mean and variance goes to the running ones: `PyTorch`'s defaults.
pub(super) const EPSILON: f64 = 1e-5;
pub(super) const MOMENTUM: f64 = 0.1;

/// A normalisation of one batch, for each channel.
#[derive(Debug, Default, Clone)]
pub(super) struct Normalisation {
    mean: Vec<f32>,
    /// 1 / √(variance + ε).
    inverse: Vec<f64>,
    /// What a value is multiplied by, and what is added then.
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
}

/// Sums over places for each channel: of one quantity, then of another.
pub(super) type Sums = [f64];

/// The sum of what stands at `place` of every piece, in their order.
fn total(pieces: &Sums, channels: usize, place: usize) -> f64 {
    pieces.chunks_exact(2 * channels).map(|piece| piece[place]).sum()
}

impl Normalisation {
    /// From the sums and sums of squares of each piece of the batch, `[pieces][2][channels]`, which is `count` values a channel; moves the running
    /// statistics by it, with the variance that is no underestimate, as `PyTorch` does.
    pub(super) fn of_batch(pieces: &Sums, count: usize, weight: &[f32], bias: &[f32], running: [&mut [f32]; 2]) -> Self {
        let (channels, count) = (weight.len(), count as f64);
        let mut normalisation = Self::default();
        let [means, variances] = running;
        for channel in 0..channels {
            let mean = total(pieces, channels, channel) / count;
            let squares = (total(pieces, channels, channels + channel) - count * mean * mean).max(0.0);
            let inverse = 1.0 / (squares / count + EPSILON).sqrt();
            let scale = (inverse * f64::from(weight[channel])) as f32;
            normalisation.mean.push(mean as f32);
            normalisation.inverse.push(inverse);
            normalisation.scale.push(scale);
            normalisation.offset.push((f64::from(bias[channel]) - mean * f64::from(scale)) as f32);
            let moved = |from: f32, to: f64| ((1.0 - MOMENTUM) * f64::from(from) + MOMENTUM * to) as f32;
            means[channel] = moved(means[channel], mean);
            variances[channel] = moved(variances[channel], squares / (count - 1.0));
        }
        normalisation
    }

    /// From the sums of the outputs' gradient and of that times how far the value is from the mean: writes the gradients of scale and offset.
    ///
    /// The gradient of a value z with normalised x̂ is s·(g − mean(g) − x̂·mean(g·x̂)), where s is the scale over the deviation. Source: Ioffe and
    /// Szegedy 2015, section 3.
    pub(super) fn gradient(&self, pieces: &Sums, count: usize, weight: &mut [f32], bias: &mut [f32]) -> Slope {
        let (channels, count) = (weight.len(), count as f64);
        let mut slope = Slope { mean: self.mean.clone(), of_gradient: self.scale.clone(), ..Slope::default() };
        for channel in 0..channels {
            let (sum, inverse) = (total(pieces, channels, channel), self.inverse[channel]);
            let along = total(pieces, channels, channels + channel) * inverse;
            (weight[channel], bias[channel]) = (along as f32, sum as f32);
            let scale = f64::from(self.scale[channel]);
            slope.of_value.push((-scale * inverse * along / count) as f32);
            slope.offset.push((-scale * sum / count) as f32);
        }
        slope
    }
}

/// The gradient of what was normalised: `of_gradient` · g + `of_value` · (z − `mean`) + `offset`, for each channel.
#[derive(Debug, Default, Clone)]
pub(super) struct Slope {
    mean: Vec<f32>,
    of_gradient: Vec<f32>,
    of_value: Vec<f32>,
    offset: Vec<f32>,
}

/// The vector of channels `vector` at each place of a line.
fn lane(line: &[f32], channels: usize, vector: usize) -> impl Iterator<Item = &[f32; LANES]> {
    line.as_chunks::<LANES>().0.iter().skip(vector).step_by(channels / LANES)
}

fn lane_mut(line: &mut [f32], channels: usize, vector: usize) -> impl Iterator<Item = &mut [f32; LANES]> {
    line.as_chunks_mut::<LANES>().0.iter_mut().skip(vector).step_by(channels / LANES)
}

#[inline(always)]
fn channel<L: Eight>(lanes: L, of: &[f32], vector: usize) -> L::Numbers {
    lanes.load(&of.as_chunks::<LANES>().0[vector])
}

#[inline(always)]
fn add<L: Eight>(lanes: L, numbers: L::Numbers, into: &mut Sums, vector: usize) {
    let mut values = [0.0_f32; LANES];
    lanes.store(numbers, &mut values);
    for (sum, value) in into[vector * LANES..][..LANES].iter_mut().zip(values) {
        *sum += f64::from(value);
    }
}

/// Features of some images without and with their border of zeros.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    height: usize,
    width: usize,
    channels: usize,
}

impl Grid {
    pub(super) fn inputs(geometry: Geometry) -> Self {
        Self { height: geometry.height, width: geometry.width, channels: geometry.inputs }
    }

    pub(super) fn outputs(geometry: Geometry) -> Self {
        Self { height: geometry.out_height(), width: geometry.out_width(), channels: geometry.outputs }
    }

    fn line(self) -> usize {
        self.width * self.channels
    }

    /// Where line `number`, counted through all images, begins within the border.
    fn start(self, number: usize) -> usize {
        let (image, y) = (number / self.height, number % self.height);
        ((image * Geometry::border(self.height) + y + 1) * Geometry::border(self.width) + 1) * self.channels
    }

    /// Sums and sums of squares.
    #[inline(always)]
    pub(super) fn sum<L: Eight>(self, lanes: L, values: &[f32], into: &mut Sums) {
        let (sums, squares) = into.split_at_mut(self.channels);
        // Line by line, so that the f32 sums stay short.
        for line in values.chunks_exact(self.line()) {
            for vector in 0..self.channels / LANES {
                let (mut sum, mut square) = (lanes.splat(0.0), lanes.splat(0.0));
                for value in lane(line, self.channels, vector) {
                    let value = lanes.load(value);
                    sum = lanes.add(sum, value);
                    square = lanes.multiply_add(value, value, square);
                }
                add(lanes, sum, sums, vector);
                add(lanes, square, squares, vector);
            }
        }
    }

    /// Copies into the border.
    #[inline(always)]
    pub(super) fn pad(self, values: &[f32], padded: &mut [f32]) {
        for (number, line) in values.chunks_exact(self.line()).enumerate() {
            padded[self.start(number)..][..self.line()].copy_from_slice(line);
        }
    }

    /// Copies out of the border.
    pub(super) fn crop(self, padded: &[f32], values: &mut [f32]) {
        for (number, line) in values.chunks_exact_mut(self.line()).enumerate() {
            line.copy_from_slice(&padded[self.start(number)..][..self.line()]);
        }
    }

    /// Copies images into the border and fills up their channels with zeros.
    #[inline(always)]
    pub(super) fn pad_images(self, images: &[f32], channels: usize, padded: &mut [f32]) {
        for (number, line) in images.chunks_exact(self.width * channels).enumerate() {
            let into = &mut padded[self.start(number)..][..self.line()];
            for (place, into) in line.chunks_exact(channels).zip(into.chunks_exact_mut(self.channels)) {
                for (value, into) in place.iter().zip(into) {
                    *into = *value;
                }
            }
        }
    }

    /// relu of the normalised values, into the border.
    #[inline(always)]
    pub(super) fn activate<L: Eight>(self, lanes: L, values: &[f32], by: &Normalisation, padded: &mut [f32]) {
        for (number, line) in values.chunks_exact(self.line()).enumerate() {
            let into = &mut padded[self.start(number)..][..self.line()];
            for vector in 0..self.channels / LANES {
                let (scale, offset) = (channel(lanes, &by.scale, vector), channel(lanes, &by.offset, vector));
                for (value, into) in lane(line, self.channels, vector).zip(lane_mut(into, self.channels, vector)) {
                    let value = lanes.multiply_add(lanes.load(value), scale, offset);
                    lanes.store(lanes.maximum(lanes.splat(0.0), value), into);
                }
            }
        }
    }

    /// relu of the normalised values and the shortcut's.
    #[inline(always)]
    pub(super) fn join<L: Eight>(self, lanes: L, values: &[f32], by: &Normalisation, shortcut: Option<&[f32]>, into: &mut [f32]) {
        for (number, into) in into.chunks_exact_mut(self.line()).enumerate() {
            let line = &values[number * self.line()..][..self.line()];
            let shortcut = shortcut.map(|shortcut| &shortcut[number * self.line()..][..self.line()]);
            for vector in 0..self.channels / LANES {
                let (scale, offset) = (channel(lanes, &by.scale, vector), channel(lanes, &by.offset, vector));
                let places = lane(line, self.channels, vector).zip(lane_mut(into, self.channels, vector));
                if let Some(shortcut) = shortcut {
                    for ((value, into), other) in places.zip(lane(shortcut, self.channels, vector)) {
                        let value = lanes.add(lanes.multiply_add(lanes.load(value), scale, offset), lanes.load(other));
                        lanes.store(lanes.maximum(lanes.splat(0.0), value), into);
                    }
                } else {
                    for (value, into) in places {
                        let value = lanes.multiply_add(lanes.load(value), scale, offset);
                        lanes.store(lanes.maximum(lanes.splat(0.0), value), into);
                    }
                }
            }
        }
    }

    /// The gradient of what was normalised, into the border, from that of what came out.
    #[inline(always)]
    pub(super) fn slope<L: Eight>(self, lanes: L, gradient: &[f32], values: &[f32], by: &Slope, padded: &mut [f32]) {
        for (number, line) in values.chunks_exact(self.line()).enumerate() {
            let gradient = &gradient[number * self.line()..][..self.line()];
            let into = &mut padded[self.start(number)..][..self.line()];
            for vector in 0..self.channels / LANES {
                let (mean, of_gradient) = (channel(lanes, &by.mean, vector), channel(lanes, &by.of_gradient, vector));
                let (of_value, offset) = (channel(lanes, &by.of_value, vector), channel(lanes, &by.offset, vector));
                let places = lane(line, self.channels, vector).zip(lane(gradient, self.channels, vector));
                for ((value, gradient), into) in places.zip(lane_mut(into, self.channels, vector)) {
                    let value = lanes.subtract(lanes.load(value), mean);
                    let sum = lanes.multiply_add(value, of_value, offset);
                    lanes.store(lanes.multiply_add(lanes.load(gradient), of_gradient, sum), into);
                }
            }
        }
    }

    /// What relu leaves of the gradient of the activated values, in place, and the sums that [`Normalisation::gradient`] takes.
    #[inline(always)]
    pub(super) fn mask<L: Eight>(self, lanes: L, values: &[f32], by: &Normalisation, gradient: &mut [f32], into: &mut Sums) {
        let (sums, alongs) = into.split_at_mut(self.channels);
        for (number, gradient) in gradient.chunks_exact_mut(self.line()).enumerate() {
            let line = &values[number * self.line()..][..self.line()];
            for vector in 0..self.channels / LANES {
                let (scale, offset) = (channel(lanes, &by.scale, vector), channel(lanes, &by.offset, vector));
                let mean = channel(lanes, &by.mean, vector);
                let (mut sum, mut along) = (lanes.splat(0.0), lanes.splat(0.0));
                for (value, gradient) in lane(line, self.channels, vector).zip(lane_mut(gradient, self.channels, vector)) {
                    let value = lanes.load(value);
                    let kept = lanes.where_positive(lanes.load(gradient), lanes.multiply_add(value, scale, offset));
                    lanes.store(kept, gradient);
                    sum = lanes.add(sum, kept);
                    along = lanes.multiply_add(kept, lanes.subtract(value, mean), along);
                }
                add(lanes, sum, sums, vector);
                add(lanes, along, alongs, vector);
            }
        }
    }

    /// As [`Self::mask`] of a block's end: `outputs` are what relu gave there; to the gradient comes that of the shortcut.
    #[inline(always)]
    pub(super) fn mask_joined<L: Eight>(
        self,
        lanes: L,
        [outputs, values]: [&[f32]; 2],
        by: &Normalisation,
        shortcut: Option<&[f32]>,
        gradient: &mut [f32],
        into: &mut Sums,
    ) {
        let (sums, alongs) = into.split_at_mut(self.channels);
        for (number, gradient) in gradient.chunks_exact_mut(self.line()).enumerate() {
            let of_line = number * self.line()..(number + 1) * self.line();
            let (line, outputs) = (&values[of_line.clone()], &outputs[of_line.clone()]);
            if let Some(shortcut) = shortcut {
                for (value, other) in gradient.as_chunks_mut::<LANES>().0.iter_mut().zip(shortcut[of_line].as_chunks::<LANES>().0) {
                    lanes.store(lanes.add(lanes.load(value), lanes.load(other)), value);
                }
            }
            for vector in 0..self.channels / LANES {
                let mean = channel(lanes, &by.mean, vector);
                let (mut sum, mut along) = (lanes.splat(0.0), lanes.splat(0.0));
                let places = lane(line, self.channels, vector).zip(lane(outputs, self.channels, vector));
                for ((value, output), gradient) in places.zip(lane_mut(gradient, self.channels, vector)) {
                    let kept = lanes.where_positive(lanes.load(gradient), lanes.load(output));
                    lanes.store(kept, gradient);
                    sum = lanes.add(sum, kept);
                    along = lanes.multiply_add(kept, lanes.subtract(lanes.load(value), mean), along);
                }
                add(lanes, sum, sums, vector);
                add(lanes, along, alongs, vector);
            }
        }
    }
}
