//! How all points of a map push each other apart, by interpolation on a grid and fast Fourier transforms.

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// Distances of the grid's nodes, of which a map takes the first that needs at most [`FINE_NODES`] along its longer side, or the last.
///
/// The similarity 1 / (1 + d²) is as wide as 1 on every map, so that no map needs finer nodes. Its spectrum falls as fast as
/// exp(-k): at 1/2 the sampled kernel alone is off by 3%, at .3 by a few thousandths.
const SPACINGS: [f32; 3] = [0.125, 0.2, 0.3];
const FINE_NODES: f32 = 256.0;
/// Nodes along each axis that a point is spread on: those of a spline of degree 5.
const STENCIL: usize = 6;
/// Nodes left free at the border: the spline's, and some for what the correction of the kernel spreads.
const MARGIN: usize = 4;
/// Points spread on one grid, before the grids are added: fixed, so that the number of threads shows in no bit.
const SPREAD: usize = 16_384;
/// Lines of a transform that a thread takes at a time: neighbouring columns share a cache line.
const LINES: usize = 8;
/// Points a thread takes at a time.
const POINTS: usize = 1_024;
/// The most nodes along an axis: a map wider than 350 is seen less sharply, and memory is bounded.
const MAXIMUM_NODES: usize = 1_200;

/// The potential of all points, sum of 1 / (1 + d²) over their distances d, whose gradient pushes them apart.
///
/// Interpolation as in Linderman et al. 2019 (the points' charges go to a grid, are convolved there with the kernel by Fourier
/// transforms, and the result is read at the points), with two changes: the splines are those of the smooth particle-mesh Ewald
/// method (Essmann et al. 1995), whose gradient is continuous, so that one potential serves for the normaliser and both components
/// of the force; and the kernel is corrected for the splines, so that at the nodes it is exact. One transform forward and one back.
pub(super) struct Field {
    grid: Option<Grid>,
    real: RealFftPlanner<f32>,
    complex: FftPlanner<f32>,
    charges: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    columns: Vec<Complex<f32>>,
    potential: Vec<f32>,
}

/// A grid's size, and what depends on nothing else.
struct Grid {
    /// Nodes, `[x, y]`.
    nodes: [usize; 2],
    /// Lengths of the transforms, `[x, y]`: twice the nodes at least, so that nothing wraps around.
    lengths: [usize; 2],
    spacing: f32,
    /// The kernel's transform, `[lengths.x / 2 + 1, lengths.y]`, with the transforms' scale.
    kernel: Vec<f32>,
    rows: Arc<dyn RealToComplex<f32>>,
    rows_back: Arc<dyn ComplexToReal<f32>>,
    columns: Arc<dyn Fft<f32>>,
    columns_back: Arc<dyn Fft<f32>>,
}

impl Field {
    pub fn new() -> Self {
        Self {
            grid: None,
            real: RealFftPlanner::new(),
            complex: FftPlanner::new(),
            charges: Vec::new(),
            spectrum: Vec::new(),
            columns: Vec::new(),
            potential: Vec::new(),
        }
    }

    /// The push on every point, sum of q² (own - other) with q = 1 / (1 + d²), into `pushes`; gives the sum of q over all pairs.
    pub fn pushes(&mut self, places: &[[f32; 2]], pushes: &mut [[f32; 2]]) -> f64 {
        let corner = self.fit(places);
        let Some(grid) = &self.grid else { return 0.0 };
        let [width, height] = grid.nodes;
        let origin = Origin { corner, scale: 1.0 / grid.spacing, nodes: grid.nodes };

        // One grid for each so many points, then their sum.
        let size = width * height;
        self.charges.clear();
        self.charges.resize(size * places.len().div_ceil(SPREAD), 0.0);
        self.charges.par_chunks_mut(size).zip(places.par_chunks(SPREAD)).for_each(|(charges, places)| {
            Arch::new().dispatch(Spread { origin, places, charges });
        });
        let (charges, more) = self.charges.split_at_mut(size);
        charges.par_chunks_mut(width * LINES).enumerate().for_each(|(band, charges)| {
            for grid in more.chunks_exact(size) {
                charges.iter_mut().zip(&grid[band * width * LINES..]).for_each(|(sum, charge)| *sum += charge);
            }
        });

        self.potential.resize(size, 0.0);
        grid.convolve(charges, &mut self.spectrum, &mut self.columns, &mut self.potential);

        let potential = &self.potential;
        let chunks = places.par_chunks(POINTS).zip(pushes.par_chunks_mut(POINTS));
        let sums: Vec<f64> = chunks.map(|(places, pushes)| Arch::new().dispatch(Read { origin, places, pushes, potential })).collect();
        // Each point is in its own potential with similarity 1.
        (sums.iter().sum::<f64>() - places.len() as f64).max(0.0)
    }

