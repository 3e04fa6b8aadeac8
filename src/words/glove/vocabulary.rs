//! The words of a corpus, most frequent first, and the corpus as a stream of word numbers.

use std::{
    collections::HashMap,
    fs::File,
    hash::BuildHasherDefault,
    io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use xxhash_rust::xxh3::Xxh3Default;

use super::{corpus, tokeniser::tokenise};
use crate::error::{AppError, AppResult};

/// A corpus, read once: its vocabulary, and its tokens in a temporary file.
#[derive(Debug)]
pub struct Vocabulary {
    /// Most frequent first; equally frequent ones in the order in which they first appear.
    pub words: Vec<String>,
    /// How often each of [`Self::words`] appears.
    pub counts: Vec<u64>,
    /// All tokens, words left out included.
    pub tokens: u64,
    /// SHA-256 of each file.
    pub checksums: Vec<String>,
    /// Where each word stands by first appearance; [`LEFT_OUT`] for those that are no part of the vocabulary.
    ranks: Vec<u32>,
    spool: File,
}

const LEFT_OUT: u32 = u32::MAX;

impl Vocabulary {
    /// Reads the files; `progress` hears how many bytes are read and returns false to stop, which gives none.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when a file can't be read as text or fewer than two words remain; otherwise what the disk says.
    pub fn count(files: &[PathBuf], minimum_count: u64, limit: usize, mut progress: impl FnMut(u64) -> bool) -> AppResult<Option<Self>> {
        let mut numbers: HashMap<String, u32, BuildHasherDefault<Xxh3Default>> = HashMap::default();
        let mut counts: Vec<u64> = Vec::new();
        let mut spool = BufWriter::with_capacity(1 << 18, tempfile::tempfile().context("can't make a temporary file")?);
        let (mut tokens, mut bytes, mut checksums, mut buffer) = (0, 0, Vec::new(), String::new());
        let mut last_told = 0;
        for file in files {
            let checksum = corpus::for_each_line(file, |line, read| {
                let mut written = Ok(());
                tokenise(line, &mut buffer, |token| {
                    let number = if let Some(&number) = numbers.get(token) {
                        number
                    } else {
                        let number = counts.len() as u32;
                        numbers.insert(token.to_owned(), number);
                        counts.push(0);
                        number
                    };
                    counts[number as usize] += 1;
                    tokens += 1;
                    if written.is_ok() {
                        written = spool.write_all(&number.to_le_bytes());
                    }
                });
                written.context(SPOOL)?;
                if counts.len() >= LEFT_OUT as usize / 2 {
                    return Err(AppError::invalid("corpus", "it has more than two thousand million different words"));
                }
                if bytes + read > last_told + TELL_EVERY {
                    last_told = bytes + read;
                    return Ok(progress(last_told));
                }
                Ok(true)
            })?;
            let Some(checksum) = checksum else { return Ok(None) };
            checksums.push(checksum);
            bytes += std::fs::metadata(file)?.len();
        }
        let mut words = vec![String::new(); counts.len()];
        for (word, number) in numbers {
            words[number as usize] = word;
        }
        let mut order: Vec<usize> = (0..counts.len()).filter(|&number| counts[number] >= minimum_count).collect();
        order.sort_by_key(|&number| (std::cmp::Reverse(counts[number]), number));
        order.truncate(limit);
        if order.len() < 2 {
            let reason = format!(
                "{tokens} tokens hold {} words that appear {minimum_count} times or more; training needs two at least",
                order.len()
            );
            return Err(AppError::invalid(if tokens == 0 { "corpus" } else { "minimum_count" }, reason));
        }
        let mut ranks = vec![LEFT_OUT; counts.len()];
        for (rank, &number) in order.iter().enumerate() {
            ranks[number] = rank as u32;
        }
        let words = order.iter().map(|&number| std::mem::take(&mut words[number])).collect();
        let counts = order.iter().map(|&number| counts[number]).collect();
        let spool = spool.into_inner().map_err(std::io::IntoInnerError::into_error).context(SPOOL)?;
        Ok(Some(Self { words, counts, tokens, checksums, ranks, spool }))
    }

    /// The corpus again, as ranks of words in order; words left out are passed over, so that their neighbours move together.
    /// `take` gets pieces of at most `length` tokens.
    ///
    /// # Errors
    /// What the disk or `take` says.
    pub fn for_each_piece(&mut self, length: usize, mut take: impl FnMut(Vec<u32>) -> AppResult<bool>) -> AppResult<()> {
        self.spool.seek(SeekFrom::Start(0)).context(SPOOL)?;
        let mut reader = BufReader::with_capacity(1 << 18, &self.spool);
        let mut piece = Vec::new();
        let mut bytes = vec![0; 1 << 16];
        for start in (0..self.tokens).step_by(bytes.len() / 4) {
            let tokens = (self.tokens - start).min(bytes.len() as u64 / 4) as usize;
            reader.read_exact(&mut bytes[..tokens * 4]).context(SPOOL)?;
            for number in bytes[..tokens * 4].chunks_exact(4) {
                let rank = self.ranks[u32::from_le_bytes([number[0], number[1], number[2], number[3]]) as usize];
                if rank != LEFT_OUT {
                    piece.push(rank);
                    if piece.len() == length && !take(std::mem::take(&mut piece))? {
                        return Ok(());
                    }
                }
            }
        }
        if !piece.is_empty() {
            take(piece)?;
        }
        Ok(())
    }
}

const SPOOL: &str = "can't keep the tokens in a temporary file";
const TELL_EVERY: u64 = 1 << 18;
