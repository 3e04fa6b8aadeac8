//! IDX, the format of MNIST and of what follows it: a magic number, the dimensions, then bytes; plain or gzipped.
//!
//! Source: `LeCun`, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _},
    path::Path,
};

use super::examples::{DataError, MOST_BYTES};

/// Images, `[count, height, width]`, and their height and width.
///
/// # Errors
/// When the file is not IDX of bytes in three dimensions, ends early, or holds more than it says.
pub fn read_images(path: &Path) -> Result<(Vec<u8>, [usize; 2]), DataError> {
    let (pixels, [_, height, width]) = read::<3>(path, "images")?;
    Ok((pixels, [height, width]))
}

/// Labels, `[count]`.
///
/// # Errors
/// When the file is not IDX of bytes in one dimension, ends early, or holds more than it says.
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    Ok(read::<1>(path, "labels")?.0)
}

/// What a file holds, gzip or not; what it is shows in its first bytes.
///
/// # Errors
/// When it can't be opened.
pub(super) fn contents(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let is_gzip = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    file.rewind()?;
    let file = BufReader::with_capacity(1 << 18, file);
    Ok(if is_gzip { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Bytes, type 8, in `N` dimensions.
fn read<const N: usize>(path: &Path, what: &str) -> Result<(Vec<u8>, [usize; N]), DataError> {
    let fault = |reason: String| DataError::new(path, reason);
    let early = |error: io::Error| {
        let cause = if error.kind() == io::ErrorKind::UnexpectedEof { "the file ends early".to_owned() } else { error.to_string() };
        fault(format!("is cut or damaged: {cause}"))
    };
    let mut stream = contents(path).map_err(|error| fault(format!("can't be opened: {error}")))?;
    let mut word = [0; 4];
    stream.read_exact(&mut word).map_err(early)?;
    let (found, expected) = (u32::from_be_bytes(word), 0x0800 + N as u32);
    if found != expected {
        return Err(fault(format!("begins with {found:#010x}; expected {expected:#010x}, the magic number of IDX {what}")));
    }
    let mut dimensions = [0; N];
    for dimension in &mut dimensions {
        stream.read_exact(&mut word).map_err(early)?;
        *dimension = u32::from_be_bytes(word) as usize;
    }
    let bytes = dimensions.iter().try_fold(1_u64, |product, &dimension| product.checked_mul(dimension as u64));
    let Some(bytes) = bytes.filter(|bytes| *bytes <= MOST_BYTES) else {
        return Err(fault(format!("says that it holds {dimensions:?} bytes; at most {MOST_BYTES} are read")));
    };
    let mut values = Vec::with_capacity(bytes.min(1 << 26) as usize); // a header alone must not take memory
    // One more than there should be: it tells a longer file, and makes gzip check its checksum.
    stream.take(bytes + 1).read_to_end(&mut values).map_err(early)?;
    match values.len() as u64 {
        length if length < bytes => {
            Err(fault(format!("ends after {length} of the {bytes} bytes that its header promises ({dimensions:?})")))
        }
        length if length > bytes => Err(fault(format!("holds more than the {bytes} bytes that its header promises ({dimensions:?})"))),
        _ => Ok((values, dimensions)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// Two images of 1 by 3.
    const IMAGES: [u8; 22] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn fault(bytes: &[u8]) -> String {
        let file = file(bytes);
        let error = read_images(file.path()).unwrap_err();
        assert_eq!(error.file, file.path().display().to_string());
        error.reason
    }

    #[test]
    fn images_and_labels_are_read_plain_and_gzipped() {
        let labels = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
        for pack in [gzip as fn(&[u8]) -> Vec<u8>, <[u8]>::to_vec] {
            assert_eq!(read_images(file(&pack(&IMAGES)).path()).unwrap(), (vec![1, 2, 3, 4, 5, 6], [1, 3]));
            assert_eq!(read_labels(file(&pack(&labels)).path()).unwrap(), [7, 8, 9]);
        }
    }

    #[test]
    fn every_way_of_being_damaged_is_named() {
        assert!(fault(&IMAGES[..20]).contains("ends after 4 of the 6 bytes"));
        assert!(fault(&[&IMAGES[..], &[0]].concat()).contains("holds more than the 6 bytes"));
        assert!(fault(&IMAGES[..9]).contains("ends early"));
        assert!(fault(b"").contains("ends early"));
        assert!(fault(b"PK\x03\x04").contains("begins with 0x504b0304; expected 0x00000803"));
        let labels = [0, 0, 8, 1, 0, 0, 0, 1, 7];
        assert!(fault(&labels).contains("expected 0x00000803, the magic number of IDX images"));
    }

    #[test]
    fn a_truncated_or_altered_gzip_stream_is_no_shorter_data_set() {
        let whole = gzip(&IMAGES);
        assert!(fault(&whole[..whole.len() - 9]).contains("cut or damaged"));
        assert!(fault(&whole[..whole.len() - 4]).contains("cut or damaged"), "the checksum at the end is missing");
        let mut altered = whole.clone();
        let checksum = whole.len() - 8;
        altered[checksum] ^= 1;
        assert!(fault(&altered).contains("cut or damaged"), "the checksum is another");
    }

    #[test]
    fn a_header_that_promises_the_world_takes_no_memory() {
        let mut huge = IMAGES;
        huge[4..16].fill(0xff);
        assert!(fault(&huge).contains("at most 1073741824 are read"));
        // A bomb: gigabytes of zeros in a few bytes are read only as far as the header goes.
        let bomb = gzip(&[&IMAGES[..], &vec![0; 1 << 24]].concat());
        assert!(bomb.len() < 1 << 16 && fault(&bomb).contains("holds more than the 6 bytes"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_gzip_file_altered_or_cut_anywhere_is_refused_or_the_same(place in any::<prop::sample::Index>(), bits in 1..=255_u8, cut in any::<bool>()) {
            let mut altered = gzip(&IMAGES);
            let place = place.index(altered.len());
            if cut {
                altered.truncate(place);
            } else {
                altered[place] ^= bits;
            }
            if let Ok(read) = read_images(file(&altered).path()) {
                prop_assert_eq!(read, (vec![1, 2, 3, 4, 5, 6], [1, 3]));
            }
        }

        #[test]
        fn no_bytes_crash_the_reader_and_none_hold_more_than_they_are(head in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let heads = [&b""[..], &[0, 0, 8, 3], &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1], &[0x1f, 0x8b, 8, 0]];
            let bytes = [heads[head], &bytes].concat();
            if let Ok((pixels, [height, width])) = read_images(file(&bytes).path()) {
                prop_assert!(pixels.len() <= bytes.len() * 1100, "gzip packs no more");
                prop_assert!(height * width == 0 || pixels.len() % (height * width) == 0);
            }
        }
    }
}
