//! Convolutions as plain sums: what is convolved lies in a border of zeros, so that no edge is asked for in the inner loop, and the sums of
//! sixteen channels at some places stay in registers.

use super::{
    aligned::Aligned,
    collect::Finish,
    shape::{Geometry, STEPS},
};
use crate::models::convolution::{
    lanes::{Eight, LANES},
    product::{PANEL, in_blocks, load_pair, multiply, store_pair},
};

/// Numbers in a row below a kernel: where they begin, from a place's base on, and how many they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub offset: usize,
    pub length: usize,
}

/// Sums of the same spans at many places.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    /// Where each place begins in what is read and in what is written.
    places: Vec<(usize, usize)>,
    spans: Vec<Span>,
    /// Channels that are written at each place.
    channels: usize,
}

impl Gather {
    fn depth(&self) -> usize {
        self.spans.iter().map(|span| span.length).sum()
    }

    /// The forward pass of `images` images: from padded inputs to outputs.
    pub(super) fn forward(geometry: Geometry, images: usize) -> Self {
        let inputs = geometry.inputs;
        let line = Geometry::border(geometry.width) * inputs;
        let spans = (0..3).map(|row| Span { offset: row * line, length: 3 * inputs }).collect();
        Self { places: forward_places(geometry, images), spans, channels: geometry.outputs }
    }

    /// The forward pass of a projection, a convolution 1×1 beside a convolution of `geometry`.
    pub(super) fn projection(geometry: Geometry, images: usize) -> Self {
        let offset = (Geometry::border(geometry.width) + 1) * geometry.inputs;
        let spans = vec![Span { offset, length: geometry.inputs }];
        Self { places: forward_places(geometry, images), spans, channels: geometry.outputs }
    }

    /// The same into a border, as [`Tiles`](super::winograd::Tiles) have it.
    pub(super) fn bordered(mut self, geometry: Geometry) -> Self {
        let [width, outputs] = [geometry.out_width(), geometry.outputs];
        let line = Geometry::border(width) * outputs;
        for (_, to) in &mut self.places {
            let (image, place) = (*to / geometry.output(), *to % geometry.output() / outputs);
            *to = image * geometry.padded_output() + (place / width + 1) * line + (place % width + 1) * outputs;
        }
        self
    }

    /// The gradient of the inputs: from the padded gradient of the outputs of `images` images, behind which lies, where there is a projection, the
    /// padded gradient of its outputs. One for each set of places that meet the same taps.
    pub(super) fn input_gradient(geometry: Geometry, images: usize, projected: bool) -> Vec<Self> {
        let Geometry { height, width, inputs, outputs, stride } = geometry;
        let line = Geometry::border(geometry.out_width()) * outputs;
        let gathers = phases(stride).into_iter().map(|[down, across]| {
            let (rows, columns) = (taps(stride, down), taps(stride, across));
            let mut spans: Vec<Span> =
                rows.iter().map(|row| Span { offset: row.0 * line + columns[0].0 * outputs, length: columns.len() * outputs }).collect();
            if projected && [down, across] == [0, 0] {
                spans.push(Span { offset: images * geometry.padded_output() + line + outputs, length: outputs });
            }
            let mut places = Vec::new();
            for image in 0..images {
                for y in (down..height).step_by(stride) {
                    for x in (across..width).step_by(stride) {
                        let from = image * geometry.padded_output() + y / stride * line + x / stride * outputs;
                        places.push((from, image * geometry.input() + (y * width + x) * inputs));
                    }
                }
            }
            Self { places, spans, channels: inputs }
        });
        gathers.collect()
    }

    /// Writes the sums of `panels`, `[panel of 16 channels][depth]`, at the first `images` of the `of` images that this was made for.
    #[inline(always)]
    pub(super) fn run<L: Eight>(
        &self,
        lanes: L,
        [images, of]: [usize; 2],
        from: &[f32],
        panels: &[[f32; PANEL]],
        finish: Option<Finish>,
        into: &mut [f32],
    ) {
        let places = &self.places[..self.places.len() / of * images];
        for (panel, weights) in panels.chunks_exact(self.depth()).enumerate() {
            let first = panel * PANEL;
            in_blocks!(L, places.len(), |next, COUNT| {
                let Some(places) = places[next..].first_chunk::<COUNT>() else { break };
                self.block(lanes, *places, from, (weights, first), finish, into);
            });
        }
    }

