//! The data sets of this installation: where each is, whether it is whole, and its images.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    DataError, Downloader, Examples, Split,
    fetch::{self, Progress},
    groups::{self, Groups, Table, Ungrouped},
    idx,
    manifest::{self, Dataset, Format},
    npz,
    verdicts::Verdicts,
};
use crate::{
    config::Settings,
    error::{AppError, AppResult},
};

/// Finds, checks, fetches and reads data sets; cheap to clone.
#[derive(Clone)]
pub struct Datasets(Arc<Shared>);

/// Where a data set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DatasetState)] // a run has a state too, and in the document each name stands for one thing
pub enum State {
    /// It is not here.
    Absent,
    /// It is being brought.
    Fetching,
    /// It is here and checked.
    Ready,
    /// It is here, and damaged or another than the published one.
    Invalid,
}

impl State {
    /// `absent`, `fetching`, `ready` or `invalid`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Fetching => "fetching",
            Self::Ready => "ready",
            Self::Invalid => "invalid",
        }
    }
}

/// A data set's state and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Why it is invalid, or why the last fetch of it failed.
    pub reason: Option<String>,
    /// Its files, where it is ready; none for one that is drawn.
    pub files: Vec<PathBuf>,
    /// How far its fetch is.
    pub progress: Option<Progress>,
}

struct Shared {
    known: &'static [Dataset],
    /// Folders that hold folders of data sets; the first that has one wins.
    roots: Vec<PathBuf>,
    /// Where fetched data sets go, each in a folder of its id.
    folder: PathBuf,
    mirror: Option<String>,
    verdicts: Mutex<Verdicts>,
    fetches: Mutex<BTreeMap<String, Fetch>>,
    /// What was read last, newest first.
    loaded: Mutex<Vec<(String, Split, Arc<Examples>)>>,
    /// Groups that were read, by the data set's id.
    grouped: Mutex<BTreeMap<String, Arc<Groups>>>,
}

/// A fetch that was started by this process.
enum Fetch {
    Underway(watch::Receiver<Progress>),
    Failed(String),
}

/// So many splits stay in memory: two of one data set, and those of another it is compared with. The largest takes 47 MB.
const KEPT: usize = 4;

impl Datasets {
    /// Looks into the folder of data sets that `settings` name, and into the data folder. Reads nothing yet.
    #[must_use]
    pub fn open(settings: &Settings) -> Self {
        let folder = settings.data_dir.join("datasets");
        let roots = settings.datasets.iter().cloned().chain([folder.clone(), settings.data_dir.clone()]).collect();
        Self(Arc::new(Shared {
            known: manifest::datasets(),
            roots,
            mirror: settings.mirror.clone(),
            verdicts: Mutex::new(Verdicts::open(folder.join("verdicts.json"))),
            folder,
            fetches: Mutex::default(),
            loaded: Mutex::default(),
            grouped: Mutex::default(),
        }))
    }

