//! All the vector sets that this installation knows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    SetInfo, VectorSet, compact,
    format::offered_dimensions,
    image::Origin,
    import::{self, IMAGE_EXTENSION, Import, TEMPORARY_PREFIX, image_path, is_id, read_sidecar},
};
use crate::{
    config::Settings,
    error::{AppError, AppResult},
};

/// The embedded set, the imported ones, and those found in the folder of data sets.
#[derive(Debug)]
pub struct Library {
    shared: Arc<Shared>,
}

/// Where a set stands.
#[derive(Debug, Clone)]
pub enum SetState {
    /// It answers.
    Ready(Arc<VectorSet>),
    /// Its file is being read, or its image opened; it will answer.
    Preparing,
    /// It can't be used, and why.
    Failed(String),
}

#[derive(Debug, Default)]
struct Shared {
    sets: Mutex<BTreeMap<String, SetState>>,
    changed: Condvar,
}

/// What is to be done for a set before it answers.
struct Job {
    id: String,
    /// An image that may still be good.
    image: Option<PathBuf>,
    /// How to make it anew.
    recipe: Recipe,
}

/// Where a set comes from when its image is no good.
enum Recipe {
    /// From a file of vectors.
    Import(Import),
    /// From the vectors that are part of the program.
    Embedded(rust_embed::EmbeddedFile),
    /// Its source is gone.
    Nothing,
}

/// The vectors that are part of the program, in their compact form.
#[derive(rust_embed::Embed)]
#[folder = "$CARGO_MANIFEST_DIR/data/words"]
#[include = "*.compact"]
struct Embedded;

impl Library {
    /// Opens what is there: the embedded `default`, what was imported into the data folder, what lies in `datasets/glove/`.
    ///
    /// Images are opened and, where there is none or its source has changed, files imported by a thread of their own; this
    /// waits for it for a moment only. A set that can't be read is logged and listed by [`Self::states`], never fatal.
    ///
    /// # Errors
    /// None at present: where the data folder can't be written, images are made in temporary files.
    pub fn open(settings: &Settings) -> AppResult<Self> {
        let library = Self::open_some(settings, |_| true)?;
        library.wait_at_most(PATIENCE);
        Ok(library)
    }

    /// The set called `id` alone; what else there is is neither opened nor imported.
    ///
    /// # Errors
    /// As [`Self::get`], and where no thread can be started.
    pub fn open_one(settings: &Settings, id: &str) -> AppResult<Arc<VectorSet>> {
        let only = Self::open_some(settings, |job| job.id == id)?;
        // Where there is no such set, the error names those there are.
        if only.states().is_empty() { Self::open(settings)?.get(id) } else { only.wait_for(id) }
    }