    /// Makes sure that the grid holds all points, and gives its lower corner.
    fn fit(&mut self, places: &[[f32; 2]]) -> [f32; 2] {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for place in places {
            for axis in 0..2 {
                low[axis] = low[axis].min(place[axis]);
                high[axis] = high[axis].max(place[axis]);
            }
        }
        let extent = [high[0] - low[0], high[1] - low[1]];
        let widest = extent[0].max(extent[1]);
        let fine = SPACINGS.into_iter().find(|spacing| widest / spacing <= FINE_NODES);
        let mut spacing = fine.unwrap_or(SPACINGS[SPACINGS.len() - 1]);
        while widest / spacing > (MAXIMUM_NODES - 2 * MARGIN - STENCIL - 1) as f32 && spacing.is_finite() {
            spacing *= 2.0;
        }
        let needed = extent.map(|extent| (extent / spacing) as usize + 1 + STENCIL + 2 * MARGIN);
        let fits = self.grid.as_ref().is_some_and(|grid| {
            // A grid much too large costs more than a new one.
            grid.spacing == spacing && (0..2).all(|axis| grid.nodes[axis] >= needed[axis] && grid.nodes[axis] <= 2 * needed[axis].max(32))
        });
        if !fits {
            // Some room to grow.
            let lengths = needed.map(|needed| good_length(2 * (needed + needed / 12)));
            self.grid = Some(Grid::new(lengths, spacing, &mut self.real, &mut self.complex));
        }
        // Nodes stay where they are while points move, and with them what is left of the error.
        [0, 1].map(|axis| ((low[axis] / spacing).floor() - (MARGIN as f32 + 1.0)) * spacing)
    }
}

/// The next length that fast Fourier transforms are fast for: even, and of small prime factors.
fn good_length(least: usize) -> usize {
    let smooth = |mut length: usize| {
        for factor in [2, 3, 5] {
            while length.is_multiple_of(factor) {
                length /= factor;
            }
        }
        length == 1
    };
    (least.max(16).next_multiple_of(4)..).step_by(4).find(|&length| smooth(length)).unwrap_or(least)
}

impl Grid {
    fn new(lengths: [usize; 2], spacing: f32, real: &mut RealFftPlanner<f32>, complex: &mut FftPlanner<f32>) -> Self {
        let [width, height] = lengths;
        let mut grid = Self {
            nodes: [width / 2, height / 2],
            lengths,
            spacing,
            kernel: Vec::new(),
            rows: real.plan_fft_forward(width),
            rows_back: real.plan_fft_inverse(width),
            columns: complex.plan_fft_forward(height),
            columns_back: complex.plan_fft_inverse(height),
        };
        // The kernel around the first node, at negative distances from the far end.
        let offset = |node: usize, length: usize| node.min(length - node) as f32 * spacing;
        let mut samples: Vec<f32> = Vec::with_capacity(width * height);
        for y in 0..height {
            let y = offset(y, height);
            samples.extend((0..width).map(|x| offset(x, width)).map(|x| 1.0 / x.mul_add(x, y.mul_add(y, 1.0))));
        }
        let mut spectrum = vec![Complex::default(); height * (width / 2 + 1)];
        grid.transform_rows(&mut samples, &mut spectrum);
        let across: Vec<f32> = (0..=width / 2).map(|wave| correction(wave, width)).collect();
        let down: Vec<f32> = (0..height).map(|wave| correction(wave, height)).collect();
        let scale = 1.0 / (width as f32 * height as f32);
        let mut columns = vec![Complex::default(); (width / 2 + 1) * height];
        grid.each_column(&spectrum, height, &mut columns, |_, column| grid.columns.process(column));
        // It is even along both axes, so that its transform is real.
        let corrected = |(position, value): (usize, &Complex<f32>)| value.re * scale * across[position / height] * down[position % height];
        grid.kernel = columns.iter().enumerate().map(corrected).collect();
        grid
    }

