//! Transforms of tiles, on the way into the products.
//!
//! A row of tiles is transformed first down, then across, so that what neighbours share is computed once.

use std::ops::Range;

use super::{
    points::{IN, OUT, OfInputs, OfSlopes, Unit, split, split_mut},
    shape::Geometry,
    winograd::Tiles,
};
use crate::models::convolution::{
    lanes::{Eight, Pass},
    product::PANEL,
};

/// Bᵀ d B of each tile's 6×6 places.
pub(super) struct Transform<'a> {
    pub tiles: Tiles,
    /// Rows of tiles.
    pub rows: Range<usize>,
    /// `[images][height][width][inputs]` within their borders.
    pub padded: &'a [f32],
    pub lines: &'a mut [Unit],
    /// `[36 points][units of inputs][tiles]`.
    pub into: &'a mut [Unit],
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
                    let numbers = lanes.along::<OfInputs, _, _>(d);
                    for (row, t) in t.into_iter().enumerate() {
                        lanes.store_pair(numbers[row], t);
                    }
                    from = from.wrapping_add(units);
                }
                let lines = self.lines[..IN * columns].chunks_exact(columns);
                for (line, into) in lines.zip(self.into.chunks_exact_mut(IN * units * count)) {
                    let [p0, p1, p2, p3, p4, p5] = part(split_mut(into), unit * count + number * across, across);
                    for tile in 0..across {
                        let Some(line) = line.get(OUT.wrapping_mul(tile)..).and_then(|line| line.first_chunk::<IN>()) else { break };
                        let numbers = lanes.along::<OfInputs, _, _>(line.each_ref());
                        let into = [&mut p0[tile], &mut p1[tile], &mut p2[tile], &mut p3[tile], &mut p4[tile], &mut p5[tile]];
                        for (column, into) in into.into_iter().enumerate() {
                            lanes.store_pair(numbers[column], into);
                        }
                    }
                }
            }
        }
    }
}

/// A y Aᵀ of each tile's 4×4 places, likewise.
pub(super) struct Spread<'a> {
    pub tiles: Tiles,
    pub rows: Range<usize>,
    /// `[images][height][width][outputs]` within their borders.
    pub padded: &'a [f32],
    pub lines: &'a mut [Unit],
    /// `[36 points][units of outputs][tiles]`.
    pub into: &'a mut [Unit],
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
                    let numbers = lanes.along::<OfSlopes, _, _>(y);
                    for (row, t) in t.into_iter().enumerate() {
                        lanes.store_pair(numbers[row], t);
                    }
                    from = from.wrapping_add(units);
                }
                let lines = self.lines[..IN * columns].chunks_exact(columns);
                for (line, into) in lines.zip(self.into.chunks_exact_mut(IN * units * count)) {
                    let [p0, p1, p2, p3, p4, p5] = part(split_mut(into), unit * count + number * across, across);
                    // The first column is the border's.
                    for (tile, line) in line[1..].as_chunks::<OUT>().0.iter().enumerate() {
                        let numbers = lanes.along::<OfSlopes, _, _>(line.each_ref());
                        let into = [&mut p0[tile], &mut p1[tile], &mut p2[tile], &mut p3[tile], &mut p4[tile], &mut p5[tile]];
                        for (column, into) in into.into_iter().enumerate() {
                            lanes.store_pair(numbers[column], into);
                        }
                    }
                }
            }
        }
    }
}

/// The same part of each.
#[inline(always)]
fn part<T>(mut slices: [&mut [T]; IN], start: usize, length: usize) -> [&mut [T]; IN] {
    for slice in &mut slices {
        *slice = &mut std::mem::take(slice)[start..][..length];
    }
    slices
}
