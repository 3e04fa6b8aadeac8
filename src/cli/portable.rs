//! `torchboard export` and `torchboard import`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    config::Settings,
    jobs::{Contents, export_file, import_file},
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
    /// Leave weights, predictions, embeddings and maps out; measures stay
    #[arg(long)]
    without_weights: bool,
    /// Keep predictions all the same: figures of any kind can then be worked out where the data set is not
    #[arg(long, requires = "without_weights")]
    with_predictions: bool,
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
        let contents = match (self.without_weights, self.with_predictions) {
            (false, _) => Contents::All,
            (true, false) => Contents::Measures,
            (true, true) => Contents::Predictions,
        };
        export_file(&Store::open(&settings.data_dir)?, &self.id, contents, &output)?;
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
