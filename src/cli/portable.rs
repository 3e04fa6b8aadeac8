//! `torchboard export` and `torchboard import`.

use std::{
    io::{BufReader, Seek as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use crate::{
    config::Settings,
    jobs::{Imported, SENT_AT_MOST, export_file, fetch_linked, import, import_file},
    store::{Origin, Store},
};

/// A link's file comes in this time, or not at all.
const PATIENCE: Duration = Duration::from_mins(2);

/// Write a run or a study, with all it said and its weights, as one file
#[derive(Debug, clap::Args)]
pub struct ExportArguments {
    /// The run's or the study's id
    id: String,
    /// The file [default: the id, with .torchboard]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave weights, embeddings and maps out; measures and what a classifier said of each split stay
    #[arg(long)]
    without_weights: bool,
}

/// Take in a file that `torchboard export` wrote, or that another Torchboard gives by a link
#[derive(Debug, clap::Args)]
pub struct ImportArguments {
    /// The file, or the link, such as `http://lab:8080/s/...`
    #[arg(value_name = "FILE|LINK")]
    file: PathBuf,
}

impl ExportArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let output = self.output.unwrap_or_else(|| PathBuf::from(format!("{}.torchboard", self.id)));
        export_file(&Store::open(&settings.data_dir)?, &self.id, !self.without_weights, &output)?;
        println!("{}", output.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl ImportArguments {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let store = Store::open(&settings.data_dir)?;
        let is_link = |file: &&str| file.starts_with("http://") || file.starts_with("https://");
        let imported = match self.file.to_str().filter(is_link) {
            Some(link) => import_linked(&store, link)?,
            None => import_file(&store, &self.file, Origin::Imported)?,
        };
        for id in imported.study.iter().chain(&imported.runs) {
            println!("{id}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The file lies in the system's folder for such until it is taken in, and has no name there.
fn import_linked(store: &Store, link: &str) -> anyhow::Result<Imported> {
    let mut file = tempfile::tempfile()?;
    fetch_linked(link, SENT_AT_MOST, PATIENCE, &mut file)?;
    file.rewind()?;
    Ok(import(store, BufReader::new(file), Origin::Imported)?)
}
