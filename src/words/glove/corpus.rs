//! Corpora, plain or gzipped, as a stream of lines.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;

use crate::{
    data::checksum::sha256,
    error::{AppError, AppResult},
};

/// Calls `take` with each line of `path` and with how many bytes of the file were read by then; `take` returns false to stop.
/// Returns the SHA-256 of the whole file, in hexadecimal, or none when it was stopped.
///
/// # Errors
/// [`AppError::Invalid`] naming `corpus`: a missing file, a folder, one that isn't text in UTF-8, a cut or damaged gzip.
pub fn for_each_line(path: &Path, mut take: impl FnMut(&str, u64) -> AppResult<bool>) -> AppResult<Option<String>> {
    let invalid = |cause: &anyhow::Error| AppError::invalid("corpus", format!("{}: {cause:#}", path.display()));
    let position = Arc::new(AtomicU64::new(0));
    let mut lines = open(path, &position).map_err(|cause| invalid(&cause))?;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).context(DAMAGED).map_err(|cause| invalid(&cause))?;
        if length == 0 {
            break;
        }
        if length as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            // Not the end of the line: give back what may be part of a word, so that no token is cut in two.
            complete_token(&mut lines, &mut line).context(DAMAGED).map_err(|cause| invalid(&cause))?;
        }
        let text = std::str::from_utf8(&line).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| AppError::invalid("corpus", format!("{}: line {number} is not text in UTF-8", path.display())))?;
        if !take(text, position.load(Ordering::Relaxed))? {
            return Ok(None);
        }
    }
    sha256(path).map(Some).map_err(|cause| invalid(&cause.into()))
}

/// Text without line ends is handed on in pieces of about this many bytes.
const LONGEST_LINE: u64 = 1 << 20;
const DAMAGED: &str = "can't be read to its end; the file is cut or damaged";

fn complete_token(lines: &mut impl Read, line: &mut Vec<u8>) -> std::io::Result<()> {
    let mut byte = [0];
    while lines.read(&mut byte)? == 1 {
        line.push(byte[0]);
        if byte[0].is_ascii_whitespace() || line.len() as u64 > 2 * LONGEST_LINE {
            break;
        }
    }
    Ok(())
}

fn open(path: &Path, position: &Arc<AtomicU64>) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let mut file = File::open(path).context("can't be opened")?;
    if !file.metadata()?.is_file() {
        bail!("is no file");
    }
    let mut start = Vec::new();
    (&mut file).take(2).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    let counted = Counted { file, position: Arc::clone(position) };
    let plain: Box<dyn Read> =
        if start == GZIP_MAGIC { Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted))) } else { Box::new(counted) };
    Ok(BufReader::with_capacity(1 << 18, plain))
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file that says how far it has been read, through whatever reads it.
struct Counted {
    file: File,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.position.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_longer_than_the_buffer_loses_no_token() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let words = 400_000;
        file.write_all("abcdé ".repeat(words).as_bytes()).unwrap();
        let mut found = 0;
        for_each_line(file.path(), |line, _| {
            found += line.split_whitespace().filter(|word| *word == "abcdé").count();
            Ok(true)
        })
        .unwrap();
        assert_eq!(found, words);
    }
}
