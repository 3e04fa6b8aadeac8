//! Checksums of the kinds that publishers print.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use md5::Md5;
use sha2::{Digest, Sha256};

/// A checksum in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256.
    Sha256(String),
    /// MD5: tells a damaged file from a whole one, though not one that somebody made to look like it. Only where a publisher has no other.
    Md5(String),
}

impl Checksum {
    /// The checksum, of the same kind, of all that `reader` gives.
    ///
    /// # Errors
    /// When it can't be read to its end.
    pub fn of(&self, reader: &mut dyn Read) -> io::Result<Self> {
        match self {
            Self::Sha256(_) => digest::<Sha256>(reader).map(Self::Sha256),
            Self::Md5(_) => digest::<Md5>(reader).map(Self::Md5),
        }
    }

    /// The checksum, of the same kind, of a file.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of_file(&self, path: &Path) -> io::Result<Self> {
        self.of(&mut File::open(path)?)
    }

    /// `SHA-256` or `MD5`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Md5(_) => "MD5",
        }
    }

    /// The digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        let (Self::Sha256(hex) | Self::Md5(hex)) = self;
        hex
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind(), self.hex())
    }
}

/// SHA-256 of a file, lower-case hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    digest::<Sha256>(&mut File::open(path)?)
}

fn digest<D: Digest>(reader: &mut dyn Read) -> io::Result<String> {
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors for "abc" of FIPS 180-2 and RFC 1321.
    #[test]
    fn both_kinds_are_those_of_the_standards() {
        let of = |kind: Checksum| kind.of(&mut &b"abc"[..]).unwrap();
        assert_eq!(of(Checksum::Sha256(String::new())).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(of(Checksum::Md5(String::new())).to_string(), "MD5 900150983cd24fb0d6963f7d28e17f72");
    }
}
