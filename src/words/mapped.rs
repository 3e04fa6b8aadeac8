//! The one place that maps files into memory, and so the one place with `unsafe`.
#![allow(unsafe_code)]

use std::{fs::File, io};

use memmap2::{Mmap, MmapMut, MmapOptions};

/// Maps a whole file, read-only and shared with every other process that maps it.
///
/// # Errors
/// What the operating system says, such as an empty file.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a mapping is sound while nobody changes or shortens the file under it. Only images are mapped: they are
    // written under a temporary name, renamed into place when whole, and never opened for writing again; an image is
    // replaced by renaming another over it, which leaves this mapping on the old file. Their checksum is verified
    // through this very mapping before any of it is used.
    unsafe { MmapOptions::new().populate().map(file) }
}

/// Read-only anonymous memory that holds `bytes`: what stands in for a file where none can be written.
///
/// # Errors
/// When there is no memory left.
pub fn anonymous(bytes: &[u8]) -> io::Result<Mmap> {
    let mut memory = MmapMut::map_anon(bytes.len())?;
    memory.copy_from_slice(bytes);
    memory.make_read_only()
}
