//! Trained vectors as files.

use std::{fmt::Write as _, io::Write as _, path::Path};

use rayon::prelude::*;

use super::Trained;
use crate::{data::write_whole, error::AppResult};

/// Writes the vectors in `GloVe`'s text format: a word and its values to a line, in the shortest digits that give the same bits again.
/// The file appears whole or not at all.
///
/// # Errors
/// What the disk says.
pub fn write_text(trained: &Trained, path: &Path) -> AppResult<()> {
    write_whole(path, |file| {
        for (words, vectors) in trained.words.chunks(LINES).zip(trained.vectors.chunks(LINES)) {
            let lines: Vec<String> = words.par_iter().zip(vectors).map(|(word, vector)| line(word, vector)).collect();
            file.write_all(lines.concat().as_bytes())?;
        }
        Ok(())
    })
}

const LINES: usize = 4096;

fn line(word: &str, vector: &[f32]) -> String {
    let mut line = String::with_capacity(word.len() + 12 * vector.len());
    line.push_str(word);
    for value in vector {
        // Writing to a string can't fail.
        let _ = write!(line, " {value}");
    }
    line.push('\n');
    line
}
