//! The network: its shape, its forward pass and its gradients.

use rayon::prelude::*;

use super::{
    Dropout,
    dense::{self, BLOCK, Order, ROWS, Sparse},
    first,
    lanes::{Eight, LANES, Pass, dispatch},
    product::PANEL,
    sparse, winograd,
};

/// Images whose gradients are summed in one buffer: a task of the backward pass.
const GROUP: usize = 16;

/// Convolution 3×3, relu; convolution 3×3, relu; max-pooling 2×2; dropout; dense, relu; dropout; dense. Without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Of an image; at least 6.
    pub height: usize,
    /// Of an image; at least 6.
    pub width: usize,
    /// Of an image.
    pub channels: usize,
    /// Of both convolutions: multiples of 8, the second at most 64.
    pub filters: [usize; 2],
    /// Of the hidden dense layer.
    pub units: usize,
    /// Numbers of an embedding.
    pub outputs: usize,
}

/// A shape that the kernels are not made for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected images of at least 6x6, and filters in multiples of 8 with at most 64 in the second convolution; got {0:?}")]
pub struct ShapeError(pub Shape);

impl Shape {
    /// Height and width after the pooling; an odd line at the end falls away.
    #[must_use]
    pub fn pooled(&self) -> [usize; 2] {
        [(self.height - 4) / 2, (self.width - 4) / 2]
    }

    /// Numbers of each parameter, in the order of [`DirectNetwork::forward`].
    #[must_use]
    pub fn parameters(&self) -> [usize; 8] {
        let [first, second] = self.filters;
        let features = self.order().inputs();
        [
            first * 9 * self.channels,
            first,
            second * 9 * first,
            second,
            self.units * features,
            self.units,
            self.outputs * self.units,
            self.outputs,
        ]
    }

    fn order(&self) -> Order {
        Order { places: self.pooled().iter().product(), channels: self.filters[1] }
    }

    fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Width of the features between the convolutions, and how many numbers they are.
    fn features(&self) -> [usize; 2] {
        [self.width - 2, (self.height - 2) * (self.width - 2) * self.filters[0]]
    }

    /// Hidden units with those added that are always zero.
    fn units_padded(&self) -> usize {
        self.units.next_multiple_of(PANEL)
    }
}

/// A network of one shape with room for its intermediate values. Weights are the caller's.
pub struct DirectNetwork {
    shape: Shape,
    packed: Packed,
    kept: Kept,
    gradient: Gradient,
}

/// Weights as the kernels read them.
#[derive(Default)]
struct Packed {
    first: Vec<f32>,
    first_bias: Vec<f32>,
    second: Vec<[f32; PANEL]>,
    second_bias: Vec<f32>,
    hidden: Vec<[f32; PANEL]>,
    hidden_bias: Vec<f32>,
    output: Vec<[f32; PANEL]>,
    output_bias: Vec<f32>,
}

/// What the backward pass needs of the forward pass.
#[derive(Default)]
struct Kept {
    images: Vec<f32>,
    /// `[batch][stride]`, after dropout.
    pooled: Vec<f32>,
    /// `[batch][places]`.
    winners: Vec<[u64; 4]>,
    /// `[batch][units, padded]`, after dropout.
    hidden: Vec<f32>,
    hidden_mask: Vec<f32>,
    /// Factors of what dropout kept: of the pooled features, of the hidden units.
    scales: [f32; 2],
}

/// Gradients as the kernels write them.
#[derive(Default)]
struct Gradient {
    /// `[batch, units]`, before relu.
    hidden: Vec<f32>,
    /// `[blocks][units][BLOCK]`: of the hidden layer's weights.
    blocks: Vec<f32>,
    /// `[blocks][batch][BLOCK]`: of the pooled features, before dropout.
    pooled: Vec<f32>,
    groups: Vec<Group>,
}

/// Sums over one group of images.
#[derive(Default, Clone)]
struct Group {
    first: Vec<f32>,
    first_bias: Vec<f32>,
    second: Vec<f32>,
    second_bias: Vec<f32>,
}

impl DirectNetwork {
    /// Room for a network of this shape; it grows with the batch.
    ///
    /// # Errors
    /// [`ShapeError`] when the kernels are not made for the shape.
    pub fn new(shape: Shape) -> Result<Self, ShapeError> {
        let [first, second] = shape.filters;
        let filters = [first, second].iter().all(|&filters| filters > 0 && filters % 8 == 0) && second <= 64;
        if shape.height < 6 || shape.width < 6 || shape.channels == 0 || !filters || shape.units == 0 || shape.outputs == 0 {
            return Err(ShapeError(shape));
        }
        Ok(Self { shape, packed: Packed::default(), kept: Kept::default(), gradient: Gradient::default() })
    }

