//! From a file of vectors to an image in the data folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    VectorSet,
    builder::{self, ImageBuilder},
    format::{self, Selection},
    image::{Image, Metadata, Origin, Skipped},
    set::SetInfo,
};
use crate::data::manifest::{GLOVE_LICENCE, GLOVE_SOURCE};

/// What to import, and what to call it.
#[derive(Debug, Clone)]
pub struct Import {
    /// A file in any of the supported formats.
    pub file: PathBuf,
    /// Which member, when it is an archive of several.
    pub member_dimension: Option<usize>,
    /// What the API and the command line call the set; see [`is_id`].
    pub id: String,
    /// What a page calls it.
    pub name: String,
    /// Where the vectors come from, in a sentence.
    pub source: String,
    /// Under which terms they may be used.
    pub licence: String,
}

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// The set, opened from its new image.
    pub set: VectorSet,
    /// How long reading, parsing and writing took.
    pub elapsed: Duration,
}

impl Import {
    /// An import that takes its names from the file's: `glove.6B.200d.txt` gives `glove-6b-200d`. None when the name gives no id.
    #[must_use]
    pub fn named_after(file: &Path, member_dimension: Option<usize>) -> Option<Self> {
        let file_name = file.file_name()?.to_str()?;
        let mut stem = file_name;
        while let Some((start, _)) = stem.rsplit_once('.').filter(|(_, end)| EXTENSIONS.contains(&end.to_ascii_lowercase().as_str())) {
            stem = start;
        }
        let name = member_dimension.map_or_else(|| stem.to_owned(), |dimension| format!("{stem}.{dimension}d"));
        let id = id_from(&name);
        let is_glove = id.starts_with("glove");
        is_id(&id).then(|| Self {
            file: file.to_owned(),
            member_dimension,
            id,
            name,
            source: if is_glove { GLOVE_SOURCE.into() } else { format!("the file {file_name}") },
            licence: if is_glove { GLOVE_LICENCE.into() } else { "not stated".into() },
        })
    }

    /// Reads the file, writes the image into `folder` under a temporary name, renames it into place, and opens it.
    ///
    /// # Errors
    /// [`format::FormatError`] when the file can't be used; otherwise what the disk says. Nothing is left behind then.
    pub fn run(&self, folder: &Path) -> Result<Imported> {
        let started = Instant::now();
        let (file, path) = temporary_in(folder)?.into_parts();
        let (_, metadata) = self.write(file)?;
        // Not synchronised to disk, which would take most of the time: what a power cut left of an image does not stand up to
        // its checksums, and is made anew from its source.
        let image = image_path(folder, &self.id);
        path.persist(&image).with_context(|| format!("can't write {}", image.display()))?;
        write_sidecar(folder, &metadata)?;
        let elapsed = started.elapsed();
        Ok(Imported { set: VectorSet::open(&image)?, elapsed })
    }

    /// The same for a source that will be removed: the image has reached the disk when this returns.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_durable(&self, folder: &Path) -> Result<Imported> {
        let imported = self.run(folder)?;
        File::open(image_path(folder, &self.id))?.sync_all().context("can't write the image to disk")?;
        Ok(imported)
    }

    /// The same without a data folder: the image is a nameless temporary file, gone with the process.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_nameless(&self) -> Result<Imported> {
        let started = Instant::now();
        let (file, _) = self.write(tempfile::tempfile().context("can't make a temporary file")?)?;
        let elapsed = started.elapsed();
        Ok(Imported { set: Image::from_file(&file)?.into(), elapsed })
    }

    fn write(&self, image: File) -> Result<(File, Metadata)> {
        ensure!(is_id(&self.id), "{:?} can't be an id: expected 1 to 64 of a-z, 0-9 and -", self.id);
        let origin = Origin::of(&self.file, self.member_dimension).with_context(|| format!("can't open {}", self.file.display()))?;
        let builder = format::read(
            &self.file,
            Selection { dimension: self.member_dimension },
            |dimension| ImageBuilder::new(image, dimension),
            |builder, rows| builder.append(rows).context("can't write the image"),
        )?;
        let info = SetInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            dimension: 0,
            vocabulary: 0,
            source: self.source.clone(),
            licence: self.licence.clone(),
        };
        builder.finish(Metadata { info, origin: Some(origin), skipped: Skipped::default() })
    }
}

/// Stores a set that does not come from a file of vectors, such as one that was trained here, as an image in `folder`
/// (`words/` in the data folder), and opens it. `info` gives names; dimension and vocabulary are counted.
///
/// # Errors
/// As [`VectorSet::from_rows`], and what the disk says.
pub fn store<W: AsRef<str>, V: AsRef<[f32]>>(
    folder: &Path,
    info: SetInfo,
    origin: Option<Origin>,
    rows: impl IntoIterator<Item = (W, V)>,
) -> Result<VectorSet> {
    ensure!(is_id(&info.id), "{:?} can't be an id: expected 1 to 64 of a-z, 0-9 and -", info.id);
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let (file, path) = temporary_in(folder)?.into_parts();
    let (file, metadata) = builder::write_rows(file, Metadata { info, origin, skipped: Skipped::default() }, rows)?;
    // There may be no source to make it from again.
    file.sync_all().context("can't write the image to disk")?;
    let image = image_path(folder, &metadata.info.id);
    path.persist(&image).with_context(|| format!("can't write {}", image.display()))?;
    write_sidecar(folder, &metadata)?;
    VectorSet::open(&image)
}

/// Whether `id` can name a set: 1 to 64 lower-case ASCII letters, digits and hyphens. Such an id is safe in paths and addresses.
#[must_use]
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Where the image of the set `id` lies.
pub(super) fn image_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.{IMAGE_EXTENSION}"))
}

/// What an image was made from, kept beside it: an image that can't be read any more can't say where it came from.
pub(super) fn read_sidecar(folder: &Path, id: &str) -> Option<Metadata> {
    serde_json::from_slice(&fs::read(folder.join(format!("{id}.json"))).ok()?).ok()
}

/// Writes [`Metadata`] beside the image, atomically.
pub(super) fn write_sidecar(folder: &Path, metadata: &Metadata) -> Result<()> {
    let temporary = temporary_in(folder)?;
    serde_json::to_writer_pretty(&temporary, metadata)?;
    temporary.persist(folder.join(format!("{}.json", metadata.info.id)))?;
    Ok(())
}

/// A file under a temporary name, with the permissions that files usually get: images are shared between users.
fn temporary_in(folder: &Path) -> Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(|| format!("can't write to {}", folder.display()))
}

/// File name extension of images.
pub(super) const IMAGE_EXTENSION: &str = "vectors";
/// How files begin that are still being written.
pub(super) const TEMPORARY_PREFIX: &str = ".unfinished-";
/// What names of vector files end in, most outward last.
const EXTENSIONS: [&str; 6] = ["txt", "vec", "bin", "gz", "zip", "text"];

/// `glove.6B.50d` to `glove-6b-50d`.
fn id_from(name: &str) -> String {
    let parts: Vec<String> =
        name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
    parts.join("-").chars().take(64).collect()
}
