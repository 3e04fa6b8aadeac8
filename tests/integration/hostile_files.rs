//! Files of word vectors that were altered on their way, or that somebody made up.

use std::{fs, io::Write as _, path::Path};

use proptest::prelude::*;
use torchboard::words::import::Import;

type Rows = Vec<(String, Vec<f32>)>;

/// What `bytes` hold as a file of vectors. Nothing is left where they hold none.
fn read(bytes: &[u8]) -> Result<Rows, String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, words) = (folder.path().join("some"), folder.path().join("words"));
    fs::write(&file, bytes).unwrap();
    fs::create_dir(&words).unwrap();
    let set = match import(&file).run(&words) {
        Ok(imported) => imported.set,
        Err(error) => {
            assert_eq!(fs::read_dir(&words).unwrap().count(), 0, "{error:#}");
            return Err(format!("{error:#}"));
        }
    };
    Ok((0..set.len()).map(|index| (set.word(index).to_owned(), set.row(index).to_vec())).collect())
}

fn import(file: &Path) -> Import {
    Import { id: "some".into(), ..Import::named_after(file, None).unwrap() }
}

/// Forty words, as word2vec's text and binary forms have them.
fn forms() -> [Vec<u8>; 2] {
    let (mut text, mut binary) = (b"40 3\n".to_vec(), b"40 3\n".to_vec());
    for row in 0..40 {
        let values = [row as f32 + 0.25, -1.5, 0.5 * row as f32];
        text.extend(format!("word{row} {} {} {}\n", values[0], values[1], values[2]).into_bytes());
        binary.extend(format!("word{row} ").into_bytes());
        values.iter().for_each(|value| binary.extend(value.to_le_bytes()));
        binary.push(b'\n');
    }
    [text, binary]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("vectors.txt", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

/// What is put into a file: what readers look for, and what they should not find.
const PIECES: [&[u8]; 12] =
    [b" ", b"\n", b"\t", b"\r", b"\0", b"-", b"1e999", b"NaN", b"99999999999999999999 ", b"\xff", b"\x1f\x8b", b"PK\x03\x04"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packed_vectors_altered_or_cut_anywhere_are_refused_or_the_same(form in 0..2_usize, zipped in any::<bool>(), place in any::<prop::sample::Index>(), bits in 1..=255_u8, cut in any::<bool>()) {
        let plain = &forms()[form];
        let mut altered = if zipped { zip(plain) } else { gzip(plain) };
        let place = place.index(altered.len());
        if cut {
            altered.truncate(place);
        } else {
            altered[place] ^= bits;
        }
        if let Ok(rows) = read(&altered) {
            prop_assert_eq!(rows, read(plain).unwrap());
        }
    }

    #[test]
    fn vectors_with_pieces_put_in_or_cut_out_hold_finite_numbers_or_none(form in 0..2_usize, edits in prop::collection::vec((any::<prop::sample::Index>(), 0..PIECES.len(), 0..40_usize), 1..5)) {
        let mut bytes = forms()[form].clone();
        for (place, piece, cut) in edits {
            let place = place.index(bytes.len());
            let end = bytes.len().min(place + cut);
            bytes.splice(place..end, PIECES[piece].iter().copied());
        }
        match read(&bytes) {
            Ok(rows) => {
                prop_assert!(rows.iter().all(|(word, values)| !word.is_empty() && values.iter().all(|value| value.is_finite())));
                prop_assert!(rows.iter().map(|(word, values)| word.len() + values.len()).sum::<usize>() <= bytes.len(), "no more than was there");
            }
            Err(reason) => prop_assert!(reason.len() > 10, "{}", reason),
        }
    }
}