    /// Embeddings, `[batch, outputs]`; keeps what [`Self::backward`] needs.
    ///
    /// `weights` are as `PyTorch` has them: `convolution_1.weight` `[filters, channels, 3, 3]` and bias, `convolution_2.weight` and bias,
    /// `hidden.weight` `[units, filters · height · width]` and bias, `output.weight` `[outputs, units]` and bias. `images` are `[batch,
    /// height, width, channels]`, usually from 0 to 1.
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    pub fn forward(&mut self, weights: &[&[f32]], images: &[f32], dropout: Option<Dropout>) -> Vec<f32> {
        let (shape, kept) = (self.shape, &mut self.kept);
        self.packed.fill(shape, weights);
        let batch = images.len() / shape.image();
        assert_eq!(images.len(), batch * shape.image(), "images of {shape:?}");
        let order = shape.order();
        kept.images.clear();
        kept.images.extend_from_slice(images);
        kept.pooled.resize(batch * order.stride(), 0.0);
        kept.winners.resize(batch * order.places, [0; 4]);
        kept.hidden.resize(batch * shape.units_padded(), 0.0);
        kept.hidden_mask.resize(batch * shape.units_padded(), 1.0);
        kept.scales = dropout.map_or([1.0; 2], |dropout| dropout.scales());
        let packed = &self.packed;
        let outputs = (
            kept.pooled.par_chunks_exact_mut(order.stride()),
            kept.winners.par_chunks_exact_mut(order.places),
            kept.hidden_mask.par_chunks_exact_mut(shape.units_padded()),
        );
        let images = images.par_chunks_exact(shape.image()).enumerate();
        outputs.into_par_iter().zip(images).for_each_init(
            || Scratch::new(shape),
            |scratch, ((pooled, winners, hidden_mask), (place, image))| {
                let hidden_mask = &mut hidden_mask[..shape.units];
                match dropout {
                    Some(dropout) => dropout.draw(place, &mut scratch.mask, hidden_mask),
                    None => hidden_mask.fill(1.0),
                }
                let masked = dropout.is_some();
                dispatch(Convolutions { shape, packed, image, masked, scratch, pooled, winners: Some(winners) });
            },
        );
        packed.embed(shape, &kept.pooled, Some(&kept.hidden_mask), &mut kept.hidden)
    }

    /// Embeddings, `[batch, outputs]`, without dropout and without keeping anything; arguments as in [`Self::forward`].
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    #[must_use]
    pub fn infer(shape: Shape, weights: &[&[f32]], images: &[f32]) -> Vec<f32> {
        let mut packed = Packed::default();
        packed.fill(shape, weights);
        let order = shape.order();
        assert_eq!(images.len() % shape.image(), 0, "images of {shape:?}");
        let groups = images.par_chunks(ROWS * shape.image()).map_init(
            || (Scratch::new(shape), vec![0.0; ROWS * order.stride()]),
            |(scratch, pooled), images| {
                let count = images.len() / shape.image();
                for (image, pooled) in images.chunks_exact(shape.image()).zip(pooled.chunks_exact_mut(order.stride())) {
                    dispatch(Convolutions { shape, packed: &packed, image, masked: false, scratch, pooled, winners: None });
                }
                let mut hidden = vec![0.0; count * shape.units_padded()];
                packed.embed(shape, &pooled[..count * order.stride()], None, &mut hidden)
            },
        );
        groups.collect::<Vec<_>>().concat()
    }

