//! Files of vectors, good and bad, to images and back.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use proptest::prelude::*;
use torchboard::{
    config::Settings,
    error::AppError,
    models::DeviceChoice,
    words::{
        Library, SetInfo, SetState, VectorSet, compact,
        import::{self, Import},
    },
};

/// Three words as `GloVe`'s text has them.
const GLOVE: &str = "king 0.5 -1.25 3\nqueen 0.25 1e-3 -7\nman 1 2 3.125\n";

#[test]
fn every_format_gives_the_same_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let expected = [("king", [0.5, -1.25, 3.0]), ("queen", [0.25, 1e-3, -7.0]), ("man", [1.0, 2.0, 3.125])];
    let headed = format!("3 3\n{GLOVE}");
    let trailing = headed.replace('\n', " \n");
    let mut binary = b"3 3\n".to_vec();
    let mut binary_with_line_ends = binary.clone();
    for (word, values) in expected {
        for file in [&mut binary, &mut binary_with_line_ends] {
            file.extend(word.bytes().chain([b' ']));
            values.iter().for_each(|value: &f32| file.extend(value.to_le_bytes()));
        }
        binary_with_line_ends.push(b'\n');
    }
    let files: [(&str, Vec<u8>); 11] = [
        ("plain.txt", GLOVE.into()),
        ("marked.txt", format!("\u{feff}{GLOVE}").into()),
        ("windows.txt", GLOVE.replace('\n', "\r\n").into()),
        ("tabs.txt", GLOVE.replace(' ', "\t").into()),
        ("word2vec.txt", headed.clone().into()),
        ("fasttext.vec", trailing.into()),
        ("word2vec.bin", binary.clone()),
        ("line-ends.bin", binary_with_line_ends),
        ("text.gz", gzip(GLOVE.as_bytes())),
        ("binary.bin.gz", gzip(&binary)),
        ("archive.zip", zip(&[("vectors.txt", headed.as_bytes())])),
    ];
    for (name, bytes) in files {
        let set = load(folder.path(), name, &bytes).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(rows(&set), expected.map(|(word, values)| (word.to_owned(), values.to_vec())), "{name}");
        for (index, (word, values)) in expected.iter().enumerate() {
            assert_eq!(set.index_of(word), Some(index), "{name}");
            let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
            assert!((set.norm(index) - norm).abs() < 1e-6, "{name}");
        }
        assert_eq!(set.index_of("woman"), None);
    }
}

#[test]
fn what_is_wrong_is_said_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(3 << 20);
    let cases: [(&str, Vec<u8>, &str); 22] = [
        ("short.txt", "a 1 2 3\nb 1 2\nc 1 2 3\n".into(), "short.txt, line 2: the row has 2 values, expected 3"),
        ("long.txt", "a 1 2 3\nb 1 2 3 4\nc 1 2 3\n".into(), "long.txt, line 2: the row has 4 values, expected 3"),
        ("nan.txt", "a 1 2\nb NaN 2\n".into(), "nan.txt, line 2: value 1 of the vector is NaN"),
        ("infinite.txt", "a 1 2\nb 1 -inf\n".into(), "infinite.txt, line 2: value 2 of the vector is -inf"),
        ("overflow.txt", "a 1 2\nb 1 1e39\n".into(), "overflow.txt, line 2: value 2 of the vector is inf"),
        ("enormous.txt", "a 1 2\nb 3e38 3e38\n".into(), "enormous.txt, line 2: the vector is too long"),
        ("letters.txt", "a 1 2\nb 1 2x\n".into(), "letters.txt, line 2: value 2 of the vector is \"2x\""),
        ("empty.txt", "".into(), "empty.txt: the file is empty"),
        ("blank.txt", "\n\n\n".into(), "blank.txt: it holds no rows"),
        ("words.txt", "alpha\nbeta\n".into(), "words.txt: its first rows hold no vector"),
        ("cut-in-row.txt", "a 1.5 2.5\nb 1.5".into(), "cut-in-row.txt, line 2: the file ends within this row"),
        ("cut-in-value.txt", "a 1.25 2.25\nb 1.25 2.2".into(), "cut-in-value.txt, line 2: the last row has no line end"),
        ("too-few.txt", "3 2\na 1 2\nb 1 2\n".into(), "too-few.txt: its header promises 3 vectors, but it holds 2"),
        ("too-many.txt", "1 2\na 1 2\nb 1 2\n".into(), "too-many.txt: its header promises 1 vectors, but it holds 2"),
        ("wrong-dimension.txt", "2 3\na 1 2\nb 1 2\n".into(), "wrong-dimension.txt, line 2: the row has 2 values, expected 3"),
        ("absurd.txt", "99999999999999999999 200\na 1 2\n".into(), "absurd.txt, line 2: the row has 2 values, expected 200"),
        ("absurd-dimension.txt", "2 99999999999999999999\na 1 2\n".into(), "absurd-dimension.txt: vectors of"),
        ("endless.txt", long.clone().into(), "endless.txt: its first line is longer than"),
        ("endless-later.txt", format!("a 1 2\n{long}\n").into(), "endless-later.txt, line 2: it is longer than"),
        ("cut.bin", [b"2 2\na ".as_slice(), &[0x80; 8], b"b ", &[0x80; 7]].concat(), "cut.bin, vector 2: the file ends within this vector"),
        ("more.bin", [b"1 2\na ".as_slice(), &[0x80; 8], b"b ", &[0x80; 8]].concat(), "more.bin: its header promises 1 vectors"),
        ("nan.bin", [b"1 2\na ".as_slice(), &[0xff; 8]].concat(), "nan.bin, vector 1: value 1 of the vector is NaN"),
    ];
    for (name, bytes, expected) in cases {
        let error = format!("{:#}", load(folder.path(), name, &bytes).map(|set| rows(&set)).expect_err(name));
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(fs::read_dir(folder.path().join("words")).unwrap().count(), 0, "{name}: nothing is left behind");
    }
}

