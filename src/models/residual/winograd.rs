//! Convolutions of stride 1 by the minimal algorithm F(4×4, 3×3): 36 multiplications for the 16 sums of a tile instead of 144, and as many
//! fewer for both gradients. What is left are transforms of tiles and 36 products of small matrices.
//!
//! Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", sections 4.1 and 4.3.

use std::ops::Range;

use super::{
    points::{IN, OUT, POINTS, four, kernel, six, spread, three},
    products::{Multiply, Outer},
    shape::Geometry,
};
use crate::models::convolution::{
    lanes::{Eight, LANES, Pass, dispatch},
    product::{PANEL, load, store},
};

/// Tiles of a convolution of stride 1, or of the gradient of its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    height: usize,
    width: usize,
    inputs: usize,
    outputs: usize,
}

/// Sixteen channels at one place or point: two vectors.
pub(super) type Unit = [f32; PANEL];

/// What a thread's products work in. Of the sums, the six points of one row lie together for each tile, so that they are collected in order.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[36 points][units of channels][tiles]`.
    values: Vec<Unit>,
    slopes: Vec<Unit>,
    /// `[6 rows of points][tiles][6 points]`.
    sums: Vec<Unit>,
    /// One row of tiles, transformed in one direction alone: `[6][columns]`.
    lines: Vec<Unit>,
}