    /// Checks what is here on a thread of its own, so that the first who asks need not wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn check_beforehand(&self) -> io::Result<()> {
        let datasets = self.clone();
        let check = move || datasets.list().iter().for_each(|dataset| drop(datasets.status(dataset)));
        std::thread::Builder::new().name("data-sets".into()).spawn(check).map(drop)
    }

    /// Every data set that is known of, whether or not it is here.
    #[must_use]
    pub fn list(&self) -> &'static [Dataset] {
        self.0.known
    }

    /// The data set called `id`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], with the ids there are.
    pub fn get(&self, id: &str) -> AppResult<&'static Dataset> {
        self.list().iter().find(|dataset| dataset.id() == id).ok_or_else(|| AppError::NotFound {
            what: format!("There is no data set {id:?}."),
            suggestions: self.list().iter().map(|dataset| dataset.id().to_owned()).collect(),
        })
    }

    /// Where `dataset` stands. Reads its files when they are new or changed (a second for the largest), and else only looks at them.
    #[must_use]
    pub fn status(&self, dataset: &Dataset) -> Status {
        let (mut state, mut reason, mut files, mut progress) = (State::Absent, None, Vec::new(), None);
        if dataset.is_synthetic() {
            return Status { state: State::Ready, reason, files, progress };
        }
        match lock(&self.0.fetches).get(dataset.id()) {
            Some(Fetch::Underway(receiver)) => {
                progress = Some(receiver.borrow().clone());
                return Status { state: State::Fetching, reason, files, progress };
            }
            Some(Fetch::Failed(why)) => reason = Some(why.clone()),
            None => {}
        }
        let mut verdicts = lock(&self.0.verdicts);
        for found in self.0.found(dataset) {
            let fault = found.iter().zip(&dataset.about.files).find_map(|(path, download)| verdicts.fault(path, dataset, download));
            let Some(fault) = fault else {
                return Status { state: State::Ready, reason: None, files: found, progress };
            };
            if state == State::Absent {
                (state, reason, files) = (State::Invalid, Some(fault), found);
            }
        }
        Status { state, reason, files, progress }
    }

    /// A number that is another one when a data set came, went or changed. Of files, only lengths and times are looked at, so that it takes no time.
    #[must_use]
    pub fn revision(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut look = |path: &Path| {
            let seen = fs::metadata(path).ok().map(|metadata| (metadata.len(), metadata.modified().ok()));
            (path, seen).hash(&mut hasher);
        };
        for dataset in self.list() {
            for files in self.0.found(dataset) {
                files.iter().for_each(|path| look(path));
                let folder = files.first().and_then(|path| path.parent());
                let table = dataset.groups.as_ref().zip(folder).and_then(|(table, folder)| existing(folder, &table.file_name));
                table.iter().for_each(|path| look(path));
            }
        }
        for (id, fetch) in &*lock(&self.0.fetches) {
            let standing = match fetch {
                Fetch::Underway(_) => None,
                Fetch::Failed(why) => Some(why),
            };
            (id, standing).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// One split of `dataset`, in memory. Reads its files unless they were read lately.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when it has no such split, [`AppError::Unavailable`] when it is not ready, with what to do about it.
    pub fn examples(&self, dataset: &Dataset, split: Split) -> AppResult<Arc<Examples>> {
        if dataset.splits.iter().all(|(other, _)| *other != split) {
            return Err(AppError::NotFound {
                what: format!("{} has no split {:?}.", dataset.about.name, split.name()),
                suggestions: dataset.splits.iter().map(|(split, _)| split.name().to_owned()).collect(),
            });
        }
        let status = self.status(dataset);
        if status.state != State::Ready {
            return Err(AppError::Unavailable(self.advice(dataset, &status)));
        }
        let mut loaded = lock(&self.0.loaded);
        if let Some(place) = loaded.iter().position(|(id, of, _)| id == dataset.id() && *of == split) {
            loaded[..=place].rotate_right(1);
        } else {
            let examples = read(dataset, &status.files, split).map_err(|error| AppError::Unavailable(format!("{error}.")))?;
            loaded.insert(0, (dataset.id().to_owned(), split, Arc::new(examples)));
            loaded.truncate(KEPT);
        }
        Ok(Arc::clone(&loaded[0].2))
    }

    /// Which images of `dataset` show one and the same thing.
    ///
    /// # Errors
    /// [`Ungrouped`], with the reason: nobody says, or the table that does is not beside the images, or is another than the published one.
    pub fn groups(&self, dataset: &Dataset) -> Result<Arc<Groups>, Ungrouped> {
        let table = self.table(dataset)?;
        let mut known = lock(&self.0.grouped);
        if let Some(groups) = known.get(dataset.id()) {
            return Ok(Arc::clone(groups));
        }
        let read = |path: PathBuf| Table::read(&path, dataset).map_err(|error| Ungrouped(format!("{error}.")));
        let groups = match (dataset.format, table) {
            (Format::Drawn(sample), _) => sample.groups(),
            (Format::Dealt, Some(path)) => Some(read(path)?.dealt()),
            (_, Some(path)) => Some(read(path)?.published()),
            (_, None) => None,
        };
        let nobody = || Ungrouped(format!("Nobody says which images of {} show one and the same thing.", dataset.about.name));
        let groups = Arc::new(groups.ok_or_else(nobody)?);
        known.insert(dataset.id().to_owned(), Arc::clone(&groups));
        Ok(groups)
    }

    /// Where the table of groups is; none where there is none to be had.
    fn table(&self, dataset: &Dataset) -> Result<Option<PathBuf>, Ungrouped> {
        let Some(table) = &dataset.groups else { return Ok(None) };
        let status = self.status(dataset);
        let folder = status.files.first().and_then(|path| path.parent()).filter(|_| status.state == State::Ready);
        let folder = folder.ok_or_else(|| Ungrouped(self.advice(dataset, &status)))?;
        let absent = || {
            let (name, folder) = (&table.file_name, folder.display());
            Ungrouped(format!("{name} says which images of {} show one and the same thing. Put it into {folder}.", dataset.about.name))
        };
        let path = existing(folder, &table.file_name).ok_or_else(absent)?;
        match lock(&self.0.verdicts).fault(&path, dataset, table) {
            Some(fault) => Err(Ungrouped(format!("{fault}."))),
            None => Ok(Some(path)),
        }
    }

    /// What to do about a data set that is not ready.
    #[must_use]
    pub fn advice(&self, dataset: &Dataset, status: &Status) -> String {
        let Dataset { about, folder, .. } = dataset;
        let reason = status.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let bring = if about.can_be_fetched() {
            format!("`torchboard fetch {}` brings it, or put its files into {}.", about.id, self.0.folder.join(&about.id).display())
        } else {
            let files: Vec<&str> = about.files.iter().map(|file| file.file_name.as_str()).collect();
            format!("Put {} into the folder {folder}/ of the folder that --datasets names.", files.join(" and "))
        };
        format!("{} is {}{reason}. {bring}", about.name, status.state.name())
    }

    /// Begins to bring `dataset` on a thread of its own; nothing where that is under way or all is here.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when it has no publisher's address.
    pub fn start_fetch(&self, dataset: &'static Dataset) -> AppResult<()> {
        if !dataset.about.can_be_fetched() {
            return Err(AppError::invalid("id", format!("{} can't be fetched: it has no publisher's address.", dataset.about.name)));
        }
        if self.status(dataset).state == State::Ready {
            return Ok(());
        }
        let mut fetches = lock(&self.0.fetches);
        if matches!(fetches.get(dataset.id()), Some(Fetch::Underway(_))) {
            return Ok(());
        }
        let (sender, receiver) = watch::channel(Progress { total: dataset.about.bytes(), ..Progress::default() });
        let datasets = self.clone();
        std::thread::Builder::new().name("fetch".into()).spawn(move || {
            // A panic too must leave its place. The sender is dropped after this, so that followers find the list without the fetch.
            let mut end = Ended { datasets: datasets.clone(), id: dataset.id(), reason: Some("the fetch broke off".to_owned()) };
            let outcome = datasets.fetch(dataset, &Downloader::default(), &mut |progress| drop(sender.send_replace(progress.clone())));
            end.reason = outcome.err().map(|error| error.to_string());
        })?;
        fetches.insert(dataset.id().to_owned(), Fetch::Underway(receiver));
        Ok(())
    }

    /// Brings `dataset` into the data folder, now.
    ///
    /// # Errors
    /// As [`fetch::fetch`].
    pub fn fetch(
        &self,
        dataset: &Dataset,
        downloader: &Downloader,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Vec<PathBuf>, fetch::FetchError> {
        fetch::fetch(&dataset.about, &self.0.folder.join(dataset.id()), self.0.mirror.as_deref(), downloader, progress)
    }

    /// The progress of a fetch that is under way; it closes when the fetch has ended.
    #[must_use]
    pub fn follow(&self, dataset: &Dataset) -> Option<watch::Receiver<Progress>> {
        match lock(&self.0.fetches).get(dataset.id()) {
            Some(Fetch::Underway(receiver)) => Some(receiver.clone()),
            _ => None,
        }
    }
}

/// Takes a fetch off the list when its thread ends.
struct Ended {
    datasets: Datasets,
    id: &'static str,
    reason: Option<String>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut fetches = lock(&self.datasets.0.fetches);
        match self.reason.take() {
            Some(reason) => {
                tracing::warn!(dataset = self.id, "{reason}");
                fetches.insert(self.id.to_owned(), Fetch::Failed(reason));
            }
            None => drop(fetches.remove(self.id)),
        }
    }
}

impl Shared {
    /// The files of `dataset` in each folder that has all of them.
    fn found(&self, dataset: &Dataset) -> Vec<Vec<PathBuf>> {
        let folders = self.roots.iter().flat_map(|root| match dataset.folder.strip_suffix('*') {
            Some(start) => folders_beginning(root, start),
            None => vec![root.join(&dataset.folder)],
        });
        let files = |folder: PathBuf| dataset.about.files.iter().map(|file| existing(&folder, &file.file_name)).collect();
        folders.filter_map(files).collect()
    }
}

/// Folders of `root` whose names begin with `start`, in order.
fn folders_beginning(root: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start)).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The file in `folder`, gzipped or unpacked.
fn existing(folder: &Path, name: &str) -> Option<PathBuf> {
    let names = [Some(name), name.strip_suffix(".gz")];
    names.into_iter().flatten().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Reads one split from `files`, which are in the order of the manifest.
fn read(dataset: &Dataset, files: &[PathBuf], split: Split) -> Result<Examples, DataError> {
    let classes = dataset.classes.len();
    match dataset.format {
        Format::Idx => {
            // Training images, training labels, test images, test labels.
            let first = if split == Split::Train { 0 } else { 2 };
            let (images, labels) = (&files[first], &files[first + 1]);
            let (pixels, [height, width]) = idx::read_images(images)?;
            Examples::new(labels, pixels, idx::read_labels(labels)?, [height, width, 1], classes)
        }
        Format::Npz => npz::read(&files[0], split, classes),
        Format::Dealt => groups::read_dealt(&files[0], &files[1], split, dataset),
        Format::Drawn(sample) => Ok(sample.draw(split)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