    /// The potential of charges, both `[height, width]` in nodes.
    fn convolve(&self, charges: &mut [f32], spectrum: &mut Vec<Complex<f32>>, columns: &mut Vec<Complex<f32>>, potential: &mut [f32]) {
        let ([width, height], [length, column_length]) = (self.nodes, self.lengths);
        let waves = length / 2 + 1;
        spectrum.resize(waves * height, Complex::default());
        columns.resize(waves * height, Complex::default());
        spectrum.par_chunks_mut(waves * LINES).zip(charges.par_chunks(width * LINES)).for_each(|(spectrum, charges)| {
            let mut line = vec![0.0; length];
            let mut scratch = vec![Complex::default(); self.rows.get_scratch_len()];
            for (spectrum, charges) in spectrum.chunks_exact_mut(waves).zip(charges.chunks_exact(width)) {
                line[..width].copy_from_slice(charges);
                line[width..].fill(0.0);
                // Lengths are the plan's own, so that it can't fail.
                let _ = self.rows.process_with_scratch(&mut line, spectrum, &mut scratch);
            }
        });
        self.each_column(spectrum, height, columns, |wave, column| {
            self.columns.process(column);
            let kernel = &self.kernel[wave * column_length..][..column_length];
            column.iter_mut().zip(kernel).for_each(|(value, factor)| *value *= factor);
            self.columns_back.process(column);
        });
        potential.par_chunks_mut(width * LINES).enumerate().for_each(|(band, potential)| {
            let mut line = vec![0.0; length];
            let mut scratch = vec![Complex::default(); self.rows_back.get_scratch_len()];
            let rows = potential.len() / width;
            let mut lines = vec![Complex::default(); waves * rows];
            for (wave, column) in columns.chunks_exact(height).enumerate() {
                for (row, &value) in column[band * LINES..][..rows].iter().enumerate() {
                    lines[row * waves + wave] = value;
                }
            }
            for (potential, spectrum) in potential.chunks_exact_mut(width).zip(lines.chunks_exact_mut(waves)) {
                // The ends of a real line's spectrum are real; what rounding left there is none of it.
                spectrum[0].im = 0.0;
                spectrum[waves - 1].im = 0.0;
                let _ = self.rows_back.process_with_scratch(spectrum, &mut line, &mut scratch);
                potential.copy_from_slice(&line[..width]);
            }
        });
    }

    fn transform_rows(&self, rows: &mut [f32], spectrum: &mut [Complex<f32>]) {
        let [length, _] = self.lengths;
        rows.par_chunks_mut(length).zip(spectrum.par_chunks_mut(length / 2 + 1)).for_each(|(row, spectrum)| {
            let _ = self.rows.process(row, spectrum);
        });
    }

    /// Calls `work` on every column of `spectrum`, `[rows, waves]`, filled up with zeros; its first `rows` go to `columns`, `[waves, rows]`.
    fn each_column(
        &self,
        spectrum: &[Complex<f32>],
        rows: usize,
        columns: &mut [Complex<f32>],
        work: impl Fn(usize, &mut [Complex<f32>]) + Sync,
    ) {
        let (waves, length) = (self.lengths[0] / 2 + 1, self.lengths[1]);
        columns.par_chunks_mut(rows * LINES).enumerate().for_each(|(band, columns)| {
            let count = columns.len() / rows;
            let mut block = vec![Complex::default(); length * count];
            for (row, line) in spectrum.chunks_exact(waves).enumerate() {
                for (column, &value) in line[band * LINES..][..count].iter().enumerate() {
                    block[column * length + row] = value;
                }
            }
            for (number, (column, target)) in block.chunks_exact_mut(length).zip(columns.chunks_exact_mut(rows)).enumerate() {
                work(band * LINES + number, column);
                target.copy_from_slice(&column[..rows]);
            }
        });
    }
}

