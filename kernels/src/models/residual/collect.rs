//! Transforms of tiles, on the way out of the products.

use std::ops::Range;

use super::{
    points::{IN, OUT, OfSums, Unit, split},
    winograd::Tiles,
};
use crate::models::convolution::{
    lanes::{Eight, Pass},
    product::{PANEL, load_pair},
};

/// Where outputs go, in units: the first one, and from one line and image to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub start: usize,
    pub line: usize,
    pub image: usize,
}

/// What goes before relu to the outputs of a convolution in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    /// Of each channel, to whole units.
    pub bias: &'a [f32],
    /// Laid out as the outputs.
    pub shortcut: Option<&'a [f32]>,
}

/// Aᵀ m A of each tile and sixteen channels: of a whole row of tiles at once first across, then down.
pub(super) struct Collect<'a> {
    pub tiles: Tiles,
    /// Rows of tiles.
    pub rows: Range<usize>,
    /// `[6 rows of points][tiles][6 points]`.
    pub sums: &'a [Unit],
    pub lines: &'a mut [Unit],
    /// Which sixteen channels.
    pub unit: usize,
    pub target: Target,
    pub finish: Option<Finish<'a>>,
    pub into: &'a mut [f32],
}

impl Pass for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, lanes: impl Eight) {
        let across = self.tiles.across();
        let count = self.rows.len() * across;
        let (into, _) = self.into.as_chunks_mut::<PANEL>();
        let lines = &mut self.lines[..IN * OUT * across];
        for (number, row) in self.rows.clone().enumerate() {
            for (sums, line) in self.sums.chunks_exact(count * IN).zip(lines.chunks_exact_mut(OUT * across)) {
                let sums = &sums[number * across * IN..][..across * IN];
                for (sums, line) in sums.as_chunks::<IN>().0.iter().zip(line.as_chunks_mut::<OUT>().0) {
                    let numbers = lanes.along::<OfSums, _, _>(sums.each_ref());
                    for column in 0..OUT {
                        lanes.store_pair(numbers[column], &mut line[column]);
                    }
                }
            }
            let [image, y] = self.tiles.row(row);
            let start = image * self.target.image + y * self.target.line + self.target.start + self.unit;
            let places = Places {
                width: self.tiles.width,
                count: OUT.min(self.tiles.height - y),
                line: self.target.line,
                step: self.tiles.outputs / PANEL,
            };
            match self.finish {
                None => places.fill::<_, false>(lanes, lines, lanes.splat_pair(0.0), None, &mut into[start..]),
                Some(Finish { bias, shortcut }) => {
                    let bias = load_pair(lanes, &bias[self.unit * PANEL..]);
                    let shortcut = shortcut.map(|shortcut| &shortcut.as_chunks::<PANEL>().0[start..]);
                    places.fill::<_, true>(lanes, lines, bias, shortcut, &mut into[start..]);
                }
            }
        }
    }
}

/// Some lines of outputs.
struct Places {
    width: usize,
    count: usize,
    line: usize,
    step: usize,
}

impl Places {
    /// Aᵀ m down the columns; where `FINISH`, relu of that, the bias and the shortcut.
    #[inline(always)]
    fn fill<L: Eight, const FINISH: bool>(self, lanes: L, lines: &[Unit], bias: L::Pair, shortcut: Option<&[Unit]>, into: &mut [Unit]) {
        let [l0, l1, l2, l3, l4, l5] = split(lines);
        let mut start = 0_usize;
        for column in 0..self.width {
            let m = [&l0[column], &l1[column], &l2[column], &l3[column], &l4[column], &l5[column]];
            let numbers = lanes.along::<OfSums, _, _>(m);
            let mut place = start;
            for row in 0..OUT {
                if row < self.count {
                    let mut sums = numbers[row];
                    if FINISH {
                        let mut terms = bias;
                        if let Some(shortcut) = shortcut {
                            terms = lanes.add_pair(terms, lanes.load_pair(&shortcut[place]));
                        }
                        sums = lanes.maximum_pair(lanes.splat_pair(0.0), lanes.add_pair(sums, terms));
                    }
                    lanes.store_pair(sums, &mut into[place]);
                }
                place = place.wrapping_add(self.line);
            }
            start = start.wrapping_add(self.step);
        }
    }
}
