//! Four-bit rows with a proven error bound: what the first pass of a search reads instead of the f32 matrix.
//!
//! A row is scaled to unit length and rounded to sixteen levels of its own largest value. Codes are packed by groups of
//! [`GROUP`] values: byte `j` of a group holds value `j` in its low and value `j + GROUP / 2` in its high nibble, so that
//! both unpack into consecutive lanes. A code `c` (0 to 15) stands for `scale * (c - 8)`.

/// Values per group of packed codes; rows are padded to a multiple of it.
pub const GROUP: usize = 32;
/// The code of zero.
pub const ZERO: u8 = 8;
const LARGEST: f32 = 7.0;

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
pub fn code_bytes(dimension: usize) -> usize {
    dimension.next_multiple_of(GROUP) / 2
}

/// Quantises `row / norm` into `codes` (`[code_bytes(row.len())]`). A zero row gets the codes of zero.
pub fn quantise(row: &[f32], norm: f32, codes: &mut [u8]) -> RowBound {
    debug_assert_eq!(codes.len(), code_bytes(row.len()), "one row of codes");
    codes.fill(ZERO | ZERO << 4);
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    if norm <= 0.0 || largest <= 0.0 {
        return RowBound { scale: 0.0, error: 0.0 };
    }
    // In f64: a row of very small or very large values must not lose its bound to underflow.
    let norm = f64::from(norm);
    let scale = (f64::from(largest) / norm / f64::from(LARGEST)) as f32;
    let mut squared_error = 0_f64;
    for (group, packed) in row.chunks(GROUP).zip(codes.chunks_exact_mut(GROUP / 2)) {
        for (lane, &value) in group.iter().enumerate() {
            let unit = f64::from(value) / norm;
            let step = (unit / f64::from(scale)).round().clamp(-8.0, 7.0);
            let difference = unit - step * f64::from(scale);
            squared_error += difference * difference;
            let code = (step as i8).wrapping_add(ZERO as i8) as u8;
            let half = GROUP / 2;
            let byte = &mut packed[lane % half];
            *byte = if lane < half { *byte & 0xF0 | code } else { *byte & 0x0F | code << 4 };
        }
    }
    RowBound { scale, error: (squared_error.sqrt() * (1.0 + 1e-6)) as f32 * (1.0 + f32::EPSILON) }
}

/// The unit row that `codes` stand for: `[dimension]`.
#[must_use]
pub fn decode(codes: &[u8], scale: f32, dimension: usize) -> Vec<f32> {
    let half = GROUP / 2;
    let value = |code: u8| scale * (f32::from(code) - f32::from(ZERO));
    let decoded = codes.chunks_exact(half).flat_map(|packed| {
        let low = packed.iter().map(move |byte| value(byte & 0x0F));
        low.chain(packed.iter().map(move |byte| value(byte >> 4)))
    });
    decoded.take(dimension).collect()
}
