//! Sums over pairs of near points, found by cells as wide as they reach.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::kernel::Kernel;

/// Points taken at a time: a register of AVX2.
const LANES: usize = 8;
/// Points a thread takes at a time.
const POINTS: usize = 256;
/// Cells along an axis at most, which bounds the memory.
const MAXIMUM_CELLS: f32 = 1_024.0;

/// The places in the order of their cells, row by row, so that a cell and its two neighbours in a row lie together.
#[derive(Default)]
pub(super) struct Near {
    x: Vec<f32>,
    y: Vec<f32>,
    /// Where each cell begins, and where the last one ends.
    starts: Vec<u32>,
    /// Where each place lies in that order.
    ranks: Vec<u32>,
    /// What the near ones add up to, in that order.
    sums: Vec<Sum>,
}

/// A point's push and potential.
#[derive(Clone, Copy, Default)]
struct Sum {
    push: [f32; 2],
    potential: f32,
}

/// The cells over a map.
#[derive(Clone, Copy)]
struct Cells {
    low: [f32; 2],
    /// Cells per unit.
    scale: [f32; 2],
    /// Columns and rows.
    counts: [usize; 2],
}

impl Cells {
    fn new([low, high]: [[f32; 2]; 2], reach: f32) -> Self {
        let sides = [0, 1].map(|axis| reach.max((high[axis] - low[axis]) / MAXIMUM_CELLS));
        Self { low, scale: sides.map(|side| 1.0 / side), counts: [0, 1].map(|axis| ((high[axis] - low[axis]) / sides[axis]) as usize + 1) }
    }

    #[inline(always)]
    fn of(&self, place: [f32; 2]) -> [usize; 2] {
        [0, 1].map(|axis| (((place[axis] - self.low[axis]) * self.scale[axis]) as usize).min(self.counts[axis] - 1))
    }
}

impl Near {
    /// Adds to `pushes` what the kernel's rest between near pairs adds, and gives its sum over all pairs, each point with itself included.
    /// `corners`: the least and the greatest coordinates of the places.
    pub fn add(&mut self, kernel: &Kernel, places: &[[f32; 2]], corners: [[f32; 2]; 2], pushes: &mut [[f32; 2]]) -> f64 {
        let cells = Cells::new(corners, kernel.reach);
        self.sort(&cells, places);
        let (x, y, starts) = (&self.x[..], &self.y[..], &self.starts[..]);
        self.sums.clear();
        self.sums.resize(places.len(), Sum::default());
        self.sums.par_chunks_mut(POINTS).enumerate().for_each(|(chunk, sums)| {
            Arch::new().dispatch(Sums { kernel: *kernel, cells, x, y, starts, first: chunk * POINTS, sums });
        });
        let sums = &self.sums;
        let parts = pushes.par_chunks_mut(POINTS).zip(self.ranks.par_chunks(POINTS)).map(|(pushes, ranks)| {
            pushes.iter_mut().zip(ranks).fold(0.0, |total, (push, &rank)| {
                let sum = sums[rank as usize];
                push.iter_mut().zip(sum.push).for_each(|(push, part)| *push += part);
                total + f64::from(sum.potential)
            })
        });
        parts.collect::<Vec<f64>>().into_iter().sum()
    }

    /// By counting; places of one cell stay in their order, so that sums are the same every time.
    fn sort(&mut self, cells: &Cells, places: &[[f32; 2]]) {
        let [columns, rows] = cells.counts;
        let cell = |place: [f32; 2]| {
            let [column, row] = cells.of(place);
            row * columns + column
        };
        self.starts.clear();
        self.starts.resize(columns * rows + 1, 0);
        self.ranks.clear();
        self.ranks.extend(places.iter().map(|&place| {
            let count = &mut self.starts[cell(place) + 1];
            *count += 1;
            *count - 1
        }));
        for cell in 1..self.starts.len() {
            self.starts[cell] += self.starts[cell - 1];
        }
        // What is behind the last is read, and not used.
        for axis in [&mut self.x, &mut self.y] {
            axis.clear();
            axis.resize(places.len() + LANES, 0.0);
        }
        for (rank, &place) in self.ranks.iter_mut().zip(places) {
            *rank += self.starts[cell(place)];
            (self.x[*rank as usize], self.y[*rank as usize]) = (place[0], place[1]);
        }
    }
}