    /// Gradients of the parameters, for the batch that [`Self::forward`] saw last: `gradient` is that of its embeddings, `[batch,
    /// outputs]`. They are written to `into`, in the layouts of the weights. Images whose embedding has no gradient cost next to nothing.
    ///
    /// # Panics
    /// When a slice is not as long as the shape says.
    pub fn backward(&mut self, weights: &[&[f32]], gradient: &[f32], into: &mut [&mut [f32]]) {
        let shape = self.shape;
        let batch = self.kept.images.len() / shape.image();
        assert_eq!(gradient.len(), batch * shape.outputs, "a gradient for each embedding");
        let [first, first_bias, second, second_bias, hidden, hidden_bias, output, output_bias] = into else {
            panic!("expected eight parameters, got {}", into.len());
        };
        self.output_gradient(weights[6], gradient, output, output_bias);
        hidden_bias.fill(0.0);
        for row in self.gradient.hidden.chunks_exact(shape.units) {
            hidden_bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        self.hidden_gradient(weights[4], hidden);
        self.convolution_gradients(weights[2]);
        let mut sums = Group::new(shape);
        self.gradient.groups.iter().for_each(|group| sums.add(group));
        first::unpack(&sums.first, shape.channels, shape.filters[0], first);
        first_bias.copy_from_slice(&sums.first_bias);
        sparse::unpack(&sums.second, shape.filters[0], shape.filters[1], second);
        second_bias.copy_from_slice(&sums.second_bias);
    }

    /// Of the last dense layer, and the gradient of the hidden units before relu.
    fn output_gradient(&mut self, weight: &[f32], gradient: &[f32], into: &mut [f32], bias: &mut [f32]) {
        let shape = self.shape;
        into.fill(0.0);
        bias.fill(0.0);
        self.gradient.hidden.clear();
        self.gradient.hidden.resize(gradient.len() / shape.outputs * shape.units, 0.0);
        let rows = self.gradient.hidden.chunks_exact_mut(shape.units).zip(self.kept.hidden.chunks_exact(shape.units_padded()));
        for ((sums, hidden), gradient) in rows.zip(gradient.chunks_exact(shape.outputs)) {
            let hidden = &hidden[..shape.units];
            for (output, &factor) in gradient.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
                let of_output = output * shape.units..(output + 1) * shape.units;
                bias[output] += factor;
                into[of_output.clone()].iter_mut().zip(hidden).for_each(|(sum, value)| *sum += factor * value);
                sums.iter_mut().zip(&weight[of_output]).for_each(|(sum, value)| *sum += factor * value);
            }
            let scale = self.kept.scales[1];
            sums.iter_mut().zip(hidden).for_each(|(sum, &value)| *sum = if value > 0.0 { *sum * scale } else { 0.0 });
        }
    }

    /// Of the hidden layer's weights and of the pooled features.
    fn hidden_gradient(&mut self, weight: &[f32], into: &mut [f32]) {
        let (shape, order) = (self.shape, self.shape.order());
        let size = shape.units * BLOCK;
        let Gradient { hidden, blocks, pooled, .. } = &mut self.gradient;
        let (columns, rows) = rayon::join(|| Sparse::columns(hidden, shape.units), || Sparse::rows(hidden, shape.units));
        let batch = hidden.len() / shape.units;
        blocks.resize(shape.units * order.padded(), 0.0);
        pooled.resize(batch * order.padded(), 0.0);
        let kept = &self.kept;
        let work = blocks.par_chunks_exact_mut(size).zip(pooled.par_chunks_exact_mut(batch * BLOCK)).enumerate();
        work.for_each_init(
            || vec![0.0; size],
            |weights, (block, (into, inputs))| {
                order.pack_block(weight, block, weights);
                let pooled = &kept.pooled[block * BLOCK..];
                let scale = kept.scales[0];
                dispatch(DenseGradient { pooled, stride: order.stride(), columns: &columns, rows: &rows, weights, scale, into, inputs });
            },
        );
        into.par_chunks_exact_mut(order.inputs()).enumerate().for_each(|(unit, row)| order.unpack_row(blocks, shape.units, unit, row));
    }

    /// Of both convolutions, into the groups.
    fn convolution_gradients(&mut self, second: &[f32]) {
        let (shape, order) = (self.shape, self.shape.order());
        let (packed, kept) = (&self.packed, &self.kept);
        let Gradient { hidden, pooled, groups, .. } = &mut self.gradient;
        let second = sparse::pack(second, shape.filters[0], shape.filters[1]);
        let batch = kept.images.len() / shape.image();
        groups.resize(batch.div_ceil(GROUP), Group::new(shape));
        groups.par_iter_mut().enumerate().for_each_init(
            || GradientScratch::new(shape),
            |scratch, (number, group)| {
                group.clear();
                for row in number * GROUP..batch.min((number + 1) * GROUP) {
                    if hidden[row * shape.units..][..shape.units].iter().all(|&value| value == 0.0) {
                        continue;
                    }
                    for (block, into) in scratch.pooled.chunks_exact_mut(BLOCK).enumerate() {
                        into.copy_from_slice(&pooled[(block * batch + row) * BLOCK..][..BLOCK]);
                    }
                    dispatch(ConvolutionGradients {
                        shape,
                        packed,
                        second: &second,
                        image: &kept.images[row * shape.image()..][..shape.image()],
                        sets: &kept.winners[row * order.places..][..order.places],
                        gradient: &scratch.pooled[..order.inputs()],
                        features: &mut scratch.features,
                        line: &mut scratch.line,
                        lists: &mut scratch.lists,
                        group,
                    });
                }
            },
        );
    }
}

