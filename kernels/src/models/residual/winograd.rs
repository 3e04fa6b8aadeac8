//! Convolutions of stride 1 by the minimal algorithm F(4×4, 3×3): 36 multiplications for the 16 sums of a tile instead of 144, and as many
//! fewer for both gradients. What is left are transforms of tiles and 36 products of small matrices.
//!
//! Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", sections 4.1 and 4.3, which see for the letters.

use super::{
    aligned::Aligned,
    collect::{Collect, Finish, Target},
    points::{IN, OUT, POINTS, Unit, kernel, three},
    products::{Multiply, Outer},
    shape::Geometry,
    transform::{Spread, Transform},
};
use crate::models::convolution::{
    lanes::{Eight, LANES, Pass, dispatch},
    product::{PANEL, load},
};

/// Tiles of a convolution of stride 1, or of the gradient of its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// What a thread's products work in. Of the sums, the six points of one row lie together for each tile, so that they are collected in order.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[36 points][units of channels][tiles]`.
    values: Aligned,
    slopes: Aligned,
    /// `[6 rows of points][tiles][6 points]`.
    sums: Aligned,
    /// One row of tiles, transformed in one direction alone: `[6][columns]`.
    lines: Aligned,
}

impl Scratch {
    /// Makes room for what `images` images take.
    pub(super) fn grow(&mut self, tiles: Tiles, images: usize) {
        let count = POINTS * tiles.count(images);
        let size = count * tiles.inputs.max(tiles.outputs);
        self.values.grow(size);
        self.slopes.grow(size);
        self.sums.grow(count * PANEL);
        self.lines.grow(IN * Geometry::border(tiles.width) * PANEL);
    }
}

impl Tiles {
    /// Where there are kernels for it, and tiles are not mostly border.
    pub(super) fn of(geometry: Geometry) -> Option<Self> {
        let Geometry { height, width, inputs, outputs, stride } = geometry;
        let tiles = Self { height, width, inputs, outputs };
        let is_filled = inputs.is_multiple_of(PANEL) && outputs.is_multiple_of(PANEL);
        (stride == 1 && is_filled && tiles.count(1) * POINTS * 3 <= height * width * 9 * 2).then_some(tiles)
    }

    /// The same for the gradient of the inputs.
    pub(super) fn reversed(self) -> Self {
        Self { inputs: self.outputs, outputs: self.inputs, ..self }
    }

    /// Tiles in a row.
    pub(super) fn across(self) -> usize {
        self.width.div_ceil(OUT)
    }

    /// Rows of tiles.
    fn rows(self, images: usize) -> usize {
        images * self.height.div_ceil(OUT)
    }

    fn count(self, images: usize) -> usize {
        self.rows(images) * self.across()
    }

    /// Image and first line of a row of tiles.
    pub(super) fn row(self, row: usize) -> [usize; 2] {
        [row / self.rows(1), row % self.rows(1) * OUT]
    }

    /// Where outputs go that have no border.
    fn plain(self) -> Target {
        let line = self.width * self.outputs / PANEL;
        Target { start: 0, line, image: self.height * line }
    }

    /// Where outputs go that have one.
    fn bordered(self) -> Target {
        let unit = self.outputs / PANEL;
        let line = Geometry::border(self.width) * unit;
        Target { start: line + unit, line, image: Geometry::border(self.height) * line }
    }

    /// Convolves `images` images, `[height, width, inputs]` within their borders, with the weights that [`Pack`] made. The outputs have no border;
    /// those that are finished have one.
    pub(super) fn convolve(
        self,
        images: usize,
        padded: &[f32],
        weight: &[Unit],
        scratch: &mut Scratch,
        finish: Option<Finish>,
        into: &mut [f32],
    ) {
        let target = if finish.is_some() { self.bordered() } else { self.plain() };
        let depth = self.inputs;
        let (values, sums, lines) = (scratch.values.units_mut(), scratch.sums.units_mut(), scratch.lines.units_mut());
        let (rows, tiles) = (0..self.rows(images), self.count(images));
        dispatch(Transform { tiles: self, rows: rows.clone(), padded, lines, into: &mut values[..POINTS * tiles * depth / PANEL] });
        for (unit, weight) in weight.chunks_exact(POINTS * depth).enumerate() {
            let sums = &mut sums[..POINTS * tiles];
            dispatch(Multiply { tiles, values: &values[..POINTS * tiles * depth / PANEL], weight, into: sums });
            dispatch(Collect { tiles: self, rows: rows.clone(), sums, lines, unit, target, finish, into });
        }
    }

