//! The training step: the forward pass and its gradients, dealt out to threads.

use rayon::prelude::*;

use super::{
    aligned::Aligned,
    direct::{Gather, Products, pack, pack_gradient},
    normalisation::Normalisation,
    passes::{Backward, Before, Forward, Layer, Pool as Pooling, Scratch, Source, Unpool},
    pool::Pool,
    shape::{BLOCKS, CONVOLUTIONS, Geometry, Order, STACKS, Shape, ShapeError},
    winograd::{Pack, Tiles, Unpack},
};
use crate::models::convolution::lanes::dispatch;

/// Images whose gradients are summed in one buffer: a task of the backward pass.
const GROUP: usize = 16;

/// A network of one shape with room for the intermediate values of a training step. Weights are the caller's.
pub struct ResidualNetwork {
    shape: Shape,
    order: Order,
    batch: usize,
    images: Vec<f32>,
    layers: Vec<Layer>,
    /// What each convolution gave, `[batch, height, width, filters]`, and its normalisation.
    outputs: [Aligned; CONVOLUTIONS],
    normalisations: [Normalisation; CONVOLUTIONS],
    /// What each block takes, and what the last one gives.
    features: [Aligned; BLOCKS + 1],
    /// What projections gave.
    shortcuts: [Aligned; BLOCKS],
    /// `[batch, features]`.
    pooled: Vec<f32>,
    /// Of what the normalisation at the end of a block gave, in each stack.
    gradients: [Aligned; STACKS],
    /// Of the weights of a convolution and of its projection, by each group of images.
    groups: Vec<[Aligned; 2]>,
    scratch: Pool<Scratch>,
}

impl ResidualNetwork {
    /// Room for a network of this shape; it grows with the batch.
    ///
    /// # Errors
    /// [`ShapeError`] when the kernels are not made for the shape.
    pub fn new(shape: Shape) -> Result<Self, ShapeError> {
        shape.check()?;
        let layers = (0..CONVOLUTIONS).map(|number| Layer::new(shape.geometry(number), number)).collect();
        Ok(Self {
            shape,
            order: Shape::order(),
            batch: 0,
            images: Vec::new(),
            layers,
            outputs: Default::default(),
            normalisations: Default::default(),
            features: Default::default(),
            shortcuts: Default::default(),
            pooled: Vec::new(),
            gradients: Default::default(),
            groups: Vec::new(),
            scratch: Pool::default(),
        })
    }

    /// Logits, `[batch, classes]`, as in training: by the batch's own means and variances, which move the `running` ones (a mean and a variance for
    /// each convolution). Keeps what [`Self::backward`] needs.
    ///
    /// `weights` are as `PyTorch` has them, in the order of [`Shape::parameters`]: the stem's weight `[filters, channels, 3, 3]` with the scale and
    /// offset of its normalisation; for each block those of both convolutions, and of two blocks a projection `[filters, channels]`; the dense
    /// layer's `[classes, features]` and bias. `images` are `[batch, height, width, channels]`.
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    pub fn forward(&mut self, weights: &[&[f32]], running: &mut [Vec<f32>], images: &[f32]) -> Vec<f32> {
        let lengths: Vec<usize> = weights.iter().map(|weight| weight.len()).collect();
        assert_eq!(lengths, self.shape.parameters(), "weights of {:?}", self.shape);
        assert_eq!(images.len() % self.shape.image(), 0, "images of {:?}", self.shape);
        self.batch = images.len() / self.shape.image();
        self.images.clear();
        self.images.extend_from_slice(images);
        self.pack(weights);
        for (number, running) in running.chunks_exact_mut(2).enumerate() {
            let sums = self.convolve(number);
            let place = self.order.convolutions[number];
            let (weight, bias) = (weights[place + 1], weights[place + 2]);
            let [means, variances] = running else { continue };
            let count = self.batch * self.layers[number].geometry.out_places();
            self.normalisations[number] = Normalisation::of_batch(&sums, count, weight, bias, [means, variances]);
        }
        self.pool();
        let (weight, bias) = (weights[self.order.dense], weights[self.order.dense + 1]);
        let rows = self.pooled.chunks_exact(self.shape.features());
        rows.flat_map(|row| {
            weight.chunks_exact(row.len()).zip(bias).map(|(weight, bias)| bias + row.iter().zip(weight).map(|(a, b)| a * b).sum::<f32>())
        })
        .collect()
    }