/// What undoes spreading by splines and reading by them, along one axis: the inverse square of the transform of their values at the
/// nodes, 1, 26, 66, 26 and 1 of 120.
///
/// Source: Essmann et al. 1995, eq. 4.8, for order 6.
fn correction(wave: usize, length: usize) -> f32 {
    let turn = std::f64::consts::TAU * wave as f64 / length as f64;
    (120.0 / (66.0 + 52.0 * turn.cos() + 2.0 * (2.0 * turn).cos())).powi(2) as f32
}

/// Where places lie on the grid.
#[derive(Clone, Copy)]
struct Origin {
    corner: [f32; 2],
    scale: f32,
    nodes: [usize; 2],
}

impl Origin {
    /// The first node of a place's stencil, and how far the place is past the third, in units of the spacing.
    #[inline(always)]
    fn locate(self, place: [f32; 2]) -> ([usize; 2], [f32; 2]) {
        let (mut first, mut past) = ([0; 2], [0.0; 2]);
        for axis in 0..2 {
            let position = (place[axis] - self.corner[axis]) * self.scale;
            let node = (position as usize).clamp(STENCIL / 2 - 1, self.nodes[axis] - STENCIL / 2 - 1);
            (first[axis], past[axis]) = (node + 1 - STENCIL / 2, position - node as f32);
        }
        (first, past)
    }
}

/// The spline's values at the six nodes around a place `t` past the third of them, and its derivatives there.
///
/// Source: Essmann et al. 1995, eq. 4.1: from each degree to the next.
#[inline(always)]
fn spline(t: f32) -> ([f32; STENCIL], [f32; STENCIL]) {
    let mut values = [0.0; STENCIL];
    (values[0], values[1]) = (1.0 - t, t);
    let mut slopes = [0.0; STENCIL];
    for order in 3..=STENCIL {
        if order == STENCIL {
            slopes[0] = -values[0];
            for node in 1..STENCIL {
                slopes[node] = values[node - 1] - values[node];
            }
        }
        let scale = 1.0 / (order - 1) as f32;
        for node in (1..order).rev() {
            let from_left = t + (order - 1 - node) as f32;
            values[node] = scale * (from_left * values[node - 1] + (order as f32 - from_left) * values[node]);
        }
        values[0] *= scale * (1.0 - t);
    }
    (values, slopes)
}

struct Spread<'a> {
    origin: Origin,
    places: &'a [[f32; 2]],
    charges: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.origin.nodes[0];
        for &place in self.places {
            let ([column, row], [x, y]) = self.origin.locate(place);
            let ((across, _), (down, _)) = (spline(x), spline(y));
            for node in 0..STENCIL {
                let charges = &mut self.charges[(row + node) * width + column..][..STENCIL];
                for lane in 0..STENCIL {
                    charges[lane] = down[node].mul_add(across[lane], charges[lane]);
                }
            }
        }
    }
}

struct Read<'a> {
    origin: Origin,
    places: &'a [[f32; 2]],
    pushes: &'a mut [[f32; 2]],
    potential: &'a [f32],
}

