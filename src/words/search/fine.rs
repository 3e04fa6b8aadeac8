//! The second look: bounds from eight-bit codes, sixteen times as tight, for the rows that the first pass leaves.

use super::{
    kernel::Kernel,
    margin::{self, Margin},
};
use crate::words::quantise::{
    QuantisedRows,
    fine::{LARGEST_CODE, row_codes},
};

/// A query as the second look needs it: in codes of sixteen bits, or as many as keep sums of products below 2^31.
#[derive(Debug)]
pub(super) struct Fine {
    /// `[row_codes(dimension)]`.
    pub codes: Vec<i16>,
    scale: f32,
    margin: Margin,
}

impl Fine {
    /// Codes for a unit vector (or zeros).
    pub fn new(unit: &[f32]) -> Self {
        let largest = i32::MAX / (i32::from(LARGEST_CODE) * row_codes(unit.len()) as i32);
        let (mut codes, scale) = margin::codes(unit, largest.clamp(1, i32::from(i16::MAX)) as i16);
        let margin = Margin::new(unit, &codes, scale);
        codes.resize(row_codes(unit.len()), 0);
        Self { codes, scale, margin }
    }

    /// What the exact score of row `index` can't be below, and what it can't be above.
    #[inline(always)]
    pub fn bounds(&self, kernel: impl Kernel, rows: &QuantisedRows<'_>, index: usize) -> (f32, f32) {
        let bound = rows.fine_bounds[index];
        let approximate = kernel.fine_dot(bytemuck::cast_slice(self.row(rows, index)), &self.codes) as f32 * (bound.scale * self.scale);
        let margin = self.margin.of(bound);
        (approximate - margin, approximate + margin)
    }

    /// The codes of row `index` as bytes.
    #[inline(always)]
    pub fn row<'set>(&self, rows: &QuantisedRows<'set>, index: usize) -> &'set [u8] {
        bytemuck::cast_slice(&rows.fine_codes[index * self.codes.len()..][..self.codes.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::search::kernel::Portable;

    #[test]
    fn sums_of_products_stay_below_the_largest_integer() {
        for dimension in [16, 208, 1024, 4096] {
            let fine = Fine::new(&vec![1.0 / (dimension as f32).sqrt(); dimension]);
            let row = vec![-LARGEST_CODE; dimension];
            let expected: i64 = fine.codes.iter().map(|&code| i64::from(code) * -i64::from(LARGEST_CODE)).sum();
            assert_eq!(i64::from(Portable.fine_dot(&row, &fine.codes)), expected, "{dimension}");
        }
    }
}
