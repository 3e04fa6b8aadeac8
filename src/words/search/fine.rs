//! The second look: bounds from eight-bit codes, sixteen times as tight, for the rows that the first pass leaves.

use super::{
    kernel::Kernel,
    margin::{self, Margin},
};
use crate::words::quantise::{
    QuantisedRows,
    fine::{LARGEST_CODE, bound, row_bytes},
};

/// A query as the second look needs it: in codes of sixteen bits, or as many as keep sums of products below 2^31.
#[derive(Debug)]
pub(super) struct Fine {
    /// `[row_bytes(dimension)]`: zeros where rows hold their bounds.
    pub codes: Vec<i16>,
    scale: f32,
    margin: Margin,
}

impl Fine {
    /// Codes for a unit vector (or zeros).
    pub fn new(unit: &[f32]) -> Self {
        let largest = i32::MAX / (i32::from(LARGEST_CODE) * unit.len() as i32);
        let (mut codes, scale) = margin::codes(unit, largest.clamp(1, i32::from(i16::MAX)) as i16);
        let margin = Margin::new(unit, &codes, scale);
        codes.resize(row_bytes(unit.len()), 0);
        Self { codes, scale, margin }
    }

    /// What the exact score of row `index` can't be below, and what it can't be above.
    #[inline(always)]
    pub fn bounds(&self, kernel: impl Kernel, rows: &QuantisedRows<'_>, index: usize) -> (f32, f32) {
        let row = self.row(rows, index);
        let bound = bound(row);
        let approximate = kernel.fine_dot(row, &self.codes) as f32 * (bound.scale * self.scale);
        let margin = self.margin.of(bound);
        (approximate - margin, approximate + margin)
    }

    /// Codes and bound of row `index`.
    #[inline(always)]
    pub fn row<'set>(&self, rows: &QuantisedRows<'set>, index: usize) -> &'set [i8] {
        &rows.fine_rows[index * self.codes.len()..][..self.codes.len()]
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
            let row = vec![-LARGEST_CODE; fine.codes.len()];
            let expected: i64 = fine.codes.iter().map(|&code| i64::from(code) * -i64::from(LARGEST_CODE)).sum();
            assert_eq!(i64::from(Portable.fine_dot(&row, &fine.codes)), expected, "{dimension}");
        }
    }
}
