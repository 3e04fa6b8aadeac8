//! Readers of the vector files that people have: `GloVe` text, word2vec text and binary, fastText `.vec`; plain, gzipped, zipped.
//!
//! A file streams through: one thread reads and unpacks, all threads parse chunks of whole rows, and the caller gets the
//! rows in the order of the file. What a header claims is never believed before its bytes are seen.
//!
//! What is left out and counted: a row whose word came before, a row whose word is empty or not valid UTF-8. All else that is wrong
//! is an error that names the file and the line.

mod binary;
mod chunks;
mod container;
mod layout;
mod text;

use std::{path::Path, sync::mpsc};

use rayon::prelude::*;

pub use container::{Selection, offered_dimensions};
use layout::Layout;

use super::builder::RowBatch;

/// Why a file of vectors can't be used: the file, where in it, and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {reason}", .row.map(|row| format!(", {} {row}", .unit)).unwrap_or_default())]
pub struct FormatError {
    /// Name of the file (and the member, when it is an archive).
    pub file: String,
    /// `line` for text, `vector` for binary files.
    pub unit: &'static str,
    /// Line of the file or number of the vector, from 1.
    pub row: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

/// Longest row, word and numbers together: beyond it a file is no file of vectors, and memory stays bounded.
const LONGEST_ROW: usize = 1 << 20;
/// Most values per vector that are taken for sensible.
const LARGEST_DIMENSION: usize = 16_384;
/// Bytes of a chunk, before it is stretched to whole rows.
const CHUNK: usize = 1 << 20;

/// Reads the vectors of `path`, handing them to `consume` in the order of the file.
///
/// `begin` is told the dimension once it is known, and makes what `consume` is then given. Returns that, at the end.
///
/// # Errors
/// [`FormatError`] for anything wrong with the file; whatever `begin` and `consume` return.
pub fn read<S: Send>(
    path: &Path,
    selection: Selection,
    begin: impl FnOnce(usize) -> anyhow::Result<S> + Send,
    consume: impl Fn(&mut S, &RowBatch) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<S> {
    container::with_stream(path, selection, |name, checksummed, stream| {
        let mut chunks = chunks::Chunks::new(stream, checksummed);
        let probe = chunks.probe().map_err(|reason| FormatError { file: name.into(), unit: "line", row: None, reason })?;
        let layout =
            Layout::recognise(probe, checksummed).map_err(|reason| FormatError { file: name.into(), unit: "line", row: None, reason })?;
        chunks.skip(layout.header_bytes());
        let consume = &consume;
        let (sender, receiver) = mpsc::sync_channel(2 * rayon::current_num_threads());
        std::thread::scope(|scope| {
            let consumer = scope.spawn(move || {
                let sink = begin(layout.dimension())?;
                Assembly { name, layout, sink, rows: 0, line: layout.header_lines() }.run(&receiver, consume)
            });
            chunks.send_all(&layout, &sender);
            drop(sender);
            consumer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Parses what arrives, many chunks at a time, and passes it on in order.
struct Assembly<'name, S> {
    name: &'name str,
    layout: Layout,
    sink: S,
    rows: u64,
    line: u64,
}

impl<S: Send> Assembly<'_, S> {
    fn run(
        mut self,
        chunks: &mpsc::Receiver<Result<Vec<u8>, String>>,
        consume: &(impl Fn(&mut S, &RowBatch) -> anyhow::Result<()> + Sync),
    ) -> anyhow::Result<S> {
        let layout = self.layout;
        let mut parsed: Vec<Parsed> = Vec::new();
        loop {
            let first = chunks.recv().ok();
            let ended = first.is_none();
            let waiting: Vec<_> = first.into_iter().chain(chunks.try_iter().take(2 * rayon::current_num_threads())).collect();
            let (appended, next) = rayon::join(
                || parsed.iter().try_for_each(|chunk| self.append(chunk, consume)),
                || waiting.into_par_iter().map(|chunk| Parsed::from(chunk, layout)).collect(),
            );
            appended?;
            parsed = next;
            if ended {
                break;
            }
        }
        layout.check_count(self.rows).map_err(|reason| self.error(None, reason))?;
        Ok(self.sink)
    }

    fn append(&mut self, chunk: &Parsed, consume: &impl Fn(&mut S, &RowBatch) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.rows += chunk.batch.rows_seen();
        if let Some((row, reason)) = &chunk.error {
            return Err(self.error(Some(self.line + row + 1), reason.clone()).into());
        }
        self.line += chunk.lines;
        consume(&mut self.sink, &chunk.batch)
    }

    fn error(&self, row: Option<u64>, reason: String) -> FormatError {
        FormatError { file: self.name.into(), unit: self.layout.unit(), row, reason }
    }
}

/// What a chunk held.
struct Parsed {
    batch: RowBatch,
    /// Lines (of text) or vectors (binary) in the chunk.
    lines: u64,
    /// How many lines before it were right, and what is wrong.
    error: Option<(u64, String)>,
}

impl Parsed {
    fn from(chunk: Result<Vec<u8>, String>, layout: Layout) -> Self {
        match (chunk, layout) {
            (Ok(bytes), Layout::Text { dimension, .. }) => text::parse(&bytes, dimension),
            (Ok(bytes), Layout::Binary { dimension, .. }) => binary::parse(&bytes, dimension),
            (Err(reason), _) => Self { batch: RowBatch::default(), lines: 0, error: Some((0, reason)) },
        }
    }
}
