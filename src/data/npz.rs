//! `MedMNIST`'s `.npz`: a zip archive of six arrays in `NumPy`'s format.
//!
//! Only arrays of bytes are read. Nothing in a file is ever executed: an array of Python objects, which `NumPy` would unpickle, is refused.
//!
//! Source: `NumPy`, NEP 1, "A Simple File Format for `NumPy` Arrays".

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use zip::ZipArchive;

use super::examples::{DataError, Examples, MOST_BYTES, Split};

/// The images and labels of one split.
///
/// # Errors
/// When the file is no such archive: a member is missing, damaged, of another type or shape, or one that does not belong there.
pub fn read(path: &Path, split: Split, classes: usize) -> Result<Examples, DataError> {
    let fault = |reason: String| DataError::new(path, reason);
    let file = File::open(path).map_err(|error| fault(format!("can't be opened: {error}")))?;
    let archive = ZipArchive::new(BufReader::with_capacity(1 << 18, file));
    let mut archive = archive.map_err(|error| fault(format!("is not a whole zip archive: {error}")))?;
    let stranger = archive.file_names_raw().find(|name| MEMBERS.iter().all(|member| member.as_bytes() != *name));
    if let Some(stranger) = stranger {
        let stranger = String::from_utf8_lossy(stranger);
        return Err(fault(format!("holds {stranger:?}; expected {} and nothing else", MEMBERS.join(", "))));
    }
    let [images, labels] = members(split);
    let (pixels, shape) = array(&mut archive, images).map_err(fault)?;
    let shape = match shape[..] {
        [_, height, width] => [height, width, 1],
        [_, height, width, channels @ (1 | 3)] => [height, width, channels],
        _ => return Err(fault(format!("{images} has the shape {shape:?}; expected [count, height, width] or [count, height, width, 3]"))),
    };
    let (labels_values, labels_shape) = array(&mut archive, labels).map_err(fault)?;
    if !matches!(labels_shape[..], [_] | [_, 1]) {
        return Err(fault(format!("{labels} has the shape {labels_shape:?}; expected [count, 1]")));
    }
    Examples::new(path, pixels, labels_values, shape, classes)
}

/// What such a file holds.
const MEMBERS: [&str; 6] =
    ["train_images.npy", "train_labels.npy", "val_images.npy", "val_labels.npy", "test_images.npy", "test_labels.npy"];

/// Names of the images and of the labels.
fn members(split: Split) -> [&'static str; 2] {
    let first = match split {
        Split::Train => 0,
        Split::Validation => 2,
        Split::Test => 4,
    };
    [MEMBERS[first], MEMBERS[first + 1]]
}

/// An array of bytes and its shape; the error is a sentence on the member.
fn array<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str) -> Result<(Vec<u8>, Vec<usize>), String> {
    let mut member = archive.by_name(name).map_err(|error| format!("{name} can't be read: {error}"))?;
    let shape = header(&mut member).map_err(|reason| format!("{name} {reason}"))?;
    let bytes = shape.iter().try_fold(1_u64, |product, &dimension| product.checked_mul(dimension as u64));
    let bytes = bytes.filter(|bytes| *bytes <= MOST_BYTES);
    let bytes = bytes.ok_or_else(|| format!("{name} says that it holds {shape:?} bytes; at most {MOST_BYTES} are read"))?;
    let mut values = Vec::with_capacity(bytes.min(1 << 26) as usize); // a header alone must not take memory
    // One more than there should be: it tells a longer member, and makes zip check its checksum.
    member.take(bytes + 1).read_to_end(&mut values).map_err(|error| format!("{name} is cut or damaged: {error}"))?;
    if values.len() as u64 != bytes {
        let held = if values.len() as u64 > bytes { "more".to_owned() } else { values.len().to_string() };
        return Err(format!("{name} holds {held} bytes; its shape {shape:?} asks for {bytes}"));
    }
    Ok((values, shape))
}

/// Reads up to the values, and returns the shape of the array.
fn header(member: &mut impl Read) -> Result<Vec<usize>, String> {
    const LONGEST: usize = 1 << 16;
    let cut = |error: std::io::Error| format!("is cut or damaged: {error}");
    let mut start = [0; 8];
    member.read_exact(&mut start).map_err(cut)?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("is no NumPy array: its first bytes are not those of the format".to_owned());
    }
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            member.read_exact(&mut length).map_err(cut)?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            member.read_exact(&mut length).map_err(cut)?;
            u32::from_le_bytes(length) as usize
        }
        other => return Err(format!("has version {other} of the format; expected 1, 2 or 3")),
    };
    if length > LONGEST {
        return Err(format!("has a header of {length} bytes; expected at most {LONGEST}"));
    }
    let mut text = vec![0; length];
    member.read_exact(&mut text).map_err(cut)?;
    let text = String::from_utf8(text).map_err(|_| "has a header that is no text".to_owned())?;
    shape(&text)
}