    #[inline(always)]
    fn block<L: Eight, const COUNT: usize>(
        &self,
        lanes: L,
        places: [(usize, usize); COUNT],
        from: &[f32],
        (mut weights, first): (&[[f32; PANEL]], usize),
        finish: Option<Finish>,
        into: &mut [f32],
    ) {
        let mut sums = [lanes.splat_pair(0.0); COUNT];
        if let Some(Finish { bias, .. }) = finish {
            sums = [load_pair(lanes, &bias[first..]); COUNT];
        }
        for span in &self.spans {
            let mut rows: [&[f32]; COUNT] = [&[]; COUNT];
            for place in 0..COUNT {
                rows[place] = &from[places[place].0 + span.offset..][..span.length];
            }
            let Some((here, rest)) = weights.split_at_checked(span.length) else { break };
            sums = multiply::<L, COUNT, STEPS>(lanes, rows, here, sums);
            weights = rest;
        }
        let count = PANEL.min(self.channels - first);
        for place in 0..COUNT {
            let start = places[place].1 + first;
            let mut values = sums[place];
            if let Some(Finish { shortcut, .. }) = finish {
                if let Some(shortcut) = shortcut {
                    let mut more = [0.0; PANEL];
                    more[..count].copy_from_slice(&shortcut[start..][..count]);
                    values = lanes.add_pair(values, lanes.load_pair(&more));
                }
                values = lanes.maximum_pair(lanes.splat_pair(0.0), values);
            }
            if count == PANEL {
                store_pair(lanes, values, &mut into[start..]);
            } else {
                let mut some = [0.0; PANEL];
                lanes.store_pair(values, &mut some);
                into[start..][..count].copy_from_slice(&some[..count]);
            }
        }
    }
}

/// Where each output's kernel begins in the padded inputs, and where the output stands.
fn forward_places(geometry: Geometry, images: usize) -> Vec<(usize, usize)> {
    let line = Geometry::border(geometry.width) * geometry.inputs;
    let mut places = Vec::new();
    for image in 0..images {
        for y in 0..geometry.out_height() {
            for x in 0..geometry.out_width() {
                let from = image * geometry.padded_input() + geometry.stride * (y * line + x * geometry.inputs);
                places.push((from, image * geometry.output() + (y * geometry.out_width() + x) * geometry.outputs));
            }
        }
    }
    places
}

/// Inputs fall into sets by their place modulo the stride.
fn phases(stride: usize) -> Vec<[usize; 2]> {
    (0..stride).flat_map(|down| (0..stride).map(move |across| [down, across])).collect()
}

/// Along one axis: which outputs an input at place `phase` + i · stride goes to, counted in the padded outputs from i on, and by which tap.
fn taps(stride: usize, phase: usize) -> &'static [(usize, usize)] {
    match (stride, phase) {
        (1, _) => &[(0, 2), (1, 1), (2, 0)],
        (_, 0) => &[(1, 1)],
        _ => &[(1, 2), (2, 0)],
    }
}

/// Weights for [`Gather::forward`], `[panel of 16 filters][9 taps][inputs]`, from `PyTorch`'s `[filters, channels, taps]`; of channels there may
/// be fewer than inputs. With one tap, for [`Gather::projection`].
pub(super) fn pack(weight: &[f32], channels: usize, inputs: usize, taps: usize) -> Aligned {
    let filters = weight.len() / (taps * channels);
    let mut aligned = Aligned::zeros(filters.next_multiple_of(PANEL) * taps * inputs);
    let packed = aligned.units_mut();
    for (filter, kernel) in weight.chunks_exact(taps * channels).enumerate() {
        for (channel, values) in kernel.chunks_exact(taps).enumerate() {
            for (tap, &value) in values.iter().enumerate() {
                packed[(filter / PANEL * taps + tap) * inputs + channel][filter % PANEL] = value;
            }
        }
    }
    aligned
}

/// Weights for each of [`Gather::input_gradient`], `[panel of 16 channels][taps][filters]`.
pub(super) fn pack_gradient(geometry: Geometry, weight: &[f32], projection: Option<&[f32]>) -> Vec<Aligned> {
    let Geometry { inputs, outputs, stride, .. } = geometry;
    let sets = phases(stride).into_iter().map(|[down, across]| {
        let pairs = taps(stride, down).iter().flat_map(|row| taps(stride, across).iter().map(move |column| 3 * row.1 + column.1));
        let kernels = pairs.map(|tap| (weight, 9, tap));
        let kernels: Vec<_> = kernels.chain(projection.filter(|_| [down, across] == [0, 0]).map(|weight| (weight, 1, 0))).collect();
        let mut aligned = Aligned::zeros(inputs.next_multiple_of(PANEL) * kernels.len() * outputs);
        let mut units = aligned.units_mut().iter_mut();
        for first in (0..inputs).step_by(PANEL) {
            for &(weight, taps, tap) in &kernels {
                for (row, unit) in weight.chunks_exact(inputs * taps).zip(&mut units) {
                    for (value, kernel) in unit.iter_mut().zip(row[first * taps..].chunks_exact(taps)) {
                        *value = kernel[tap];
                    }
                }
            }
        }
        aligned
    });
    sets.collect()
}

/// Sums over places of inputs times the gradients of outputs.
#[derive(Debug, Clone)]
pub(super) struct Products {
    geometry: Geometry,
    spans: Vec<Span>,
}