    /// Gradients of the parameters that are learned, for the batch that [`Self::forward`] saw last: `gradient` is that of its logits, `[batch,
    /// classes]`. They are written to `into`, in the layouts of the weights. What was kept is used up.
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    pub fn backward(&mut self, weights: &[&[f32]], gradient: &[f32], into: &mut [Vec<f32>]) {
        assert_eq!(gradient.len(), self.batch * self.shape.classes, "gradients of {} rows", self.batch);
        let (dense, rest) = (self.order.dense, &mut into[self.order.dense..]);
        let [weight, bias] = rest else { panic!("gradients of {:?}", self.shape) };
        let pooled = self.dense_gradient(weights[dense], gradient, weight, bias);
        let (last, mut groups) = (STACKS - 1, std::mem::take(&mut self.groups));
        let mut of_end = std::mem::take(&mut self.gradients[last]);
        let mut sums = self.unpool(&pooled, &mut of_end);
        self.gradients[last] = of_end;
        for block in (0..BLOCKS).rev() {
            let (stack, [start, first, second]) = (block / 2, [0, 1, 2].map(|place| 2 * block + place));
            let of_end = std::mem::take(&mut self.gradients[stack]);
            // In place, where the outputs are no more needed: memory that is written anew would have to be read first.
            let mut of_middle = std::mem::take(&mut self.outputs[second]);
            let normalisations = &self.normalisations;
            let source = Source::Activated(&self.outputs[first], &normalisations[first]);
            let before = Before::Activated(&self.outputs[first], &normalisations[first]);
            let given = [Some(&*of_end), None, None];
            sums = self.propagate(second, given, (source, before), &sums, (&mut of_middle, &mut groups), into);
            let source = Source::Features(&self.features[block]);
            let shortcut = (!Shape::is_projected(block)).then_some(&*of_end);
            let before = Before::Joined([&self.features[block], &self.outputs[start]], &normalisations[start], shortcut);
            let outputs = Some(&*self.outputs[first]);
            if Shape::is_projected(block) {
                let mut of_start = std::mem::take(&mut self.gradients[stack - 1]);
                of_start.resize(self.batch * self.layers[first].geometry.input());
                let given = [Some(&*of_middle), outputs, Some(&*of_end)];
                sums = self.propagate(first, given, (source, before), &sums, (&mut of_start, &mut groups), into);
                self.gradients[stack - 1] = of_start;
                (self.gradients[stack], self.outputs[second]) = (of_end, of_middle);
            } else {
                sums = self.propagate(first, [None, outputs, None], (source, before), &sums, (&mut of_middle, &mut groups), into);
                (self.gradients[stack], self.outputs[second]) = (of_middle, of_end);
            }
        }
        let source = Source::Images(&self.images, self.shape.channels);
        let given = [Some(&*self.gradients[0]), Some(&*self.outputs[0]), None];
        let mut nothing = Aligned::zeros(self.batch);
        self.propagate(0, given, (source, Before::Images), &sums, (&mut nothing, &mut groups), into);
        self.groups = groups;
    }

    fn pack(&mut self, weights: &[&[f32]]) {
        let (order, channels) = (&self.order, self.shape.channels);
        self.layers.par_iter_mut().enumerate().for_each(|(number, layer)| {
            let projection = order.projection(number).map(|place| weights[place]);
            layer.pack(weights[order.convolutions[number]], projection, if number == 0 { channels } else { layer.geometry.inputs });
        });
    }

