//! The first pass: bounds of every row's score from its four-bit codes.

use super::margin::Margin;
use crate::words::quantise::{
    BLOCK_ROWS, RowBound,
    coarse::{GROUP_DIMENSIONS, PART_BYTES, ZERO_CODE},
};

/// A query as the first pass needs it: in codes of eight bits.
#[derive(Debug)]
pub(super) struct Coarse {
    /// Four codes in one number: for each group of dimensions those that meet the rows' low nibbles, and those that meet the high ones.
    pub groups: Vec<[i32; 2]>,
    /// What all rows' dot products have too much because nibbles are stored [`ZERO_CODE`] too high.
    offset: i32,
    scale: f32,
    margin: Margin,
}

impl Coarse {
    /// Codes for a unit vector (or zeros).
    pub fn new(unit: &[f32]) -> Self {
        let (codes, scale) = super::margin::codes(unit, 127);
        let groups = codes.chunks(GROUP_DIMENSIONS).map(|group| {
            let mut parts = [[0; PART_BYTES]; 2];
            for (j, &code) in group.iter().enumerate() {
                parts[j / PART_BYTES][j % PART_BYTES] = (code as i8).to_ne_bytes()[0];
            }
            parts.map(i32::from_ne_bytes)
        });
        let offset = i32::from(ZERO_CODE) * codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        Self { groups: groups.collect(), offset, scale, margin: Margin::new(unit, &codes, scale) }
    }

    /// Upper bounds of the scores of one block, given its integer dot products with this query.
    #[inline(always)]
    pub fn upper_bounds(&self, dots: &[i32; BLOCK_ROWS], rows: &[RowBound; BLOCK_ROWS]) -> [f32; BLOCK_ROWS] {
        let mut bounds = [0.0; BLOCK_ROWS];
        for lane in 0..BLOCK_ROWS {
            let approximate = dots[lane].wrapping_sub(self.offset) as f32 * (rows[lane].scale * self.scale);
            bounds[lane] = approximate + self.margin.of(rows[lane]);
        }
        bounds
    }
}
