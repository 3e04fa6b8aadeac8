//! Readers of the vector files that people have: GloVe text, word2vec text and binary, fastText `.vec`; plain, gzipped,
//! or inside a zip.
//!
//! A file is read in blocks by one thread and parsed by all; rows come out in the order of the file. What is not a row
//! of finite numbers is an error that names the line: a wrong vector is worse than none.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::mpsc,
};

use anyhow::{Context as _, bail, ensure};
use rayon::prelude::*;

/// Bytes read at a time.
const BLOCK: usize = 8 << 20;
/// No row of a sensible file is longer; without a limit one endless line would fill the memory.
const LONGEST_LINE: usize = 1 << 20;
/// More values per vector than any published set has.
pub const LARGEST_DIMENSION: usize = 16_384;

/// Which part of a file is wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Inside a zip with several members: the one with this many values per vector, by its name (`glove.6B.200d.txt`).
    pub dimension: Option<usize>,
    /// Stop after this many rows.
    pub limit: Option<usize>,
}

/// Reads the vector file at `path`, row by row in file order.
///
/// `row` gets each word and its values; all rows have the same length, all values are finite, no word is empty.
///
/// # Errors
/// When the file is not of a known format, is cut short, or has a row that is not one; the text names file and line.
/// What `row` returns as an error ends the reading.
pub fn read(path: &Path, selection: &Selection, row: &mut dyn FnMut(&str, &[f32]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut remaining = selection.limit.unwrap_or(usize::MAX);
    let mut limited = |word: &str, values: &[f32]| -> anyhow::Result<bool> {
        if remaining > 0 {
            remaining -= 1;
            row(word, values)?;
        }
        Ok(remaining > 0)
    };
    open(path, selection, &mut limited).with_context(|| path.display().to_string())
}

/// Gets a row; says whether more are wanted.
type Sink<'sink> = dyn FnMut(&str, &[f32]) -> anyhow::Result<bool> + 'sink;

fn open(path: &Path, selection: &Selection, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    ensure!(!file.metadata()?.is_dir(), "is a folder, not a vector file");
    let mut magic = [0; 4];
    let length = read_full(&mut file, &mut magic)?;
    let file = File::open(path)?;
    match &magic[..length] {
        [] => bail!("is empty"),
        [0x1F, 0x8B, ..] => read_stream(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file)), sink),
        b"PK\x03\x04" => read_zip(file, selection, sink),
        _ => read_stream(file, sink),
    }
}

fn read_zip(file: File, selection: &Selection, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).context("is no whole zip file")?;
    let is_vectors = |name: &String| [".txt", ".vec", ".bin"].iter().any(|extension| name.ends_with(extension));
    let names = archive.file_names().map(|name| name.map(|name| name.into_owned())).collect::<Result<Vec<String>, _>>().context("has a member without a readable name")?;
    let names: Vec<String> = names.into_iter().filter(is_vectors).collect();
    let wanted = |name: &&String| selection.dimension.is_none_or(|dimension| name.contains(&format!(".{dimension}d.")));
    let name = match names.iter().filter(wanted).collect::<Vec<_>>()[..] {
        [only] => only.clone(),
        [] => bail!("holds no vector file that fits; it holds: {}", names.join(", ")),
        _ => bail!("holds several vector files; choose one with --dimension: {}", names.join(", ")),
    };
    let member = archive.by_name(&name).with_context(|| format!("can't open {name} in it"))?;
    read_stream(member, sink).with_context(|| format!("{name} in it"))
}

/// A block of whole lines and the number of the first.
struct Block {
    bytes: Vec<u8>,
    first_line: usize,
    /// No more come: the last line may lack its end.
    last: bool,
}

fn read_stream(mut stream: impl Read + Send, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let mut start = vec![0; 1 << 16];
    let length = read_full(&mut stream, &mut start).context("can't be unpacked: it is damaged or cut short")?;
    start.truncate(length);
    let header = Header::of(&start);
    if let Some(header) = &header
        && header.is_binary(&start)
    {
        return read_binary(&mut io::Cursor::new(start).chain(stream), header, sink);
    }
    let mut text = Text { dimension: header.as_ref().map(|header| header.dimension), rows: 0 };
    let (sender, receiver) = mpsc::sync_channel::<anyhow::Result<Block>>(2);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = io::Cursor::new(start).chain(stream);
            let mut carried = Vec::new();
            let mut first_line = 1;
            loop {
                let block = next_block(&mut stream, &mut carried, first_line);
                let ends = block.as_ref().map_or(true, |block| block.last);
                first_line += block.as_ref().map_or(0, |block| block.bytes.iter().filter(|&&byte| byte == b'\n').count());
                // The parser hangs up when it has failed or has enough.
                if sender.send(block).is_err() || ends {
                    return;
                }
            }
        });
        for block in receiver {
            let mut block = block?;
            if block.first_line == 1 && header.is_some() {
                let header_end = block.bytes.iter().position(|&byte| byte == b'\n').map_or(block.bytes.len(), |at| at + 1);
                block.bytes.drain(..header_end);
                block.first_line = 2;
            }
            if !text.read_block(&block, sink)? {
                return Ok(());
            }
        }
        ensure!(text.rows > 0, "holds no vectors");
        match header {
            Some(header) if header.count != text.rows => {
                bail!("says that it holds {} rows, and holds {}: it is damaged or cut short", header.count, text.rows)
            }
            _ => Ok(()),
        }
    })
}