/// Rows of outputs summed over before the next block of weights: what they read stays in the first cache.
const LINES: usize = 4;

impl Products {
    pub(super) fn convolution(geometry: Geometry) -> Self {
        Self { geometry, spans: Gather::forward(geometry, 0).spans }
    }

    pub(super) fn projection(geometry: Geometry) -> Self {
        Self { geometry, spans: Gather::projection(geometry, 0).spans }
    }

    /// Numbers of the sums, `[taps][inputs][outputs, padded to whole panels]`.
    pub(super) fn size(&self) -> usize {
        self.spans.iter().map(|span| span.length).sum::<usize>() * self.columns()
    }

    fn columns(&self) -> usize {
        self.geometry.outputs.next_multiple_of(PANEL)
    }

    /// Adds what `images` images give: `inputs` and `gradient` are padded.
    #[inline(always)]
    pub(super) fn add<L: Eight>(&self, lanes: L, images: usize, inputs: &[f32], gradient: &[f32], sums: &mut [f32]) {
        let geometry = self.geometry;
        let lines = if geometry.out_width() > 2 * LANES { LINES } else { geometry.out_height() };
        for image in 0..images {
            let inputs = &inputs[image * geometry.padded_input()..][..geometry.padded_input()];
            // One place more than belongs to the image, whose numbers fall into columns that nobody reads.
            let gradient = &gradient[image * geometry.padded_output()..][..geometry.padded_output()];
            for first in (0..geometry.out_height()).step_by(lines) {
                let lines = [first, geometry.out_height().min(first + lines)];
                for column in (0..geometry.outputs).step_by(PANEL) {
                    let mut row = 0;
                    for span in &self.spans {
                        let mut start = 0;
                        while start < span.length {
                            let offset = span.offset + start;
                            let left = span.length - start;
                            let sums = &mut sums[(row + start) * self.columns() + column..];
                            if L::ROWS > 6 && left >= 12 {
                                self.block::<L, 12>(lanes, lines, [offset, column], inputs, gradient, sums);
                                start += 12;
                            } else if left >= 6 {
                                self.block::<L, 6>(lanes, lines, [offset, column], inputs, gradient, sums);
                                start += 6;
                            } else if left >= 4 {
                                self.block::<L, 4>(lanes, lines, [offset, column], inputs, gradient, sums);
                                start += 4;
                            } else {
                                self.block::<L, 2>(lanes, lines, [offset, column], inputs, gradient, sums);
                                start += 2;
                            }
                        }
                        row += span.length;
                    }
                }
            }
        }
    }

    /// `ROWS` rows of sixteen sums.
    #[inline(always)]
    fn block<L: Eight, const ROWS: usize>(
        &self,
        lanes: L,
        lines: [usize; 2],
        [offset, column]: [usize; 2],
        inputs: &[f32],
        gradient: &[f32],
        into: &mut [f32],
    ) {
        let Geometry { width, inputs: channels, outputs, stride, .. } = self.geometry;
        let (line, across) = (Geometry::border(width) * channels, self.geometry.out_width());
        let columns = self.columns();
        let mut sums = [lanes.splat_pair(0.0); ROWS];
        for row in 0..ROWS {
            sums[row] = load_pair(lanes, &into[row * columns..]);
        }
        for y in lines[0]..lines[1] {
            let inputs = &inputs[y * stride * line + offset..];
            let gradient = &gradient[((y + 1) * Geometry::border(across) + 1) * outputs + column..];
            let (mut from, mut of) = (0_usize, 0_usize);
            for _ in 0..across {
                let Some(values) = inputs.get(from..).and_then(|from| from.first_chunk::<ROWS>()) else { break };
                let Some(slopes) = gradient.get(of..).and_then(|of| of.first_chunk::<PANEL>()) else { break };
                let slopes = lanes.load_pair(slopes);
                for row in 0..ROWS {
                    sums[row] = lanes.add_product(values[row], slopes, sums[row]);
                }
                from = from.wrapping_add(stride.wrapping_mul(channels));
                of = of.wrapping_add(outputs);
            }
        }
        for row in 0..ROWS {
            store_pair(lanes, sums[row], &mut into[row * columns..]);
        }
    }

    /// From sums to `PyTorch`'s `[filters, channels, taps]`.
    pub(super) fn unpack(&self, sums: &[f32], channels: usize, into: &mut [f32]) {
        let (inputs, columns) = (self.geometry.inputs, self.columns());
        let taps = sums.len() / (inputs * columns);
        for (filter, kernel) in into.chunks_exact_mut(taps * channels).enumerate() {
            for (channel, values) in kernel.chunks_exact_mut(taps).enumerate() {
                for (tap, value) in values.iter_mut().enumerate() {
                    *value = sums[(tap * inputs + channel) * columns + filter];
                }
            }
        }
    }
}
