//! All the vector sets that this installation knows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use anyhow::Context as _;

use super::{
    VectorSet, compact,
    format::Selection,
    image::{Description, Origin},
    import::import,
};
use crate::{
    config::Settings,
    error::{AppError, AppResult},
};

/// The id of the embedded set, which is always there.
pub const DEFAULT: &str = "default";
/// The vectors that ship inside the binary; `data/words/README.md` says how they were made.
static EMBEDDED: &[u8] = include_bytes!("../../data/words/default.tbc");
const IMAGE_EXTENSION: &str = "vectors";
const VECTOR_FILES: [&str; 6] = [".txt", ".txt.gz", ".vec", ".vec.gz", ".bin", ".bin.gz"];

/// What a list of sets says of one.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SetInfo {
    /// What the API and the command line call it.
    pub id: String,
    /// What a page calls it.
    pub name: String,
    /// Values per vector.
    pub dimension: usize,
    /// Number of words.
    pub vocabulary: usize,
    /// Where the vectors come from, in a sentence.
    pub source: String,
    /// Under which terms they may be used.
    pub licence: String,
}

/// The embedded set, the imported ones, and those found in the folder of data sets.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    sets: RwLock<BTreeMap<String, Entry>>,
}

#[derive(Debug, Clone)]
enum Entry {
    Ready(Arc<VectorSet>),
    Importing,
    Failed(String),
}

impl Library {
    /// Opens what is there: the embedded `default`, what was imported into the data folder, and the images of what lies
    /// in `glove/` of the folder of data sets. Of the last, those that have no image yet are imported in the background.
    ///
    /// # Errors
    /// When the data folder can't be written. A set that can't be read is logged and listed by [`Self::failures`], never fatal.
    pub fn open(settings: &Settings) -> AppResult<Arc<Self>> {
        let (library, found) = Self::open_images(settings)?;
        if !found.is_empty() {
            let importing = Arc::clone(&library);
            std::thread::Builder::new().name("vector import".into()).spawn(move || importing.import_found(found))?;
        }
        Ok(library)
    }