impl Scratch {
    /// Makes room for what `images` images take.
    pub(super) fn grow(&mut self, tiles: Tiles, images: usize) {
        let count = POINTS * tiles.count(images);
        let size = count * tiles.inputs.max(tiles.outputs) / PANEL;
        let lines = IN * Geometry::border(tiles.width);
        for (units, size) in [(&mut self.values, size), (&mut self.slopes, size), (&mut self.sums, count), (&mut self.lines, lines)] {
            units.resize(units.len().max(size), [0.0; PANEL]);
        }
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

    fn across(self) -> usize {
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
    fn row(self, row: usize) -> [usize; 2] {
        [row / self.rows(1), row % self.rows(1) * OUT]
    }

    /// Convolves `images` images, `[height, width, inputs]` within their borders, with the weights that [`Pack`] made.
    pub(super) fn convolve(self, images: usize, padded: &[f32], weight: &[[f32; PANEL]], scratch: &mut Scratch, into: &mut [f32]) {
        let depth = self.inputs;
        let Scratch { values, sums, lines, .. } = scratch;
        let (rows, tiles) = (0..self.rows(images), self.count(images));
        dispatch(Transform { tiles: self, rows: rows.clone(), padded, lines, into: &mut values[..POINTS * tiles * depth / PANEL] });
        for (unit, weight) in weight.chunks_exact(POINTS * depth).enumerate() {
            let sums = &mut sums[..POINTS * tiles];
            dispatch(Multiply { tiles, values: &values[..POINTS * tiles * depth / PANEL], weight, into: sums });
            dispatch(Collect { tiles: self, rows: rows.clone(), sums, lines, unit, into });
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
        let Scratch { values, slopes, lines, .. } = scratch;
        let (rows, tiles) = (0..self.rows(images), self.count(images));
        let values = &mut values[..POINTS * tiles * inputs / PANEL];
        let slopes = &mut slopes[..POINTS * tiles * outputs / PANEL];
        dispatch(Transform { tiles: self, rows: rows.clone(), padded, lines, into: values });
        dispatch(Spread { tiles: self, rows, padded: gradient, lines, into: slopes });
        dispatch(Outer { tiles, inputs, outputs, values, slopes, sums, is_first });
    }
}

/// Equal parts of `values`.
#[inline(always)]
fn split<T, const PARTS: usize>(values: &[T]) -> [&[T]; PARTS] {
    let size = values.len() / PARTS;
    let mut parts: [&[T]; PARTS] = [&[]; PARTS];
    for part in 0..PARTS {
        parts[part] = &values[part * size..][..size];
    }
    parts
}

#[inline(always)]
fn split_mut<T, const PARTS: usize>(mut values: &mut [T]) -> [&mut [T]; PARTS] {
    let size = values.len() / PARTS;
    let mut parts: [&mut [T]; PARTS] = [(); PARTS].map(|()| Default::default());
    for part in &mut parts {
        (*part, values) = values.split_at_mut(size);
    }
    parts
}

/// The same part of each.
#[inline(always)]
fn part<T>(mut slices: [&mut [T]; IN], start: usize, length: usize) -> [&mut [T]; IN] {
    for slice in &mut slices {
        *slice = &mut std::mem::take(slice)[start..][..length];
    }
    slices
}

/// One vector of each unit.
#[inline(always)]
fn take<L: Eight, const COUNT: usize>(lanes: L, from: [&Unit; COUNT], half: usize) -> [L::Numbers; COUNT] {
    let mut numbers = [lanes.splat(0.0); COUNT];
    for place in 0..COUNT {
        numbers[place] = lanes.load(&from[place].as_chunks::<LANES>().0[half]);
    }
    numbers
}

/// Bᵀ d B of each tile's 6×6 places: of a whole row of tiles at once first down, then across, so that what neighbours share is computed once.
struct Transform<'a> {
    tiles: Tiles,
    rows: Range<usize>,
    padded: &'a [f32],
    lines: &'a mut [Unit],
    into: &'a mut [Unit],
}

impl Pass for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let (across, columns, units) = (self.tiles.across(), Geometry::border(self.tiles.width), self.tiles.inputs / PANEL);
        let (count, image_size) = (self.rows.len() * across, Geometry::border(self.tiles.height) * columns * units);
        let (padded, _) = self.padded.as_chunks::<PANEL>();
        for (number, row) in self.rows.enumerate() {
            let [image, y] = self.tiles.row(row);
            let pixels = &padded[image * image_size + y * columns * units..][..IN * columns * units];
            let [d0, d1, d2, d3, d4, d5] = split(pixels);
            for unit in 0..units {
                let [t0, t1, t2, t3, t4, t5] = split_mut(&mut self.lines[..IN * columns]);
                let mut from = unit;
                for column in 0..columns {
                    let d = [&d0[from], &d1[from], &d2[from], &d3[from], &d4[from], &d5[from]];
                    let t = [&mut t0[column], &mut t1[column], &mut t2[column], &mut t3[column], &mut t4[column], &mut t5[column]];
                    let first = six(lanes, take(lanes, d, 0));
                    let second = six(lanes, take(lanes, d, 1));
                    for (row, t) in t.into_iter().enumerate() {
                        store(lanes, [first[row], second[row]], t);
                    }
                    from = from.wrapping_add(units);
                }
                let lines = self.lines[..IN * columns].chunks_exact(columns);
                for (line, into) in lines.zip(self.into.chunks_exact_mut(IN * units * count)) {
                    let [p0, p1, p2, p3, p4, p5] = part(split_mut(into), unit * count + number * across, across);
                    for tile in 0..across {
                        let Some(line) = line.get(OUT.wrapping_mul(tile)..).and_then(|line| line.first_chunk::<IN>()) else { break };
                        let first = six(lanes, take(lanes, line.each_ref(), 0));
                        let second = six(lanes, take(lanes, line.each_ref(), 1));
                        let into = [&mut p0[tile], &mut p1[tile], &mut p2[tile], &mut p3[tile], &mut p4[tile], &mut p5[tile]];
                        for (column, into) in into.into_iter().enumerate() {
                            store(lanes, [first[column], second[column]], into);
                        }
                    }
                }
            }
        }
    }
}

/// A y Aᵀ of each tile's 4×4 places, likewise.
struct Spread<'a> {
    tiles: Tiles,
    rows: Range<usize>,
    padded: &'a [f32],
    lines: &'a mut [Unit],
    into: &'a mut [Unit],
}

