//! The small form in which a set is shipped: 8-bit codes with one scale per row.
//!
//! Little-endian, one part after the other: magic, count `u32`, dimension `u32`, length of the description `u32` and the description
//! (JSON of [`SetInfo`]), count lengths of words `u8`, the words' UTF-8, count scales `f32`, codes `[count, dimension]` `i8`, XXH3 of all before it `u64`.
//! Value `j` of row `i` is `scale[i] * code[i][j]`, off by at most half a scale.

use anyhow::{Context as _, Result, bail, ensure};
use xxhash_rust::xxh3::xxh3_64;

use super::{SetInfo, VectorSet};

/// The first `limit` words of `set` in compact form, described by `info`.
///
/// Words longer than 255 bytes are left out.
#[must_use]
pub fn write(set: &VectorSet, info: &SetInfo, limit: usize) -> Vec<u8> {
    let rows: Vec<usize> = (0..set.len()).filter(|&index| u8::try_from(set.word(index).len()).is_ok()).take(limit).collect();
    let info = SetInfo { dimension: set.dimension(), vocabulary: rows.len(), ..info.clone() };
    let description = serde_json::to_vec(&info).unwrap_or_default();
    let mut out = MAGIC.to_vec();
    for length in [rows.len(), set.dimension(), description.len()] {
        out.extend((length as u32).to_le_bytes());
    }
    out.extend(description);
    out.extend(rows.iter().map(|&index| set.word(index).len() as u8));
    rows.iter().for_each(|&index| out.extend(set.word(index).as_bytes()));
    let scale = |index: usize| set.row(index).iter().fold(0.0, |largest: f32, value| largest.max(value.abs())) / 127.0;
    rows.iter().for_each(|&index| out.extend(scale(index).to_le_bytes()));
    for &index in &rows {
        let scale = scale(index);
        out.extend(set.row(index).iter().map(|value| if scale > 0.0 { (value / scale).round() as i8 as u8 } else { 0 }));
    }
    out.extend(xxh3_64(&out).to_le_bytes());
    out
}

/// Description and rows of a compact form.
///
/// # Errors
/// When the bytes are cut, changed, or something else.
pub fn read(bytes: &[u8]) -> Result<(SetInfo, Vec<Row<'_>>)> {
    ensure!(bytes.starts_with(MAGIC), "these are no compact word vectors");
    let Some((body, checksum)) = bytes.split_last_chunk::<8>() else { bail!("the compact vectors are cut") };
    ensure!(u64::from_le_bytes(*checksum) == xxh3_64(body), "the compact vectors are damaged");
    let mut rest = &body[MAGIC.len()..];
    let count = take_length(&mut rest)?;
    let dimension = take_length(&mut rest)?;
    let description = take_length(&mut rest)?;
    let info: SetInfo = serde_json::from_slice(take(&mut rest, description)?).context("their description makes no sense")?;
    let lengths = take(&mut rest, count)?;
    let words = std::str::from_utf8(take(&mut rest, lengths.iter().map(|&length| usize::from(length)).sum())?)?;
    let scales = take(&mut rest, count.checked_mul(4).context(CUT)?)?;
    let codes = take(&mut rest, count.checked_mul(dimension).context(CUT)?)?;
    ensure!(rest.is_empty() && dimension > 0, "the compact vectors have the wrong size");
    let mut start = 0;
    let mut rows = Vec::with_capacity(count);
    for ((&length, scale), codes) in lengths.iter().zip(scales.chunks_exact(4)).zip(codes.chunks_exact(dimension)) {
        let word = words.get(start..start + usize::from(length)).context("their words are damaged")?;
        start += usize::from(length);
        let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        rows.push((word, codes.iter().map(|&code| scale * f32::from(code as i8)).collect::<Vec<f32>>()));
    }
    Ok((info, rows))
}

/// A word and its values.
pub type Row<'bytes> = (&'bytes str, Vec<f32>);

const MAGIC: &[u8] = b"TBCOMPACT1";
const CUT: &str = "the compact vectors are cut";

fn take<'bytes>(rest: &mut &'bytes [u8], length: usize) -> Result<&'bytes [u8]> {
    let (taken, left) = rest.split_at_checked(length).context(CUT)?;
    *rest = left;
    Ok(taken)
}

fn take_length(rest: &mut &[u8]) -> Result<usize> {
    let bytes = take(rest, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}
