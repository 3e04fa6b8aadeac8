//! The one audited place that maps files into memory.
#![allow(unsafe_code)]

use std::{fs::File, io};

use memmap2::{Mmap, MmapMut};

/// Maps all of `file` for reading, shared with every other process that maps it.
///
/// Call it with a finished image only: a file that this program wrote under a temporary name and then renamed into place.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a mapping is unsound when its bytes change or vanish beneath the references into it. Our images are written
    // under a temporary name, renamed into place and never written to again: a newer image is another file under the
    // same name, and the mapping keeps the old one alive. No part of this program opens an image for writing. Whoever
    // truncates a file inside our data folder by hand ends the process (SIGBUS), as with any mapped file.
    unsafe { Mmap::map(file) }
}

/// `bytes` in an anonymous, read-only mapping: what stands in for a file where none can be written.
pub fn anonymous(bytes: &[u8]) -> io::Result<Mmap> {
    let mut map = MmapMut::map_anon(bytes.len())?;
    map.copy_from_slice(bytes);
    map.make_read_only()
}