    /// As [`Self::open`], but returns only when every set found has been imported: what the command line wants.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_complete(settings: &Settings) -> AppResult<Arc<Self>> {
        let (library, found) = Self::open_images(settings)?;
        library.import_found(found);
        Ok(library)
    }

    fn open_images(settings: &Settings) -> AppResult<(Arc<Self>, Vec<(String, PathBuf)>)> {
        let folder = settings.data_dir.join("words");
        fs::create_dir_all(&folder).with_context(|| {
            format!("can't make the folder {}; choose another with --data-dir DIR", folder.display())
        })?;
        let library = Self { folder, sets: RwLock::default() };
        library.insert(DEFAULT, library.embedded().map_err(|error| error.context("the embedded vectors")));
        for (id, path) in library.images()? {
            if id != DEFAULT {
                library.insert(&id, VectorSet::open(&path));
            }
        }
        let mut to_import = Vec::new();
        for (id, source) in settings.datasets.as_deref().map(vector_files).unwrap_or_default() {
            let fresh = match library.entry(&id) {
                Some(Entry::Ready(set)) => Origin::of(&source).is_ok_and(|origin| origin == set.description().origin),
                _ => false,
            };
            if !fresh {
                library.put(&id, Entry::Importing);
                to_import.push((id, source));
            }
        }
        Ok((Arc::new(library), to_import))
    }

    /// The embedded set; its image is made again when it is missing, damaged, or of another version of the embedded file.
    fn embedded(&self) -> anyhow::Result<VectorSet> {
        let path = self.image_path(DEFAULT);
        let description = compact::description(EMBEDDED)?;
        if let Ok(set) = VectorSet::open(&path)
            && *set.description() == (Description { duplicates: set.description().duplicates, ..description })
        {
            return Ok(set);
        }
        compact::unpack(EMBEDDED, &path)
    }

    fn images(&self) -> AppResult<Vec<(String, PathBuf)>> {
        let mut images = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == IMAGE_EXTENSION)
                && let Some(id) = path.file_stem().and_then(|stem| stem.to_str())
                && check_id(id).is_ok()
            {
                images.push((id.to_owned(), path.clone()));
            }
        }
        images.sort();
        Ok(images)
    }

    fn import_found(&self, found: Vec<(String, PathBuf)>) {
        for (id, source) in found {
            let description = describe(&source);
            self.insert(&id, import(&source, &Selection::default(), description, &self.image_path(&id)));
        }
    }

    /// Imports the vector file at `source` as the set `id`, replacing one of that name.
    ///
    /// # Errors
    /// When the id is no slug or taken by the embedded set, or the file can't be read; then nothing has changed.
    pub fn import(&self, id: &str, source: &Path, selection: &Selection, description: Description) -> AppResult<Arc<VectorSet>> {
        check_id(id)?;
        if id == DEFAULT {
            return Err(AppError::invalid("id", "\"default\" is the embedded set; choose another id."));
        }
        let set = import(source, selection, description, &self.image_path(id))
            .map_err(|error| AppError::invalid("file", format!("{error:#}")))?;
        let set = Arc::new(set);
        self.put(id, Entry::Ready(Arc::clone(&set)));
        Ok(set)
    }

    /// Every set that can be asked, the embedded one first.
    #[must_use]
    pub fn list(&self) -> Vec<SetInfo> {
        let mut list: Vec<SetInfo> = self
            .entries()
            .into_iter()
            .filter_map(|(id, entry)| match entry {
                Entry::Ready(set) => Some(set_info(id, &set)),
                _ => None,
            })
            .collect();
        list.sort_by_key(|info| info.id != DEFAULT);
        list
    }

    /// Sets that could not be read, and why.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, String)> {
        let failed = |(id, entry)| if let Entry::Failed(reason) = entry { Some((id, reason)) } else { None };
        self.entries().into_iter().filter_map(failed).collect()
    }

    /// Sets that are being imported.
    #[must_use]
    pub fn importing(&self) -> Vec<String> {
        self.entries().into_iter().filter(|(_, entry)| matches!(entry, Entry::Importing)).map(|(id, _)| id).collect()
    }

    /// The id of the set with the largest vocabulary: what a page shows unless told otherwise.
    #[must_use]
    pub fn preferred(&self) -> String {
        let largest = self.list().into_iter().max_by_key(|info| (info.vocabulary, info.id == DEFAULT));
        largest.map_or_else(|| DEFAULT.to_owned(), |info| info.id)
    }

    /// The set called `id`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], naming the sets there are; [`AppError::Unavailable`] while it is imported or when it can't be read.
    pub fn get(&self, id: &str) -> AppResult<Arc<VectorSet>> {
        match self.entry(id) {
            Some(Entry::Ready(set)) => Ok(set),
            Some(Entry::Importing) => Err(AppError::Unavailable(format!("The vector set {id:?} is being imported; ask again in a moment."))),
            Some(Entry::Failed(reason)) => Err(AppError::Unavailable(format!("The vector set {id:?} can't be read: {reason}"))),
            None => {
                let ids: Vec<String> = self.entries().into_keys().collect();
                Err(AppError::NotFound { what: format!("There is no vector set {id:?}. There are: {}.", ids.join(", ")), suggestions: ids })
            }
        }
    }

    fn image_path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{IMAGE_EXTENSION}"))
    }

    fn insert(&self, id: &str, set: anyhow::Result<VectorSet>) {
        match set {
            Ok(set) => self.put(id, Entry::Ready(Arc::new(set))),
            Err(error) => {
                tracing::warn!(set = id, "can't be read: {error:#}");
                self.put(id, Entry::Failed(format!("{error:#}")));
            }
        }
    }

    fn put(&self, id: &str, entry: Entry) {
        self.sets.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.to_owned(), entry);
    }

    fn entry(&self, id: &str) -> Option<Entry> {
        self.sets.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(id).cloned()
    }

    fn entries(&self) -> BTreeMap<String, Entry> {
        self.sets.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn set_info(id: String, set: &VectorSet) -> SetInfo {
    let Description { name, source, licence, .. } = set.description().clone();
    SetInfo { id, name, dimension: set.dimension(), vocabulary: set.len(), source, licence }
}

/// An id is a slug: it becomes a file name and a part of addresses.
fn check_id(id: &str) -> AppResult<()> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(letters) && !id.starts_with('-') {
        return Ok(());
    }
    Err(AppError::invalid("id", format!("{id:?} is no id; expected 1 to 64 of a-z, 0-9 and -, such as glove-6b-200d.")))
}

/// The vector files in `glove/` of a folder of data sets, with the ids they get.
fn vector_files(datasets: &Path) -> Vec<(String, PathBuf)> {
    let Ok(folder) = fs::read_dir(datasets.join("glove")) else { return Vec::new() };
    let mut files: Vec<(String, PathBuf)> = folder
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .filter_map(|path| Some((slug(path.file_name()?.to_str()?)?, path)))
        .collect();
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    files
}

/// `glove.6B.50d.top2000.txt.gz` becomes `glove-6b-50d-top2000`; no slug for what is no vector file.
fn slug(file_name: &str) -> Option<String> {
    let stem = VECTOR_FILES.iter().filter_map(|extension| file_name.strip_suffix(extension)).min_by_key(|stem| stem.len())?;
    let slug: String = stem.to_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let slug = slug.trim_matches('-').to_owned();
    (check_id(&slug).is_ok() && slug != DEFAULT).then_some(slug)
}

/// What can be told of a file from its name.
fn describe(source: &Path) -> Description {
    let file_name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = VECTOR_FILES.iter().filter_map(|extension| file_name.strip_suffix(extension)).min_by_key(|stem| stem.len());
    let is_glove = file_name.to_lowercase().starts_with("glove.6b");
    Description {
        name: stem.unwrap_or(&file_name).to_owned(),
        source: if is_glove { format!("GloVe 6B (Pennington et al. 2014), {file_name}") } else { file_name.clone() },
        licence: if is_glove { "PDDL 1.0".into() } else { "not stated".into() },
        ..Description::default()
    }
}
