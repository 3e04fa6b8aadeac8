//! A stream of bytes cut into chunks of whole rows.

use std::{io::Read, sync::mpsc::SyncSender};

use super::{CHUNK, LONGEST_ROW, layout::Layout};

/// Reads ahead by one chunk; what does not end a row yet waits for the next.
pub struct Chunks<'stream> {
    stream: &'stream mut dyn Read,
    /// Whether the container's own checksum says that the stream is whole.
    checksummed: bool,
    buffer: Vec<u8>,
    ended: bool,
}

impl<'stream> Chunks<'stream> {
    pub fn new(stream: &'stream mut dyn Read, checksummed: bool) -> Self {
        Self { stream, checksummed, buffer: Vec::new(), ended: false }
    }

    /// The first bytes of the stream, enough to tell what it is.
    pub fn probe(&mut self) -> Result<&[u8], String> {
        self.fill()?;
        if self.buffer.is_empty() { Err("the file is empty".into()) } else { Ok(&self.buffer) }
    }

    /// Leaves out the first bytes.
    pub fn skip(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
    }

    /// Sends the rest of the stream, chunk by chunk; what is wrong goes the same way, at its place, and ends it.
    pub fn send_all(mut self, layout: &Layout, sender: &SyncSender<Result<Vec<u8>, String>>) {
        loop {
            let chunk = self.next(layout);
            let last = matches!(chunk, Ok(None) | Err(_));
            let Some(message) = chunk.transpose() else { return };
            // The receiver hangs up when it has met an error: nothing more is wanted then.
            if sender.send(message).is_err() || last {
                return;
            }
        }
    }

    fn next(&mut self, layout: &Layout) -> Result<Option<Vec<u8>>, String> {
        loop {
            let whole = layout.whole_rows(&self.buffer);
            if whole > 0 {
                let rest = self.buffer[whole..].to_vec();
                let mut chunk = std::mem::replace(&mut self.buffer, rest);
                chunk.truncate(whole);
                return Ok(Some(chunk));
            }
            if self.ended {
                return if self.buffer.is_empty() { Ok(None) } else { layout.last_row(std::mem::take(&mut self.buffer), self.checksummed) };
            }
            if self.buffer.len() > LONGEST_ROW + CHUNK {
                return Err(format!("it is longer than {LONGEST_ROW} bytes: this is no file of vectors"));
            }
            self.fill()?;
        }
    }

    /// Reads one more chunk.
    fn fill(&mut self) -> Result<(), String> {
        let read = (&mut *self.stream).take(CHUNK as u64).read_to_end(&mut self.buffer);
        match read {
            Ok(count) => self.ended = count < CHUNK,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err("the compressed file is cut".into()),
            Err(error) => return Err(format!("can't read on: {error}")),
        }
        Ok(())
    }
}