/// The shape in a header such as `{'descr': '|u1', 'fortran_order': False, 'shape': (7007, 28, 28, 3), }`.
///
/// The format promises a literal with these three keys, the keys sorted, as `NumPy` writes them; nothing else is understood.
fn shape(header: &str) -> Result<Vec<usize>, String> {
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let (Some(kind), Some(order), Some(shape)) = (value("descr"), value("fortran_order"), value("shape")) else {
        return Err(format!("has a header that can't be understood: {:?}", header.trim()));
    };
    let kind = kind.split_once("'fortran_order'").map_or(kind, |(kind, _)| kind).trim_end_matches([',', ' ']);
    if kind.contains('O') {
        return Err("holds Python objects, which only unpickling could read; that is never done. Expected bytes ('|u1')".to_owned());
    }
    if kind != "'|u1'" {
        return Err(format!("holds values of the type {kind}; expected bytes ('|u1')"));
    }
    match order.split_once(',').map(|(order, _)| order.trim()) {
        Some("False") => {}
        Some("True") => {
            return Err("is stored column by column (Fortran order); expected C order, as numpy.ascontiguousarray gives".to_owned());
        }
        _ => return Err(format!("has a header that can't be understood: {:?}", header.trim())),
    }
    let dimensions = shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(dimensions, _)| dimensions);
    let parsed = dimensions.and_then(|text| {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>()
    });
    parsed.ok_or_else(|| format!("has a shape that can't be understood: {:?}", header.trim()))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use proptest::prelude::*;
    use zip::{CompressionMethod, write::SimpleFileOptions};

    use super::*;

    /// An array as `NumPy` writes it, format 1.0.
    fn npy(descr: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
        let padding = 64 - (10 + header.len() + 1) % 64;
        let header = format!("{header}{}\n", " ".repeat(padding));
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
    }

    fn archive(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Two coloured images of 1 by 2 in each split, with `replaced` in place of the member of the same name.
    fn with(replaced: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
        let images = |from: u8| npy("'|u1'", "False", "(2, 1, 2, 3)", &(from..from + 12).collect::<Vec<_>>());
        let labels = npy("'|u1'", "False", "(2, 1)", &[1, 0]);
        let mut members = vec![
            ("train_images.npy", images(0)),
            ("train_labels.npy", labels.clone()),
            ("val_images.npy", images(20)),
            ("val_labels.npy", labels.clone()),
            ("test_images.npy", images(40)),
            ("test_labels.npy", labels),
        ];
        for (name, bytes) in replaced {
            members.retain(|(other, _)| other != name);
            members.push((*name, bytes.clone()));
        }
        archive(&members, CompressionMethod::Deflated)
    }

    fn try_read(bytes: &[u8], split: Split) -> Result<Examples, DataError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let read = read(file.path(), split, 2);
        assert!(read.as_ref().err().is_none_or(|error| error.file == file.path().display().to_string()));
        read
    }

    fn fault(replaced: &[(&'static str, Vec<u8>)]) -> String {
        try_read(&with(replaced), Split::Train).unwrap_err().reason
    }

    #[test]
    fn each_split_has_its_own_images() {
        for (split, first) in [(Split::Train, 0), (Split::Validation, 20), (Split::Test, 40)] {
            let examples = try_read(&with(&[]), split).unwrap();
            assert_eq!((examples.shape(), examples.labels()), ([1, 2, 3], &[1, 0][..]));
            assert_eq!(examples.image(1).unwrap()[0], first + 6);
        }
        let grey = npy("'|u1'", "False", "(2, 1, 2)", &[9, 8, 7, 6]);
        assert_eq!(try_read(&with(&[("train_images.npy", grey)]), Split::Train).unwrap().shape(), [1, 2, 1]);
    }

    #[test]
    fn pickles_and_strangers_are_never_opened() {
        let pickle = npy("'|O'", "False", "(2, 1)", b"\x80\x03cos\nsystem\n.");
        assert!(fault(&[("train_labels.npy", pickle)]).contains("train_labels.npy holds Python objects"));
        assert!(fault(&[("../../evil.npy", Vec::new())]).contains("holds \"../../evil.npy\"; expected train_images.npy"));
        let structured = npy("[('a', '|O'), ('b', '<i8')]", "False", "(2, 1)", &[0; 32]);
        assert!(fault(&[("train_labels.npy", structured)]).contains("Python objects"));
    }

    #[test]
    fn other_types_orders_and_shapes_are_named() {
        assert!(fault(&[("train_labels.npy", npy("'<i8'", "False", "(2, 1)", &[0; 16]))]).contains("type '<i8'; expected bytes"));
        assert!(fault(&[("train_images.npy", npy("'|u1'", "True", "(2, 1, 2, 3)", &[0; 12]))]).contains("Fortran order"));
        assert!(fault(&[("train_images.npy", npy("'|u1'", "False", "(2, 6)", &[0; 12]))]).contains("has the shape [2, 6]; expected"));
        assert!(fault(&[("train_images.npy", npy("'|u1'", "False", "(2, 1, 3, 2)", &[0; 12]))]).contains("has the shape [2, 1, 3, 2]"));
        assert!(fault(&[("train_labels.npy", npy("'|u1'", "False", "(1, 2)", &[0, 0]))]).contains("expected [count, 1]"));
        assert!(fault(&[("train_labels.npy", npy("'|u1'", "False", "(3, 1)", &[0; 3]))]).contains("has 2 images and 3 labels"));
        assert!(fault(&[("train_labels.npy", npy("'|u1'", "False", "(2, 1)", &[0, 2]))]).contains("label 1 is 2; expected 0 to 1"));
        assert!(fault(&[("train_images.npy", b"hello, world".to_vec())]).contains("is no NumPy array"));
        assert!(fault(&[("train_images.npy", npy("'|u1'", "Perhaps", "(2, -1)", &[]))]).contains("can't be understood"));
    }

    #[test]
    fn shapes_and_values_must_agree_and_bombs_stay_small() {
        assert!(fault(&[("train_images.npy", npy("'|u1'", "False", "(2, 1, 2, 3)", &[0; 11]))]).contains("holds 11 bytes"));
        assert!(fault(&[("train_images.npy", npy("'|u1'", "False", "(2, 1, 2, 3)", &vec![0; 1 << 20]))]).contains("holds more bytes"));
        let huge = npy("'|u1'", "False", "(4294967295, 4294967295, 4294967295, 3)", &[]);
        assert!(fault(&[("train_images.npy", huge)]).contains("at most 1073741824 are read"));
        let long = [b"\x93NUMPY\x02\x00".to_vec(), u32::MAX.to_le_bytes().to_vec()].concat();
        assert!(fault(&[("train_images.npy", long)]).contains("a header of 4294967295 bytes"));
    }

    #[test]
    fn a_damaged_or_incomplete_archive_is_named() {
        let whole = with(&[]);
        assert!(try_read(&whole[..whole.len() / 2], Split::Train).unwrap_err().reason.contains("not a whole zip archive"));
        assert!(try_read(b"", Split::Test).is_err());
        let images = ("train_images.npy", npy("'|u1'", "False", "(1, 1, 4)", &[0x5a; 4]));
        let alone = archive(std::slice::from_ref(&images), CompressionMethod::Deflated);
        assert!(try_read(&alone, Split::Train).unwrap_err().reason.contains("train_labels.npy can't be read"));
        // One flipped bit among the values: zip's checksum tells.
        let labels = ("train_labels.npy", npy("'|u1'", "False", "(1, 1)", &[0]));
        let mut flipped = archive(&[images, labels], CompressionMethod::Stored);
        assert!(try_read(&flipped, Split::Train).is_ok());
        let place = flipped.windows(4).position(|window| window == [0x5a; 4]).unwrap();
        flipped[place] ^= 1;
        assert!(try_read(&flipped, Split::Train).unwrap_err().reason.contains("is cut or damaged"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_archive_altered_or_cut_anywhere_is_refused_or_the_same(place in any::<prop::sample::Index>(), bits in 1..=255_u8, cut in any::<bool>()) {
            let whole = with(&[]);
            let mut altered = whole.clone();
            let place = place.index(altered.len());
            if cut {
                altered.truncate(place);
            } else {
                altered[place] ^= bits;
            }
            for split in Split::ALL {
                match try_read(&altered, split) {
                    Ok(read) => prop_assert!(read == try_read(&whole, split).unwrap()),
                    Err(error) => prop_assert!(!error.reason.is_empty()),
                }
            }
        }

        #[test]
        fn no_header_of_an_array_crashes_the_reader(header in "[(){}',: a-z0-9|<-]{0,80}", values in prop::collection::vec(any::<u8>(), 0..16)) {
            let array = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat();
            prop_assert!(try_read(&with(&[("train_images.npy", array)]), Split::Train).is_err(), "{}", header);
        }

        #[test]
        fn no_shape_crashes_the_reader(shape in prop::collection::vec(prop_oneof![0..4_usize, Just(usize::MAX), Just(1 << 32)], 0..6), values in prop::collection::vec(any::<u8>(), 0..40)) {
            let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
            let array = npy("'|u1'", "False", &format!("({sides})"), &values);
            if let Ok(read) = try_read(&with(&[("train_images.npy", array)]), Split::Train) {
                prop_assert_eq!(read.pixels(), &values[..]);
            }
        }
    }
}
