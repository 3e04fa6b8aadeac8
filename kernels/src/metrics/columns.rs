//! Points as columns, so that what is computed from one point to all others runs along memory.

use pulp::{Arch, Simd, WithSimd};

/// Lanes of a sum: one AVX-512 register of f32, two of AVX2. As many on every machine, so that every machine adds in the same order.
pub const LANES: usize = 16;

/// Points `[dimension, stride]`, where `stride` is their number rounded up to whole lanes; the padding is 0.
#[derive(Debug, Clone)]
pub struct Columns {
    stride: usize,
    values: Vec<f32>,
}

impl Columns {
    /// `rows`: `[count, dimension]`.
    #[must_use]
    pub fn new(rows: &[f32], dimension: usize) -> Self {
        let count = rows.len() / dimension;
        let stride = count.next_multiple_of(LANES);
        let mut values = vec![0.0; dimension * stride];
        for (index, row) in rows.chunks_exact(dimension).enumerate() {
            for (column, &value) in row.iter().enumerate() {
                values[column * stride + index] = value;
            }
        }
        Self { stride, values }
    }

    /// Length of a row of distances: the number of points rounded up to whole lanes.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Squared Euclidean distances from `point` `[dimension]` to every point, by differences, so that they are exactly 0 between equal
    /// points and the same both ways; `distances`: `[stride]`, what stands in the padding means nothing.
    pub fn squared_distances(&self, point: &[f32], distances: &mut [f32]) {
        Arch::new().dispatch(SquaredDistances { point, columns: &self.values, distances });
    }

    /// Dot products of `point` `[dimension]` with every point; `products`: `[stride]`, 0 in the padding.
    pub fn dot_products(&self, point: &[f32], products: &mut [f32]) {
        Arch::new().dispatch(DotProducts { point, columns: &self.values, products });
    }

    /// The sum over points j of `weights[j] · (point - j)`, into `sums` `[dimension]`; `weights`: `[stride]`, 0 in the padding.
    pub fn weighted_differences(&self, point: &[f32], weights: &[f32], sums: &mut [f32]) {
        Arch::new().dispatch(WeightedDifferences { point, columns: &self.values, weights, sums });
    }

    /// The sum over points j of `weights[j] · j`, into `sums` `[dimension]`; `weights`: `[stride]`, 0 in the padding.
    pub fn weighted_sum(&self, weights: &[f32], sums: &mut [f32]) {
        let origin = vec![0.0; sums.len()];
        self.weighted_differences(&origin, weights, sums);
        sums.iter_mut().for_each(|sum| *sum = -*sum);
    }
}

// Types instead of closures, so that the kernels are inlined into the dispatching function and compiled for its instruction set.
struct SquaredDistances<'a> {
    point: &'a [f32],
    columns: &'a [f32],
    distances: &'a mut [f32],
}

impl WithSimd for SquaredDistances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.distances.fill(0.0);
        for (&value, column) in self.point.iter().zip(self.columns.chunks_exact(self.distances.len())) {
            for (distance, &other) in self.distances.iter_mut().zip(column) {
                let difference = value - other;
                *distance = difference.mul_add(difference, *distance);
            }
        }
    }
}

struct DotProducts<'a> {
    point: &'a [f32],
    columns: &'a [f32],
    products: &'a mut [f32],
}

impl WithSimd for DotProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.products.fill(0.0);
        for (&value, column) in self.point.iter().zip(self.columns.chunks_exact(self.products.len())) {
            for (product, &other) in self.products.iter_mut().zip(column) {
                *product = value.mul_add(other, *product);
            }
        }
    }
}

struct WeightedDifferences<'a> {
    point: &'a [f32],
    columns: &'a [f32],
    weights: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for WeightedDifferences<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let weights = self.weights.as_chunks::<LANES>().0;
        for ((sum, &value), column) in self.sums.iter_mut().zip(self.point).zip(self.columns.chunks_exact(self.weights.len())) {
            let mut lanes = [0.0_f32; LANES];
            for (weights, others) in weights.iter().zip(column.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    lanes[lane] = weights[lane].mul_add(value - others[lane], lanes[lane]);
                }
            }
            *sum = total(lanes) as f32;
        }
    }
}

/// Adds the lanes in f64, in a fixed order.
#[must_use]
#[inline(always)]
pub fn total(lanes: [f32; LANES]) -> f64 {
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_meets_every_other_as_worked_out_by_hand() {
        let columns = Columns::new(&[0.0, 0.0, 3.0, 4.0, 1.0, -1.0], 2);
        assert_eq!(columns.stride(), LANES);
        let mut row = vec![f32::NAN; LANES];
        columns.squared_distances(&[3.0, 4.0], &mut row);
        assert_eq!(row[..3], [25.0, 0.0, 29.0]);
        columns.dot_products(&[2.0, 1.0], &mut row);
        assert_eq!(row[..4], [0.0, 10.0, 1.0, 0.0]);
        let mut weights = vec![0.0; LANES];
        weights[..3].copy_from_slice(&[1.0, 2.0, -1.0]);
        let mut sums = [f32::NAN; 2];
        columns.weighted_differences(&[1.0, 1.0], &weights, &mut sums);
        assert_eq!(sums, [1.0 - 4.0, 1.0 - 6.0 - 2.0]);
        columns.weighted_sum(&weights, &mut sums);
        assert_eq!(sums, [5.0, 9.0]);
    }
}