impl Packed {
    fn fill(&mut self, shape: Shape, weights: &[&[f32]]) {
        let lengths: Vec<usize> = weights.iter().map(|weight| weight.len()).collect();
        assert_eq!(lengths, shape.parameters(), "weights of {shape:?}");
        let padded = |bias: &[f32], size: usize| {
            let mut padded = bias.to_vec();
            padded.resize(size, 0.0);
            padded
        };
        let ([filters, more], order) = (shape.filters, shape.order());
        self.first = first::pack(weights[0], shape.channels, filters);
        self.first_bias = weights[1].to_vec();
        self.second = winograd::pack(weights[2], filters, more);
        self.second_bias = weights[3].to_vec();
        self.hidden.resize(shape.units_padded() / PANEL * order.padded(), [0.0; PANEL]);
        self.hidden.par_chunks_exact_mut(order.padded()).enumerate().for_each(|(panel, into)| order.pack_panel(weights[4], panel, into));
        self.hidden_bias = padded(weights[5], shape.units_padded());
        let output = Order { places: 1, channels: shape.units };
        self.output = vec![[0.0; PANEL]; shape.outputs.div_ceil(PANEL) * shape.units_padded()];
        for (panel, into) in self.output.chunks_exact_mut(shape.units_padded()).enumerate() {
            output.pack_panel(weights[6], panel, into);
        }
        self.output_bias = padded(weights[7], shape.outputs.next_multiple_of(PANEL));
    }

    /// Both dense layers: hidden units after relu and dropout into `hidden`; embeddings.
    fn embed(&self, shape: Shape, pooled: &[f32], masks: Option<&[f32]>, hidden: &mut [f32]) -> Vec<f32> {
        let (units, order) = (shape.units_padded(), shape.order());
        let mut embeddings = vec![0.0; hidden.len() / units * shape.outputs];
        let pieces = embeddings.par_chunks_mut(ROWS * shape.outputs).zip(hidden.par_chunks_mut(ROWS * units)).enumerate();
        pieces.zip(pooled.par_chunks(ROWS * order.stride())).for_each(|((piece, (embeddings, hidden)), pooled)| {
            let mask = masks.map(|masks| &masks[piece * ROWS * units..][..hidden.len()]);
            dispatch(Dense { packed: self, shape, pooled, mask, hidden, embeddings });
        });
        embeddings
    }
}

impl Group {
    fn new(shape: Shape) -> Self {
        let [first, first_bias, second, second_bias, ..] = shape.parameters().map(|size| vec![0.0; size]);
        Self { first, first_bias, second, second_bias }
    }

    fn parts(&mut self) -> [&mut Vec<f32>; 4] {
        [&mut self.first, &mut self.first_bias, &mut self.second, &mut self.second_bias]
    }

    fn clear(&mut self) {
        self.parts().into_iter().for_each(|part| part.fill(0.0));
    }

    fn add(&mut self, other: &Self) {
        let others = [&other.first, &other.first_bias, &other.second, &other.second_bias];
        for (sums, values) in self.parts().into_iter().zip(others) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// What a thread's forward passes work in.
struct Scratch {
    features: Vec<f32>,
    mask: Vec<f32>,
    tiles: winograd::Scratch,
}

impl Scratch {
    fn new(shape: Shape) -> Self {
        let tiles = winograd::Scratch::new(shape.filters[0]);
        Self { features: vec![0.0; shape.features()[1]], mask: vec![0.0; shape.order().inputs()], tiles }
    }
}

/// What a thread's backward passes work in.
struct GradientScratch {
    /// Gradients of an image's pooled features.
    pooled: Vec<f32>,
    features: Vec<f32>,
    line: Vec<f32>,
    lists: sparse::Lists,
}

impl GradientScratch {
    fn new(shape: Shape) -> Self {
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
struct Convolutions<'a> {
    shape: Shape,
    packed: &'a Packed,
    image: &'a [f32],
    masked: bool,
    scratch: &'a mut Scratch,
    pooled: &'a mut [f32],
    winners: Option<&'a mut [[u64; 4]]>,
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
struct Dense<'a> {
    packed: &'a Packed,
    shape: Shape,
    pooled: &'a [f32],
    mask: Option<&'a [f32]>,
    hidden: &'a mut [f32],
    embeddings: &'a mut [f32],
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
struct DenseGradient<'a> {
    pooled: &'a [f32],
    stride: usize,
    columns: &'a Sparse,
    rows: &'a Sparse,
    weights: &'a [f32],
    scale: f32,
    into: &'a mut [f32],
    inputs: &'a mut [f32],
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
struct ConvolutionGradients<'a> {
    shape: Shape,
    packed: &'a Packed,
    second: &'a [f32],
    image: &'a [f32],
    sets: &'a [[u64; 4]],
    gradient: &'a [f32],
    features: &'a mut [f32],
    line: &'a mut [f32],
    lists: &'a mut sparse::Lists,
    group: &'a mut Group,
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