    /// The convolution `number` of all images, of what those before it gave; sums and sums of squares of each piece of the batch.
    fn convolve(&mut self, number: usize) -> Vec<f64> {
        let block = number.saturating_sub(1) / 2;
        let mut features = std::mem::take(&mut self.features[block]);
        let mut shortcut = std::mem::take(&mut self.shortcuts[block]);
        let mut outputs = std::mem::take(&mut self.outputs[number]);
        let layer = &self.layers[number];
        let (geometry, images) = (layer.geometry, layer.images);
        let size = match number {
            0 => self.shape.image(),
            _ => geometry.input(),
        };
        let source = match number.checked_sub(1) {
            None => Source::Images(&self.images, self.shape.channels),
            Some(before) if number.is_multiple_of(2) => Source::Activated(&self.outputs[before], &self.normalisations[before]),
            Some(_) => self.end_of(block),
        };
        outputs.resize(self.batch * geometry.output());
        let mut sums = vec![0.0; self.batch.div_ceil(images) * 2 * geometry.outputs];
        let starts_block = number % 2 == 1;
        if starts_block {
            features.resize(self.batch * geometry.input());
        }
        if layer.projection.is_some() {
            shortcut.resize(self.batch * geometry.output());
        }
        let mut features_left = features.chunks_mut(images * geometry.input()).filter(|_| starts_block);
        let mut shortcut_left = shortcut.chunks_mut(images * geometry.output()).filter(|_| layer.projection.is_some());
        let pieces = outputs.chunks_mut(images * geometry.output()).zip(sums.chunks_exact_mut(2 * geometry.outputs)).enumerate();
        let pieces = pieces.map(|(piece, (outputs, sums))| (piece, outputs, sums, features_left.next(), shortcut_left.next()));
        to_and_fro(pieces, number % 2 == 1).for_each(|(piece, outputs, sums, features, shortcut)| {
            let of = piece * images..piece * images + outputs.len() / geometry.output();
            let source = source.part(&of, size);
            self.scratch.lend(Scratch::default, |scratch| {
                scratch.prepare(number, layer);
                dispatch(Forward { layer, source, scratch, features, outputs, shortcut, sums });
            });
        });
        self.features[block] = features;
        self.shortcuts[block] = shortcut;
        self.outputs[number] = outputs;
        sums
    }

