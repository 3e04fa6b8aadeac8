//! The image of a vector set: one checked file that is mapped, never parsed.
//!
//! ```text
//! header       4096 bytes: magic, version, dimension, count, section table, checksums
//! matrix       [count, dimension] f32, the values as they stood in the source
//! norms        [count] f32, Euclidean
//! bounds       [count] RowBound, see quantise.rs
//! codes        [count, code_bytes(dimension)] u8
//! sorted       [count] u32: word indices in byte order of their words; lookup and completion in one
//! ends         [count] u32: where each word ends in `words`
//! words        UTF-8, one after the other
//! description  JSON, see `Description`
//! ```
//!
//! Every section starts on a 64-byte boundary. Little-endian. A file with another version or checksum is not read.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    mapped,
    quantise::{self, RowBound},
};

const MAGIC: [u8; 8] = *b"TBWORDS\0";
/// Raised whenever the layout, or the meaning of a section, changes: older images are then made again.
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 4096;
const ALIGNMENT: usize = 64;
const CHECKSUM_CHUNK: usize = 1 << 20;

/// What a set says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// What a page calls the set.
    pub name: String,
    /// Where the vectors come from, in a sentence.
    pub source: String,
    /// Under which terms they may be used.
    pub licence: String,
    /// Identity of the file that the image was made from; tells a stale image.
    #[serde(default)]
    pub origin: Origin,
    /// Rows of the source that repeated an earlier word, and were left out.
    #[serde(default)]
    pub duplicates: usize,
}

/// Identity of a source file: cheap to take, changes when the file does.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970; 0 where the file system keeps none.
    pub modified_ns: u64,
}

impl Origin {
    /// The identity of the file at `path`.
    ///
    /// # Errors
    /// When the file can't be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(Self { size: metadata.len(), modified_ns: modified.map_or(0, |since| since.as_nanos() as u64) })
    }
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Section {
    offset: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: u32,
    dimension: u32,
    count: u64,
    body_checksum: u64,
    sections: [Section; 8],
    /// Of all the fields above.
    header_checksum: u64,
}

const MATRIX: usize = 0;
const NORMS: usize = 1;
const BOUNDS: usize = 2;
const CODES: usize = 3;
const SORTED: usize = 4;
const ENDS: usize = 5;
const WORDS: usize = 6;
const DESCRIPTION: usize = 7;

impl Header {
    fn checksum(&self) -> u64 {
        let bytes = bytemuck::bytes_of(self);
        xxh3_64(&bytes[..bytes.len() - size_of::<u64>()])
    }
}

/// An opened image: every byte has been checked.
#[derive(Debug)]
pub struct Image {
    memory: Mmap,
    dimension: usize,
    count: usize,
    sections: [Range<usize>; 8],
    description: Description,
}

impl Image {
    /// Maps the image at `path` and checks all of it.
    ///
    /// # Errors
    /// When it can't be read, is of another version, or has changed since it was written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let opened = File::open(path).map_err(anyhow::Error::from).and_then(|file| Self::check(mapped::map(&file)?));
        opened.with_context(|| format!("the vector image {}", path.display()))
    }

    fn check(memory: Mmap) -> anyhow::Result<Self> {
        anyhow::ensure!(memory.len() >= HEADER_BYTES, "is too short to be one");
        let header: Header = bytemuck::pod_read_unaligned(&memory[..size_of::<Header>()]);
        anyhow::ensure!(header.magic == MAGIC, "is not a vector image");
        anyhow::ensure!(header.version == VERSION, "has version {}, this program reads version {VERSION}", header.version);
        anyhow::ensure!(header.header_checksum == header.checksum(), "has a damaged header");
        let (dimension, count) = (header.dimension as usize, usize::try_from(header.count)?);
        anyhow::ensure!(dimension > 0 && count > 0, "holds no vectors");
        let mut sections: [Range<usize>; 8] = Default::default();
        for (range, section) in sections.iter_mut().zip(header.sections) {
            let start = usize::try_from(section.offset)?;
            let end = start.checked_add(usize::try_from(section.bytes)?).context("has a damaged section table")?;
            anyhow::ensure!(start >= HEADER_BYTES && end <= memory.len() && start % ALIGNMENT == 0, "is cut short");
            *range = start..end;
        }
        let bytes_of = |section: usize| sections[section].len();
        let expected = [
            (MATRIX, count * dimension * 4),
            (NORMS, count * 4),
            (BOUNDS, count * size_of::<RowBound>()),
            (CODES, count * quantise::code_bytes(dimension)),
            (SORTED, count * 4),
            (ENDS, count * 4),
        ];
        anyhow::ensure!(expected.into_iter().all(|(section, bytes)| bytes_of(section) == bytes), "has a damaged section table");
        anyhow::ensure!(header.body_checksum == checksum(&memory[HEADER_BYTES..]), "has changed since it was written");
        let description = serde_json::from_slice(&memory[sections[DESCRIPTION].clone()]).context("has a damaged description")?;
        Ok(Self { memory, dimension, count, sections, description })
    }

    /// Values per vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of words.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What the set says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// `[count, dimension]`, row after row.
    pub fn matrix(&self) -> &[f32] {
        self.section(MATRIX)
    }

    /// `[count]`, Euclidean.
    pub fn norms(&self) -> &[f32] {
        self.section(NORMS)
    }

    /// `[count]`.
    pub fn bounds(&self) -> &[RowBound] {
        self.section(BOUNDS)
    }

    /// `[count, code_bytes(dimension)]`.
    pub fn codes(&self) -> &[u8] {
        self.section(CODES)
    }

    /// Word indices in byte order of their words.
    pub fn sorted(&self) -> &[u32] {
        self.section(SORTED)
    }

    /// The word at `index`.
    pub fn word(&self, index: usize) -> &str {
        let ends: &[u32] = self.section(ENDS);
        let start = if index == 0 { 0 } else { ends[index - 1] as usize };
        let words: &[u8] = self.section(WORDS);
        std::str::from_utf8(&words[start..ends[index] as usize]).unwrap_or_default()
    }

    fn section<T: Pod>(&self, section: usize) -> &[T] {
        bytemuck::cast_slice(&self.memory[self.sections[section].clone()])
    }
}