    /// Numbers of the sums that [`Self::products`] adds to.
    pub(super) fn size(self) -> usize {
        POINTS * self.inputs * self.outputs
    }

    /// Adds to `sums`, `[36 points][inputs][outputs]` (or, where `is_first`, writes there) the products of transformed inputs and transformed
    /// gradients of the outputs, both given within their borders.
    pub(super) fn products(self, images: usize, padded: &[f32], gradient: &[f32], scratch: &mut Scratch, is_first: bool, sums: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let (values, slopes, lines) = (scratch.values.units_mut(), scratch.slopes.units_mut(), scratch.lines.units_mut());
        let (rows, tiles) = (0..self.rows(images), self.count(images));
        let values = &mut values[..POINTS * tiles * inputs / PANEL];
        let slopes = &mut slopes[..POINTS * tiles * outputs / PANEL];
        dispatch(Transform { tiles: self, rows: rows.clone(), padded, lines, into: values });
        dispatch(Spread { tiles: self, rows, padded: gradient, lines, into: slopes });
        dispatch(Outer { tiles, inputs, outputs, values, slopes, sums, is_first });
    }
}

/// Gᵀ s G of the sums, into `PyTorch`'s `[outputs, inputs, 3, 3]`.
pub(super) struct Unpack<'a> {
    pub tiles: Tiles,
    pub sums: &'a [f32],
    pub into: &'a mut [f32],
}

impl Pass for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Tiles { inputs, outputs, .. } = self.tiles;
        for channel in 0..inputs {
            for first in (0..outputs).step_by(LANES) {
                let mut lines = [[lanes.splat(0.0); IN]; 3];
                for across in 0..IN {
                    let mut column = [lanes.splat(0.0); IN];
                    for down in 0..IN {
                        let place = ((down * IN + across) * inputs + channel) * outputs + first;
                        column[down] = load::<_, 1>(lanes, &self.sums[place..])[0];
                    }
                    let column = three(lanes, column);
                    for down in 0..3 {
                        lines[down][across] = column[down];
                    }
                }
                let mut taps = [[0.0; LANES]; 9];
                for down in 0..3 {
                    let line = three(lanes, lines[down]);
                    for across in 0..3 {
                        lanes.store(line[across], &mut taps[3 * down + across]);
                    }
                }
                for lane in 0..LANES {
                    let into = &mut self.into[((first + lane) * inputs + channel) * 9..][..9];
                    for tap in 0..9 {
                        into[tap] = taps[tap][lane];
                    }
                }
            }
        }
    }
}

/// G g Gᵀ of the weights, `[panel of 16 outputs][36 points][inputs]`, from `PyTorch`'s `[outputs, inputs, 3, 3]`; where tiles are reversed, for
/// the gradient of the inputs from the same.
pub(super) struct Pack<'a> {
    pub tiles: Tiles,
    pub is_reversed: bool,
    pub weight: &'a [f32],
    pub into: &'a mut Aligned,
}

impl Pass for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Tiles { inputs, outputs, .. } = self.tiles;
        self.into.resize(outputs * POINTS * inputs);
        for (panel, into) in self.into.units_mut().chunks_exact_mut(POINTS * inputs).enumerate() {
            for channel in 0..inputs {
                for half in 0..PANEL / LANES {
                    let mut taps = [[0.0; LANES]; 9];
                    for lane in 0..LANES {
                        let output = panel * PANEL + half * LANES + lane;
                        let pair = if self.is_reversed { channel * outputs + output } else { output * inputs + channel };
                        let kernel = &self.weight[pair * 9..][..9];
                        for tap in 0..9 {
                            taps[tap][lane] = kernel[if self.is_reversed { 8 - tap } else { tap }];
                        }
                    }
                    let mut lines = [[lanes.splat(0.0); 3]; IN];
                    for across in 0..3 {
                        let column = [lanes.load(&taps[across]), lanes.load(&taps[3 + across]), lanes.load(&taps[6 + across])];
                        let column = kernel(lanes, column);
                        for down in 0..IN {
                            lines[down][across] = column[down];
                        }
                    }
                    for down in 0..IN {
                        let line = kernel(lanes, lines[down]);
                        for across in 0..IN {
                            let into = &mut into[(down * IN + across) * inputs + channel];
                            lanes.store(line[across], &mut into.as_chunks_mut::<LANES>().0[half]);
                        }
                    }
                }
            }
        }
    }
}
