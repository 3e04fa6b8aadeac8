//! Writing an image: rows stream to the file as they come, so that the matrix is never held in memory.

use std::io::{self, Seek, SeekFrom, Write};

use anyhow::{Context as _, Result, anyhow, ensure};
use hashbrown::HashTable;
use rayon::slice::ParallelSliceMut as _;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    image::{ALIGNMENT, BLOCK, Extent, Header, MAGIC, Metadata, PAGE, SECTIONS, Section, Skipped, VERSION},
    quantise::{BLOCK_ROWS, Quantised},
};

/// Takes rows in the order of their indices and leaves an image in `out`.
pub struct ImageBuilder<W: Write + Seek> {
    out: BlockWriter<W>,
    dimension: usize,
    words: Vec<u8>,
    word_ends: Vec<u64>,
    norms: Vec<f32>,
    quantised: Quantised,
    /// Values of the last rows, which are not quantised yet: [`BATCH_ROWS`] at most.
    pending: Vec<f32>,
    seen: HashTable<(u64, u32)>,
    skipped: Skipped,
}

impl<W: Write + Seek> ImageBuilder<W> {
    /// Starts an image of vectors with `dimension` values, at the start of `out`.
    pub fn new(mut out: W, dimension: usize) -> Result<Self> {
        ensure!(dimension > 0 && u32::try_from(dimension).is_ok(), "vectors need at least one value");
        out.write_all(&[0; PAGE])?;
        Ok(Self {
            out: BlockWriter { out, block: Vec::with_capacity(BLOCK), checksums: Vec::new(), written: PAGE as u64 },
            dimension,
            words: Vec::new(),
            word_ends: Vec::new(),
            norms: Vec::new(),
            quantised: Quantised::default(),
            pending: Vec::with_capacity(BATCH_ROWS * dimension),
            seen: HashTable::new(),
            skipped: Skipped::default(),
        })
    }

    /// Number of rows kept so far.
    pub fn count(&self) -> usize {
        self.word_ends.len()
    }

    /// Appends `rows`; a word that came before is left out and counted.
    pub fn append(&mut self, rows: &RowBatch) -> Result<()> {
        let mut start = 0;
        for (row, &end) in rows.word_ends.iter().enumerate() {
            let word = &rows.words[start..end];
            start = end;
            if self.remember(word) {
                let values = &rows.values[row * self.dimension..][..self.dimension];
                self.out.write_all(bytemuck::cast_slice(values))?;
                self.norms.push(rows.norms[row]);
                self.pending.extend_from_slice(values);
                if self.pending.len() == BATCH_ROWS * self.dimension {
                    self.quantise_pending();
                }
            } else {
                self.skipped.duplicates += 1;
            }
        }
        self.skipped.unreadable_words += rows.unreadable_words;
        ensure!(u32::try_from(self.count()).is_ok(), "more than {} words", u32::MAX);
        Ok(())
    }

    /// Writes what follows the matrix, then the header. Returns what was written to, and what was left out.
    pub fn finish(mut self, mut metadata: Metadata) -> Result<(W, Metadata)> {
        ensure!(self.count() > 0, "it holds no vectors");
        self.quantise_pending();
        metadata.skipped = self.skipped;
        metadata.info.dimension = self.dimension;
        metadata.info.vocabulary = self.count();
        let mut sections = [Extent::default(); SECTIONS];
        sections[Section::Matrix as usize] = Extent { offset: PAGE as u64, bytes: self.out.position() - PAGE as u64 };
        let order = sorted_order(&self.words, &self.word_ends);
        let metadata_json = serde_json::to_vec(&metadata)?;
        let parts: [(Section, &[u8]); 8] = [
            (Section::Norms, bytemuck::cast_slice(&self.norms)),
            (Section::CoarseBounds, bytemuck::cast_slice(&self.quantised.coarse_bounds)),
            (Section::CoarseCodes, &self.quantised.coarse_codes),
            (Section::FineRows, bytemuck::cast_slice(&self.quantised.fine_rows)),
            (Section::WordEnds, bytemuck::cast_slice(&self.word_ends)),
            (Section::WordBytes, &self.words),
            (Section::Order, bytemuck::cast_slice(&order)),
            (Section::Metadata, &metadata_json),
        ];
        for (section, bytes) in parts {
            sections[section as usize] = Extent { offset: self.out.align()?, bytes: bytes.len() as u64 };
            self.out.write_all(bytes)?;
        }
        let offset = self.out.align()?;
        let (mut out, checksums) = self.out.finish()?;
        let table: &[u8] = bytemuck::cast_slice(&checksums);
        sections[Section::BlockChecksums as usize] = Extent { offset, bytes: table.len() as u64 };
        out.write_all(table)?;
        let mut header = Header {
            magic: MAGIC,
            version: VERSION,
            dimension: self.dimension as u32,
            count: self.word_ends.len() as u64,
            file_bytes: offset + table.len() as u64,
            sections,
            blocks: xxh3_64(table),
            checksum: 0,
        };
        header.checksum = header.own_checksum();
        out.seek(SeekFrom::Start(0))?;
        out.write_all(bytemuck::bytes_of(&header))?;
        out.flush()?;
        Ok((out, metadata))
    }

    fn quantise_pending(&mut self) {
        self.quantised.append(&self.pending, &self.norms[self.quantised.len()..], self.dimension);
        self.pending.clear();
    }