    /// What comes into `block`, and, for the number of blocks, what the last one gives.
    fn end_of(&self, block: usize) -> Source<'_> {
        let shortcut =
            block.checked_sub(1).map(|before| if Shape::is_projected(before) { &*self.shortcuts[before] } else { &*self.features[before] });
        Source::Joined(&self.outputs[2 * block], &self.normalisations[2 * block], shortcut)
    }

    fn pool(&mut self) {
        let geometry = self.layers[CONVOLUTIONS - 1].geometry;
        let (mut features, mut pooled) = (std::mem::take(&mut self.features[BLOCKS]), std::mem::take(&mut self.pooled));
        features.resize(self.batch * geometry.output());
        pooled.resize(self.batch * geometry.outputs, 0.0);
        let source = self.end_of(BLOCKS);
        let images = features.chunks_exact_mut(geometry.output()).zip(pooled.chunks_exact_mut(geometry.outputs)).enumerate();
        to_and_fro(images, true).for_each(|(image, (features, pooled))| {
            dispatch(Pooling { geometry, source: source.part(&(image..image + 1), geometry.output()), features, pooled });
        });
        (self.features[BLOCKS], self.pooled) = (features, pooled);
    }

    /// Of the dense layer's weight and bias; returns that of the pooled features.
    fn dense_gradient(&self, weights: &[f32], gradient: &[f32], weight: &mut [f32], bias: &mut [f32]) -> Vec<f32> {
        let features = self.shape.features();
        weight.fill(0.0);
        bias.fill(0.0);
        let mut of_pooled = vec![0.0; self.pooled.len()];
        let rows = gradient.chunks_exact(self.shape.classes).zip(self.pooled.chunks_exact(features));
        for ((gradient, pooled), of_pooled) in rows.zip(of_pooled.chunks_exact_mut(features)) {
            for (class, &slope) in gradient.iter().enumerate() {
                bias[class] += slope;
                let row = class * features..(class + 1) * features;
                weight[row.clone()].iter_mut().zip(pooled).for_each(|(sum, value)| *sum += slope * value);
                of_pooled.iter_mut().zip(&weights[row]).for_each(|(sum, value)| *sum += slope * value);
            }
        }
        of_pooled
    }

    fn unpool(&self, pooled: &[f32], into: &mut Aligned) -> Vec<f64> {
        let (last, geometry) = (CONVOLUTIONS - 1, self.layers[CONVOLUTIONS - 1].geometry);
        into.resize(self.batch * geometry.output());
        let mut sums = vec![0.0; self.batch * 2 * geometry.outputs];
        let before = Before::Joined([&self.features[BLOCKS], &self.outputs[last]], &self.normalisations[last], None);
        let images = into.chunks_exact_mut(geometry.output()).zip(sums.chunks_exact_mut(2 * geometry.outputs));
        let images = images.zip(pooled.chunks_exact(geometry.outputs)).enumerate();
        to_and_fro(images, false).for_each(|(image, ((into, sums), pooled))| {
            dispatch(Unpool { geometry, before: before.part(&(image..image + 1), geometry.output()), pooled, into, sums });
        });
        sums
    }

    /// From the gradient of the normalised outputs of the convolution `number` to that of what comes before it, and to the gradients of its
    /// weights and its normalisation. Given are that gradient, the outputs (one of the two stands in `of_inputs` where it is not given) and, of a
    /// block with a projection, the gradient of its end. `sums` are those of [`Normalisation::gradient`]; so is what is returned.
    fn propagate(
        &self,
        number: usize,
        [gradient, outputs, of_end]: [Option<&[f32]>; 3],
        (source, before): (Source, Before),
        sums: &[f64],
        (of_inputs, groups): (&mut [f32], &mut Vec<[Aligned; 2]>),
        into: &mut [Vec<f32>],
    ) -> Vec<f64> {
        let layer = &self.layers[number];
        let (geometry, place) = (layer.geometry, self.order.convolutions[number]);
        let [weight, bias] = &mut into[place + 1..place + 3] else { panic!("gradients of {:?}", self.shape) };
        let slope = self.normalisations[number].gradient(sums, self.batch * geometry.out_places(), weight, bias);
        let (size, width) = match before {
            Before::Images => (self.shape.image(), 0),
            _ => (geometry.input(), geometry.input()),
        };
        let (of_inputs_size, images) = (width.max(1), layer.images);
        let mut sums = vec![0.0; self.batch.div_ceil(images) * 2 * geometry.inputs];
        let sizes = [layer.products.size(), layer.projection_products.as_ref().map_or(0, Products::size)];
        groups.resize_with(self.batch.div_ceil(GROUP), Default::default);
        let pieces = of_inputs.chunks_mut(GROUP * of_inputs_size).zip(sums.chunks_mut(GROUP / images * 2 * geometry.inputs));
        to_and_fro(groups.iter_mut().zip(pieces).enumerate(), number.is_multiple_of(2)).for_each(
            |(group, ([weight, projection], (of_inputs, sums)))| {
                for (values, size) in [&mut *weight, &mut *projection].into_iter().zip(sizes) {
                    values.resize(size);
                    values.fill(0.0);
                }
                self.scratch.lend(Scratch::default, |scratch| {
                    scratch.prepare(number, layer);
                    let pieces = of_inputs.chunks_mut(images * of_inputs_size).zip(sums.chunks_exact_mut(2 * geometry.inputs));
                    for (piece, (into, sums)) in pieces.enumerate() {
                        let first = group * GROUP + piece * images;
                        let of = first..first + into.len() / of_inputs_size;
                        let of_outputs = of.start * geometry.output()..of.end * geometry.output();
                        dispatch(Backward {
                            layer,
                            source: source.part(&of, size),
                            before: before.part(&of, geometry.input()),
                            slope: &slope,
                            gradient: gradient.map(|gradient| &gradient[of_outputs.clone()]),
                            outputs: outputs.map(|outputs| &outputs[of_outputs.clone()]),
                            projected: of_end.map(|of_end| &of_end[of_outputs.clone()]),
                            scratch,
                            into,
                            sums,
                            weight,
                            is_first: piece == 0,
                            projection: layer.projection.is_some().then_some(projection),
                        });
                    }
                    if let Some(tiles) = layer.tiles {
                        dispatch(Unpack { tiles, sums: &scratch.sums[..tiles.size()], into: weight });
                    }
                });
            },
        );
        let Some(([weight, projection], others)) = groups.split_first_mut() else { return sums };
        for [other, other_projection] in others {
            weight.iter_mut().zip(&**other).for_each(|(sum, value)| *sum += *value);
            projection.iter_mut().zip(&**other_projection).for_each(|(sum, value)| *sum += *value);
        }
        let channels = if number == 0 { self.shape.channels } else { geometry.inputs };
        match layer.tiles {
            Some(_) => into[place].copy_from_slice(weight),
            None => layer.products.unpack(weight, channels, &mut into[place]),
        }
        if let (Some(products), Some(place)) = (&layer.projection_products, self.order.projection(number)) {
            products.unpack(projection, channels, &mut into[place]);
        }
        sums
    }
}