    fn open_some(settings: &Settings, is_wanted: impl Fn(&Job) -> bool) -> AppResult<Self> {
        let folder = settings.data_dir.join("words");
        let writable = fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder)).is_ok();
        if writable {
            remove_unfinished(&folder);
        } else {
            tracing::warn!(folder = %folder.display(), "the data folder can't be written: vectors are read anew at each start");
        }
        let jobs: Vec<Job> = jobs(&folder, settings.datasets.as_deref()).into_iter().filter(is_wanted).collect();
        let shared = Arc::new(Shared::default());
        shared.lock().extend(jobs.iter().map(|job| (job.id.clone(), SetState::Preparing)));
        let worker = Arc::clone(&shared);
        let folder = writable.then_some(folder);
        std::thread::Builder::new().name("word-vectors".into()).spawn(move || worker.prepare(jobs, folder.as_deref()))?;
        Ok(Self { shared })
    }

    /// Every set that answers, `default` first.
    #[must_use]
    pub fn list(&self) -> Vec<SetInfo> {
        let ready = self.states().into_iter().filter_map(|(_, state)| match state {
            SetState::Ready(set) => Some(set.info().clone()),
            _ => None,
        });
        ready.collect()
    }

    /// Every set and where it stands, `default` first.
    #[must_use]
    pub fn states(&self) -> Vec<(String, SetState)> {
        let mut states: Vec<_> = self.shared.lock().iter().map(|(id, state)| (id.clone(), state.clone())).collect();
        states.sort_by_key(|(id, _)| id != DEFAULT);
        states
    }

    /// The set called `id`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], naming the sets there are; [`AppError::Unavailable`] while it is prepared, or when it can't be used.
    pub fn get(&self, id: &str) -> AppResult<Arc<VectorSet>> {
        let state = self.shared.lock().get(id).cloned(); // the lock is free again: an answer may list the sets
        self.answer(id, state.as_ref())
    }

    /// The set called `id`, waiting while it is prepared.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn wait_for(&self, id: &str) -> AppResult<Arc<VectorSet>> {
        let preparing = |sets: &mut BTreeMap<String, SetState>| matches!(sets.get(id), Some(SetState::Preparing));
        let state = self.shared.changed.wait_while(self.shared.lock(), preparing).unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        self.answer(id, state.as_ref())
    }

    /// Waits until every set is ready or has failed.
    pub fn wait_for_all(&self) {
        self.wait_at_most(Duration::MAX);
    }

    /// The set with the largest vocabulary, if any set answers.
    #[must_use]
    pub fn preferred(&self) -> Option<Arc<VectorSet>> {
        let sets = self.shared.lock();
        let ready = sets.values().filter_map(|state| if let SetState::Ready(set) = state { Some(set) } else { None });
        ready.max_by_key(|set| set.len()).cloned()
    }

    fn answer(&self, id: &str, state: Option<&SetState>) -> AppResult<Arc<VectorSet>> {
        match state {
            Some(SetState::Ready(set)) => Ok(Arc::clone(set)),
            Some(SetState::Preparing) => {
                Err(AppError::Unavailable(format!("the word vectors “{id}” are being imported; try again in a moment")))
            }
            Some(SetState::Failed(reason)) => Err(AppError::Unavailable(format!("the word vectors “{id}” can't be used: {reason}"))),
            None => {
                let known: Vec<String> = self.list().into_iter().map(|info| info.id).collect();
                Err(AppError::not_found(format!("there are no word vectors called “{id}”; there are: {}", known.join(", "))))
            }
        }
    }

    /// Waits until nothing is being prepared, or `patience` is over.
    fn wait_at_most(&self, patience: Duration) {
        let preparing = |sets: &mut BTreeMap<String, SetState>| sets.values().any(|state| matches!(state, SetState::Preparing));
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), patience, preparing));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SetState>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens all good images first, then imports what needs it, one file after the other.
    fn prepare(&self, jobs: Vec<Job>, folder: Option<&Path>) {
        let mut imports = Vec::new();
        for job in jobs {
            match job.open_image() {
                Ok(set) => self.settle(&job.id, Ok(set)),
                Err(reason) => imports.push((job, reason)),
            }
        }
        for (job, reason) in imports {
            let made = match &job.recipe {
                Recipe::Nothing => Err(reason),
                Recipe::Embedded(file) => unpack(file, folder),
                Recipe::Import(import) => folder.map_or_else(|| import.run_nameless(), |folder| import.run(folder)).map(|imported| {
                    tracing::info!(
                        id = job.id,
                        words = imported.set.len(),
                        elapsed_ms = imported.elapsed.as_millis() as u64,
                        "imported word vectors"
                    );
                    imported.set
                }),
            };
            self.settle(&job.id, made);
        }
    }

    fn settle(&self, id: &str, outcome: anyhow::Result<VectorSet>) {
        let state = match outcome {
            Ok(set) => SetState::Ready(Arc::new(set)),
            Err(error) => {
                tracing::warn!(id, "word vectors can't be used: {error:#}");
                SetState::Failed(format!("{error:#}"))
            }
        };
        self.lock().insert(id.to_owned(), state);
        self.changed.notify_all();
    }
}

impl Job {
    /// The image, if it is there, whole, and as new as the file that it was made from.
    fn open_image(&self) -> anyhow::Result<VectorSet> {
        let Some(image) = &self.image else { anyhow::bail!("it has not been imported yet") };
        let set = VectorSet::open(image)?;
        let now = match &self.recipe {
            Recipe::Import(import) => Origin::of(&import.file, import.member_dimension).ok(),
            Recipe::Embedded(file) => Some(embedded_origin(file)),
            Recipe::Nothing => None,
        };
        if now.is_some_and(|now| set.origin() != Some(&now)) {
            anyhow::bail!("its source has changed since it was imported");
        }
        Ok(set)
    }
}