#[test]
fn damaged_archives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..5000).map(|index| format!("word{index} {}.5 {index}.25\n", index % 7)).collect();
    let gzipped = gzip(many.as_bytes());
    let zipped = zip(&[("vectors.txt", many.as_bytes())]);
    for (name, whole) in [("cut.gz", &gzipped), ("cut.zip", &zipped)] {
        load(folder.path(), name, whole).unwrap();
        for length in [0, 1, 3, 20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            load(folder.path(), name, &whole[..length]).map(|set| set.len()).expect_err(&format!("{name} cut to {length} bytes"));
        }
        for position in [60, whole.len() / 3, whole.len() / 2] {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x10;
            load(folder.path(), name, &damaged).map(|set| set.len()).expect_err(&format!("{name} with a flipped bit at {position}"));
        }
    }
}

#[test]
fn rows_that_policy_leaves_out_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = b"king 1 2\nking 3 4\n".to_vec();
    bytes.extend(b"\xff\xfe 5 6\n 7 8\nqueen 9 10\nking 11 12\n");
    let set = load(folder.path(), "policy.txt", &bytes).unwrap();
    assert_eq!(rows(&set), [("king".to_owned(), vec![1.0, 2.0]), ("queen".to_owned(), vec![9.0, 10.0])]);
    assert_eq!((set.skipped().duplicates, set.skipped().unreadable_words), (2, 2));
}

#[test]
fn a_binary_file_is_held_to_the_same_policy() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = binary_rows(&[b"king", b"king", b"\xff\xfe", b"queen"], "\n");
    let set = load(folder.path(), "policy.bin", &bytes).unwrap();
    assert_eq!(rows(&set), [("king".to_owned(), vec![1.1, -2.0]), ("queen".to_owned(), vec![4.1, -2.0])]);
    assert_eq!((set.skipped().duplicates, set.skipped().unreadable_words), (1, 1));
}

#[test]
fn a_word_with_a_space_in_a_binary_file_shifts_no_vector() {
    let folder = tempfile::tempdir().unwrap();
    for (line_end, expected) in [("\n", "vector 3: a line end before it is missing"), ("", "vector 3: its word is no text")] {
        let bytes = binary_rows(&[b"king", b"new york", b"queen", b"man"], line_end);
        let error = format!("{:#}", load(folder.path(), "spaces.bin", &bytes).map(|set| rows(&set)).expect_err(expected));
        assert!(error.contains(expected), "{error}");
        assert_eq!(load(folder.path(), "none.bin", &binary_rows(&[b"king", b"new_york", b"queen", b"man"], line_end)).unwrap().len(), 4);
    }
}

