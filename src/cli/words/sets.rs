//! Bringing in, listing and describing sets of vectors.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};

use crate::{
    config::Settings,
    words::{
        Library, SetInfo, SetState, VectorSet, compact,
        import::{Import, is_id},
    },
};

/// `torchboard words import FILE`
#[derive(Debug, clap::Args)]
pub struct ImportArguments {
    /// The file of vectors
    file: PathBuf,
    /// What to call the set: a-z, 0-9 and - [default: from the file's name]
    #[arg(long)]
    id: Option<String>,
    /// Which file of an archive, by its dimension
    #[arg(long, value_name = "D")]
    dimension: Option<usize>,
    /// What pages call it [default: from the file's name]
    #[arg(long)]
    name: Option<String>,
    /// Where the vectors come from, in a sentence
    #[arg(long)]
    source: Option<String>,
    /// Under which terms they may be used
    #[arg(long)]
    licence: Option<String>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// `torchboard words list`
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `torchboard words inspect ID`
#[derive(Debug, clap::Args)]
pub struct InspectArguments {
    /// The set
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `torchboard words export-compact ID`
#[derive(Debug, clap::Args)]
pub struct ExportCompactArguments {
    /// A set, or a file of vectors
    set: String,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How many of the most frequent words
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    limit: usize,
    /// What to call the set
    #[arg(long)]
    id: Option<String>,
    /// What pages call it
    #[arg(long)]
    name: Option<String>,
    /// Where the vectors come from, in a sentence
    #[arg(long)]
    source: Option<String>,
    /// Under which terms they may be used
    #[arg(long)]
    licence: Option<String>,
}

impl ImportArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        if let Some(id) = self.id.as_ref().filter(|id| !is_id(id)) {
            bail!("--id {id:?} can't be used: expected 1 to 64 of a-z, 0-9 and -");
        }
        let named = Import::named_after(&self.file, self.dimension);
        let file_name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let import = match (named, self.id) {
            (Some(named), Some(id)) => Import { id, ..named },
            (Some(named), None) => named,
            (None, Some(id)) => Import {
                file: self.file,
                member_dimension: self.dimension,
                name: id.clone(),
                id,
                source: format!("the file {file_name}"),
                licence: "not stated".into(),
            },
            (None, None) => bail!("the name of {} gives no id; say what to call the set with --id ID", self.file.display()),
        };
        let import = Import {
            name: self.name.unwrap_or(import.name),
            source: self.source.unwrap_or(import.source),
            licence: self.licence.unwrap_or(import.licence),
            ..import
        };
        let folder = settings.data_dir.join("words");
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let imported = import.run(&folder)?;
        let (info, skipped) = (imported.set.info(), imported.set.skipped());
        if self.json {
            let elapsed_ms = imported.elapsed.as_secs_f64() * 1000.0;
            println!("{}", serde_json::json!({ "set": info, "skipped": skipped, "elapsed_ms": elapsed_ms }));
        } else {
            println!("{}: {} words of {} dimensions in {:.2} s", info.id, info.vocabulary, info.dimension, imported.elapsed.as_secs_f64());
            if skipped.duplicates > 0 {
                println!("left out: {} rows whose word had come before", skipped.duplicates);
            }
            if skipped.unreadable_words > 0 {
                println!("left out: {} rows whose word is empty or not valid UTF-8", skipped.unreadable_words);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ListArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        let library = Library::open(settings)?;
        library.wait_for_all();
        let states = library.states();
        if self.json {
            println!("{}", serde_json::json!({ "items": library.list() }));
        } else if states.is_empty() {
            println!("there are no word vectors yet; bring some with `torchboard fetch glove-6b` or `torchboard words import FILE`");
        }
        for (id, state) in states {
            match state {
                SetState::Failed(reason) => eprintln!("{id}: can't be used: {reason}"),
                SetState::Ready(set) if !self.json => {
                    let info = set.info();
                    println!(
                        "{:<32} {:>9} words  {:>4} dimensions  {}  ({})",
                        info.id, info.vocabulary, info.dimension, info.source, info.licence
                    );
                }
                _ => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl InspectArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        let set = Library::open_one(settings, &self.id)?;
        let description = serde_json::json!({ "set": set.info(), "origin": set.origin(), "skipped": set.skipped() });
        if self.json {
            println!("{description}");
        } else {
            println!("{description:#}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ExportCompactArguments {
    pub fn run(self, settings: &Settings) -> Result<ExitCode> {
        let file = PathBuf::from(&self.set);
        let set: Arc<VectorSet> = if file.is_file() {
            let import = Import {
                file,
                member_dimension: None,
                id: "compact".into(),
                name: String::new(),
                source: String::new(),
                licence: String::new(),
            };
            Arc::new(import.run_nameless()?.set)
        } else {
            Library::open_one(settings, &self.set)?
        };
        let known = set.info().clone();
        let info = SetInfo {
            id: self.id.unwrap_or(known.id),
            name: self.name.unwrap_or(known.name),
            source: self.source.unwrap_or(known.source),
            licence: self.licence.unwrap_or(known.licence),
            ..known
        };
        let bytes = compact::write(&set, &info, self.limit);
        compact::read(&bytes).context("what was written can't be read back")?;
        fs::write(&self.output, &bytes).with_context(|| format!("can't write {}", self.output.display()))?;
        println!("{}: {} bytes", self.output.display(), bytes.len());
        Ok(ExitCode::SUCCESS)
    }
}
