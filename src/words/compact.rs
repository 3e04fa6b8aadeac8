//! The compact file that vectors ship in: eight-bit codes, a scale per row, the words, checked.
//!
//! ```text
//! magic "TBCOMPCT", version u32, bytes of the description u32, checksum of what follows u64
//! description  JSON: `Description`, dimension, count
//! scales       [count] f32, little-endian
//! codes        [count, dimension] i8: a value is scale * code
//! words        UTF-8, separated by line ends
//! ```

use std::path::Path;

use anyhow::{Context as _, ensure};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    VectorSet,
    image::{Description, ImageWriter},
};

const MAGIC: &[u8; 8] = b"TBCOMPCT";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;

#[derive(serde::Serialize, serde::Deserialize)]
struct Contents {
    #[serde(flatten)]
    description: Description,
    dimension: usize,
    count: usize,
}

/// The first `limit` words of a set as a compact file. Each value is off by at most half of a 127th of its row's largest.
///
/// # Errors
/// When a word contains a line end, which the format can't hold.
pub fn encode(set: &VectorSet, description: Description, limit: usize) -> anyhow::Result<Vec<u8>> {
    let count = set.len().min(limit);
    let dimension = set.dimension();
    let contents = serde_json::to_vec(&Contents { description, dimension, count })?;
    let mut body = contents.clone();
    let mut codes = Vec::with_capacity(count * dimension);
    for index in 0..count {
        let row = set.row(index);
        let scale = row.iter().fold(0_f32, |largest, value| largest.max(value.abs())) / 127.0;
        body.extend_from_slice(&scale.to_le_bytes());
        codes.extend(row.iter().map(|value| if scale > 0.0 { (value / scale).round() as i8 } else { 0 }.to_le_bytes()[0]));
    }
    body.append(&mut codes);
    for index in 0..count {
        let word = set.word(index);
        ensure!(!word.contains('\n'), "the word {word:?} has a line end in it");
        body.extend_from_slice(word.as_bytes());
        body.push(b'\n');
    }
    let mut file = Vec::with_capacity(HEADER_BYTES + body.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&u32::try_from(contents.len())?.to_le_bytes());
    file.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    file.append(&mut body);
    Ok(file)
}

/// Unpacks a compact file into an image at `target`.
///
/// # Errors
/// When the file is not one, of another version or damaged, or nothing can be written.
pub fn unpack(file: &[u8], target: &Path) -> anyhow::Result<VectorSet> {
    let (contents, body) = check(file)?;
    let Contents { description, dimension, count } = contents;
    let scales_end = count.checked_mul(4).context("is damaged")?;
    let codes_end = count.checked_mul(dimension).and_then(|codes| codes.checked_add(scales_end)).context("is damaged")?;
    ensure!(count > 0 && dimension > 0 && codes_end <= body.len(), "is damaged");
    let mut words = std::str::from_utf8(&body[codes_end..]).context("is damaged")?.lines();
    let mut writer = ImageWriter::create(target, dimension)?;
    let mut row = vec![0_f32; dimension];
    for (scale, codes) in body[..scales_end].chunks_exact(4).zip(body[scales_end..codes_end].chunks_exact(dimension)) {
        let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (value, &code) in row.iter_mut().zip(codes) {
            *value = scale * f32::from(code.cast_signed());
        }
        writer.push(words.next().context("is damaged")?, &row)?;
    }
    writer.finish(description).map(VectorSet::from)
}

/// What a compact file says of itself.
///
/// # Errors
/// When it is not one, of another version, or damaged.
pub fn description(file: &[u8]) -> anyhow::Result<Description> {
    Ok(check(file)?.0.description)
}

fn check(file: &[u8]) -> anyhow::Result<(Contents, &[u8])> {
    let header = file.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC)).context("is no compact vector file")?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    ensure!(number(8) == VERSION, "has version {}, this program reads version {VERSION}", number(8));
    let body = &file[HEADER_BYTES..];
    ensure!(header[16..24] == xxh3_64(body).to_le_bytes(), "has changed since it was written");
    let (contents, body) = body.split_at_checked(number(12) as usize).context("is damaged")?;
    Ok((serde_json::from_slice(contents).context("is damaged")?, body))
}