    /// False when the word came before.
    fn remember(&mut self, word: &[u8]) -> bool {
        let hash = xxh3_64(word);
        let Self { seen, words, word_ends, .. } = self;
        let is_it = |&(known, index): &(u64, u32)| known == hash && word_at(words, word_ends, index as usize) == word;
        if seen.find(hash, is_it).is_some() {
            return false;
        }
        seen.insert_unique(hash, (hash, word_ends.len() as u32), |&(known, _)| known);
        words.extend_from_slice(word);
        word_ends.push(words.len() as u64);
        true
    }
}

/// Writes a whole set of `rows` that are in memory already.
pub fn write_rows<O: Write + Seek, W: AsRef<str>, V: AsRef<[f32]>>(
    out: O,
    metadata: Metadata,
    rows: impl IntoIterator<Item = (W, V)>,
) -> Result<(O, Metadata)> {
    let mut rows = rows.into_iter().peekable();
    let dimension = rows.peek().context("a set needs at least one word")?.1.as_ref().len();
    let mut builder = ImageBuilder::new(out, dimension)?;
    for (word, values) in rows {
        let mut row = RowBatch::new(dimension, 1);
        row.push(word.as_ref(), values.as_ref()).map_err(|reason| anyhow!("the vector of {:?}: {reason}", word.as_ref()))?;
        builder.append(&row)?;
    }
    builder.finish(metadata)
}

/// Rows that are quantised at once: whole blocks, enough of them for all threads.
const BATCH_ROWS: usize = 128 * BLOCK_ROWS;

/// Some rows with their norms, so that many threads can prepare what one appends.
#[derive(Debug, Default)]
pub struct RowBatch {
    dimension: usize,
    words: Vec<u8>,
    word_ends: Vec<usize>,
    values: Vec<f32>,
    norms: Vec<f32>,
    /// Rows that were left out because their word can't be read.
    pub unreadable_words: u64,
}

impl RowBatch {
    /// An empty batch of vectors with `dimension` values, with room for `rows`.
    pub fn new(dimension: usize, rows: usize) -> Self {
        Self { dimension, values: Vec::with_capacity(rows * dimension), ..Self::default() }
    }

    /// Adds a row whose values `fill` pushes: exactly `dimension` of them, or an error, which leaves the batch as it was.
    pub fn push_with(&mut self, word: &[u8], fill: impl FnOnce(&mut Vec<f32>) -> Result<(), String>) -> Result<(), String> {
        let start = self.values.len();
        let norm = match fill(&mut self.values).and_then(|()| checked_norm(&self.values[start..])) {
            Ok(norm) => norm,
            Err(reason) => {
                self.values.truncate(start);
                return Err(reason);
            }
        };
        if word.is_empty() || std::str::from_utf8(word).is_err() {
            self.values.truncate(start);
            self.unreadable_words += 1;
            return Ok(());
        }
        debug_assert_eq!(self.values.len() - start, self.dimension);
        self.norms.push(norm);
        self.words.extend_from_slice(word);
        self.word_ends.push(self.words.len());
        Ok(())
    }

    /// Adds one row of `dimension` values.
    pub fn push(&mut self, word: &str, values: &[f32]) -> Result<(), String> {
        if values.len() != self.dimension {
            return Err(format!("it has {} values, expected {}", values.len(), self.dimension));
        }
        self.push_with(word.as_bytes(), |row| {
            row.extend_from_slice(values);
            Ok(())
        })
    }

    /// Number of rows in the batch and left out of it.
    pub fn rows_seen(&self) -> u64 {
        self.word_ends.len() as u64 + self.unreadable_words
    }
}

/// Euclidean norm, accumulated in f64; an error for values that no search can work with.
fn checked_norm(values: &[f32]) -> Result<f32, String> {
    let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt() as f32;
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(match values.iter().position(|value| !value.is_finite()) {
        Some(position) => format!("value {} of the vector is {}, not a finite number", position + 1, values[position]),
        None => "the vector is too long for 32-bit numbers".into(),
    })
}

fn word_at<'words>(words: &'words [u8], ends: &[u64], index: usize) -> &'words [u8] {
    let start = if index == 0 { 0 } else { ends[index - 1] as usize };
    &words[start..ends[index] as usize]
}

fn sorted_order(words: &[u8], ends: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..ends.len() as u32).collect();
    order.par_sort_unstable_by_key(|&index| word_at(words, ends, index as usize));
    order
}

/// Writes in blocks and keeps the checksum of each.
struct BlockWriter<W> {
    out: W,
    block: Vec<u8>,
    checksums: Vec<u64>,
    written: u64,
}

impl<W: Write> BlockWriter<W> {
    fn position(&self) -> u64 {
        self.written + self.block.len() as u64
    }

    /// Fills up with zeros to the next section; returns where that is.
    fn align(&mut self) -> io::Result<u64> {
        let excess = self.position() as usize % ALIGNMENT;
        if excess > 0 {
            self.write_all(&[0; ALIGNMENT][excess..])?;
        }
        Ok(self.position())
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.checksums.push(xxh3_64(&self.block));
        self.out.write_all(&self.block)?;
        self.written += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(W, Vec<u64>)> {
        if !self.block.is_empty() {
            self.write_block()?;
        }
        Ok((self.out, self.checksums))
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
