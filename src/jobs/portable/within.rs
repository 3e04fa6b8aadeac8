//! Runs as one file in memory, which holds only so much.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use super::export;
use crate::{
    error::AppResult,
    store::{Run, Store, Study},
};

/// What [`export`] writes of all that there is, if that is at most `most` bytes; `None` if it is more, which is found out without holding it.
///
/// # Errors
/// As [`export`].
pub fn export_within(store: &Store, study: Option<&Study>, runs: &[Run], most: u64) -> AppResult<Option<Vec<u8>>> {
    let mut output = Bounded { file: Cursor::new(Vec::new()), most, is_full: false };
    let outcome = export(store, study, runs, true, &mut output);
    if output.is_full {
        return Ok(None); // that is why it failed
    }
    outcome?;
    Ok(Some(output.file.into_inner()))
}

/// Memory for so many bytes. What would be more is refused once; what is written after that is dropped, so that whoever writes comes to an end.
struct Bounded {
    file: Cursor<Vec<u8>>,
    most: u64,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.file.position() + bytes.len() as u64;
        if self.is_full {
            self.file.set_position(end);
            return Ok(bytes.len());
        }
        if end > self.most {
            self.is_full = true;
            return Err(io::Error::other("the file is larger than it may be"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
