//! The memory-mapped image of a vector set: its layout, and opening it.
//!
//! One file, native byte order, every section aligned to 64 bytes:
//!
//! | section | shape |
//! |---|---|
//! | header | one page: magic, version, counts, where each section lies, checksum |
//! | matrix | `[count, dimension]` f32, the values of the source file |
//! | norms | `[count]` f32 |
//! | coarse bounds, coarse codes, fine rows | see [`super::quantise`] |
//! | word ends | `[count]` u64: where each word ends among the word bytes |
//! | word bytes | UTF-8, one after the other |
//! | order | `[count]` u32: indices sorted by word |
//! | metadata | JSON of [`Metadata`] |
//! | block checksums | XXH3 of each [`BLOCK`] bytes between the header and here |
//!
//! Opening reads every block once, through a small buffer instead of the mapping: pages count as this process's memory only
//! once a search has touched them.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use memmap2::Mmap;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    mapped,
    quantise::{QuantisedRows, RowBound, coarse, fine},
    set::SetInfo,
};

/// An opened image: verified, mapped, read-only.
#[derive(Debug)]
pub struct Image {
    map: Mmap,
    header: Header,
    /// What is known about the set beside its numbers.
    pub metadata: Metadata,
}

/// What is known about a set beside its numbers.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Metadata {
    /// What a list of sets says of it.
    pub info: SetInfo,
    /// The file that it was made from; none for a set that was trained or embedded.
    pub origin: Option<Origin>,
    /// What was left out on reading.
    pub skipped: Skipped,
}

/// Which file, and which state of it, an image was made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// Full path of the file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970; for embedded data, its checksum.
    pub modified_ns: u64,
    /// Which member of an archive was read, told by its dimension.
    pub member_dimension: Option<usize>,
}

impl Origin {
    /// The file at `path` as it is now.
    ///
    /// # Errors
    /// When it can't be asked for.
    pub fn of(path: &Path, member_dimension: Option<usize>) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            path: path.to_string_lossy().into_owned(),
            bytes: metadata.len(),
            modified_ns: modified.as_nanos() as u64,
            member_dimension,
        })
    }
}

/// Rows that were left out on reading, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// Rows whose word had come before; the first one is kept.
    pub duplicates: u64,
    /// Rows whose word is empty or not valid UTF-8.
    pub unreadable_words: u64,
}

pub(super) const MAGIC: [u8; 8] = *b"TBWORDS\0";
/// Raised whenever the layout or the meaning of a section changes, the quantised codes included.
pub(super) const VERSION: u32 = 3;
pub(super) const PAGE: usize = 4096;
pub(super) const ALIGNMENT: usize = 64;
/// Bytes under one checksum: fits the second-level cache, so that what was read is hashed from there.
pub(super) const BLOCK: usize = 1 << 20;

/// The sections in the order of the file.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum Section {
    Matrix,
    Norms,
    CoarseBounds,
    CoarseCodes,
    FineRows,
    WordEnds,
    WordBytes,
    Order,
    Metadata,
    BlockChecksums,
}

pub(super) const SECTIONS: usize = 10;

#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Extent {
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Header {
    pub magic: [u8; 8],
    pub version: u32,
    pub dimension: u32,
    pub count: u64,
    pub file_bytes: u64,
    pub sections: [Extent; SECTIONS],
    /// XXH3 of the block checksums.
    pub blocks: u64,
    /// XXH3 of all fields above.
    pub checksum: u64,
}

impl Header {
    pub fn own_checksum(&self) -> u64 {
        let bytes = bytemuck::bytes_of(self);
        xxh3_64(&bytes[..bytes.len() - size_of::<u64>()])
    }
}

