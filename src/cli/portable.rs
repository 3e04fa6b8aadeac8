//! `torchboard export` and `torchboard import`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    config::Settings,
    jobs::{export_file, import_file},
    store::{Origin, Store},
};

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

/// Take in a file that `torchboard export` wrote
#[derive(Debug, clap::Args)]
pub struct ImportArguments {
    /// The file
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
        let imported = import_file(&Store::open(&settings.data_dir)?, &self.file, Origin::Imported)?;
        for id in imported.study.iter().chain(&imported.runs) {
            println!("{id}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
