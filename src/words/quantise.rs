//! Four-bit rows with a proven error bound: what the first pass of a search reads instead of the f32 matrix.

/// Borrowed view of all quantised rows of a set.
#[derive(Debug, Clone, Copy)]
pub struct QuantisedRows<'set> {
    /// Packed codes, [`code_bytes`] per row.
    pub codes: &'set [u8],
    /// One scale and one error norm per row.
    pub bounds: &'set [RowBound],
}

/// What turns a row's codes back into a unit vector, and how far off that can be.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct RowBound {
    /// Value of one code step.
    pub scale: f32,
    /// Euclidean norm of (unit row - decoded row), rounded up.
    pub error: f32,
}

/// Bytes of codes for one row of `dimension` values.
#[must_use]
pub fn code_bytes(_dimension: usize) -> usize {
    todo!()
}

/// Quantises `row / norm` into `codes` (`[code_bytes(row.len())]`). A zero row gets zero codes.
pub fn quantise(_row: &[f32], _norm: f32, _codes: &mut [u8]) -> RowBound {
    todo!()
}