impl WithSimd for Read<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let width = self.origin.nodes[0];
        // The push is half the fall of the potential: the derivative of 1 / (1 + d²) is -2 d q².
        let half = -0.5 * self.origin.scale;
        let mut total = 0.0;
        for (&place, push) in self.places.iter().zip(self.pushes) {
            let ([column, row], [x, y]) = self.origin.locate(place);
            let ((across, across_slope), (down, down_slope)) = (spline(x), spline(y));
            let (mut value, mut by_x, mut by_y) = ([0.0_f32; STENCIL], [0.0_f32; STENCIL], [0.0_f32; STENCIL]);
            for node in 0..STENCIL {
                let potential = &self.potential[(row + node) * width + column..][..STENCIL];
                for lane in 0..STENCIL {
                    value[lane] = (down[node] * across[lane]).mul_add(potential[lane], value[lane]);
                    by_x[lane] = (down[node] * across_slope[lane]).mul_add(potential[lane], by_x[lane]);
                    by_y[lane] = (down_slope[node] * across[lane]).mul_add(potential[lane], by_y[lane]);
                }
            }
            *push = [by_x, by_y].map(|lanes| half * lanes.iter().sum::<f32>());
            total += f64::from(value.iter().sum::<f32>());
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// By the sum over all pairs.
    fn plainly(places: &[[f32; 2]]) -> (f64, Vec<[f64; 2]>) {
        let mut total = 0.0;
        let mut push = |own: &[f32; 2]| {
            places.iter().fold([0.0; 2], |sum, other| {
                let step = [0, 1].map(|axis| f64::from(own[axis]) - f64::from(other[axis]));
                let q = 1.0 / (1.0 + step[0] * step[0] + step[1] * step[1]);
                total += q;
                [sum[0] + q * q * step[0], sum[1] + q * q * step[1]]
            })
        };
        let pushes = places.iter().map(&mut push).collect();
        (total - places.len() as f64, pushes)
    }

    fn scattered(count: usize, width: f32, height: f32) -> Vec<[f32; 2]> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(count as u64);
        (0..count).map(|_| [width * (random.random::<f32>() - 0.3), height * (random.random::<f32>() - 0.9)]).collect()
    }

    #[test]
    fn pushes_are_the_sum_over_all_pairs() {
        let mut field = Field::new();
        for (count, width, height) in [
            (2, 3.0, 3.0),
            (50, 1.0, 1.0),
            (400, 12.0, 12.0),
            (1_500, 40.0, 35.0),
            (1_500, 60.0, 80.0),
            (2_500, 7.0, 130.0),
            (800, 0.01, 0.02),
        ] {
            let places = scattered(count, width, height);
            let mut pushes = vec![[0.0; 2]; count];
            let total = field.pushes(&places, &mut pushes);
            let (exact_total, exact) = plainly(&places);
            let square = |push: &[f64; 2]| push[0] * push[0] + push[1] * push[1];
            let size = (exact.iter().map(square).sum::<f64>()).sqrt();
            let error =
                pushes.iter().zip(&exact).map(|(ours, exact)| square(&[f64::from(ours[0]) - exact[0], f64::from(ours[1]) - exact[1]]));
            let error = error.sum::<f64>().sqrt() / size;
            let total_error = (total / exact_total - 1.0).abs();
            println!("{count} on {width} x {height}: pushes {error:.2e}, sum {total_error:.2e}");
            // Wide maps have coarser grids.
            assert!(error < if width.max(height) < 50.0 { 5e-4 } else { 5e-3 }, "{count} points on {width} x {height}: {error}");
            assert!(total_error < 3e-4, "{count} points on {width} x {height}: {total} {exact_total}");
        }
    }

    #[test]
    fn splines_sum_to_one_and_slopes_to_nothing() {
        for step in 0..=10 {
            let t = step as f32 / 10.0;
            let (values, slopes) = spline(t);
            assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!(slopes.iter().sum::<f32>().abs() < 1e-6);
            let numeric: [f32; STENCIL] = std::array::from_fn(|node| (spline(t + 0.01).0[node] - spline(t - 0.01).0[node]) / 0.02);
            numeric.iter().zip(slopes).for_each(|(numeric, slope)| assert!((numeric - slope).abs() < 1e-3, "{t}"));
        }
        let (at_a_node, _) = spline(0.0);
        [1.0, 26.0, 66.0, 26.0, 1.0, 0.0].iter().zip(at_a_node).for_each(|(value, ours)| assert!((value / 120.0 - ours).abs() < 1e-6));
    }

    #[test]
    fn lengths_are_even_and_smooth() {
        assert_eq!([1, 17, 101, 250, 577].map(good_length), [16, 20, 108, 256, 600]);
    }

    #[test]
    fn a_map_far_too_wide_is_still_finite() {
        let places = [[-1e12, 0.0], [1e12, 3.0], [0.0, 1e11]];
        let mut pushes = [[f32::NAN; 2]; 3];
        assert!(Field::new().pushes(&places, &mut pushes).is_finite());
        assert!(pushes.iter().flatten().all(|push| push.is_finite()));
    }
}