#[test]
fn words_may_hold_spaces_and_look_like_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let text = "the 1 2\n. . . 3 4\nat name@domain.com 5 6\n1999 7 8\n\u{a0} 9 10\n";
    let set = load(folder.path(), "spaces.txt", text.as_bytes()).unwrap();
    let words: Vec<String> = rows(&set).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["the", ". . .", "at name@domain.com", "1999", "\u{a0}"]);
    assert_eq!(set.row(1), [3.0, 4.0]);
}

#[test]
fn a_last_row_without_line_end_counts_when_it_is_surely_whole() {
    let folder = tempfile::tempdir().unwrap();
    for whole in ["a 0.10 0.20\nb 0.30 0.40", "a 1 0 0\nb 0 1 0"] {
        assert_eq!(load(folder.path(), "whole.txt", whole.as_bytes()).unwrap().len(), 2, "{whole}");
    }
    assert_eq!(load(folder.path(), "whole.txt.gz", &gzip(b"a 0.1 0.25\nb 0.3 0.4")).unwrap().len(), 2, "gzip's checksum vouches for it");
}

#[test]
fn the_member_of_an_archive_is_chosen_by_dimension() {
    let folder = tempfile::tempdir().unwrap();
    let archive = zip(&[("glove.6B.2d.txt", b"a 1 2\n"), ("glove.6B.3d.txt", b"a 1 2 3\n")]);
    let path = folder.path().join("glove.6B.zip");
    fs::write(&path, archive).unwrap();
    let run = |dimension| Import::named_after(&path, dimension).unwrap().run_nameless().map(|imported| imported.set);
    assert_eq!(run(Some(3)).unwrap().dimension(), 3);
    assert_eq!(run(Some(2)).unwrap().info().id, "glove-6b-2d");
    assert!(format!("{:#}", run(None).unwrap_err()).contains("say which with --dimension"));
    assert!(format!("{:#}", run(Some(4)).unwrap_err()).contains("glove.6B.2d.txt, glove.6B.3d.txt"));
}

#[test]
fn an_image_with_any_byte_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = load(folder.path(), "small.txt", GLOVE.as_bytes()).unwrap();
    let image = folder.path().join("words/small.vectors");
    let whole = fs::read(&image).unwrap();
    // Beyond the header's fields its page is empty; every byte of all the rest is tried.
    let positions = (0..256).chain((256..4096).step_by(97)).chain(4096..whole.len());
    let damaged = folder.path().join("damaged.vectors");
    for position in positions {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        fs::write(&damaged, bytes).unwrap();
        assert!(VectorSet::open(&damaged).is_err(), "byte {position} of {} was changed unnoticed", whole.len());
    }
    for length in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        fs::write(&damaged, &whole[..length]).unwrap();
        assert!(VectorSet::open(&damaged).is_err(), "cut to {length} bytes unnoticed");
    }
    fs::write(&damaged, &whole).unwrap();
    assert_eq!(rows(&VectorSet::open(&damaged).unwrap()), rows(&set));
}

#[test]
fn an_image_of_another_version_says_so() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), "small.txt", GLOVE.as_bytes()).unwrap();
    let image = folder.path().join("words/small.vectors");
    let mut bytes = fs::read(&image).unwrap();
    bytes[8] += 1;
    fs::write(&image, bytes).unwrap();
    let error = format!("{:#}", VectorSet::open(&image).unwrap_err());
    assert!(error.contains("another version of this program"), "{error}");
}

#[test]
fn the_library_imports_what_it_finds_and_makes_anew_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = folder.path().join("datasets");
    let source = datasets.join("glove/glove.6B.3d.txt");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, GLOVE).unwrap();
    fs::write(datasets.join("glove/broken.txt"), "a 1 2\nb 1\n").unwrap();
    fs::write(datasets.join("glove/readme.md"), "not vectors").unwrap();
    let settings = settings(folder.path().join("data"), Some(datasets.clone()));

    let set = |id: &str| Library::open(&settings).unwrap().wait_for(id);
    assert_eq!(rows(&set("glove-6b-3d").unwrap())[0], ("king".to_owned(), vec![0.5, -1.25, 3.0]));
    let AppError::Unavailable(reason) = set("broken").unwrap_err() else { panic!("a broken file is unavailable") };
    assert!(reason.contains("broken.txt, line 2"), "{reason}");
    let AppError::NotFound { what, .. } = set("../../etc/passwd").unwrap_err() else { panic!("an unknown set is not found") };
    assert!(what.contains("glove-6b-3d"), "{what}");

    let image = settings.data_dir.join("words/glove-6b-3d.vectors");
    let made = fs::metadata(&image).unwrap().modified().unwrap();
    set("glove-6b-3d").unwrap();
    assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), made, "a good image is not written again");

    fs::write(&source, GLOVE.replace("king", "emperor")).unwrap();
    assert_eq!(set("glove-6b-3d").unwrap().word(0), "emperor", "a changed source is read again");

    let mut bytes = fs::read(&image).unwrap();
    bytes[4100] ^= 4;
    fs::write(&image, bytes).unwrap();
    assert_eq!(set("glove-6b-3d").unwrap().word(0), "emperor", "a damaged image is made anew");
    assert!(VectorSet::open(&image).is_ok());

    fs::remove_dir_all(&datasets).unwrap();
    assert_eq!(set("glove-6b-3d").unwrap().word(0), "emperor", "an image serves without its source");
    fs::write(&image, "rubbish").unwrap();
    assert!(matches!(set("glove-6b-3d"), Err(AppError::Unavailable(_))), "without image and source it says why");
}