/// Deals out the tasks of a pass. Every other pass begins at the end: what the last one wrote last is in the cache still, the first of it no more.
fn to_and_fro<T: Send>(tasks: impl Iterator<Item = T>, is_backwards: bool) -> rayon::vec::IntoIter<T> {
    let mut tasks: Vec<T> = tasks.collect();
    if is_backwards {
        tasks.reverse();
    }
    tasks.into_par_iter()
}

impl Layer {
    fn new(geometry: Geometry, number: usize) -> Self {
        let tiles = geometry.out_height().div_ceil(4) * geometry.out_width().div_ceil(4);
        let images = match tiles {
            0..8 => 8,
            8..32 => 2,
            _ => 1,
        };
        let projected = geometry.stride > 1;
        let gathers = if number == 0 { Vec::new() } else { Gather::input_gradient(geometry, images, projected) };
        Self {
            geometry,
            images,
            tiles: Tiles::of(geometry).filter(|_| number > 0),
            forward: Gather::forward(geometry, images),
            weight: Aligned::default(),
            projection: projected.then(|| (Gather::projection(geometry, images), Aligned::default())),
            backward: gathers.into_iter().map(|gather| (gather, Aligned::default())).collect(),
            products: Products::convolution(geometry),
            projection_products: projected.then(|| Products::projection(geometry)),
        }
    }

    fn pack(&mut self, weight: &[f32], projection: Option<&[f32]>, channels: usize) {
        if let (Some(tiles), Some((_, backward))) = (self.tiles, self.backward.first_mut()) {
            dispatch(Pack { tiles, is_reversed: false, weight, into: &mut self.weight });
            dispatch(Pack { tiles: tiles.reversed(), is_reversed: true, weight, into: backward });
            return;
        }
        let inputs = self.geometry.inputs;
        self.weight = pack(weight, channels, inputs, 9);
        if let (Some((_, packed)), Some(projection)) = (&mut self.projection, projection) {
            *packed = pack(projection, inputs, inputs, 1);
        }
        if !self.backward.is_empty() {
            let packed = pack_gradient(self.geometry, weight, projection);
            self.backward.iter_mut().zip(packed).for_each(|((_, into), packed)| *into = packed);
        }
    }
}
