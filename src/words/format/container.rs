//! Plain files, gzip, and archives of several files: all become one stream of bytes.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Which file of an archive is meant; has no meaning elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// The member for this dimension, told by its name: `glove.6B.200d.txt`.
    pub dimension: Option<usize>,
}

/// Opens `path` and hands `read` its name, whether a checksum vouches for its end, and its unpacked bytes.
///
/// What a file is shows in its first bytes; its name does not matter.
pub fn with_stream<T>(path: &Path, selection: Selection, read: impl FnOnce(&str, bool, &mut dyn Read) -> Result<T>) -> Result<T> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    ensure!(file.metadata()?.is_file(), "{} is not a file", path.display());
    let mut magic = [0; 4];
    let length = read_up_to(&mut file, &mut magic)?;
    file.rewind()?;
    match &magic[..length] {
        [0x1f, 0x8b, ..] => {
            let mut stream = flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file));
            read(&name, true, &mut stream)
        }
        b"PK\x03\x04" | b"PK\x05\x06" => {
            let mut archive = zip::ZipArchive::new(BufReader::with_capacity(1 << 18, file)).with_context(|| format!("{name} is a damaged zip archive"))?;
            let members = members(&archive);
            let index = choose(&name, &members, selection)?;
            let mut member = archive.by_index(index).with_context(|| format!("{name} is a damaged zip archive"))?;
            let full_name = format!("{name}: {}", members.iter().find(|(other, _)| *other == index).map_or("", |(_, name)| name));
            read(&full_name, true, &mut member)
        }
        _ => read(&name, false, &mut file),
    }
}

/// The dimensions that the archive at `path` offers by the names of its members, ascending; none for other files.
///
/// # Errors
/// When the archive can't be read.
pub fn offered_dimensions(path: &Path) -> Result<Vec<usize>> {
    let archive = zip::ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut dimensions: Vec<usize> = members(&archive).iter().filter_map(|(_, name)| dimension_in(name)).collect();
    dimensions.sort_unstable();
    Ok(dimensions)
}

/// Position and name of everything in an archive that may be a file of vectors.
fn members<R: Read + Seek>(archive: &zip::ZipArchive<R>) -> Vec<(usize, String)> {
    (0..archive.len())
        .filter_map(|index| Some((index, archive.name_for_index(index)?.ok()?.into_owned())))
        .filter(|(_, name)| !name.ends_with('/') && !name.starts_with("__MACOSX"))
        .collect()
}

fn choose(file: &str, members: &[(usize, String)], selection: Selection) -> Result<usize> {
    let names = || members.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    let fitting: Vec<_> = match selection.dimension {
        Some(dimension) => members.iter().filter(|(_, name)| dimension_in(name).is_none_or(|of_name| of_name == dimension)).collect(),
        None => members.iter().collect(),
    };
    match fitting[..] {
        [(index, _)] => Ok(*index),
        [] if members.is_empty() => bail!("{file} is an empty archive"),
        [] => bail!("{file} has no vectors of that dimension; it holds {}", names()),
        _ => bail!("{file} holds several files ({}); say which with --dimension", names()),
    }
}

/// 200 for `glove.6B.200d.txt`.
fn dimension_in(name: &str) -> Option<usize> {
    name.split(['.', '/', '_', '-']).filter_map(|part| part.strip_suffix('d')?.parse().ok()).next_back()
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}