#[test]
fn the_library_works_where_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let datasets = folder.path().join("datasets");
    fs::create_dir_all(datasets.join("glove")).unwrap();
    fs::write(datasets.join("glove/tiny.txt"), GLOVE).unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "in the way").unwrap();
    let library = Library::open(&settings(blocked, Some(datasets))).unwrap();
    assert_eq!(library.wait_for("tiny").unwrap().len(), 3);
    assert!(library.states().iter().all(|(_, state)| matches!(state, SetState::Ready(_))));
}

#[test]
fn ids_can_not_leave_the_folder() {
    for id in ["", "..", "a/b", "A", "a b", "é", "a.b", &"a".repeat(65)] {
        assert!(!import::is_id(id), "{id:?}");
    }
    assert!(import::is_id("glove-6b-200d"));
    let named = |file: &str| Import::named_after(Path::new(file), None).map(|import| import.id);
    assert_eq!(named("/data/glove.6B.50d.subset10244.txt.gz").as_deref(), Some("glove-6b-50d-subset10244"));
    assert_eq!(named("/data/Wiki_News 300d.vec").as_deref(), Some("wiki-news-300d"));
    assert_eq!(named("/data/...txt"), None);
}

#[test]
fn completions_come_most_frequent_first() {
    let set = of_words(&["the", "king", "kings", "kin", "kingdom", "queen", "kin\u{e9}"]);
    let words =
        |prefix: &str, limit| set.completions(prefix, limit).into_iter().map(|index| set.word(index).to_owned()).collect::<Vec<_>>();
    assert_eq!(words("kin", 3), ["king", "kings", "kin"]);
    assert_eq!(words("kin", 100), ["king", "kings", "kin", "kingdom", "kin\u{e9}"]);
    assert_eq!(words("", 2), ["the", "king"]);
    assert!(words("kingz", 5).is_empty());
}

#[test]
fn near_spellings_count_a_swap_as_one_edit() {
    let set = of_words(&["the", "queen", "quean", "green", "quern", "king", "queens"]);
    let words = |word: &str| set.near_spellings(word, 3).into_iter().map(|index| set.word(index).to_owned()).collect::<Vec<_>>();
    assert_eq!(words("qeuen"), ["queen", "quean", "quern"], "a swap is one edit; then by frequency");
    assert_eq!(words("KING"), ["king"], "the lower-case form comes first however far");
    assert!(words("xylophone").is_empty());
    let AppError::NotFound { suggestions, .. } = set.find("quen").unwrap_err() else { panic!("an unknown word is not found") };
    assert_eq!(suggestions[0], "queen");
}

#[test]
fn the_compact_form_is_off_by_half_a_step_at_most() {
    let rows = [("king", vec![0.5, -1.25, 3.0]), ("zero", vec![0.0; 3]), ("tiny", vec![1e-20, -3e-20, 2e-20])];
    let set = VectorSet::from_rows(info("compact"), rows.clone()).unwrap();
    let bytes = compact::write(&set, &info("other"), 10);
    let (info, read) = compact::read(&bytes).unwrap();
    assert_eq!((info.id.as_str(), info.vocabulary, info.dimension), ("other", 3, 3));
    for ((word, values), (expected_word, expected)) in read.iter().zip(&rows) {
        assert_eq!(word, expected_word);
        let step = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() <= step * 0.501, "{word}: {value} for {expected}");
        }
    }
    assert_eq!(compact::read(&compact::write(&set, &info, 1)).unwrap().1.len(), 1);
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x40;
        assert!(compact::read(&damaged).is_err(), "byte {position}");
        assert!(compact::read(&bytes[..position]).is_err(), "cut to {position}");
    }
}