/// Checksum of a file's body, taken in parallel: the hash of its chunks' hashes.
fn checksum(body: &[u8]) -> u64 {
    let chunks: Vec<u64> = body.par_chunks(CHECKSUM_CHUNK).map(xxh3_64).collect();
    xxh3_64(bytemuck::cast_slice(&chunks))
}

/// Writes an image row by row; nothing stands under its final name until it is whole.
pub struct ImageWriter {
    target: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
    dimension: usize,
    norms: Vec<f32>,
    bounds: Vec<RowBound>,
    codes: Vec<u8>,
    ends: Vec<u32>,
    words: String,
    /// Words seen, to leave duplicates out.
    seen: std::collections::HashSet<Box<str>>,
    duplicates: usize,
}

impl ImageWriter {
    /// Starts an image that will stand at `target`; its folder is made if need be.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(target: &Path, dimension: usize) -> anyhow::Result<Self> {
        let folder = target.parent().context("an image needs a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
        let file = tempfile::Builder::new().prefix(".image-").tempfile_in(folder).with_context(|| format!("can't write in {}", folder.display()))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Self {
            target: target.to_owned(),
            file,
            dimension,
            norms: Vec::new(),
            bounds: Vec::new(),
            codes: Vec::new(),
            ends: Vec::new(),
            words: String::new(),
            seen: std::collections::HashSet::new(),
            duplicates: 0,
        })
    }

    /// Adds one word. The first of several rows with the same word is kept; the others are counted.
    ///
    /// # Errors
    /// When the disk is full, or the words no longer fit into four gigabytes.
    pub fn push(&mut self, word: &str, row: &[f32]) -> anyhow::Result<()> {
        assert_eq!(row.len(), self.dimension, "a row has `dimension` values");
        if !self.seen.insert(word.into()) {
            self.duplicates += 1;
            return Ok(());
        }
        self.words.push_str(word);
        self.ends.push(u32::try_from(self.words.len()).context("more than four gigabytes of words")?);
        let norm = norm(row);
        self.norms.push(norm);
        let start = self.codes.len();
        self.codes.resize(start + quantise::code_bytes(self.dimension), 0);
        self.bounds.push(quantise::quantise(row, norm, &mut self.codes[start..]));
        self.file.write_all(bytemuck::cast_slice(row)).context("can't write the image")
    }

    /// Rows kept so far.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Writes the rest, checks it in, and gives the image its name.
    ///
    /// # Errors
    /// When there is no row, or the disk is full.
    pub fn finish(mut self, mut description: Description) -> anyhow::Result<Image> {
        let count = self.len();
        anyhow::ensure!(count > 0, "there is no vector in it");
        drop(std::mem::take(&mut self.seen));
        description.duplicates = self.duplicates;
        let mut sorted: Vec<u32> = (0..u32::try_from(count).context("more than four billion words")?).collect();
        let word = |index: u32| {
            let start = if index == 0 { 0 } else { self.ends[index as usize - 1] as usize };
            &self.words[start..self.ends[index as usize] as usize]
        };
        sorted.par_sort_unstable_by(|&a, &b| word(a).cmp(word(b)));
        let description = serde_json::to_vec(&description)?;

        let matrix_bytes = count * self.dimension * 4;
        let mut sections = [Section { offset: HEADER_BYTES as u64, bytes: matrix_bytes as u64 }; 8];
        let mut offset = HEADER_BYTES + matrix_bytes;
        let parts: [(usize, &[u8]); 7] = [
            (NORMS, bytemuck::cast_slice(&self.norms)),
            (BOUNDS, bytemuck::cast_slice(&self.bounds)),
            (CODES, &self.codes),
            (SORTED, bytemuck::cast_slice(&sorted)),
            (ENDS, bytemuck::cast_slice(&self.ends)),
            (WORDS, self.words.as_bytes()),
            (DESCRIPTION, &description),
        ];
        for (section, bytes) in parts {
            let padding = offset.next_multiple_of(ALIGNMENT) - offset;
            self.file.write_all(&[0; ALIGNMENT][..padding])?;
            offset += padding;
            sections[section] = Section { offset: offset as u64, bytes: bytes.len() as u64 };
            self.file.write_all(bytes)?;
            offset += bytes.len();
        }
        self.file.flush().context("can't write the image")?;

        let memory = mapped::map(self.file.get_ref().as_file())?;
        let mut header = Header {
            magic: MAGIC,
            version: VERSION,
            dimension: u32::try_from(self.dimension)?,
            count: count as u64,
            body_checksum: checksum(&memory[HEADER_BYTES..]),
            sections,
            header_checksum: 0,
        };
        header.header_checksum = header.checksum();
        drop(memory);
        let file = self.file.get_mut().as_file_mut();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytemuck::bytes_of(&header))?;
        file.sync_all().context("can't write the image")?;
        let temporary = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        temporary.persist(&self.target).with_context(|| format!("can't put the image at {}", self.target.display()))?;
        Image::open(&self.target)
    }
}

/// Euclidean length of a row; summed in f64 so that large values can't overflow.
pub fn norm(row: &[f32]) -> f32 {
    row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt() as f32
}