impl Pass for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let (across, columns, units) = (self.tiles.across(), Geometry::border(self.tiles.width), self.tiles.outputs / PANEL);
        let (count, image_size) = (self.rows.len() * across, Geometry::border(self.tiles.height) * columns * units);
        let (padded, _) = self.padded.as_chunks::<PANEL>();
        for (number, row) in self.rows.enumerate() {
            let [image, y] = self.tiles.row(row);
            let pixels = &padded[image * image_size + (y + 1) * columns * units..][..OUT * columns * units];
            let [y0, y1, y2, y3] = split(pixels);
            for unit in 0..units {
                let [t0, t1, t2, t3, t4, t5] = split_mut(&mut self.lines[..IN * columns]);
                let mut from = unit;
                for column in 0..columns {
                    let y = [&y0[from], &y1[from], &y2[from], &y3[from]];
                    let t = [&mut t0[column], &mut t1[column], &mut t2[column], &mut t3[column], &mut t4[column], &mut t5[column]];
                    let first = spread(lanes, take(lanes, y, 0));
                    let second = spread(lanes, take(lanes, y, 1));
                    for (row, t) in t.into_iter().enumerate() {
                        store(lanes, [first[row], second[row]], t);
                    }
                    from = from.wrapping_add(units);
                }
                let lines = self.lines[..IN * columns].chunks_exact(columns);
                for (line, into) in lines.zip(self.into.chunks_exact_mut(IN * units * count)) {
                    let [p0, p1, p2, p3, p4, p5] = part(split_mut(into), unit * count + number * across, across);
                    // The first column is the border's.
                    for (tile, line) in line[1..].as_chunks::<OUT>().0.iter().enumerate() {
                        let first = spread(lanes, take(lanes, line.each_ref(), 0));
                        let second = spread(lanes, take(lanes, line.each_ref(), 1));
                        let into = [&mut p0[tile], &mut p1[tile], &mut p2[tile], &mut p3[tile], &mut p4[tile], &mut p5[tile]];
                        for (column, into) in into.into_iter().enumerate() {
                            store(lanes, [first[column], second[column]], into);
                        }
                    }
                }
            }
        }
    }
}

/// Aᵀ m A of each tile and sixteen channels: of a whole row of tiles at once first across, then down.
struct Collect<'a> {
    tiles: Tiles,
    rows: Range<usize>,
    sums: &'a [Unit],
    lines: &'a mut [Unit],
    /// Which sixteen channels.
    unit: usize,
    into: &'a mut [f32],
}

impl Pass for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Tiles { height, width, outputs, .. } = self.tiles;
        let (across, units) = (self.tiles.across(), outputs / PANEL);
        let count = self.rows.len() * across;
        let (into, _) = self.into.as_chunks_mut::<PANEL>();
        let lines = &mut self.lines[..IN * OUT * across];
        for (number, row) in self.rows.enumerate() {
            for (sums, line) in self.sums.chunks_exact(count * IN).zip(lines.chunks_exact_mut(OUT * across)) {
                let sums = &sums[number * across * IN..][..across * IN];
                for (sums, line) in sums.as_chunks::<IN>().0.iter().zip(line.as_chunks_mut::<OUT>().0) {
                    let first = four(lanes, take(lanes, sums.each_ref(), 0));
                    let second = four(lanes, take(lanes, sums.each_ref(), 1));
                    for column in 0..OUT {
                        store(lanes, [first[column], second[column]], &mut line[column]);
                    }
                }
            }
            let [image, y] = self.tiles.row(row);
            let size = width * units;
            let count = OUT.min(height - y);
            let into = &mut into[(image * height + y) * size..][..count * size];
            let [l0, l1, l2, l3, l4, l5] = split(lines);
            let mut place = self.unit;
            if count == OUT {
                let [o0, o1, o2, o3] = split_mut(into);
                for column in 0..width {
                    let m = [&l0[column], &l1[column], &l2[column], &l3[column], &l4[column], &l5[column]];
                    let first = four(lanes, take(lanes, m, 0));
                    let second = four(lanes, take(lanes, m, 1));
                    for (row, into) in [&mut o0[place], &mut o1[place], &mut o2[place], &mut o3[place]].into_iter().enumerate() {
                        store(lanes, [first[row], second[row]], into);
                    }
                    place = place.wrapping_add(units);
                }
            } else {
                for column in 0..width {
                    let m = [&l0[column], &l1[column], &l2[column], &l3[column], &l4[column], &l5[column]];
                    let first = four(lanes, take(lanes, m, 0));
                    let second = four(lanes, take(lanes, m, 1));
                    for row in 0..count {
                        store(lanes, [first[row], second[row]], &mut into[row * size + place]);
                    }
                    place = place.wrapping_add(units);
                }
            }
        }
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
    pub into: &'a mut Vec<[f32; PANEL]>,
}

impl Pass for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let Tiles { inputs, outputs, .. } = self.tiles;
        self.into.resize(outputs / PANEL * POINTS * inputs, [0.0; PANEL]);
        for (panel, into) in self.into.chunks_exact_mut(POINTS * inputs).enumerate() {
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
