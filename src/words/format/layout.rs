//! Telling text from binary, a header from a row, and finding the dimension.

use super::{LARGEST_DIMENSION, LONGEST_ROW, binary, text};

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `word value value ...` per line.
    Text {
        /// Values per vector.
        dimension: usize,
        /// The header line, where there is one.
        header: Option<Header>,
        /// Bytes of header and byte-order mark.
        skip: usize,
    },
    /// word2vec's binary form: `word`, a space, values as little-endian f32.
    Binary {
        /// Values per vector.
        dimension: usize,
        /// The header line.
        header: Header,
        /// Bytes of the header.
        skip: usize,
    },
}

/// What the first line of word2vec's and fastText's files says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of rows that it promises.
    pub count: u64,
    /// Values per vector.
    pub dimension: usize,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Rows that are looked at to find the dimension of a file without header.
const SAMPLE: usize = 100;

impl Layout {
    /// Looks at the first bytes of a file.
    pub fn recognise(start: &[u8]) -> Result<Self, String> {
        let mark = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let body = &start[mark..];
        let first_line = &body[..memchr::memchr(b'\n', body).unwrap_or(body.len())];
        if first_line.len() > LONGEST_ROW {
            return Err(format!("its first line is longer than {LONGEST_ROW} bytes: this is no file of vectors"));
        }
        let skip = (mark + first_line.len() + 1).min(start.len());
        let layout = match Header::parse(first_line) {
            Some(header) if binary::looks_binary(&start[skip..], header.dimension) => Self::Binary { dimension: header.dimension, header, skip },
            Some(header) => Self::Text { dimension: header.dimension, header: Some(header), skip },
            None => Self::Text { dimension: usual_dimension(body)?, header: None, skip: mark },
        };
        match layout.dimension() {
            0 => Err("its first rows hold no vector; expected lines of a word and its values".into()),
            dimension if dimension > LARGEST_DIMENSION => Err(format!("vectors of {dimension} values are not supported (at most {LARGEST_DIMENSION})")),
            _ => Ok(layout),
        }
    }

    pub fn dimension(&self) -> usize {
        match *self {
            Self::Text { dimension, .. } | Self::Binary { dimension, .. } => dimension,
        }
    }

    pub fn header_bytes(&self) -> usize {
        match *self {
            Self::Text { skip, .. } | Self::Binary { skip, .. } => skip,
        }
    }

    /// Lines before the first row, as far as row numbers count them.
    pub fn header_lines(&self) -> u64 {
        u64::from(matches!(self, Self::Text { header: Some(_), .. }))
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Self::Text { .. } => "line",
            Self::Binary { .. } => "vector",
        }
    }

    /// Bytes at the start of `buffer` that are whole rows.
    pub fn whole_rows(&self, buffer: &[u8]) -> usize {
        match *self {
            Self::Text { .. } => memchr::memrchr(b'\n', buffer).map_or(0, |end| end + 1),
            Self::Binary { dimension, .. } => binary::whole_rows(buffer, dimension),
        }
    }

    /// What is left at the end of the file: a row without line end, which may have been cut.
    pub fn last_row(&self, rest: Vec<u8>, checksummed: bool) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Text { .. } if checksummed || text::vouches_for_itself(&rest) => Ok(Some(rest)),
            Self::Text { dimension, .. } if text::fields(&rest) <= *dimension => {
                Err(format!("the file ends within this row: {} of {dimension} values", text::fields(&rest).saturating_sub(1)))
            }
            Self::Text { .. } => Err("the last row has no line end, so its last value may be cut; if the file is whole, add a line end".into()),
            Self::Binary { .. } if rest.iter().all(u8::is_ascii_whitespace) => Ok(None),
            Self::Binary { .. } => Err("the file ends within this vector".into()),
        }
    }

    /// Holds the number of rows against what the header promised.
    pub fn check_count(&self, rows: u64) -> Result<(), String> {
        match *self {
            Self::Text { header: Some(header), .. } | Self::Binary { header, .. } if header.count != rows => {
                Err(format!("its header promises {} vectors, but it holds {rows}", header.count))
            }
            _ if rows == 0 => Err("it holds no vectors".into()),
            _ => Ok(()),
        }
    }
}

impl Header {
    /// Two whole numbers and nothing else.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        let (count, dimension) = line.split_once([' ', '\t'])?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(count) || !digits(dimension) {
            return None;
        }
        // A number too large for the type is as absurd as the largest one.
        Some(Self { count: count.parse().unwrap_or(u64::MAX), dimension: dimension.parse().unwrap_or(usize::MAX) })
    }
}

/// The number of values that most of the first rows have, words with spaces aside.
fn usual_dimension(body: &[u8]) -> Result<usize, String> {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    // A line that the sample cuts does not count, unless it is all there is.
    let whole = memchr::memrchr(b'\n', body).unwrap_or(body.len());
    for line in body[..whole].split(|&byte| byte == b'\n').filter(|line| text::fields(line) > 0).take(SAMPLE) {
        *counts.entry(text::fields(line) - 1).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|&(&dimension, &count)| (count, std::cmp::Reverse(dimension)));
    most.map(|(&dimension, _)| dimension).ok_or_else(|| "it holds no rows".into())
}