/// The id of the embedded set.
pub const DEFAULT: &str = "default";
/// How long opening the library may take before it answers without some of its sets.
const PATIENCE: Duration = Duration::from_millis(500);

/// The embedded set as an image in `folder`, or in memory alone.
fn unpack(file: &rust_embed::EmbeddedFile, folder: Option<&Path>) -> anyhow::Result<VectorSet> {
    let (info, rows) = compact::read(&file.data)?;
    let info = SetInfo { id: DEFAULT.into(), ..info };
    match folder {
        Some(folder) => import::store(folder, info, Some(embedded_origin(file)), rows),
        None => VectorSet::from_rows(info, rows),
    }
}

/// Tells one version of the embedded set from another.
fn embedded_origin(file: &rust_embed::EmbeddedFile) -> Origin {
    let [a, b, c, d, e, f, g, h, ..] = file.metadata.sha256_hash();
    Origin {
        path: "part of the program".into(),
        bytes: file.data.len() as u64,
        modified_ns: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        member_dimension: None,
    }
}

/// One job per set: those with an image in `folder`, and the files of vectors in `datasets/glove/`.
fn jobs(folder: &Path, datasets: Option<&Path>) -> Vec<Job> {
    let mut jobs = BTreeMap::new();
    for image in files(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == IMAGE_EXTENSION)) {
        let Some(id) = image.file_stem().and_then(|stem| stem.to_str()).filter(|id| is_id(id)) else { continue };
        let recipe = read_sidecar(folder, id).and_then(|metadata| {
            let (info, origin) = (metadata.info, metadata.origin?);
            let file = PathBuf::from(origin.path);
            let import = Import {
                file,
                member_dimension: origin.member_dimension,
                id: info.id,
                name: info.name,
                source: info.source,
                licence: info.licence,
            };
            (import.id == id && import.file.is_file()).then_some(Recipe::Import(import))
        });
        jobs.insert(id.to_owned(), Job { id: id.to_owned(), image: Some(image), recipe: recipe.unwrap_or(Recipe::Nothing) });
    }
    for file in datasets.map(|datasets| files(&datasets.join("glove"))).unwrap_or_default() {
        if !has_vectors(&file) {
            continue;
        }
        let Some(import) = Import::named_after(&file, member_to_read(&file)) else {
            tracing::warn!(file = %file.display(), "left out: its name gives no id");
            continue;
        };
        let image = image_path(folder, &import.id);
        let job = jobs.entry(import.id.clone()).or_insert_with(|| Job {
            id: import.id.clone(),
            image: image.is_file().then_some(image),
            recipe: Recipe::Nothing,
        });
        // What was imported by hand keeps its own source.
        if matches!(job.recipe, Recipe::Nothing) {
            job.recipe = Recipe::Import(import);
        }
    }
    if let Some(file) = Embedded::get("default.compact") {
        let image = image_path(folder, DEFAULT);
        jobs.insert(DEFAULT.into(), Job { id: DEFAULT.into(), image: image.is_file().then_some(image), recipe: Recipe::Embedded(file) });
    }
    jobs.into_values().collect()
}

/// Which member of an archive a start reads: the report's 200 dimensions, or else the most that there are.
fn member_to_read(file: &Path) -> Option<usize> {
    let dimensions = file.extension().filter(|extension| *extension == "zip").and_then(|_| offered_dimensions(file).ok())?;
    dimensions.iter().copied().find(|&dimension| dimension == 200).or(dimensions.last().copied())
}

fn has_vectors(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".txt", ".vec", ".bin", ".zip"].iter().any(|extension| name.ends_with(extension))
}

/// The plain files in `folder` in order of their names; none when it can't be read.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Removes what an import left that was killed; a day old, so that no import still runs on it.
fn remove_unfinished(folder: &Path) {
    let old = |path: &Path| {
        let modified = path.metadata().and_then(|metadata| metadata.modified()).ok();
        modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|age| age > Duration::from_hours(24))
    };
    for path in files(folder) {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(TEMPORARY_PREFIX)) && old(&path) {
            drop(fs::remove_file(path));
        }
    }
}