/// The next block that ends at the end of a line; what follows is `carried` into the next.
fn next_block(stream: &mut impl Read, carried: &mut Vec<u8>, first_line: usize) -> anyhow::Result<Block> {
    let mut bytes = std::mem::take(carried);
    loop {
        let start = bytes.len();
        bytes.resize(start + BLOCK, 0);
        let length = read_full(stream, &mut bytes[start..]).context("can't be unpacked: it is damaged or cut short")?;
        bytes.truncate(start + length);
        if length < BLOCK {
            return Ok(Block { bytes, first_line, last: true });
        }
        if let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') {
            ensure!(bytes.len() - end <= LONGEST_LINE, "has a line of over {LONGEST_LINE} bytes near line {first_line}: it is no vector file");
            carried.extend_from_slice(&bytes[end + 1..]);
            bytes.truncate(end + 1);
            return Ok(Block { bytes, first_line, last: false });
        }
        bail!("has a line of over {LONGEST_LINE} bytes near line {first_line}: it is no vector file");
    }
}

fn read_full(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match stream.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The first line of word2vec's and fastText's files: how many rows of how many values.
#[derive(Debug, Clone, Copy)]
struct Header {
    count: usize,
    dimension: usize,
    bytes: usize,
}

impl Header {
    fn of(start: &[u8]) -> Option<Self> {
        let end = start.iter().take(64).position(|&byte| byte == b'\n')?;
        let line = std::str::from_utf8(&start[..end]).ok()?;
        let mut fields = line.split_ascii_whitespace().map(str::parse::<usize>);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(Ok(count)), Some(Ok(dimension)), None) => Some(Self { count, dimension, bytes: end + 1 }),
            _ => None,
        }
    }

    /// Whether the row after the header is a word and raw floats rather than text.
    fn is_binary(&self, start: &[u8]) -> bool {
        let row = &start[self.bytes..];
        let Some(space) = row.iter().position(|&byte| byte == b' ') else { return false };
        let values = &row[space + 1..];
        let values = &values[..values.len().min(self.dimension.saturating_mul(4))];
        values.iter().any(|&byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b' ' | b'\t' | b'\r' | b'\n' | 0x80.. | b'!'..=b'~'))
            || std::str::from_utf8(values).is_err_and(|error| error.error_len().is_some())
    }
}

fn check_dimension(dimension: usize) -> anyhow::Result<()> {
    ensure!((1..=LARGEST_DIMENSION).contains(&dimension), "has rows of {dimension} values; 1 to {LARGEST_DIMENSION} can be read");
    Ok(())
}

fn read_binary(stream: &mut impl Read, header: &Header, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    check_dimension(header.dimension)?;
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    stream.read_exact(&mut vec![0; header.bytes])?;
    let mut word = Vec::new();
    let mut bytes = vec![0; header.dimension * 4];
    let mut values = vec![0_f32; header.dimension];
    for row in 1..=header.count {
        let cut = || format!("is cut short in row {row} of {}", header.count);
        word.clear();
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).with_context(cut)?;
            match byte[0] {
                b' ' => break,
                // Some writers end each row with a line end, some don't.
                b'\n' if word.is_empty() => {}
                byte => word.push(byte),
            }
            ensure!(word.len() <= LONGEST_LINE, "row {row} has no word");
        }
        stream.read_exact(&mut bytes).with_context(cut)?;
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let word = std::str::from_utf8(&word).with_context(|| format!("row {row}: the word is not UTF-8"))?;
        ensure!(!word.is_empty(), "row {row} has an empty word");
        ensure!(values.iter().all(|value| value.is_finite()), "row {row} ({word:?}) has a value that is no finite number");
        if !sink(word, &values)? {
            return Ok(());
        }
    }
    let mut rest = Vec::new();
    stream.take(64).read_to_end(&mut rest)?;
    ensure!(rest.iter().all(u8::is_ascii_whitespace), "goes on after the {} rows that it says it holds", header.count);
    Ok(())
}

