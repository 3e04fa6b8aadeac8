//! The network: its forward pass and its gradients, dealt out to threads.

use rayon::prelude::*;

use super::{
    Dropout, Shape, ShapeError,
    dense::{BLOCK, Order, ROWS, Sparse},
    first,
    lanes::dispatch,
    passes::{ConvolutionGradients, Convolutions, Dense, DenseGradient, GradientScratch, Scratch},
    product::PANEL,
    sparse, winograd,
};

/// Images whose gradients are summed in one buffer: a task of the backward pass.
const GROUP: usize = 16;

/// A network of one shape with room for its intermediate values. Weights are the caller's.
pub struct DirectNetwork {
    shape: Shape,
    packed: Packed,
    kept: Kept,
    gradient: Gradient,
}

/// Weights as the kernels read them.
#[derive(Default)]
pub(super) struct Packed {
    pub first: Vec<f32>,
    pub first_bias: Vec<f32>,
    pub second: Vec<[f32; PANEL]>,
    pub second_bias: Vec<f32>,
    pub hidden: Vec<[f32; PANEL]>,
    pub hidden_bias: Vec<f32>,
    pub output: Vec<[f32; PANEL]>,
    pub output_bias: Vec<f32>,
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
pub(super) struct Group {
    pub first: Vec<f32>,
    pub first_bias: Vec<f32>,
    pub second: Vec<f32>,
    pub second_bias: Vec<f32>,
}

impl DirectNetwork {
    /// Room for a network of this shape; it grows with the batch.
    ///
    /// # Errors
    /// [`ShapeError`] when the kernels are not made for the shape.
    pub fn new(shape: Shape) -> Result<Self, ShapeError> {
        shape.check()?;
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
