//! Co-occurrences dealt into cells, in the order in which training takes them.
//!
//! Words are dealt to [`Cells::blocks`] blocks like cards, so that each block holds as many frequent words as the next. A cell holds the
//! co-occurrences of one block of words with one block of contexts. Cells that share neither can be trained at the same time without
//! locks (Gemulla et al. 2011). Within a cell, tiles small enough for the processor's cache follow each other; within a tile the order is random.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _};

use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::cooccurrence::{Record, UNIT};
use crate::error::AppResult;

/// What training needs to know of one entry of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Pair {
    /// The word, by its place in its block.
    pub row: u16,
    /// The context, by its place in its block.
    pub column: u16,
    /// Natural logarithm of the co-occurrence.
    pub log_count: f32,
    /// Weight of the squared error: `min(1, (count / x_max)^alpha)`.
    pub weight: f32,
}

/// All co-occurrences, dealt and shuffled, in memory or on disk.
#[derive(Debug)]
pub struct Cells {
    blocks: usize,
    pairs: u64,
    /// By row block, then column block; empty when they lie on disk.
    held: Vec<Vec<Pair>>,
    /// The file and where each cell lies in it, in pairs: offset and length.
    spilled: Option<(File, Vec<(u64, usize)>)>,
}

/// How pairs are weighted and brought in order.
#[derive(Debug, Clone, Copy)]
pub struct Arrangement {
    /// Co-occurrences from this count on have full weight.
    pub x_max: f64,
    /// Exponent of the weighting function.
    pub alpha: f64,
    /// Words to a side of a tile.
    pub tile: usize,
    /// Seed of the order.
    pub seed: u64,
}

impl Cells {
    /// Blocks to a side.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Number of co-occurrences.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// The pairs of one cell; `buffer` holds them when they come from disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn cell<'this>(&'this self, row: usize, column: usize, buffer: &'this mut Vec<Pair>) -> AppResult<&'this [Pair]> {
        let index = row * self.blocks + column;
        let Some((file, extents)) = &self.spilled else { return Ok(&self.held[index]) };
        let (offset, length) = extents[index];
        buffer.resize(length, bytemuck::Zeroable::zeroed());
        file.read_exact_at(bytemuck::cast_slice_mut(buffer), offset * size_of::<Pair>() as u64).context(SPILL)?;
        Ok(buffer)
    }
}

const SPILL: &str = "can't keep co-occurrences in a temporary file";

/// How many blocks the words are dealt to: a number of the vocabulary alone, since the order of training depends on it.
#[must_use]
pub fn blocks_for(words: usize) -> usize {
    // As many cells can be trained at once as there are blocks; places in a block are 16-bit numbers.
    words.div_ceil(1 << 16).max(32.min(words))
}

/// Collects records; what doesn't fit in memory goes to a temporary file, cell by cell.
#[derive(Debug)]
pub struct CellsBuilder {
    blocks: usize,
    memory: u64,
    buffers: Vec<Vec<Record>>,
    buffered: u64,
    file: Option<File>,
    written: u64,
    /// For each cell, the parts of the file that belong to it: offset and length in records.
    extents: Vec<Vec<(u64, usize)>>,
    records: u64,
}

impl CellsBuilder {
    /// An empty one that holds up to `memory` bytes of records before it writes them out.
    #[must_use]
    pub fn new(words: usize, memory: u64) -> Self {
        let blocks = blocks_for(words);
        Self {
            blocks,
            memory,
            buffers: vec![Vec::new(); blocks * blocks],
            buffered: 0,
            file: None,
            written: 0,
            extents: vec![Vec::new(); blocks * blocks],
            records: 0,
        }
    }

    /// Takes records sorted by row and column; each call is a piece of a run, and sums of equal places are made at the end.
    ///
    /// # Errors
    /// What the disk says.
    pub fn extend(&mut self, records: &[Record]) -> AppResult<()> {
        for record in records {
            let cell = (record.row as usize % self.blocks) * self.blocks + record.column as usize % self.blocks;
            self.buffers[cell].push(*record);
        }
        self.records += records.len() as u64;
        self.buffered += size_of_val(records) as u64;
        if self.buffered > self.memory { self.spill() } else { Ok(()) }
    }

    /// Whether anything had to be written to disk.
    #[must_use]
    pub fn has_spilled(&self) -> bool {
        self.file.is_some()
    }

