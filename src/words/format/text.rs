//! Rows of text: a word, then its values, separated by spaces or tabs.

use super::{LONGEST_ROW, Parsed};
use crate::words::builder::RowBatch;

/// Parses a chunk of whole lines.
pub fn parse(chunk: &[u8], dimension: usize) -> Parsed {
    let mut batch = RowBatch::new(dimension, chunk.len() / (8 * dimension) + 1);
    let mut lines = 0;
    for line in chunk.strip_suffix(b"\n").unwrap_or(chunk).split(|&byte| byte == b'\n') {
        if let Err(reason) = parse_line(trim_end(line), dimension, &mut batch) {
            return Parsed { batch, lines, error: Some((lines, reason)) };
        }
        lines += 1;
    }
    Parsed { batch, lines, error: None }
}

/// Number of non-empty fields in a line.
pub fn fields(line: &[u8]) -> usize {
    split(line).count()
}

/// Whether a last row without line end shows that no digit of its last value is missing: all its values have the same number of
/// decimals, as written by a fixed format; a cut would have left fewer.
pub fn vouches_for_itself(line: &[u8]) -> bool {
    let decimals = |field: &[u8]| {
        let point = memchr::memchr(b'.', field);
        let fixed = field.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
        match point {
            Some(point) if fixed => Some(field.len() - point - 1),
            // Among lone digits, one that had lost its decimals would be the only one.
            None if fixed && field.trim_ascii_start().strip_prefix(b"-").unwrap_or(field).len() == 1 => Some(0),
            _ => None,
        }
    };
    let mut values = split(line).skip(1).map(decimals);
    let first = values.next().flatten();
    first.is_some() && fields(line) > 2 && values.all(|other| other == first)
}

/// The common case in one pass: a word without spaces, then exactly `dimension` values.
fn parse_line(line: &[u8], dimension: usize, batch: &mut RowBatch) -> Result<(), String> {
    if line.len() > LONGEST_ROW {
        return Err(format!("it is longer than {LONGEST_ROW} bytes"));
    }
    if line.is_empty() {
        return Ok(());
    }
    let word_end = line.iter().position(|&byte| is_separator(byte)).unwrap_or(line.len());
    let regular = batch.push_with(&line[..word_end], |values| {
        let mut rest = &line[word_end..];
        for _ in 0..dimension {
            let [separator, number @ ..] = rest else { return Err(String::new()) };
            let (value, length) = fast_float2::parse_partial::<f32, _>(number).map_err(|_| String::new())?;
            if !is_separator(*separator) {
                return Err(String::new());
            }
            values.push(value);
            rest = &number[length..];
        }
        if rest.is_empty() { Ok(()) } else { Err(String::new()) }
    });
    match regular {
        Err(reason) if reason.is_empty() => parse_irregular(line, dimension, batch),
        other => other,
    }
}

/// Words with spaces in them, several separators in a row, and everything that is wrong.
fn parse_irregular(line: &[u8], dimension: usize, batch: &mut RowBatch) -> Result<(), String> {
    let fields: Vec<&[u8]> = split(line).collect();
    // A line that begins with a separator has an empty word.
    let of_word = usize::from(!line.first().is_some_and(|&byte| is_separator(byte)));
    let found = fields.len().saturating_sub(of_word);
    if found < dimension {
        return Err(format!("the row has {found} values, expected {dimension}"));
    }
    let (words, values) = fields.split_at(fields.len() - dimension);
    // The rest belongs to the word, unless it is a number too many.
    if words.len() > 1
        && words[words.len() - 1].iter().any(u8::is_ascii_digit)
        && fast_float2::parse::<f32, _>(words[words.len() - 1]).is_ok()
    {
        return Err(format!("the row has {found} values, expected {dimension}"));
    }
    let word = match words {
        [] => &[][..],
        [first, ..] => {
            let start = first.as_ptr().addr() - line.as_ptr().addr();
            let end = values[0].as_ptr().addr() - line.as_ptr().addr();
            trim_end(&line[start..end])
        }
    };
    batch.push_with(word, |row| {
        for (position, field) in values.iter().enumerate() {
            let value = fast_float2::parse(field)
                .map_err(|_| format!("value {} of the vector is {:?}, not a number", position + 1, shortened(field)))?;
            row.push(value);
        }
        Ok(())
    })
}

fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| is_separator(byte) || byte == b'\r').filter(|field| !field.is_empty())
}

fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without separators and a carriage return at the end.
fn trim_end(line: &[u8]) -> &[u8] {
    let length = line.iter().rposition(|&byte| !is_separator(byte) && byte != b'\r').map_or(0, |last| last + 1);
    &line[..length]
}

/// Enough of a field to recognise it by.
fn shortened(field: &[u8]) -> String {
    String::from_utf8_lossy(field).chars().take(40).collect()
}
