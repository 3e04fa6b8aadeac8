//! word2vec's binary rows: a word, a space, the values as little-endian f32; some writers add a line end.

use super::{LONGEST_ROW, Parsed};
use crate::words::builder::RowBatch;

/// Parses a chunk of whole rows.
pub fn parse(chunk: &[u8], dimension: usize) -> Parsed {
    let mut batch = RowBatch::new(dimension, chunk.len() / (4 * dimension) + 1);
    let mut lines = 0;
    let mut rest = chunk;
    // Whether rows are set apart by line ends, as the second one of a chunk tells: before the first stands what was read before.
    let mut has_line_ends = None;
    while let Some((word, values, length)) = next_row(rest, dimension) {
        if lines > 0 {
            let expected = *has_line_ends.get_or_insert(rest.starts_with(b"\n"));
            if let Some(reason) = slipped(word, rest.starts_with(b"\n"), expected) {
                return Parsed { batch, lines, error: Some((lines, reason.into())) };
            }
        }
        let pushed = batch.push_with(word, |row| {
            row.extend(values.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])));
            Ok(())
        });
        if let Err(reason) = pushed {
            return Parsed { batch, lines, error: Some((lines, reason)) };
        }
        lines += 1;
        rest = &rest[length..];
    }
    Parsed { batch, lines, error: None }
}

/// Why a row seems to begin elsewhere than where it was read from, as happens after a word that holds a space: the form has no place for
/// one, and what follows the space is taken for values. Rows with line ends are known by them; the others by what no word holds.
fn slipped(word: &[u8], has_line_end: bool, expected: bool) -> Option<&'static str> {
    let is_word = || std::str::from_utf8(word).is_ok_and(|word| !word.contains(|letter: char| letter.is_ascii_control()));
    if has_line_end != expected {
        Some("a line end before it is missing or unexpected; a word before it may hold a space, which this form can't express")
    } else if !expected && !is_word() {
        Some("its word is no text; a word before it may hold a space, which this form can't express")
    } else {
        None
    }
}

/// Bytes at the start of `buffer` that are whole rows.
pub fn whole_rows(buffer: &[u8], dimension: usize) -> usize {
    let mut whole = 0;
    while let Some((_, _, length)) = next_row(&buffer[whole..], dimension) {
        whole += length;
    }
    whole
}

/// Whether what follows a header is binary: the first word is followed by bytes that no text of numbers has.
pub fn looks_binary(body: &[u8], dimension: usize) -> bool {
    let Some(space) = memchr::memchr(b' ', &body[..body.len().min(LONGEST_ROW)]) else { return false };
    let values = &body[space + 1..];
    let sample = &values[..values.len().min(dimension.saturating_mul(4)).min(1024)];
    let of_numbers = |byte: &u8| byte.is_ascii_alphanumeric() || b" \t\r\n+-.".contains(byte);
    !sample.iter().all(of_numbers)
}

/// Word, values and total length of the row at the start of `rest`; none when it is not whole.
fn next_row(rest: &[u8], dimension: usize) -> Option<(&[u8], &[u8], usize)> {
    let line_ends = rest.iter().take_while(|&&byte| byte == b'\n').count();
    let space = line_ends + memchr::memchr(b' ', &rest[line_ends..])?;
    let end = space + 1 + 4 * dimension;
    let values = rest.get(space + 1..end)?;
    Some((&rest[line_ends..space], values, end))
}