    fn spill(&mut self) -> AppResult<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().context(SPILL)?),
        };
        let mut writer = std::io::BufWriter::with_capacity(1 << 18, file);
        for (buffer, extents) in self.buffers.iter_mut().zip(&mut self.extents).filter(|(buffer, _)| !buffer.is_empty()) {
            writer.write_all(bytemuck::cast_slice(buffer)).context(SPILL)?;
            extents.push((self.written, buffer.len()));
            self.written += buffer.len() as u64;
            *buffer = Vec::new();
        }
        writer.flush().context(SPILL)?;
        self.buffered = 0;
        Ok(())
    }

    /// Adds up equal places, weighs, and brings each cell in the order of training. `progress` hears how many cells are done and
    /// returns false to stop, which gives none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(mut self, arrangement: Arrangement, mut progress: impl FnMut(u64) -> bool) -> AppResult<Option<Cells>> {
        let in_memory = self.records * size_of::<Pair>() as u64 <= self.memory;
        let mut cells = Cells { blocks: self.blocks, pairs: 0, held: Vec::new(), spilled: None };
        let mut writer = if in_memory { None } else { Some(std::io::BufWriter::new(tempfile::tempfile().context(SPILL)?)) };
        let mut places = Vec::new();
        let buffers = std::mem::take(&mut self.buffers);
        let mut buffers = buffers.into_iter().enumerate();
        loop {
            let batch: Vec<_> = buffers.by_ref().take(4 * rayon::current_num_threads()).collect();
            if batch.is_empty() {
                break;
            }
            let finished: Vec<Vec<Pair>> = batch
                .into_par_iter()
                .map(|(cell, buffer)| Ok(self.arrange(cell, self.load(cell, buffer)?, arrangement)))
                .collect::<AppResult<_>>()?;
            for pairs in finished {
                places.push((cells.pairs, pairs.len()));
                cells.pairs += pairs.len() as u64;
                match &mut writer {
                    Some(writer) => writer.write_all(bytemuck::cast_slice(&pairs)).context(SPILL)?,
                    None => cells.held.push(pairs),
                }
            }
            if !progress(places.len() as u64) {
                return Ok(None);
            }
        }
        if let Some(writer) = writer {
            cells.spilled = Some((writer.into_inner().map_err(std::io::IntoInnerError::into_error).context(SPILL)?, places));
        }
        Ok(Some(cells))
    }

    fn load(&self, cell: usize, buffer: Vec<Record>) -> AppResult<Vec<Record>> {
        let Some(file) = &self.file else { return Ok(buffer) };
        let length: usize = self.extents[cell].iter().map(|(_, length)| length).sum();
        let mut records = vec![bytemuck::Zeroable::zeroed(); length];
        let mut rest = &mut records[..];
        for &(offset, length) in &self.extents[cell] {
            let (part, others) = rest.split_at_mut(length);
            file.read_exact_at(bytemuck::cast_slice_mut(part), offset * size_of::<Record>() as u64).context(SPILL)?;
            rest = others;
        }
        records.extend(buffer);
        Ok(records)
    }

    fn arrange(&self, cell: usize, mut records: Vec<Record>, arrangement: Arrangement) -> Vec<Pair> {
        // Stable, since it takes the sorted runs that the pieces left as they are.
        records.sort_by_key(|record| (record.row, record.column));
        records.dedup_by(|later, kept| {
            let same = (later.row, later.column) == (kept.row, kept.column);
            if same {
                kept.weight += later.weight;
            }
            same
        });
        let mut pairs: Vec<Pair> = records
            .iter()
            .map(|record| {
                let count = record.weight as f64 / UNIT as f64;
                Pair {
                    row: (record.row as usize / self.blocks) as u16,
                    column: (record.column as usize / self.blocks) as u16,
                    log_count: count.ln() as f32,
                    weight: (count / arrangement.x_max).powf(arrangement.alpha).min(1.0) as f32,
                }
            })
            .collect();
        shuffle(&mut pairs, arrangement.seed ^ (cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        pairs.sort_by_cached_key(|pair| tile_order(usize::from(pair.row) / arrangement.tile, usize::from(pair.column) / arrangement.tile));
        pairs
    }
}

/// Row of tiles after row of tiles, every second one backwards, so that one side of the next tile is in the cache already.
fn tile_order(row: usize, column: usize) -> u32 {
    let column = if row.is_multiple_of(2) { column } else { 0xffff - column };
    (row << 16 | column) as u32
}

/// Fisher and Yates's shuffle.
fn shuffle(pairs: &mut [Pair], seed: u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    for last in (1..pairs.len()).rev() {
        pairs.swap(last, random.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_all_and_follows_its_seed() {
        let pair = |row| Pair { row, column: 0, log_count: 0.0, weight: 1.0 };
        let sorted: Vec<Pair> = (0..100).map(pair).collect();
        let shuffled = |seed| {
            let mut pairs = sorted.clone();
            shuffle(&mut pairs, seed);
            pairs
        };
        assert_ne!(shuffled(1), sorted);
        assert_ne!(shuffled(1), shuffled(2));
        assert_eq!(shuffled(1), shuffled(1));
        let mut again = shuffled(1);
        again.sort_by_key(|pair| pair.row);
        assert_eq!(again, sorted);
    }

    #[test]
    fn tiles_follow_each_other_there_and_back() {
        let mut tiles: Vec<(usize, usize)> = (0..3).flat_map(|row| (0..2).map(move |column| (row, column))).collect();
        tiles.sort_by_key(|&(row, column)| tile_order(row, column));
        assert_eq!(tiles, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
    }
}