/// What is known of a text file so far.
struct Text {
    dimension: Option<usize>,
    rows: usize,
}

/// The rows of a piece of a block.
#[derive(Default)]
struct Rows {
    words: String,
    ends: Vec<usize>,
    values: Vec<f32>,
}

impl Text {
    /// Parses a block on all threads; false when no more rows are wanted.
    fn read_block(&mut self, block: &Block, sink: &mut Sink<'_>) -> anyhow::Result<bool> {
        if block.last && !block.bytes.is_empty() && !block.bytes.ends_with(b"\n") {
            bail!("does not end at the end of a line: it is cut short, or its last line needs a line end");
        }
        let dimension = match self.dimension {
            Some(dimension) => dimension,
            None => match block.bytes.split(|&byte| byte == b'\n').next() {
                Some(line) if !line.trim_ascii().is_empty() => line.trim_ascii().split(|&byte| is_separator(byte)).count() - 1,
                _ => bail!("line {} is empty", block.first_line),
            },
        };
        ensure!(dimension > 0, "line {}: a word without values; expected a word and its numbers, separated by spaces", block.first_line);
        check_dimension(dimension)?;
        self.dimension = Some(dimension);

        let pieces = pieces(&block.bytes, rayon::current_num_threads() * 4);
        let parsed: Vec<(usize, Result<Rows, (usize, anyhow::Error)>)> =
            pieces.into_par_iter().map(|piece| (count_lines(piece), parse(piece, dimension))).collect();
        let mut line = block.first_line;
        for (lines, rows) in parsed {
            let rows = rows.map_err(|(at, error)| error.context(format!("line {}", line + at)))?;
            let mut start = 0;
            for (&end, values) in rows.ends.iter().zip(rows.values.chunks_exact(dimension)) {
                self.rows += 1;
                if !sink(&rows.words[start..end], values)? {
                    return Ok(false);
                }
                start = end;
            }
            line += lines;
        }
        Ok(true)
    }
}

fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Cuts a block at line ends into about `wanted` pieces.
fn pieces(mut bytes: &[u8], wanted: usize) -> Vec<&[u8]> {
    let size = bytes.len() / wanted + 1;
    let mut pieces = Vec::with_capacity(wanted);
    while bytes.len() > size {
        let Some(end) = bytes[size..].iter().position(|&byte| byte == b'\n') else { break };
        let (piece, rest) = bytes.split_at(size + end + 1);
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Parses whole lines; an error carries the place of its line among them.
fn parse(bytes: &[u8], dimension: usize) -> Result<Rows, (usize, anyhow::Error)> {
    let mut rows = Rows::default();
    let mut empty_line = None;
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            empty_line.get_or_insert(at);
            continue;
        }
        if let Some(empty) = empty_line {
            return Err((empty, anyhow::anyhow!("is empty")));
        }
        parse_line(line, dimension, &mut rows).map_err(|error| (at, error))?;
    }
    Ok(rows)
}

fn parse_line(line: &[u8], dimension: usize, rows: &mut Rows) -> anyhow::Result<()> {
    let line = std::str::from_utf8(line).context("is not UTF-8")?;
    // fastText ends its lines with a space.
    let line = line.trim_end_matches([' ', '\t']);
    let start = rows.values.len();
    // The values are the last `dimension` fields; whatever stands before them is the word, spaces included (the 840B file has such).
    let mut rest = line;
    for _ in 0..dimension {
        let (before, field) = rest.rsplit_once([' ', '\t']).with_context(|| {
            let found = line.split([' ', '\t']).count() - 1;
            format!("has {found} values where {dimension} are expected")
        })?;
        let value: f32 = field.parse().map_err(|_| anyhow::anyhow!("{field:?} is no number (expected a word and {dimension} numbers)"))?;
        ensure!(value.is_finite(), "{field:?} is no finite number");
        rows.values.push(value);
        rest = before;
    }
    rows.values[start..].reverse();
    ensure!(!rest.is_empty(), "has no word before its {dimension} values");
    // A token may have spaces, but what looks like one more value is a row of the wrong length.
    if let Some(extra) = rest.split([' ', '\t']).skip(1).find(|field| field.contains('.') && field.parse::<f32>().is_ok()) {
        bail!("has more than the {dimension} values that are expected ({extra:?} stands before them)");
    }
    rows.words.push_str(rest);
    rows.ends.push(rows.words.len());
    Ok(())
}