#[test]
fn the_real_vectors_are_read_as_they_are_written() {
    let Some(data) = std::env::var_os("TORCHBOARD_DATA") else {
        eprintln!("skipped: TORCHBOARD_DATA is not set");
        return;
    };
    let path = PathBuf::from(data).join("glove/glove.6B.50d.subset10244.txt.gz");
    let set = Import::named_after(&path, None).unwrap().run_nameless().unwrap().set;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()), &mut text).unwrap();
    assert_eq!((set.len(), set.dimension()), (10_244, 50));
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split(' ');
        let word = fields.next().unwrap();
        let values: Vec<f32> = fields.map(|field| field.parse().unwrap()).collect();
        assert_eq!((set.word(index), set.row(index)), (word, &values[..]));
        assert_eq!(set.index_of(word), Some(index));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_read_back(rows in proptest::collection::btree_map("[^ \t\r\n\u{feff}]{1,12}", proptest::collection::vec(-1e6_f32..1e6, 4), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let text: String = rows.iter().map(|(word, values)| format!("{word} {}\n", values.iter().map(f32::to_string).collect::<Vec<_>>().join(" "))).collect();
        let set = load(folder.path(), "property.txt", format!("{} 4\n{text}", rows.len()).as_bytes()).unwrap();
        prop_assert_eq!(self::rows(&set), rows.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_crash_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..6_usize) {
        let start: &[u8] = [&b""[..], b"2 3\n", b"\x1f\x8b\x08\0", b"PK\x03\x04", b"a 1 2\nb ", b"1 1\nword "][kind];
        let folder = tempfile::tempdir().unwrap();
        if let Ok(set) = load(folder.path(), "fuzz.txt", &[start, &bytes].concat()) {
            prop_assert!((0..set.len()).all(|index| set.row(index).iter().all(|value| value.is_finite())));
        }
    }

    #[test]
    fn a_file_cut_anywhere_gives_no_wrong_vector(cut in 0..120_usize) {
        let text: String = (0..4).map(|index| format!("word{index} {}.25 -{index}.5 1.125e{index}\n", index + 10)).collect();
        let folder = tempfile::tempdir().unwrap();
        let whole = rows(&load(folder.path(), "whole.txt", text.as_bytes()).unwrap());
        let cut = cut.min(text.len());
        if let Ok(set) = load(folder.path(), "cut.txt", &text.as_bytes()[..cut]) {
            prop_assert!(text[..cut].ends_with('\n'));
            prop_assert_eq!(&rows(&set)[..], &whole[..set.len()]);
        }
    }
}

/// word2vec's binary form: row N holds N + .1 and -2.
fn binary_rows(words: &[&[u8]], line_end: &str) -> Vec<u8> {
    let mut bytes = format!("{} 2\n", words.len()).into_bytes();
    for (index, word) in words.iter().enumerate() {
        bytes.extend(word.iter().chain(b" "));
        [index as f32 + 1.1, -2.0].iter().for_each(|value: &f32| bytes.extend(value.to_le_bytes()));
        bytes.extend(line_end.bytes());
    }
    bytes
}

fn load(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<VectorSet> {
    let path = folder.join(name);
    fs::write(&path, bytes)?;
    let words = folder.join("words");
    fs::create_dir_all(&words)?;
    Ok(Import { id: "small".into(), ..Import::named_after(&path, None).unwrap() }.run(&words)?.set)
}

fn rows(set: &VectorSet) -> Vec<(String, Vec<f32>)> {
    (0..set.len()).map(|index| (set.word(index).to_owned(), set.row(index).to_vec())).collect()
}

fn of_words(words: &[&str]) -> Arc<VectorSet> {
    Arc::new(VectorSet::from_rows(info("spelling"), words.iter().map(|word| (word, [1.0, 2.0]))).unwrap())
}

fn info(id: &str) -> SetInfo {
    SetInfo { id: id.into(), name: id.into(), dimension: 0, vocabulary: 0, source: "a test".into(), licence: "none".into() }
}

fn settings(data_dir: PathBuf, datasets: Option<PathBuf>) -> Settings {
    Settings { data_dir, datasets, device: DeviceChoice::default(), mirror: None, threads: 2 }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
