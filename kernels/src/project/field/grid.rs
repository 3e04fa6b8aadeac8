//! A grid of charges and their convolution with the kernel.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::kernel::Kernel;
use super::spline::correction;

/// Lines of a transform that a thread takes at a time: neighbouring columns share a cache line.
const LINES: usize = 8;

/// A grid's size, and what depends on nothing else.
pub(super) struct Grid {
    /// Nodes, `[x, y]`.
    pub nodes: [usize; 2],
    /// Lengths of the transforms, `[x, y]`: twice the nodes at least, so that nothing wraps around.
    lengths: [usize; 2],
    pub spacing: f32,
    /// The kernel's transform, `[lengths.x / 2 + 1, lengths.y]`, with the transforms' scale.
    kernel: Vec<f32>,
    rows: Arc<dyn RealToComplex<f32>>,
    rows_back: Arc<dyn ComplexToReal<f32>>,
    columns: Arc<dyn Fft<f32>>,
    columns_back: Arc<dyn Fft<f32>>,
}

/// Plans of transforms, and the room they work in.
pub(super) struct Transforms {
    real: RealFftPlanner<f32>,
    complex: FftPlanner<f32>,
    spectrum: Vec<Complex<f32>>,
    columns: Vec<Complex<f32>>,
}

impl Transforms {
    pub fn new() -> Self {
        Self { real: RealFftPlanner::new(), complex: FftPlanner::new(), spectrum: Vec::new(), columns: Vec::new() }
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
    /// Of so many nodes at least.
    pub fn new(nodes: [usize; 2], spacing: f32, kernel: &Kernel, transforms: &mut Transforms) -> Self {
        let [width, height] = nodes.map(|nodes| good_length(2 * nodes));
        let Transforms { real, complex, .. } = transforms;
        let mut grid = Self {
            nodes: [width / 2, height / 2],
            lengths: [width, height],
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
            samples.extend((0..width).map(|x| offset(x, width)).map(|x| kernel.smooth(x.mul_add(x, y * y))));
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
    pub fn convolve(&self, charges: &[f32], transforms: &mut Transforms, potential: &mut [f32]) {
        let ([width, height], [length, column_length]) = (self.nodes, self.lengths);
        let Transforms { spectrum, columns, .. } = transforms;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_even_and_smooth() {
        assert_eq!([1, 17, 101, 250, 577].map(good_length), [16, 20, 108, 256, 600]);
    }
}
