//! What is compiled for the machine's vector instructions: the layers, one image or one task at a time.

use super::{
    dense::{self, Sparse},
    first,
    lanes::{Eight, LANES, Pass},
    network::{Group, Packed},
    shape::Shape,
    sparse, winograd,
};

/// What a thread's forward passes work in.
pub(super) struct Scratch {
    pub features: Vec<f32>,
    pub mask: Vec<f32>,
    pub tiles: winograd::Scratch,
}

impl Scratch {
    pub(super) fn new(shape: Shape) -> Self {
        let tiles = winograd::Scratch::new(shape.filters[0]);
        Self { features: vec![0.0; shape.features()[1]], mask: vec![0.0; shape.order().inputs()], tiles }
    }
}

/// What a thread's backward passes work in.
pub(super) struct GradientScratch {
    /// Gradients of an image's pooled features.
    pub pooled: Vec<f32>,
    pub features: Vec<f32>,
    pub line: Vec<f32>,
    pub lists: sparse::Lists,
}

impl GradientScratch {
    pub(super) fn new(shape: Shape) -> Self {
        let [width, size] = shape.features();
        Self {
            pooled: vec![0.0; shape.order().padded()],
            features: vec![0.0; size],
            line: vec![0.0; width * shape.filters[0]],
            lists: sparse::Lists::new(shape.filters[1], shape.pooled()[1]),
        }
    }
}

/// One image through both convolutions and the pooling.
pub(super) struct Convolutions<'a> {
    pub shape: Shape,
    pub packed: &'a Packed,
    pub image: &'a [f32],
    pub masked: bool,
    pub scratch: &'a mut Scratch,
    pub pooled: &'a mut [f32],
    pub winners: Option<&'a mut [[u64; 4]]>,
}

impl Pass for Convolutions<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let (shape, packed) = (self.shape, self.packed);
        first_layer(shape, packed, self.image).forward(lanes, &mut self.scratch.features);
        let second = winograd::Convolution {
            features: &self.scratch.features,
            width: shape.features()[0],
            channels: shape.filters[0],
            pooled: shape.pooled(),
            weight: &packed.second,
            bias: &packed.second_bias,
            mask: self.masked.then_some(&self.scratch.mask),
        };
        second.forward(lanes, &mut self.scratch.tiles, self.pooled, self.winners);
    }
}

fn first_layer<'a>(shape: Shape, packed: &'a Packed, image: &'a [f32]) -> first::Convolution<'a> {
    first::Convolution { image, width: shape.width, channels: shape.channels, weight: &packed.first, bias: &packed.first_bias }
}

/// Some rows through the dense layers.
pub(super) struct Dense<'a> {
    pub packed: &'a Packed,
    pub shape: Shape,
    pub pooled: &'a [f32],
    pub mask: Option<&'a [f32]>,
    pub hidden: &'a mut [f32],
    pub embeddings: &'a mut [f32],
}

impl Pass for Dense<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let (shape, packed) = (self.shape, self.packed);
        let (depth, units) = (shape.order().padded(), shape.units_padded());
        dense::forward(lanes, self.pooled, shape.order().stride(), &packed.hidden, depth, &packed.hidden_bias, self.hidden);
        match self.mask {
            Some(mask) => self.hidden.iter_mut().zip(mask).for_each(|(value, factor)| *value = value.max(0.0) * factor),
            None => self.hidden.iter_mut().for_each(|value| *value = value.max(0.0)),
        }
        let width = packed.output_bias.len();
        let mut outputs = vec![0.0; self.hidden.len() / units * width];
        dense::forward(lanes, self.hidden, units, &packed.output, units, &packed.output_bias, &mut outputs);
        for (embedding, row) in self.embeddings.chunks_exact_mut(shape.outputs).zip(outputs.chunks_exact(width)) {
            embedding.copy_from_slice(&row[..shape.outputs]);
        }
    }
}

/// The gradients of a block of the hidden layer's weights, and of the inputs that they meet.
pub(super) struct DenseGradient<'a> {
    pub pooled: &'a [f32],
    pub stride: usize,
    pub columns: &'a Sparse,
    pub rows: &'a Sparse,
    pub weights: &'a [f32],
    pub scale: f32,
    pub into: &'a mut [f32],
    pub inputs: &'a mut [f32],
}

impl Pass for DenseGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        dense::weight_gradient(lanes, self.pooled, self.stride, self.columns, self.into);
        dense::input_gradient(lanes, self.rows, self.weights, self.scale, self.inputs);
    }
}

/// One image's part of the gradients of both convolutions.
pub(super) struct ConvolutionGradients<'a> {
    pub shape: Shape,
    pub packed: &'a Packed,
    pub second: &'a [f32],
    pub image: &'a [f32],
    pub sets: &'a [[u64; 4]],
    pub gradient: &'a [f32],
    pub features: &'a mut [f32],
    pub line: &'a mut [f32],
    pub lists: &'a mut sparse::Lists,
    pub group: &'a mut Group,
}

impl Pass for ConvolutionGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let shape = self.shape;
        let ([filters, more], group) = (shape.filters, self.group);
        let first = first_layer(shape, self.packed, self.image);
        // Computed again: reading them back from memory would take as long.
        first.forward(lanes, self.features);
        let width = shape.features()[0];
        let (sets, gradient) = (self.sets, self.gradient);
        let winners = sparse::Winners { pooled: shape.pooled(), width, channels: filters, filters: more, sets, gradient };
        winners.weight_gradient(lanes, self.features, self.lists, &mut group.second, &mut group.second_bias);
        for (y, features) in self.features.chunks_exact(width * filters).enumerate().take(2 * shape.pooled()[0] + 2) {
            winners.feature_gradient(lanes, y, self.second, self.line);
            for (values, features) in self.line.as_chunks_mut::<LANES>().0.iter_mut().zip(features.as_chunks::<LANES>().0) {
                lanes.store(lanes.where_positive(lanes.load(values), lanes.load(features)), values);
            }
            first.weight_gradient(lanes, y, self.line, &mut group.first, &mut group.first_bias);
        }
    }
}