struct Sums<'a> {
    kernel: Kernel,
    cells: Cells,
    x: &'a [f32],
    y: &'a [f32],
    starts: &'a [u32],
    first: usize,
    sums: &'a mut [Sum],
}

// A type instead of a closure, so that the kernel is inlined into the dispatching function and compiled for its instruction set.
impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { kernel, cells, x, y, starts, first, sums } = self;
        let [columns, rows] = cells.counts;
        let within = kernel.reach * kernel.reach;
        for (own, sum) in (first..).zip(sums) {
            let [own_x, own_y] = [x[own], y[own]];
            let [column, row] = cells.of([own_x, own_y]);
            let (mut push_x, mut push_y, mut potential) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
            for row in row.saturating_sub(1)..(row + 2).min(rows) {
                let cell = row * columns;
                let begin = starts[cell + column.saturating_sub(1)] as usize;
                let end = starts[cell + (column + 2).min(columns)] as usize;
                for begin in (begin..end).step_by(LANES) {
                    let (x, y) = (&x[begin..begin + LANES], &y[begin..begin + LANES]);
                    let left = (end - begin).min(LANES) as u32;
                    for lane in 0..LANES {
                        let (dx, dy) = (own_x - x[lane], own_y - y[lane]);
                        let square = dx.mul_add(dx, dy * dy);
                        let rest = kernel.rest(square);
                        // What is read beyond the end of the row counts as far away.
                        let counts = square < if (lane as u32) < left { within } else { 0.0 };
                        let push = if counts { rest.push } else { 0.0 };
                        potential[lane] += if counts { rest.potential } else { 0.0 };
                        push_x[lane] = push.mul_add(dx, push_x[lane]);
                        push_y[lane] = push.mul_add(dy, push_y[lane]);
                    }
                }
            }
            let total = |lanes: [f32; LANES]| lanes.iter().sum();
            *sum = Sum { push: [total(push_x), total(push_y)], potential: total(potential) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scattered;
    use super::*;

    #[test]
    fn near_pairs_are_all_found_once() {
        for (count, width, height, reach) in
            [(1, 1.0, 1.0, 2.0), (9, 0.0, 0.0, 1.0), (300, 9.0, 9.0, 1.0), (300, 30.0, 3.0, 4.0), (700, 0.5, 40.0, 2.0)]
        {
            let kernel = Kernel::new(reach);
            let places = scattered(count, width, height);
            let (mut total, mut expected) = (0.0, vec![[0.0_f32; 2]; count]);
            for (own, push) in places.iter().zip(&mut expected) {
                for other in &places {
                    let step = [own[0] - other[0], own[1] - other[1]];
                    let square = step[0] * step[0] + step[1] * step[1];
                    if square < reach * reach {
                        let rest = kernel.rest(square);
                        total += f64::from(rest.potential);
                        (push[0], push[1]) = (push[0] + rest.push * step[0], push[1] + rest.push * step[1]);
                    }
                }
            }
            let corner = |bound: fn(f32, f32) -> f32| [0, 1].map(|axis| places.iter().map(|place| place[axis]).reduce(bound).unwrap());
            // They are added to what is there.
            let mut pushes = vec![[1.0; 2]; count];
            let sum = Near::default().add(&kernel, &places, [corner(f32::min), corner(f32::max)], &mut pushes);
            assert!((sum - total).abs() < 1e-4 * total, "{count}: {sum} {total}");
            for (push, expected) in pushes.as_flattened().iter().zip(expected.as_flattened()) {
                assert!((push - 1.0 - expected).abs() < 1e-4, "{count}: {push} {expected}");
            }
        }
    }
}