impl Image {
    /// Opens, verifies and maps the image at `path`.
    ///
    /// # Errors
    /// When it can't be read, comes from another version, or any bit of it has changed.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
        Self::from_file(&file).with_context(|| format!("{} can't be used", path.display()))
    }

    /// The same for a file that is already open.
    pub fn from_file(file: &File) -> Result<Self> {
        let bytes = file.metadata()?.len();
        let mut page = [0; PAGE];
        ensure!(bytes >= PAGE as u64, "it is cut or is no image of word vectors");
        file.read_exact_at(&mut page, 0)?;
        let header = checked_header(&page, bytes)?;
        verify_blocks(&header, |buffer, offset| file.read_exact_at(buffer, offset))?;
        Self::assemble(mapped::map(file)?, header)
    }

    /// An image that lives in memory alone.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        ensure!(bytes.len() >= PAGE, "it is cut or is no image of word vectors");
        let header = checked_header(&bytes[..PAGE], bytes.len() as u64)?;
        verify_blocks(&header, |buffer, offset| {
            buffer.copy_from_slice(&bytes[offset as usize..][..buffer.len()]);
            Ok(())
        })?;
        Self::assemble(mapped::anonymous(bytes)?, header)
    }

    fn assemble(map: Mmap, header: Header) -> Result<Self> {
        let extent = header.sections[Section::Metadata as usize];
        let metadata =
            serde_json::from_slice(&map[extent.offset as usize..][..extent.bytes as usize]).context("its metadata make no sense")?;
        let image = Self { map, header, metadata };
        image.check_words()?;
        Ok(image)
    }

    /// Nothing that the set's methods rely on is taken on trust, even under a right checksum.
    fn check_words(&self) -> Result<()> {
        let words = std::str::from_utf8(self.word_bytes()).context("its words are not valid UTF-8")?;
        let mut start = 0;
        for &end in self.word_ends() {
            ensure!(start <= end && words.is_char_boundary(end as usize), "its words overlap");
            start = end;
        }
        ensure!(start == words.len() as u64, "its words do not fill their section");
        ensure!(self.order().iter().all(|&index| u64::from(index) < self.header.count), "its sorted order points outside");
        Ok(())
    }

    /// Values per vector.
    pub fn dimension(&self) -> usize {
        self.header.dimension as usize
    }

    /// Number of words.
    pub fn count(&self) -> usize {
        self.header.count as usize
    }

    /// `[count, dimension]`.
    pub fn matrix(&self) -> &[f32] {
        self.section(Section::Matrix)
    }

    /// `[count]`.
    pub fn norms(&self) -> &[f32] {
        self.section(Section::Norms)
    }

    /// All rows in few bits.
    pub fn quantised(&self) -> QuantisedRows<'_> {
        QuantisedRows {
            coarse_codes: self.section(Section::CoarseCodes),
            coarse_bounds: self.section(Section::CoarseBounds),
            fine_rows: self.section(Section::FineRows),
        }
    }

    /// `[count]`: where each word ends in [`Self::word_bytes`].
    pub fn word_ends(&self) -> &[u64] {
        self.section(Section::WordEnds)
    }

    /// All words, one after the other.
    pub fn word_bytes(&self) -> &[u8] {
        self.section(Section::WordBytes)
    }

    /// `[count]`: indices sorted by word.
    pub fn order(&self) -> &[u32] {
        self.section(Section::Order)
    }

    fn section<T: bytemuck::Pod>(&self, section: Section) -> &[T] {
        let extent = self.header.sections[section as usize];
        bytemuck::cast_slice(&self.map[extent.offset as usize..][..extent.bytes as usize])
    }
}

/// The header of an image of `file_bytes` bytes, once it is known to be ours, of this version, unchanged and consistent.
fn checked_header(page: &[u8], file_bytes: u64) -> Result<Header> {
    let header: Header = bytemuck::pod_read_unaligned(&page[..size_of::<Header>()]);
    ensure!(header.magic == MAGIC, "it is no image of word vectors");
    ensure!(
        header.version == VERSION,
        "it was written by another version of this program (image version {}, expected {VERSION})",
        header.version
    );
    ensure!(header.checksum == header.own_checksum(), "its header is damaged");
    ensure!(page[size_of::<Header>()..].iter().all(|&byte| byte == 0), "its header is damaged");
    ensure!(header.file_bytes == file_bytes, "it is cut: {file_bytes} bytes of {}", header.file_bytes);
    let (count, dimension) = (header.count, u64::from(header.dimension));
    ensure!(count > 0 && dimension > 0 && u32::try_from(count).is_ok(), "its header makes no sense");
    for extent in header.sections {
        let end = extent.offset.checked_add(extent.bytes);
        ensure!(end.is_some_and(|end| end <= file_bytes), "a section lies outside of it");
        ensure!(extent.offset >= PAGE as u64 && extent.offset % ALIGNMENT as u64 == 0, "a section is not aligned");
    }
    let matrix = (count * 4).checked_mul(dimension).context("its header makes no sense")?;
    // First, since it bounds all the others: a header can't claim more than the file holds.
    ensure!(header.sections[Section::Matrix as usize].bytes == matrix, "its matrix has the wrong size");
    let expected = [
        (Section::Norms, count * 4),
        (Section::CoarseBounds, count * size_of::<RowBound>() as u64),
        (Section::CoarseCodes, coarse::codes_length(count as usize, header.dimension as usize) as u64),
        (Section::FineRows, count * fine::row_bytes(header.dimension as usize) as u64),
        (Section::WordEnds, count * 8),
        (Section::Order, count * 4),
        (Section::BlockChecksums, block_count(&header) as u64 * 8),
    ];
    for (section, bytes) in expected {
        ensure!(header.sections[section as usize].bytes == bytes, "its section {section:?} has the wrong size");
    }
    Ok(header)
}

fn block_count(header: &Header) -> usize {
    (header.sections[Section::BlockChecksums as usize].offset as usize).saturating_sub(PAGE).div_ceil(BLOCK)
}

/// Reads every byte between the header and the block checksums, and those too, and holds them against their checksums.
fn verify_blocks(header: &Header, read_at: impl Fn(&mut [u8], u64) -> std::io::Result<()> + Sync) -> Result<()> {
    let table = header.sections[Section::BlockChecksums as usize];
    let mut bytes = vec![0; table.bytes as usize];
    read_at(&mut bytes, table.offset)?;
    if xxh3_64(&bytes) != header.blocks || table.offset + table.bytes != header.file_bytes {
        bail!("its table of checksums is damaged");
    }
    let checksums: Vec<u64> = bytes.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
    checksums.par_iter().enumerate().try_for_each_init(
        || vec![0; BLOCK],
        |buffer, (index, &checksum)| {
            let offset = PAGE + index * BLOCK;
            let block = &mut buffer[..BLOCK.min(table.offset as usize - offset)];
            read_at(block, offset as u64)?;
            ensure!(xxh3_64(block) == checksum, "it is damaged: wrong checksum at byte {offset}");
            Ok(())
        },
    )
}
